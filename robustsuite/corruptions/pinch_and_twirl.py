"""Round patches, side by side, each pinched and twirled about its centre.

CIFAR-10-C-bar: Mintun, Kirillov & Xie 2021, arXiv:2102.11273; constants from facebookresearch/augmentation-corruption, imagenet_c_bar.
"""

from functools import cache
from math import pi
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from robustsuite.numerics.bilinear import read_between
from robustsuite.numerics.whole_levels import rounded_down
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("cifar10-c-bar",)
GROUP = "digital"

# (patches along the image's shorter side, degrees by which a patch's centre is turned, exponent of the pinching), severity 1
# to 5; only the 32-pixel ones were published, but 5 patches stand in the published code for images of 224 pixels.
PATCHES = {
    "imagenet": ((5, 49.5, 0.32), (5, 54, 0.34), (5, 58.5, 0.36), (5, 76.5, 0.44), (5, 90, 0.5)),
    "imagenet-299": ((5, 49.5, 0.32), (5, 54, 0.34), (5, 58.5, 0.36), (5, 76.5, 0.44), (5, 90, 0.5)),
    "tiny": ((3, 49.5, 0.32), (3, 54, 0.34), (3, 58.5, 0.36), (3, 76.5, 0.44), (3, 90, 0.5)),
    "cifar": ((3, 49.5, 0.32), (3, 54, 0.34), (3, 58.5, 0.36), (3, 76.5, 0.44), (3, 90, 0.5)),
}


def pinch_and_twirl(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """A pixel at distance d from its patch's centre, in patch radii, is read at the distance `d * sin(pi d / 2) ** -exponent`.

    It is read further round too, by `angle * (1 - d)²`; left or right is drawn for each patch. What lies outside the circles
    stays. The patches are squares of `side // patches` pixels, side the image's shorter one, along the longer side as many
    more as fit; images with fewer pixels than patches stay as they are.
    """
    warp = _warp(*levels.shape[-2:], *PATCHES[profile][severity - 1], levels.device)
    if not warp.patches:
        return levels
    right = noise.integers(2, warp.patches) == 0
    turned = right.index_select(1, warp.patch.view(-1)).view(-1, *warp.patch.shape)
    rows, columns = (torch.where(turned, *places) for places in (warp.rows, warp.columns))
    return rounded_down(read_between(levels, rows, columns, torch.Tensor.float))


class _Warp(NamedTuple):
    """Where each pixel is read.

    Attributes:
        patches: how many there are.
        patch: `[height, width]`, the number of each pixel's; any for a pixel in none.
        rows: float64 `[2, height, width]`, if its patch turns one way and if it turns the other.
        columns: the same.
    """

    patches: int
    patch: Int64[Tensor, "height width"]
    rows: Float[Tensor, "2 height width"]
    columns: Float[Tensor, "2 height width"]


@cache
def _warp(height: int, width: int, patches: int, degrees: float, exponent: float, device: torch.device) -> _Warp:
    side = min(height, width)
    square = side // patches
    down, across = patches * height // side, patches * width // side
    y, x = torch.meshgrid(torch.arange(height, dtype=torch.float64), torch.arange(width, dtype=torch.float64), indexing="ij")
    row, column = (places.div(max(square, 1), rounding_mode="floor").long() for places in (y, x))
    radius = square / 2
    dy, dx = y - (row * square + radius), x - (column * square + radius)
    distance = (dy.square() + dx.square()).sqrt()
    stays = (distance > radius) | (distance < 5e-4) | (row >= down) | (column >= across)
    near = torch.where(stays, 1, distance / max(radius, 0.5))
    further = (near * (pi / 2)).sin() ** -exponent
    rows, columns = [], []
    for sign in (1, -1):
        angle = sign * degrees * pi / 180 * (1 - near).square()
        turned_y = (dy * angle.cos() - dx * angle.sin()) * further
        turned_x = (dy * angle.sin() + dx * angle.cos()) * further
        rows.append(torch.where(stays, y, row * square + radius + turned_y))
        columns.append(torch.where(stays, x, column * square + radius + turned_x))
    patch = (column.clamp(max=across - 1) * down + row.clamp(max=down - 1)).to(device)
    return _Warp(across * down, patch, torch.stack(rows).to(device), torch.stack(columns).to(device))
