"""Image files on disk: which names count as images, and how one is read without trusting it."""

import os
import warnings
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin  # noqa: F401 - Pillow opens what was imported

from robustsuite.errors import EvaluationError, UsageError

SAYING = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What Pillow raises with a sentence; of anything else the type says more."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm")
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What Pillow may take a file for, whatever its name: of its other formats some are programs, such as PostScript, which it has run."""

LARGEST = 64_000_000  # pixels; a header that promises more is refused before anything is decoded


def class_folders(root: Path | None, name: str) -> list[Path]:
    """The class folders of a data set, sorted by name. Raises `UsageError` where there are none."""
    if root is None:
        raise UsageError(f"data set {name!r} needs a folder: expected --data {name}=FOLDER with one folder of images per class")
    if not root.is_dir():
        what = "a file" if root.exists() else "nothing there"
        raise UsageError(f"data set {name!r}: expected a folder with one folder of images per class at {root}, got {what}; check the path")
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if loose := [path for path in sorted(root.iterdir()) if path.is_file() and path.suffix.lower() in SUFFIXES]:
        raise UsageError(f"data set {name!r}: expected images in class folders only, got {loose[0]} beside them; move it into its class")
    if not folders:
        raise UsageError(f"data set {name!r}: expected one folder of images per class in {root}, got no folders; point at their parent")
    return folders


def images_in(folder: Path) -> list[Path]:
    """The image files of a class folder, nested ones too, sorted; hidden files are passed over, and links to folders not followed.

    Raises `UsageError` for anything else, a broken link or a device too: what is not shown to the model must not go unnoticed.
    """
    return [Path(path) for path in _images_below(str(folder))]


def _images_below(folder: str) -> Iterator[str]:
    """By `os.scandir`, which is twice as fast as `Path.rglob`; sorted as paths are, part by part."""
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            yield from _images_below(entry.path)
        elif not entry.name.startswith(".") and not entry.is_dir():
            if not entry.is_file():
                raise UsageError(f"expected only images, got {Path(entry.path)}, a broken link or no file at all; restore or remove it")
            if not entry.name.lower().endswith(SUFFIXES):
                expected = f"only images ({', '.join(SUFFIXES)})"
                raise UsageError(f"expected {expected}, got {Path(entry.path)}; move the file out of the data folder")
            yield entry.path


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits, which Pillow would clip and not scale
        return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("pixels are floating-point numbers, whose range is not known")
    if image.mode == "P":  # by way of RGBA: Pillow warns of entries that are transparent otherwise
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")


def read_image(path: Path) -> Image.Image:
    """The decoded image of a file as RGB; see `decoded`, also for what it raises."""
    return decoded(path, str(path), "replace or remove the file")


def ids_below(root: Path, files: Sequence[Path]) -> list[str]:
    """The paths of files below `root`, relative to it, with forward slashes."""
    begin = len(os.fspath(root / "x")) - 1  # of any root: `.` and `/` too
    return [os.fspath(file)[begin:].replace(os.sep, "/") for file in files]


def decoded(file: Path | BytesIO, where: str, remedy: str) -> Image.Image:
    """The decoded image as RGB, as Pillow reads it, whatever the file is called: of several frames the first, 16 bits as their upper 8.

    Transparency is left out. EXIF rotation is not applied, as in the benchmarks.

    Args:
        file: an image file, on disk or in memory.
        where: names the image in errors.
        remedy: what to do about one that cannot be read.

    Raises:
        EvaluationError: the file is truncated, not an image of one of `FORMATS`, or larger than 64 megapixels.
    """
    try:
        if isinstance(file, Path) and not file.is_file():  # a named pipe would be waited for
            raise EvaluationError(f"expected a readable image, got {where} (no file is there now); {remedy}")
        with warnings.catch_warnings(action="ignore", category=UserWarning), Image.open(file, formats=FORMATS) as image:
            # Ignored because Pillow warns of damage that it then raises for, or reads over.
            if image.width * image.height > LARGEST:
                raise EvaluationError(
                    f"expected an image of at most {LARGEST // 10**6} megapixels, got {image.width}x{image.height}: {where}"
                )
            if not image.width * image.height:
                raise EvaluationError(f"expected a readable image, got {where} (it has no pixels); {remedy}")
            return _rgb(image)
    except UnidentifiedImageError as error:  # whose own sentence names an object in memory where the file is one
        raise EvaluationError(f"expected a readable image, got {where} (no image format that is known); {remedy}") from error
    except EvaluationError:
        raise
    except Exception as error:  # of damaged files Pillow's readers raise a dozen types
        said = str(error).replace(where, "").strip(" '\"")
        reason = said if said and isinstance(error, SAYING) else f"{type(error).__name__}: {said}".rstrip(": ")
        raise EvaluationError(f"expected a readable image, got {where} ({reason}); {remedy}") from error
