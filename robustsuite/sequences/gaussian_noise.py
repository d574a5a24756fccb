"""The image, then 30 times with other Gaussian noise, independent for every pixel and channel.

ImageNet-P: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-P/create_p.
"""

from collections.abc import Iterator

from robustsuite.numerics.levels import to_levels, to_unit
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-p", "cifar10-p")
FRAMES = {"imagenet": 31, "imagenet-299": 31, "tiny": 31, "cifar": 31}
REFERENCE = "first"
MARGIN = False

SIGMA = {"imagenet": 0.03, "imagenet-299": 0.035, "tiny": 0.025, "cifar": 0.02}  # standard deviation on the [0, 1] scale


def gaussian_noise(levels: Levels, noise: Noise, profile: str) -> Iterator[Levels]:
    """`image + SIGMA * z`, with z standard normal and new in every frame but the first, which is clean; float32, as the benchmark."""
    images = to_unit(levels)
    yield levels.clone()
    for _ in range(1, FRAMES[profile]):
        yield to_levels((noise.normal(*levels.shape[1:]).float() * SIGMA[profile]).add_(images))
