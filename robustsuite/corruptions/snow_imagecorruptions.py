"""Snowflakes driven by the wind, in front of a whitened image, as the package imagecorruptions has it.

Michaelis et al. 2019, arXiv:1907.07484; constants from imagecorruptions 1.1.2, the same for images of any size.
"""

from robustsuite.numerics.filters import comet, sum_of_shifts, trail, within
from robustsuite.numerics.snowing import behind_snow
from robustsuite.numerics.zooming import magnified
from robustsuite.roles import Images, Levels, Noise

FLAKES = {  # (mean, standard deviation, magnification, threshold on the [0, 1] scale), severity 1 to 5
    "imagenet": ((0.1, 0.3, 3, 0.5), (0.2, 0.3, 2, 0.5), (0.55, 0.3, 4, 0.9), (0.55, 0.3, 4.5, 0.85), (0.55, 0.3, 2.5, 0.85)),
    "imagenet-299": ((0.1, 0.3, 3, 0.5), (0.2, 0.3, 2, 0.5), (0.55, 0.3, 4, 0.9), (0.55, 0.3, 4.5, 0.85), (0.55, 0.3, 2.5, 0.85)),
    "tiny": ((0.1, 0.3, 3, 0.5), (0.2, 0.3, 2, 0.5), (0.55, 0.3, 4, 0.9), (0.55, 0.3, 4.5, 0.85), (0.55, 0.3, 2.5, 0.85)),
    "cifar": ((0.1, 0.3, 3, 0.5), (0.2, 0.3, 2, 0.5), (0.55, 0.3, 4, 0.9), (0.55, 0.3, 4.5, 0.85), (0.55, 0.3, 2.5, 0.85)),
}
TRAIL = {  # (half its length in pixels, standard deviation of its weights in pixels), severity 1 to 5
    "imagenet": ((10, 4), (12, 4), (12, 8), (12, 8), (12, 12)),
    "imagenet-299": ((10, 4), (12, 4), (12, 8), (12, 8), (12, 12)),
    "tiny": ((10, 4), (12, 4), (12, 8), (12, 8), (12, 12)),
    "cifar": ((10, 4), (12, 4), (12, 8), (12, 8), (12, 12)),
}
KEPT = {  # share of the image that is not whitened, severity 1 to 5
    "imagenet": (0.8, 0.7, 0.7, 0.65, 0.55),
    "imagenet-299": (0.8, 0.7, 0.7, 0.65, 0.55),
    "tiny": (0.8, 0.7, 0.7, 0.65, 0.55),
    "cifar": (0.8, 0.7, 0.7, 0.65, 0.55),
}


def snow_imagecorruptions(levels: Levels, severity: int, noise: Noise, profile: str) -> Images:
    """As `snow`, but the layer is made levels after its blur and not before, and cut to the image's size last, at the lower right.

    A trail that leaves a layer smaller than itself ends there.
    """
    mean, deviation, factor, threshold = FLAKES[profile][severity - 1]
    height, width = levels.shape[-2:]
    drawn = noise.normal(1, height, width).double().mul_(deviation).add_(mean)
    flakes = magnified(drawn, factor)
    flakes = flakes.mul_(flakes >= threshold).clamp_(0, 1)
    weights = comet(*TRAIL[profile][severity - 1], levels.device)
    rows, columns = trail(90 * noise.uniform() - 135, len(weights))
    layer = sum_of_shifts(flakes, rows, columns, within(rows, columns, weights, *flakes.shape[-2:]))
    layer = layer[..., :height, :width].mul(255).round_().div_(255)
    return behind_snow(levels, layer, KEPT[profile][severity - 1])
