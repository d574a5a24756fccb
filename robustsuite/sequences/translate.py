"""The image moved from left to right, a pixel a frame.

ImageNet-P: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-P/create_p.
"""

from collections.abc import Iterator

from robustsuite.numerics.affine import shifted
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-p", "cifar10-p")
FRAMES = {"imagenet": 41, "imagenet-299": 41, "tiny": 31, "cifar": 16}
REFERENCE = "previous"
MARGIN = True

FIRST = {"imagenet": -20, "imagenet-299": -20, "tiny": -15, "cifar": -7}  # shift of frame 0, in pixels


def translate(levels: Levels, noise: Noise, profile: str) -> Iterator[Levels]:
    """Shifted to the right by `FIRST + frame` pixels; black comes in from beyond the border."""
    for frame in range(FRAMES[profile]):
        yield shifted(levels, FIRST[profile] + frame)
