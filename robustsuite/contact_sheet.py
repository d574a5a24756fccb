"""A picture of corruptions: one row for each, the image as it is and then the five severities."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_sample_image

from robustsuite import corrupting
from robustsuite.datasets._files import read_image
from robustsuite.numerics.random import image_keys
from robustsuite.numerics.resampling import prepare
from robustsuite.records import Corrupted, Preprocessing

GAP, LABEL = 4, 18  # pixels between pictures, and above each row for its name


def photo(path: Path | None, side: int) -> np.ndarray:
    """The central square of an image file, uint8 `[3, side, side]`; without a file, a photo that scikit-learn ships.

    Raises `EvaluationError` for a file that cannot be read.
    """
    image = Image.fromarray(load_sample_image("flower.jpg")) if path is None else read_image(path)
    return prepare(image, Preprocessing(resize=side * 8 // 7, crop=side))


def contact_sheet(corruptions: Sequence[str], pixels: np.ndarray, shown: int | None = None, profile: str = "auto") -> Image.Image:
    """The sheet, an RGB picture.

    Args:
        corruptions: names in the catalog, one row each.
        pixels: the image, uint8 `[3, height, width]`.
        shown: pixels of a picture's side on the sheet; by default as many as the image has. Nearest neighbours, for small images.
        profile: whose constants; `auto` by the image's size.
    """
    levels = torch.from_numpy(pixels)[None]
    height, width = (shown, shown * pixels.shape[2] // pixels.shape[1]) if shown else pixels.shape[1:]
    sheet = Image.new("RGB", (6 * (width + GAP) + GAP, len(corruptions) * (height + LABEL + GAP) + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for row, name in enumerate(corruptions):
        top = GAP + row * (height + LABEL + GAP)
        for severity in range(6):
            left = GAP + severity * (width + GAP)
            key = image_keys(["contact sheet"])
            found = corrupting.corrupt(levels, Corrupted(name, severity), key, 0, profile) if severity else levels
            picture = Image.fromarray(found[0].permute(1, 2, 0).numpy())
            way = Image.Resampling.NEAREST if height > picture.height else Image.Resampling.LANCZOS
            sheet.paste(picture.resize((width, height), way), (left, top + LABEL))
            if severity:
                draw.text((left + width, top + 1), str(severity), fill="black", font=font, anchor="ra")
        draw.text((GAP, top + 1), name.replace("_", " "), fill="black", font=font)
    return sheet
