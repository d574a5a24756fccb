"""The image, then its photons counted 30 times: Poisson draws whose means are the brightness.

ImageNet-P: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-P/create_p.
"""

from collections.abc import Iterator

import torch

from robustsuite.numerics.levels import to_levels
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-p", "cifar10-p")
FRAMES = {"imagenet": 31, "imagenet-299": 31, "tiny": 31, "cifar": 31}
REFERENCE = "first"
MARGIN = False

PHOTONS = {"imagenet": 300, "imagenet-299": 250, "tiny": 500, "cifar": 700}  # counted on average where the image is white


def shot_noise(levels: Levels, noise: Noise, profile: str) -> Iterator[Levels]:
    """`Poisson(image * PHOTONS) / PHOTONS`, drawn anew in every frame but the first, which is clean."""
    photons = PHOTONS[profile]
    rates = torch.arange(256, dtype=torch.float64) / 255 * photons
    yield levels.clone()
    for _ in range(1, FRAMES[profile]):
        yield to_levels(noise.poisson(levels, rates).double().div_(photons))
