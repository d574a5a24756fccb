"""The image, then 30 times with other Gaussian noise in proportion to its brightness.

ImageNet-P: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-P/create_p.
"""

from collections.abc import Iterator

import torch

from robustsuite.numerics.levels import to_levels, to_unit
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-p-extra",)
FRAMES = {"imagenet": 31, "imagenet-299": 31, "tiny": 31, "cifar": 31}
REFERENCE = "first"
MARGIN = False

SIGMA = {"imagenet": 0.05, "imagenet-299": 0.06, "tiny": 0.05, "cifar": 0.05}  # standard deviation as a share of the value


def speckle_noise(levels: Levels, noise: Noise, profile: str) -> Iterator[Levels]:
    """`image + image * SIGMA * z`, with z standard normal and new in every frame but the first, which is clean."""
    images = to_unit(levels, torch.float64)
    yield levels.clone()
    for _ in range(1, FRAMES[profile]):
        yield to_levels((noise.normal(*levels.shape[1:]).double() * SIGMA[profile]).mul_(images).add_(images))
