"""Image files on disk: which names count as images, and how one is read without trusting it."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from robustsuite.errors import EvaluationError, UsageError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm")
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
    """The image files of a class folder, nested ones too, sorted; hidden files are passed over.

    Raises `UsageError` for any other file: what is not shown to the model must not go unnoticed.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    for path in files:
        if path.suffix.lower() not in SUFFIXES:
            raise UsageError(f"expected only images ({', '.join(SUFFIXES)}), got {path}; move the file out of the data folder")
    return files


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits, which Pillow would clip and not scale
        return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("pixels are floating-point numbers, whose range is not known")
    if image.mode == "P":  # by way of RGBA: Pillow warns of entries that are transparent otherwise
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")


def read_image(path: Path) -> Image.Image:
    """The decoded image as RGB, as Pillow reads it (EXIF rotation is not applied, as in the benchmarks).

    Raises `EvaluationError` for a file that is truncated, not an image, or larger than 64 megapixels.
    """
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning), Image.open(path) as image:
            # Ignored because Pillow warns of damage that it then raises for, or reads over.
            if image.width * image.height > LARGEST:
                raise EvaluationError(
                    f"expected an image of at most {LARGEST // 10**6} megapixels, got {image.width}x{image.height}: {path}"
                )
            return _rgb(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        reason = str(error).replace(str(path), "").strip(" '\"") or type(error).__name__
        raise EvaluationError(f"expected a readable image, got {path} ({reason}); replace or remove the file") from error
