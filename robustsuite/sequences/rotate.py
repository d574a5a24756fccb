"""The image turned clockwise, a degree a frame.

ImageNet-P: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-P/create_p.
"""

from collections.abc import Iterator

from robustsuite.numerics.affine import affine
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-p", "cifar10-p")
FRAMES = {"imagenet": 31, "imagenet-299": 31, "tiny": 31, "cifar": 31}
REFERENCE = "previous"
MARGIN = True

FIRST = {"imagenet": -15, "imagenet-299": -15, "tiny": -15, "cifar": -15}  # angle of frame 0, in degrees


def rotate(levels: Levels, noise: Noise, profile: str) -> Iterator[Levels]:
    """Turned about the centre by `FIRST + frame` degrees, bilinear; black comes in from beyond the corners."""
    for frame in range(FRAMES[profile]):
        yield affine(levels, turned=FIRST[profile] + frame)
