"""Blur along a line at a random angle: the camera moved.

ImageNet-C: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-C/create_c, which calls
ImageMagick.
"""

from robustsuite.numerics.filters import comet, sum_of_shifts, trail
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-c",)
GROUP = "blur"

TRAIL = {  # (half its length in pixels, standard deviation of its weights in pixels), severity 1 to 5
    "imagenet": ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    "imagenet-299": ((12, 4), (17, 6), (17, 9), (17, 13), (22, 16)),
    "tiny": ((10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)),
    "cifar": ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
}


def motion_blur(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """A sum over a trail that fades as half a Gaussian, at an angle from -45 to 45 degrees; the edge is repeated beyond the image.

    Rounded to the nearest level, as ImageMagick 6 does: float32 is exact enough, for no flat area lies near a half.
    """
    weights = comet(*TRAIL[profile][severity - 1], levels.device)
    rows, columns = trail(90 * noise.uniform() - 45, len(weights))
    return sum_of_shifts(levels.float(), rows, columns, weights.expand(rows.shape)).add_(0.5).to(levels.dtype)
