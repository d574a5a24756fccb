"""The image blurred by a Gaussian that grows.

ImageNet-P: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-P/create_p.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional as F

from robustsuite.numerics.levels import to_unit
from robustsuite.roles import Images, Levels, Noise

BENCHMARKS = ("imagenet-p-extra",)
FRAMES = {"imagenet": 31, "imagenet-299": 31, "tiny": 31, "cifar": 31}
REFERENCE = "previous"
MARGIN = False

SIGMA = {  # (of frame 0, what each frame adds): standard deviation in pixels
    "imagenet": (0.25, 0.035),
    "imagenet-299": (0.35, 0.035),
    "tiny": (0.35, 0.014),
    "cifar": (0.3, 0.015),
}
REACH = {"imagenet": 6, "imagenet-299": 6, "tiny": 7, "cifar": 7}  # where the window is cut off, in standard deviations


def gaussian_blur(levels: Levels, noise: Noise, profile: str) -> Iterator[Levels]:
    """Every channel blurred, from frame to frame more; the edge is repeated beyond the image."""
    images = to_unit(levels, torch.float64)
    first, step = SIGMA[profile]
    for frame in range(FRAMES[profile]):
        yield _blurred(images, first + step * frame, REACH[profile]).mul_(255).to(torch.uint8)


def _blurred(images: Images, sigma: float, reach: int) -> Images:
    """Blurred down and then across. The sums are added up as scipy's `gaussian_filter1d` does, which decides how flat areas round."""
    radius = int(reach * sigma + 0.5)
    window = np.exp(-0.5 / (sigma * sigma) * np.arange(-radius, radius + 1) ** 2)
    weights = (window / window.sum()).tolist()
    pair = torch.empty_like(images)
    for side, margin in ((2, (0, 0, radius, radius)), (3, (radius, radius, 0, 0))):
        padded, size = F.pad(images, margin, mode="replicate"), images.shape[side]
        images = padded.narrow(side, radius, size) * weights[radius]
        for place in range(radius):
            torch.add(padded.narrow(side, place, size), padded.narrow(side, 2 * radius - place, size), out=pair)
            images.add_(pair.mul_(weights[place]))
    return images
