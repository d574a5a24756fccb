"""Snow in front of a whitened image, driven by a wind that turns.

ImageNet-P: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-P/create_p, which calls
ImageMagick.
"""

from collections.abc import Iterator

import torch

from robustsuite.numerics.levels import to_levels, to_unit
from robustsuite.numerics.snowing import BLUE, GREEN, RED
from robustsuite.numerics.trails import trailing
from robustsuite.numerics.zooming import magnified_in_frame
from robustsuite.roles import Images, Levels, Noise

BENCHMARKS = ("imagenet-p",)
FRAMES = {"imagenet": 31, "imagenet-299": 31, "tiny": 31, "cifar": 31}
REFERENCE = "previous"
MARGIN = False

FLAKES = {  # (mean, standard deviation, magnification, threshold on the [0, 1] scale)
    "imagenet": (0.05, 0.3, 3, 0.5),
    "imagenet-299": (0.05, 0.3, 3, 0.5),
    "tiny": (0.05, 0.28, 2, 0.5),
    "cifar": (0.05, 0.3, 2, 0.5),
}
TRAIL = {"imagenet": (14, 4), "imagenet-299": (14, 4), "tiny": (10, 2.5), "cifar": (10, 2)}
"""(half its length, standard deviation of its weights), in pixels."""
KEPT = 0.85  # share of the image that is not whitened
FIRST, STEP = -150, 4  # angle of the wind in frame 0, and from frame to frame, in degrees


def snow(levels: Levels, noise: Noise, profile: str) -> Iterator[Levels]:
    """`KEPT * image + (1 - KEPT) * max(image, 1.5 * grey + 0.5) + layer + layer upside down`.

    The layer is normal noise, drawn once, magnified about its centre; what lies below the threshold is no snow. As levels, it is
    blurred along a line, at another angle in every frame, and rounded to the nearest level.
    """
    mean, deviation, factor, threshold = FLAKES[profile]
    drawn = noise.normal(1, *levels.shape[-2:]).double().mul_(deviation).add_(mean)
    flakes = magnified_in_frame(drawn, factor)
    flakes = torch.where(flakes < threshold, 0, flakes).clamp_(0, 1).mul_(255).floor_().float()
    whitened = _whitened(levels)
    for frame in range(FRAMES[profile]):
        layer = trailing(flakes, *TRAIL[profile], degrees=FIRST + STEP * frame).double().div_(255)
        yield to_levels((whitened + layer).add_(layer.flip(2, 3)))


def _whitened(levels: Levels) -> Images:
    """The grey value in float32, rounded where OpenCV rounds it; the rest in float64, as the benchmark."""
    red, green, blue = to_unit(levels).split(1, dim=1)
    grey = (green * GREEN).double().add_(red, alpha=RED).float()
    grey = grey.double().add_(blue, alpha=BLUE).float()
    images = to_unit(levels, torch.float64)
    return images * KEPT + torch.maximum(images, grey.mul_(1.5).add_(0.5).double()).mul_(1 - KEPT)
