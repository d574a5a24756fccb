"""Gaussian noise in proportion to the brightness.

ImageNet-C: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-C/create_c.
"""

import torch

from robustsuite.numerics.levels import to_unit
from robustsuite.roles import Images, Levels, Noise

BENCHMARKS = ("imagenet-c-extra",)
GROUP = "noise"

SIGMA = {  # standard deviation as a share of the value, severity 1 to 5
    "imagenet": (0.15, 0.2, 0.35, 0.45, 0.6),
    "imagenet-299": (0.16, 0.21, 0.36, 0.46, 0.61),
    "tiny": (0.15, 0.2, 0.25, 0.3, 0.35),
    "cifar": (0.06, 0.1, 0.12, 0.16, 0.2),
}


def speckle_noise(levels: Levels, severity: int, noise: Noise, profile: str) -> Images:
    """`images + images * SIGMA * z`, with z standard normal."""
    images = to_unit(levels, torch.float64)
    return images.addcmul_(images, noise.normal(*levels.shape[1:]).double(), value=SIGMA[profile][severity - 1])
