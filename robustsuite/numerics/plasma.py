"""Plasma fractals: random clouds by the diamond-square algorithm (Fournier, Fussell & Carpenter 1982, CACM 25(6)).

In the variant that wraps around and whose noise is uniform: hendrycks/robustness, ImageNet-C/create_c, after FLHerne/mapgen.
"""

from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int32
from torch import Tensor

from robustsuite.numerics.placement import on_host
from robustsuite.roles import Noise

AT_ONCE = 16  # points on a side that a matrix product computes: the many small steps before it are linear in the noise


def plasma(noise: Noise, size: int, decay: float) -> Float[Tensor, "batch {size} {size}"]:
    """A fractal for each image: float64, its smallest value 0 and its largest 1.

    Every step halves the distance between the points known. First the middle of each square becomes the mean of its four
    corners plus noise, then the middle of each edge the mean of the four points around it plus noise. The noise is uniform in
    (-w², w²), with w = 100 in the first step and divided by `decay` after each.

    Args:
        noise: draws one uniform number for every point but the first, step by step: for the middles of squares, of horizontal
            edges, of vertical edges.
        size: points on a side, a power of two, at least 2.
        decay: the larger, the smoother.
    """
    drawn = noise.uniform(size * size - 1)
    moves = drawn.double().mul_(2).sub_(1).mul_(_amplitude(size, decay, drawn.device))
    start = min(size, AT_ONCE)
    first = start * start - 1
    known, later = (moves[:, :first] @ _response(start, drawn.device)).view(-1, start, start), moves[:, first:]
    field = _refined(known, later) if on_host(drawn.device) else _refined_in_place(known, later, size)
    field -= field.amin(dim=(1, 2), keepdim=True)
    return field.div_(field.amax(dim=(1, 2), keepdim=True))


def _refined(known: Float[Tensor, "batch points points"], moves: Float[Tensor, "batch steps"]) -> Float[Tensor, "batch size size"]:
    """One step after another, until the `moves` (the noise, added) are used up."""
    while moves.shape[1]:
        points = known.shape[1]
        own, moves = moves.split((3 * points * points, moves.shape[1] - 3 * points * points), dim=1)
        squares, horizontal, vertical = own.view(-1, 3, points, points).unbind(dim=1)
        finer = known.new_empty(len(known), 2 * points, 2 * points)
        finer[:, ::2, ::2] = known
        below, beside = known + known.roll(-1, dims=1), known + known.roll(-1, dims=2)
        middle = torch.add(squares, below + below.roll(-1, dims=2), alpha=0.25, out=finer[:, 1::2, 1::2])
        torch.add(horizontal, (middle + middle.roll(1, dims=1)).add_(beside), alpha=0.25, out=finer[:, ::2, 1::2])
        torch.add(vertical, (middle + middle.roll(1, dims=2)).add_(below), alpha=0.25, out=finer[:, 1::2, ::2])
        known = finer
    return known


def _refined_in_place(
    known: Float[Tensor, "batch points points"], moves: Float[Tensor, "batch steps"], size: int
) -> Float[Tensor, "batch {size} {size}"]:
    """As `_refined`, in fewer operations: every point is put where it ends up, and the four around a new one are looked up."""
    field = known.new_empty(len(known), size, size)
    points = known.shape[1]
    field[:, :: size // points, :: size // points] = known
    while points < size:
        apart, half = size // points, size // points // 2
        own, moves = moves[:, : 3 * points * points], moves[:, 3 * points * points :]
        squares, horizontal, vertical = own.unflatten(1, (3, points, points)).unbind(dim=1)
        squares_four, edges_four = _around(size, points, field.device)
        four = field.flatten(1).index_select(1, squares_four).view(-1, 4, points, points)
        torch.add(squares, four.sum(dim=1), alpha=0.25, out=field[:, half::apart, half::apart])
        four = field.flatten(1).index_select(1, edges_four).view(-1, 4, 2, points, points)
        across, down = four.sum(dim=1).unbind(dim=1)
        torch.add(horizontal, across, alpha=0.25, out=field[:, ::apart, half::apart])
        torch.add(vertical, down, alpha=0.25, out=field[:, half::apart, ::apart])
        points *= 2
    return field


@cache
def _amplitude(size: int, decay: float, device: torch.device) -> Float[Tensor, " moves"]:
    """w² for every draw."""
    steps = range(size.bit_length() - 1)
    return torch.cat([torch.full((3 * 4**step,), (100 / decay**step) ** 2, dtype=torch.float64) for step in steps]).to(device)


@cache
def _response(size: int, device: torch.device) -> Float[Tensor, "moves points"]:
    """What each move adds to each point of a fractal of this size."""
    moves = torch.eye(size * size - 1, dtype=torch.float64, device=device)
    return _refined(moves.new_zeros(len(moves), 1, 1), moves).view(len(moves), -1)


@cache
def _around(size: int, points: int, device: torch.device) -> tuple[Int32[Tensor, " corners"], Int32[Tensor, " ends"]]:
    """The corners of every square of a step, and what lies around the middles of the edges; points are numbered row by row.

    Four times `points * points` numbers, and as many for the horizontal and for the vertical edges.
    """
    apart, half = size // points, size // points // 2
    numbers = np.arange(size * size, dtype=np.int32).reshape(size, size)
    corners, ends = (
        np.stack([np.roll(numbers, shift, axis=(0, 1)) for shift in shifts])
        for shifts in (((half, half), (half, -half), (-half, half), (-half, -half)), ((half, 0), (-half, 0), (0, half), (0, -half)))
    )
    squares, edges = corners[:, half::apart, half::apart], np.stack([ends[:, ::apart, half::apart], ends[:, half::apart, ::apart]], axis=1)
    return torch.from_numpy(squares.flatten()).to(device), torch.from_numpy(edges.flatten()).to(device)
