"""Turbulence: the absolute values of smooth random gradients at five scales, blended with the image as grey.

ImageNet-C-bar: Mintun, Kirillov & Xie 2021, arXiv:2102.11273; constants from facebookresearch/augmentation-corruption,
imagenet_c_bar. The noise: Perlin 1985, "An image synthesizer".
"""

from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float64, Int64
from torch import Tensor
from torch.nn import functional as F

from robustsuite.numerics.placement import on_host
from robustsuite.numerics.tables import numbers
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

IN_A_ROW = 8  # swaps; twice as many take half the memory, and more launches

Order = Int64[Tensor, "batch 256"]
Strip = Float64[Tensor, "2 batch points"]
"""Gradients in their random order, over and over: how much each points down, and across. Row r of a lattice begins at `order[r]`."""


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
    repeated = order.index_select(1, _repeated(GRADIENTS + _axes(height, width, levels.device)[1][-1].reached, levels.device))
    strip = gradients.permute(2, 0, 1).gather(2, repeated.expand(2, -1, -1))
    turbulence = (_turbulence if on_host(levels.device) else _turbulence_at_once)(order, strip, height, width)
    share = SHARE[profile][severity - 1]
    grey = turbulence.mul_(0.5).add_(0.5).clamp_(max=1).mul_(255 * share)
    return rounded_down((levels * (1 - share)).double().add_(grey[:, None]))


def _turbulence(order: Order, strip: Strip, height: int, width: int) -> Float64[Tensor, "batch {height} {width}"]:
    rows, columns = _axes(height, width, order.device)
    # The coarser lattices are the upper left corners of the finest.
    begins = order.index_select(1, _repeated(rows[-1].reached, order.device))
    places = begins[:, :, None] + numbers(columns[-1].reached, order.device)
    down, across = strip.gather(2, places.flatten(1).expand(2, -1, -1)).view(2, *places.shape)
    turbulence = torch.zeros(1, dtype=torch.float64, device=order.device)
    for octave, (near, far) in enumerate(zip(rows, columns, strict=True)):
        reached = (slice(None), slice(near.reached), slice(far.reached))
        field = near.slopes @ (down[reached] @ far.weights.T) + near.weights @ (across[reached] @ far.slopes.T)
        turbulence = field.abs_().mul_(LOUDEST / 2**octave).add_(turbulence)
    return turbulence


def _turbulence_at_once(order: Order, strip: Strip, height: int, width: int) -> Float64[Tensor, "batch {height} {width}"]:
    """The same in launches as few as a GPU likes them, and without the lattices: the finest has more points than a small image.

    A row of pixels lies between two rows of a lattice, which are stretches of the strip: their weighted sum is what torch knows
    as an embedding bag. One product across follows, of both parts of the gradients.
    """
    _, batch, length = strip.shape
    beside, down, across = _all_octaves(height, width, order.device)
    begins = order[torch.arange(batch, device=order.device)[:, None, None], beside]
    strips = torch.arange(0, strip.numel(), length, device=order.device).view(2, batch).T
    starts = (begins[:, :, :, None] + strips[:, None, :, None]).flatten(1)
    weights = down.repeat(1, batch, 1, 1, 1).flatten(1)
    pairs = torch.arange(0, starts.shape[1], 2, device=order.device)
    octaves = strip.new_empty(OCTAVES, batch * height, width)
    for start, weight, far, field in zip(starts, weights, across, octaves, strict=True):
        stretches = strip.view(-1).unfold(0, len(far) // 2, 1)
        rows = F.embedding_bag(start, stretches, pairs, mode="sum", per_sample_weights=weight)
        torch.mm(rows.view(batch * height, -1), far, out=field)
        del rows  # before the next octave's
    return torch.linalg.vector_norm(octaves, ord=1, dim=0).view(batch, height, width)


@cache
def _repeated(count: int, device: torch.device) -> Int64[Tensor, " {count}"]:
    """0 to 255, over and over."""
    return torch.arange(count, device=device) % GRADIENTS


class _Octave(NamedTuple):
    """How the points of a lattice act on the pixels along one side.

    Attributes:
        reached: how many of the points, from the first on, act on any pixel.
        beside: the two points beside each pixel.
        weights: float64 `[pixels, reached]`, of a point's plane, at the two points beside the pixel.
        slopes: the same, times the distance from the point.
    """

    reached: int
    beside: Int64[Tensor, "pixels 2"]
    weights: Float64[Tensor, "pixels points"]
    slopes: Float64[Tensor, "pixels points"]


@cache
def _all_octaves(
    height: int, width: int, device: torch.device
) -> tuple[Int64[Tensor, "octaves 1 {height} 2"], Float64[Tensor, "octaves 1 {height} 2 2"], tuple[Float64[Tensor, "_ {width}"], ...]]:
    """Of every octave: the two points beside each row of pixels, how they act on it, and what acts across.

    For the gradients' parts that point down, and then for those that point across.
    """
    rows, columns = _axes(height, width, torch.device("cpu"))
    beside = torch.stack([near.beside for near in rows])[:, None] % GRADIENTS
    down = torch.stack([torch.stack([part.gather(1, near.beside) for part in (near.slopes, near.weights)], dim=1) for near in rows])
    across = (torch.cat([far.weights.T, far.slopes.T]) * (LOUDEST / 2**octave) for octave, far in enumerate(columns))
    return beside.to(device), down[:, None].to(device), tuple(matrix.to(device) for matrix in across)


@cache
def _axes(height: int, width: int, device: torch.device) -> tuple[tuple[_Octave, ...], tuple[_Octave, ...]]:
    """The lattices along both sides, coarsest first: CELLS of that are as long as the image's shorter side."""
    cells = [CELLS / min(height, width) * 2**octave for octave in range(OCTAVES)]
    rows, columns = (tuple(_octave(size, count, device) for count in cells) for size in (height, width))
    return rows, columns


def _octave(size: int, cells: float, device: torch.device) -> _Octave:
    """The lattice of so many cells per pixel along an axis of `size` pixels."""
    places = torch.arange(size, dtype=torch.float64)[:, None] * cells
    before = places.floor()
    beyond = places - before
    blend = beyond.square() * (3 - 2 * beyond)
    beside = before.long() + torch.arange(2)
    weights = torch.zeros(size, int(beside.max()) + 1, dtype=torch.float64)
    slopes = weights.clone()
    acting = torch.cat([1 - blend, blend], dim=1)
    weights.scatter_(1, beside, acting)
    slopes.scatter_(1, beside, acting * torch.cat([beyond, beyond - 1], dim=1))
    return _Octave(weights.shape[1], beside.to(device), weights.to(device), slopes.to(device))


def _shuffled(places: Int64[Tensor, "batch 256"]) -> Order:
    """The numbers 0 to 255 after swapping the one at 255 with that at `places[0]`, then that at 254 with that at `places[1]` ...

    Swaps are permutations, and permutations are composed in any grouping: first some swaps in a row, in all such groups at once;
    then pairs of groups, pairs of pairs, and so on.
    """
    batch, count = places.shape
    own = numbers(count, places.device)
    swapped = torch.stack((own.flip(0).expand(batch, -1), places), dim=2).view(batch, -1, IN_A_ROW, 2)
    found = own.repeat(batch, count // IN_A_ROW, 1)
    for both, reversed_ in zip(swapped.unbind(2), swapped.flip(3).unbind(2), strict=True):
        found.scatter_(2, reversed_, found.gather(2, both))
    while found.shape[1] > 1:
        found = found[:, ::2].gather(2, found[:, 1::2])
    return found[:, 0]
