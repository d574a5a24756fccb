"""The image blurred along a line that turns.

ImageNet-P: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-P/create_p, which calls
ImageMagick.
"""

from collections.abc import Iterator

import torch

from robustsuite.numerics.trails import trailing
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-p", "cifar10-p")
FRAMES = {"imagenet": 31, "imagenet-299": 31, "tiny": 31, "cifar": 21}
REFERENCE = "previous"
MARGIN = False

TRAIL = {"imagenet": (10, 3), "imagenet-299": (13, 3), "tiny": (14, 3), "cifar": (6, 1.8)}
"""(half its length, standard deviation of its weights), in pixels."""
STEP = {"imagenet": 4, "imagenet-299": 4, "tiny": 5, "cifar": 9}  # degrees from frame to frame; 0 in the last one


def motion_blur(levels: Levels, noise: Noise, profile: str) -> Iterator[Levels]:
    """A sum over a trail that fades as half a Gaussian; the edge is repeated beyond the image. Rounded to the nearest level.

    Tiny-ImageNet-P blurs photos of any size and shrinks them to 64 pixels then. Here the blur, just as long, falls on the 64
    pixels.
    """
    images, last = levels.float(), FRAMES[profile] - 1
    for frame in range(FRAMES[profile]):
        yield trailing(images, *TRAIL[profile], degrees=STEP[profile] * (frame - last)).to(torch.uint8)
