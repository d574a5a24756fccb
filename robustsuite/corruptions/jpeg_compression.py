"""JPEG of low quality.

ImageNet-C: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-C/create_c.
"""

from robustsuite.numerics.jpeg import round_trip
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-c",)
GROUP = "digital"

QUALITY = {  # of 100, severity 1 to 5
    "imagenet": (25, 18, 15, 10, 7),
    "imagenet-299": (23, 16, 13, 8, 5),
    "tiny": (65, 58, 50, 40, 25),
    "cifar": (80, 65, 58, 50, 40),
}


def jpeg_compression(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """Saved as JPEG with 4:2:0 subsampling and standard tables, and read again; see `round_trip`."""
    return round_trip(levels, QUALITY[profile][severity - 1])
