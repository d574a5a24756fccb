"""Plasma fractals: random clouds by the diamond-square algorithm (Fournier, Fussell & Carpenter 1982, CACM 25(6)).

In the variant that wraps around and whose noise is uniform: hendrycks/robustness, ImageNet-C/create_c, after FLHerne/mapgen.
"""

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

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
    field = _refined((moves[:, :first] @ _response(start, drawn.device)).view(-1, start, start), moves[:, first:])
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
