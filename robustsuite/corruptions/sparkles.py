"""Five white stars of many rays at random places.

ImageNet-C-bar and CIFAR-10-C-bar: Mintun, Kirillov & Xie 2021, arXiv:2102.11273; constants from
facebookresearch/augmentation-corruption, imagenet_c_bar.
"""

import torch

from robustsuite.numerics.draws import between
from robustsuite.numerics.rays import shine
from robustsuite.numerics.whole_levels import rounded_down
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-c-bar", "cifar10-c-bar")
GROUP = "weather"

RADIUS = {  # mean length of a ray as a share of the image's shorter side, severity 1 to 5; those of 64 pixels were not published
    "imagenet": (0.01, 0.02, 0.03, 0.05, 0.06),
    "imagenet-299": (0.01, 0.02, 0.03, 0.05, 0.06),
    "tiny": (0.007, 0.035, 0.056, 0.063, 0.07),
    "cifar": (0.007, 0.035, 0.056, 0.063, 0.07),
}

STARS = 5
FEWEST_RAYS, MOST_RAYS = 50, 199


def sparkles(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """Each star takes a pixel to white by `numerics.rays.shine`, which falls off with the square of the distance.

    The centres are uniform in the image; a ray's length is normal with a deviation of a quarter of its mean, at least 1 pixel.
    """
    height, width = levels.shape[-2:]
    radius = RADIUS[profile][severity - 1] * min(height, width)
    centres = between(noise, 0, 1, STARS, 2)
    rays = noise.integers(MOST_RAYS + 1 - FEWEST_RAYS, STARS) + FEWEST_RAYS
    lengths = (radius + 0.25 * radius * noise.normal(STARS * MOST_RAYS).double()).clamp_(min=1)
    # As many lengths belong to a star as it has rays; the next one's follow at once.
    own = (rays.cumsum(1) - rays)[:, :, None] + torch.arange(MOST_RAYS, device=levels.device)
    darkness = levels.new_ones(1, dtype=torch.float64)
    for star in range(STARS):
        light = shine(centres[:, star], lengths.gather(1, own[:, star]), rays[:, star], 1, (height, width))
        darkness = light.neg_().add_(1).mul_(darkness)
    return rounded_down((darkness[:, None] * (255 - levels)).neg_().add_(255))
