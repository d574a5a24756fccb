"""Turbulence: the absolute values of smooth random gradients at five scales, blended with the image as grey.

ImageNet-C-bar: Mintun, Kirillov & Xie 2021, arXiv:2102.11273; constants from facebookresearch/augmentation-corruption,
imagenet_c_bar. The noise: Perlin 1985, "An image synthesizer".
"""

from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from robustsuite.numerics.placement import on_host
from robustsuite.numerics.whole_levels import rounded_down
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-c-bar",)
GROUP = "noise"

SHARE = {  # of the noise in the mixture, severity 1 to 5; only the 224-pixel ones were published
    "imagenet": (0.23, 0.26, 0.29, 0.38, 0.44),
    "imagenet-299": (0.23, 0.26, 0.29, 0.38, 0.44),
    "tiny": (0.23, 0.26, 0.29, 0.38, 0.44),
    "cifar": (0.23, 0.26, 0.29, 0.38, 0.44),
}

CELLS = 7  # of the coarsest lattice along the image's shorter side
OCTAVES = 5  # each lattice twice as fine as the one before
GRADIENTS = 256
DRAWN = 2 * GRADIENTS + 2  # gradients that are drawn, though only the first 256 are used
LOUDEST = 1.5  # what the coarsest octave is multiplied with

Lattice = Float64[Tensor, "2 batch rows columns"]
"""Gradients of the finest lattice, and of the coarser ones in its upper left corner: how much each points down, and across."""


