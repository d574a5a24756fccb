"""A plane sine wave of random frequency and direction, added to all channels.

ImageNet-C-bar: Mintun, Kirillov & Xie 2021, arXiv:2102.11273; constants from facebookresearch/augmentation-corruption, imagenet_c_bar.
"""

from math import pi

import torch

from robustsuite.numerics.draws import between, permutation
from robustsuite.numerics.whole_levels import added
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-c-bar",)
GROUP = "noise"

AMPLITUDE = {  # of the wave in levels, severity 1 to 5; only the 224-pixel ones were published
    "imagenet": (19.6, 29.4, 39.2, 88.2, 98.0),
    "imagenet-299": (19.6, 29.4, 39.2, 88.2, 98.0),
    "tiny": (19.6, 29.4, 39.2, 88.2, 98.0),
    "cifar": (19.6, 29.4, 39.2, 88.2, 98.0),
}


def single_frequency_greyscale(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """`levels + AMPLITUDE * sin(across * x + down * y + phase)`, for the pixel in column x and row y.

    One of the two frequencies is uniform in (-pi, pi) radians per pixel, the other no larger than it; which is which is drawn
    too. The phase is uniform in (0, 2 pi).
    """
    height, width = levels.shape[-2:]
    first = between(noise, -pi, pi, 1)
    second = between(noise, -1, 1, 1) * first.abs()
    across, down = torch.cat([first, second], dim=1).gather(1, permutation(noise, 2)).split(1, dim=1)
    along_columns = torch.arange(width, device=levels.device) * across + between(noise, 0, 2 * pi, 1)
    along_rows = torch.arange(height, device=levels.device) * down
    # sin(a + b) = cos(a) sin(b) + sin(a) cos(b): a product of two thin matrices, and no sine for every pixel.
    wave = torch.stack([along_rows.cos(), along_rows.sin()], dim=2) @ torch.stack([along_columns.sin(), along_columns.cos()], dim=1)
    return added(levels, AMPLITUDE[profile][severity - 1] * wave[:, None])
