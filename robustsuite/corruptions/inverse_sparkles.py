"""White everywhere but in one large star, through which the image is seen.

ImageNet-C-bar and CIFAR-10-C-bar: Mintun, Kirillov & Xie 2021, arXiv:2102.11273; constants from
facebookresearch/augmentation-corruption, imagenet_c_bar.
"""

from robustsuite.numerics.draws import between
from robustsuite.numerics.rays import shine
from robustsuite.numerics.whole_levels import rounded_down
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-c-bar", "cifar10-c-bar")
GROUP = "weather"

STEEPNESS = {  # with which power of (length / distance)² the image fades, severity 1 to 5; those of 64 pixels were not published
    "imagenet": (0.13, 0.26, 0.52, 1.17, 1.3),
    "imagenet-299": (0.13, 0.26, 0.52, 1.17, 1.3),
    "tiny": (0.13, 0.195, 0.325, 0.585, 0.65),
    "cifar": (0.13, 0.195, 0.325, 0.585, 0.65),
}

FEWEST_RAYS, MOST_RAYS = 50, 199


def inverse_sparkles(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """`255 - (255 - levels) * shine`, with `numerics.rays.shine`.

    The star's centre is uniform in the image's middle half; its rays are a quarter of the image's shorter side long, with a
    normal deviation of a quarter of that.
    """
    height, width = levels.shape[-2:]
    radius = 0.25 * min(height, width)
    centre = between(noise, 0.25, 0.75, 1, 2)
    rays = noise.integers(MOST_RAYS + 1 - FEWEST_RAYS, 1) + FEWEST_RAYS
    lengths = radius + 0.25 * radius * noise.normal(1, MOST_RAYS).double()
    light = shine(centre, lengths, rays, STEEPNESS[profile][severity - 1], (height, width))
    return rounded_down((light * (255 - levels)).neg_().add_(255))
