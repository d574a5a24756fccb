"""Turbulence: the absolute values of smooth random gradients at five scales, blended with the image as grey.

ImageNet-C-bar: Mintun, Kirillov & Xie 2021, arXiv:2102.11273; constants from facebookresearch/augmentation-corruption,
imagenet_c_bar. The noise: Perlin 1985, "An image synthesizer".
"""

from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

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


def perlin_noise(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """`(1 - SHARE) * levels + SHARE * 255 * min(1/2 + 1/2 * sum over octaves of abs(gradient noise) / 2**octave, 1)`.

    Every point of a lattice has one of 256 random gradients of length 1, chosen by a random permutation; between the points
    the four planes that they span are blended by a cubic.
    """
    directions = (noise.integers(2 * GRADIENTS, DRAWN, 2)[:, :GRADIENTS] - GRADIENTS).double()
    # A gradient drawn as (0, 0) has no direction.
    gradients = directions / directions.square().sum(dim=2, keepdim=True).sqrt_().clamp_(min=1)
    order = _shuffled(noise.integers(GRADIENTS, GRADIENTS))
    side = min(levels.shape[-2:])
    rows, columns = (_axis(size, side, levels.device) for size in levels.shape[-2:])
    hashed = order.gather(1, (order[:, rows.points, None] + columns.points).remainder_(GRADIENTS).flatten(1))
    down, across = (gradients[..., axis].gather(1, hashed).view(-1, len(rows.points), len(columns.points)) for axis in (0, 1))
    turbulence = torch.zeros(1, dtype=torch.float64, device=levels.device)
    for octave, (near, far) in enumerate(zip(rows.octaves, columns.octaves, strict=True)):
        reached = (slice(None), slice(near.reached), slice(far.reached))
        field = near.slopes @ (down[reached] @ far.weights.T) + near.weights @ (across[reached] @ far.slopes.T)
        turbulence = field.abs_().mul_(1.5 / 2**octave).add_(turbulence)
    share = SHARE[profile][severity - 1]
    grey = turbulence.mul_(0.5).add_(0.5).clamp_(max=1).mul_(255 * share)
    return rounded_down((levels * (1 - share)).double().add_(grey[:, None]))


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
