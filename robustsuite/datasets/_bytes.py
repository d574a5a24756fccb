"""Images whose bytes lie within a larger file: read without trusting them, by the same rules as files of their own."""

from io import BytesIO
from pathlib import Path

from PIL import Image

from robustsuite.datasets._files import decoded


def image_of(content: bytes, where: str) -> Image.Image:
    """The decoded image as RGB; see `decoded` of `_files.py`, also for what it raises.

    Args:
        content: of an image file.
        where: names the image in errors.
    """
    return decoded(BytesIO(content), where, "download it again")


def stamp_of(file: Path) -> tuple[int, int]:
    """Size in bytes, and time of the last change in nanoseconds. While both are the same, so are the places of what lies in the file."""
    found = file.stat()
    return found.st_size, found.st_mtime_ns
