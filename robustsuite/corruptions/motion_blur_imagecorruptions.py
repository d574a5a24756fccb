"""Blur along a line at a random angle, as the package imagecorruptions has it.

Michaelis et al. 2019, arXiv:1907.07484; constants from imagecorruptions 1.1.2, the same for images of any size.
"""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from robustsuite.numerics.filters import comet, leaning, looked_up, sum_of_shifts, trail, within
from robustsuite.roles import Levels, Noise

TRAIL = {  # (half its length in pixels, standard deviation of its weights in pixels), severity 1 to 5
    "imagenet": ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    "imagenet-299": ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    "tiny": ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    "cifar": ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
}


@cache
def _levels_for(radius: int, sigma: float, device: torch.device) -> Tensor:
    """The 256 levels, float64, leaning to where the package's sum falls in flat areas."""
    flat = np.cumsum(np.outer(comet(radius, sigma, torch.device("cpu")), np.arange(256)), axis=0)[-1]
    return leaning(flat, by=1e-12).to(device)


def motion_blur_imagecorruptions(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """As `motion_blur`, but rounded down; and a trail that leaves an image smaller than itself ends there, which darkens it."""
    radius, sigma = TRAIL[profile][severity - 1]
    weights = comet(radius, sigma, levels.device)
    rows, columns = trail(90 * noise.uniform() - 45, len(weights))
    images = looked_up(_levels_for(radius, sigma, levels.device), levels)
    return sum_of_shifts(images, rows, columns, within(rows, columns, weights, *levels.shape[-2:])).to(levels.dtype)