def perlin_noise(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """`(1 - SHARE) * levels + SHARE * 255 * min(1/2 + 1/2 * sum over octaves of abs(gradient noise) / 2**octave, 1)`.

    Every point of a lattice has one of 256 random gradients of length 1, chosen by a random permutation; between the points
    the four planes that they span are blended by a cubic.
    """
    directions = (noise.integers(2 * GRADIENTS, DRAWN, 2)[:, :GRADIENTS] - GRADIENTS).double()
    # A gradient drawn as (0, 0) has no direction.
    gradients = directions / directions.square().sum(dim=2, keepdim=True).sqrt_().clamp_(min=1)
    order = _shuffled(noise.integers(GRADIENTS, GRADIENTS))
    height, width = levels.shape[-2:]
    side = min(height, width)
    rows, columns = (_axis(size, side, levels.device) for size in (height, width))
    hashed = order.gather(1, (order[:, rows.points, None] + columns.points).remainder_(GRADIENTS).flatten(1))
    down_and_across = gradients.permute(2, 0, 1).gather(2, hashed.expand(2, -1, -1))
    lattice = down_and_across.view(2, -1, len(rows.points), len(columns.points))
    turbulence = (_turbulence if on_host(levels.device) else _turbulence_at_once)(lattice, height, width)
    share = SHARE[profile][severity - 1]
    grey = turbulence.mul_(0.5).add_(0.5).clamp_(max=1).mul_(255 * share)
    return rounded_down((levels * (1 - share)).double().add_(grey[:, None]))


def _turbulence(lattice: Lattice, height: int, width: int) -> Float64[Tensor, "batch {height} {width}"]:
    rows, columns = (_axis(size, min(height, width), lattice.device) for size in (height, width))
    down, across = lattice
    turbulence = torch.zeros(1, dtype=torch.float64, device=lattice.device)
    for octave, (near, far) in enumerate(zip(rows.octaves, columns.octaves, strict=True)):
        reached = (slice(None), slice(near.reached), slice(far.reached))
        field = near.slopes @ (down[reached] @ far.weights.T) + near.weights @ (across[reached] @ far.slopes.T)
        turbulence = field.abs_().mul_(LOUDEST / 2**octave).add_(turbulence)
    return turbulence


def _turbulence_at_once(lattice: Lattice, height: int, width: int) -> Float64[Tensor, "batch {height} {width}"]:
    """The same in launches as few as a GPU likes them: all octaves together, though much of their matrices is zero."""
    _, batch, far_rows, far_columns = lattice.shape
    down, across = _all_octaves(height, width, lattice.device)
    # Across first: two of every row of the lattice, for each octave; then these are summed to pixels.
    within_rows = torch.bmm(lattice.view(2, -1, far_columns), across).view(2, batch, far_rows, OCTAVES, width)
    octaves = torch.bmm(down, within_rows.permute(3, 0, 2, 1, 4).reshape(OCTAVES, 2 * far_rows, -1))
    return torch.linalg.vector_norm(octaves, ord=1, dim=0).view(height, batch, width).transpose(0, 1)


class _Octave(NamedTuple):
    """How the points of a lattice act on the pixels along one side.

    Attributes:
        reached: how many of the points, from the first on, act on any pixel.
        weights: float64 `[pixels, reached]`, of a point's plane, at the two points beside the pixel.
        slopes: the same, times the distance from the point.
    """

    reached: int
    weights: Float[Tensor, "pixels points"]
    slopes: Float[Tensor, "pixels points"]


class _Axis(NamedTuple):
    points: Int64[Tensor, " points"]
    octaves: tuple[_Octave, ...]


@cache
def _all_octaves(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """What acts down, `[OCTAVES, height, 2 * points]`, and what acts across, `[2, points, OCTAVES * width]`; float64.

    Of the two, the first is for the gradients' parts that point down, the second for those that point across.
    """
    rows, columns = (_axis(size, min(height, width), device) for size in (height, width))
    down = torch.zeros(OCTAVES, height, 2, len(rows.points), dtype=torch.float64)
    across = torch.zeros(2, len(columns.points), OCTAVES, width, dtype=torch.float64)
    for octave, (near, far) in enumerate(zip(rows.octaves, columns.octaves, strict=True)):
        down[octave, :, 0, : near.reached], down[octave, :, 1, : near.reached] = near.slopes, near.weights
        down[octave] *= LOUDEST / 2**octave
        across[0, : far.reached, octave], across[1, : far.reached, octave] = far.weights.T, far.slopes.T
    return down.flatten(2).to(device), across.flatten(2).to(device)


@cache
def _axis(size: int, side: int, device: torch.device) -> _Axis:
    """The lattices along an axis of `size` pixels, where CELLS of the coarsest are as long as `side` pixels."""
    octaves = []
    for octave in range(OCTAVES):
        places = torch.arange(size, dtype=torch.float64) * (CELLS / side * 2**octave)
        before = places.floor().long()[:, None]
        beyond = places[:, None] - before
        blend = beyond.square() * (3 - 2 * beyond)
        weights = torch.zeros(size, int(before.max()) + 2, dtype=torch.float64)
        slopes = weights.clone()
        for point, weight, distance in ((before, 1 - blend, beyond), (before + 1, blend, beyond - 1)):
            weights.scatter_(1, point, weight)
            slopes.scatter_(1, point, weight * distance)
        octaves.append(_Octave(weights.shape[1], weights.to(device), slopes.to(device)))
    return _Axis(torch.arange(octaves[-1].reached, device=device) % GRADIENTS, tuple(octaves))


def _shuffled(places: Int64[Tensor, "batch 256"]) -> Int64[Tensor, "batch 256"]:
    """The numbers 0 to 255 after swapping the one at 255 with that at `places[0]`, then that at 254 with that at `places[1]` ...

    Swaps are permutations, and permutations are composed in any grouping: pairs, pairs of pairs, and so on.
    """
    batch, count = places.shape
    own = torch.arange(count, device=places.device)
    swaps = own.repeat(batch, count, 1)
    partner = places.flip(1)[:, :, None]
    swaps.scatter_(2, partner, own.expand(batch, -1)[:, :, None])
    swaps.scatter_(2, own.expand(batch, -1)[:, :, None], partner)
    while swaps.shape[1] > 1:
        swaps = swaps[:, 1::2].gather(2, swaps[:, ::2])
    return swaps[:, 0]
