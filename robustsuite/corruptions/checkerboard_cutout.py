"""Some of the black squares of a tilted chessboard, made grey.

ImageNet-C-bar and CIFAR-10-C-bar: Mintun, Kirillov & Xie 2021, arXiv:2102.11273; constants from
facebookresearch/augmentation-corruption, imagenet_c_bar.
"""

from math import pi

import torch

from robustsuite.numerics.draws import parameters
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-c-bar", "cifar10-c-bar")
GROUP = "digital"

FILLED = {  # probability that a black square is made grey, severity 1 to 5; those of 64 pixels were not published
    "imagenet": (0.2, 0.3, 0.4, 0.5, 0.6),
    "imagenet-299": (0.2, 0.3, 0.4, 0.5, 0.6),
    "tiny": (0.1, 0.2, 0.3, 0.4, 0.5),
    "cifar": (0.1, 0.2, 0.3, 0.4, 0.5),
}


def checkerboard_cutout(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """Level 128 in every square of a kind that is drawn with probability FILLED.

    The board is turned about the first pixel by a random angle, its squares between a tenth and a quarter of the image's
    shorter side wide (at least a pixel). Whether a square is filled stands in a table with 4 sides to a row and a column;
    beyond it, which only a long image reaches, the board repeats itself.
    """
    height, width = levels.shape[-2:]
    side = min(height, width)
    angle, square = parameters(noise, (0, 2 * pi), (0.1 * side, 0.25 * side))
    square = square.clamp_(min=1)
    row = torch.arange(height, device=levels.device)[:, None]
    column = torch.arange(width, device=levels.device)
    u = (angle.cos() * row + angle.sin() * column).div_(square)
    v = (angle.cos() * column - angle.sin() * row).div_(square)
    black = u.floor().add_(v.floor()).remainder_(2) == 0
    # Squares are looked up rounded towards zero, so those beside the axes share a neighbour's draw, in the benchmark as here.
    to_a_row = torch.div(4 * side, square, rounding_mode="floor").long()
    place = u.long().remainder_(to_a_row).mul_(to_a_row).add_(v.long().remainder_(to_a_row))
    filled = noise.uniform(min(40, 4 * side) ** 2).gather(1, place.flatten(1)).view_as(place) < FILLED[profile][severity - 1]
    return torch.where((black & filled)[:, None], 128, levels)
