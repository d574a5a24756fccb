"""From a decoded photo to the pixels that a benchmark defines. Pillow's antialiased filters are the reference."""

import numpy as np
from PIL import Image

from robustsuite.records import Preprocessing


def prepare(image: Image.Image, preprocessing: Preprocessing) -> np.ndarray:
    """The preprocessed image, uint8 `[3, height, width]`; see `Preprocessing` for the order of the steps.

    Crops are centred as torchvision centres them (half a pixel rounds to even). An image smaller than the crop is padded
    with black, as there.
    """
    filtering = Image.Resampling.BICUBIC if preprocessing.interpolation == "bicubic" else Image.Resampling.BILINEAR
    if preprocessing.central_fraction:
        side = round(min(image.size) * preprocessing.central_fraction)
        image = _central(image, side)
    if preprocessing.resize:
        shorter = min(image.size)
        # torchvision's rule: the longer side is truncated, not rounded.
        width, height = (int(preprocessing.resize * side / shorter) for side in image.size)
        image = image.resize((width, height), filtering)
    if preprocessing.crop:
        image = _central(image, preprocessing.crop)
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def _central(image: Image.Image, side: int) -> Image.Image:
    left, top = (round((length - side) / 2) for length in image.size)
    return image.crop((left, top, left + side, top + side))
