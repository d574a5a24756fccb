"""Any folder with one folder of images per class; classes in sorted order, as torchvision's ImageFolder has them."""

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from robustsuite.datasets._files import class_folders, ids_below, images_in, read_image
from robustsuite.errors import UsageError
from robustsuite.records import Dataset

LAYOUT = "<class>/*.jpg"
LICENCE = "your own"
WHERE = "your own images"


def _read(files: list[Path], index: int) -> Image.Image:
    return read_image(files[index])


def image_folder(root: Path | None) -> Dataset:
    """The images of `root/<class>/...`; the label of an image is the position of its class folder in sorted order.

    An image's id is its path relative to `root`. Photos are shown as they are stored, as benchmarks have theirs: where a camera only noted
    that it was turned (EXIF), turn the pixels first, or a model is judged on photos that lie on their side.

    Raises `UsageError` for a missing or empty folder, a class folder without images, and files that are not images.
    """
    folders = class_folders(root, "image_folder")
    assert root is not None
    files: list[Path] = []
    labels: list[int] = []
    for label, folder in enumerate(folders):
        found = images_in(folder)
        if not found:
            raise UsageError(f"expected images in every class folder, got none in {folder}; remove the folder or fill it")
        files += found
        labels += [label] * len(found)
    ids = ids_below(root, files)
    return Dataset("image_folder", ids, np.array(labels), [folder.name for folder in folders], partial(_read, files), source=str(root))
