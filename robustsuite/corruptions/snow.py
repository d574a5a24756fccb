"""Snowflakes driven by the wind, in front of a whitened image.

ImageNet-C: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-C/create_c, which calls
ImageMagick.
"""

from robustsuite.numerics.filters import comet, sum_of_shifts, trail
from robustsuite.numerics.snowing import behind_snow
from robustsuite.numerics.zooming import magnified_in_frame
from robustsuite.roles import Images, Levels, Noise

BENCHMARKS = ("imagenet-c",)
GROUP = "weather"

FLAKES = {  # (mean, standard deviation, magnification, threshold on the [0, 1] scale), severity 1 to 5
    "imagenet": ((0.1, 0.3, 3, 0.5), (0.2, 0.3, 2, 0.5), (0.55, 0.3, 4, 0.9), (0.55, 0.3, 4.5, 0.85), (0.55, 0.3, 2.5, 0.85)),
    "imagenet-299": ((0.1, 0.3, 3, 0.5), (0.2, 0.3, 2, 0.5), (0.55, 0.3, 4, 0.9), (0.55, 0.3, 4.5, 0.85), (0.55, 0.3, 2.5, 0.85)),
    "tiny": ((0.1, 0.2, 1, 0.6), (0.1, 0.2, 1, 0.5), (0.15, 0.3, 1.75, 0.55), (0.25, 0.3, 2.25, 0.6), (0.3, 0.3, 1.25, 0.65)),
    "cifar": ((0.1, 0.2, 1, 0.6), (0.1, 0.2, 1, 0.5), (0.15, 0.3, 1.75, 0.55), (0.25, 0.3, 2.25, 0.6), (0.3, 0.3, 1.25, 0.65)),
}
TRAIL = {  # (half its length in pixels, standard deviation of its weights in pixels), severity 1 to 5
    "imagenet": ((10, 4), (12, 4), (12, 8), (12, 8), (12, 12)),
    "imagenet-299": ((10, 4), (12, 4), (12, 8), (12, 8), (12, 12)),
    "tiny": ((8, 3), (10, 4), (10, 4), (12, 6), (14, 12)),
    "cifar": ((8, 3), (10, 4), (10, 4), (12, 6), (14, 12)),
}
KEPT = {  # share of the image that is not whitened, severity 1 to 5
    "imagenet": (0.8, 0.7, 0.7, 0.65, 0.55),
    "imagenet-299": (0.8, 0.7, 0.7, 0.65, 0.55),
    "tiny": (0.8, 0.8, 0.7, 0.65, 0.6),
    "cifar": (0.95, 0.9, 0.9, 0.85, 0.8),
}


def snow(levels: Levels, severity: int, noise: Noise, profile: str) -> Images:
    """A whitened image behind a layer of flakes and the same layer upside down.

    The layer is normal noise, magnified about its centre; what lies below the threshold is no snow. As levels, it is blurred
    along a line at an angle from -135 to -45 degrees, and rounded to the nearest level, as ImageMagick 6 does.
    """
    mean, deviation, factor, threshold = FLAKES[profile][severity - 1]
    drawn = noise.normal(1, *levels.shape[-2:]).double().mul_(deviation).add_(mean)
    flakes = magnified_in_frame(drawn, factor)
    flakes = flakes.mul_(flakes >= threshold).clamp_(0, 1).mul_(255).floor_().float()
    weights = comet(*TRAIL[profile][severity - 1], levels.device)
    rows, columns = trail(90 * noise.uniform() - 135, len(weights))
    layer = sum_of_shifts(flakes, rows, columns, weights.expand(rows.shape)).add_(0.5).floor_()
    return behind_snow(levels, layer.double().div_(255), KEPT[profile][severity - 1])
