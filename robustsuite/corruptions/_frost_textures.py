"""Photos of frost on glass, and images seen through them.

ImageNet-C: Hendrycks & Dietterich 2019, arXiv:1903.12261. The photos are those of hendrycks/robustness, ImageNet-C/create_c; the
package `imagecorruptions` brings the same files, and they are read from there without importing it.
"""

from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from math import ceil
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from PIL import Image
from torch import Tensor

from robustsuite.errors import EvaluationError
from robustsuite.numerics.opencv import opencv_to
from robustsuite.roles import Levels, Noise

FILES = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")  # the benchmark never draws its sixth
SCALING = "scale photos of frost"


@dataclass(frozen=True)
class Textures:
    """The five photos on one device, each in the upper left corner of its place in the stack, black around it."""

    stack: UInt8[Tensor, "5 3 rows columns"]
    heights: Int64[Tensor, "5"]
    widths: Int64[Tensor, "5"]

    def cropped(self, height: int, width: int, noise: Noise) -> Levels:
        """A window of one of the photos for each image: draws which one, then the window's top row, then its left column."""
        which = noise.integers(len(FILES))
        top = noise.integers(self.heights[which] - height)
        left = noise.integers(self.widths[which] - width)
        # A view of every window that there is: picking some of them copies row by row, without an index for each pixel.
        windows = self.stack.unfold(2, height, 1).unfold(3, width, 1)
        return windows[which, :, top, left]


@lru_cache(maxsize=8)
def textures(height: int, width: int, scale: float, always_enlarged: bool, device: torch.device) -> Textures:
    """The photos, scaled, and all of them larger than images of this size.

    A photo that does not exceed the image in height and in width is enlarged (bicubic) to 1.1 times what it takes to cover it, as
    `imagecorruptions` does.

    Args:
        height: of the images, in pixels.
        width: likewise.
        scale: of the photos before that (bilinear).
        always_enlarged: to 1.1 times their size also where they are larger than the images.
        device: where they stay.
    """
    shown = []
    for photo in _photos():
        if scale != 1:
            photo = opencv_to(SCALING).resize(photo, None, fx=scale, fy=scale)
        rows, columns = photo.shape[:2]
        if always_enlarged or rows <= height or columns <= width:
            factor = max(1, height / rows, width / columns) * 1.1
            cv2 = opencv_to(SCALING)
            photo = cv2.resize(photo, (ceil(columns * factor), ceil(rows * factor)), interpolation=cv2.INTER_CUBIC)
        shown.append(torch.from_numpy(photo).permute(2, 0, 1))
    heights, widths = torch.tensor([photo.shape[1:] for photo in shown], device=device).unbind(dim=1)
    stack = torch.zeros(len(shown), 3, int(heights.max()), int(widths.max()), dtype=torch.uint8)
    for place, photo in zip(stack, shown, strict=True):
        place[:, : photo.shape[1], : photo.shape[2]] = photo
    return Textures(stack.to(device), heights, widths)


@cache
def _photos() -> tuple[UInt8[np.ndarray, "rows columns 3"], ...]:
    package = find_spec("imagecorruptions")
    if package is None or not package.origin:
        raise EvaluationError("expected the package imagecorruptions, which brings the photos of frost, got none installed")
    folder = Path(package.origin).parent / "frost"
    return tuple(np.array(Image.open(folder / file).convert("RGB")) for file in FILES)


def frosted(levels: Levels, frost: Levels, shares: tuple[float, float]) -> Levels:
    """`shares[0] * levels + shares[1] * frost`, in float64, cut off at 255 and rounded down."""
    pairs = frost.int().mul_(256).add_(levels)
    return _mixtures(shares, levels.device).index_select(0, pairs.view(-1)).view(levels.shape)


@cache
def _mixtures(shares: tuple[float, float], device: torch.device) -> UInt8[Tensor, "65536"]:
    """The answer for every pair of levels, of the frost and of the image. Looked up, it is the same on every device."""
    values = torch.arange(256, dtype=torch.float64)
    return (values[:, None] * shares[1] + values * shares[0]).clamp_(max=255).to(torch.uint8).view(-1).to(device)
