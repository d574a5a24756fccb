"""Additive Gaussian noise, independent for every pixel and channel.

ImageNet-C: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-C/create_c.
"""

import torch

from robustsuite.numerics.levels import to_unit
from robustsuite.roles import Images, Levels, Noise

BENCHMARKS = ("imagenet-c",)
GROUP = "noise"

SIGMA = {  # standard deviation on the [0, 1] scale, severity 1 to 5
    "imagenet": (0.08, 0.12, 0.18, 0.26, 0.38),
    "imagenet-299": (0.09, 0.13, 0.19, 0.27, 0.40),
    "tiny": (0.04, 0.08, 0.12, 0.15, 0.18),
    "cifar": (0.04, 0.06, 0.08, 0.09, 0.10),
}


def gaussian_noise(levels: Levels, severity: int, noise: Noise, profile: str) -> Images:
    """`images + SIGMA * z`, with z standard normal."""
    return to_unit(levels, torch.float64).add_(noise.normal(*levels.shape[1:]), alpha=SIGMA[profile][severity - 1])
