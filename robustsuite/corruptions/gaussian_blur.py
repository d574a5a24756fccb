"""Blur by a Gaussian.

ImageNet-C: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-C/create_c.
"""

from robustsuite.numerics.filters import gaussian_blurred
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-c-extra",)
GROUP = "blur"

SIGMA = {  # standard deviation in pixels, severity 1 to 5
    "imagenet": (1, 2, 3, 4, 6),
    "imagenet-299": (1.5, 2.5, 3.5, 4.5, 6.5),
    "tiny": (0.5, 0.75, 1, 1.25, 1.5),
    "cifar": (0.4, 0.6, 0.7, 0.8, 1),
}


def gaussian_blur(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """Every channel blurred by a Gaussian that is cut off at 4 SIGMA; the edge is repeated beyond the image."""
    return gaussian_blurred(levels, SIGMA[profile][severity - 1])
