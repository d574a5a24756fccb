"""The image averaged with more and more enlargements of itself: a zoom while the shutter is open.

ImageNet-P: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-P/create_p.
"""

from collections.abc import Iterator

import torch

from robustsuite.numerics.affine import affine
from robustsuite.numerics.levels import to_unit
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-p", "cifar10-p")
FRAMES = {"imagenet": 31, "imagenet-299": 31, "tiny": 31, "cifar": 31}
REFERENCE = "previous"
MARGIN = False  # what lies around the centre never comes into sight

STEP = {"imagenet": 0.004, "imagenet-299": 0.004, "tiny": 0.004, "cifar": 0.004}  # of the factor, from frame to frame


def zoom_blur(levels: Levels, noise: Noise, profile: str) -> Iterator[Levels]:
    """The mean of the enlargements by `1 + STEP * i`, i from 0 to the frame's number, each of whole levels; float32, as the benchmark."""
    total = to_unit(levels)
    yield levels.clone()
    for frame in range(1, FRAMES[profile]):
        total.add_(to_unit(affine(levels, enlarged=1 + STEP[profile] * frame)))
        yield (total / (frame + 1)).mul_(255).to(torch.uint8)
