"""Five white stars of many rays at random places.

ImageNet-C-bar and CIFAR-10-C-bar: Mintun, Kirillov & Xie 2021, arXiv:2102.11273; constants from
facebookresearch/augmentation-corruption, imagenet_c_bar.
"""

import torch

from robustsuite.numerics.placement import on_host
from robustsuite.numerics.rays import Stars
from robustsuite.numerics.tables import constant, numbers
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
    """Each star takes a pixel to white as `numerics.rays` has it, which falls off with the square of the distance.

    The centres are uniform in the image; a ray's length is normal with a deviation of a quarter of its mean, at least 1 pixel.
    """
    height, width = levels.shape[-2:]
    radius = RADIUS[profile][severity - 1] * min(height, width)
    centres = noise.uniform(STARS, 2).double()
    rays = noise.integers(MOST_RAYS + 1 - FEWEST_RAYS, STARS) + FEWEST_RAYS
    drawn = (radius + 0.25 * radius * noise.normal(STARS * MOST_RAYS).double()).clamp_(min=1)
    # As many lengths belong to a star as it has rays; the next one's follow at once.
    own = (rays.cumsum(1) - rays)[:, :, None] + numbers(MOST_RAYS, levels.device)
    lengths = drawn.gather(1, own.flatten(1)).view_as(own)
    stars = Stars.of(centres, lengths, rays, (height, width))
    at_once = 1 if on_host(levels.device) else 3  # a processor's cache holds one star's pixels; all five take much memory
    darkness = constant(1, levels.device)
    for star in range(0, STARS, at_once):
        for light in stars.light(slice(star, star + at_once), power=1).unbind(dim=1):
            darkness = torch.addcmul(darkness, darkness, light, value=-1)
    return rounded_down(torch.addcmul(constant(255, levels.device), darkness[:, None], 255 - levels, value=-1))
