"""The nearest point of a polyhedron: half-spaces with given normals, cut with a box. Every image for itself.

The dual has one multiplier for each half-space, and is climbed by FISTA (Beck & Teboulle 2009) on the normals' Gram matrix. The box
comes in by rounds: the values that ran into it are held there while the others are projected again.
"""

import torch
from jaxtyping import Float
from torch import Tensor

Flat = Float[Tensor, "batch values"]

ROUNDS = 5  # of projections, each with the values held that ran into the box in the one before
CLIMBS = 50  # steps of FISTA in each
SOFTNESS = 1e-4  # what is added to the Gram matrix's diagonal of 1: half-spaces that have no point in common are compromised between


def nearest(
    centre: Flat,
    normals: Float[Tensor, "batch cuts values"],
    heights: Float[Tensor, "batch cuts"],
    box: tuple[Flat, Flat],
    multipliers: Float[Tensor, "batch cuts"],
) -> tuple[Flat, Float[Tensor, "batch cuts"]]:
    """The point nearest to `centre` (in L2) with `normals @ point + heights <= 0` and within the box.

    To about a thousandth: the box is kept exactly, the half-spaces nearly.

    Args:
        centre: what to be near to.
        normals: of length 1; a row of zeros with a height of 0 is no half-space.
        heights: how far outside each half-space the origin is.
        box: the lowest and the highest value.
        multipliers: float64, at least 0, where to begin to climb: those of a similar problem, or zeros.

    Returns:
        The point, and the multipliers at the end.
    """
    low, high = box
    free, point = torch.ones_like(centre, dtype=torch.bool), centre
    for _ in range(ROUNDS):
        begin = torch.where(free, centre, point)
        moving = normals * free[:, None]
        outside = torch.einsum("bcv,bv->bc", normals, begin) + heights
        multipliers = _climbed(moving @ moving.mT, outside, multipliers)
        moved = centre - torch.einsum("bc,bcv->bv", multipliers.to(normals.dtype), normals)
        point = torch.maximum(torch.minimum(moved, high), low)
        free = moved == point
    return point, multipliers


def _climbed(gram: Tensor, outside: Tensor, multipliers: Tensor) -> Tensor:
    """The multipliers `m >= 0` at which `m @ outside - m @ (gram + SOFTNESS) @ m / 2` is highest; all in float64."""
    gram = gram.double() + SOFTNESS * torch.eye(gram.shape[1], dtype=torch.float64, device=gram.device)
    outside = outside.double()
    steepest = gram.abs().sum(dim=2).amax(dim=1)[:, None]  # no eigenvalue is larger
    ahead, momentum = multipliers, 1.0
    for _ in range(CLIMBS):
        slope = outside - torch.einsum("bcd,bd->bc", gram, ahead)
        climbed = (ahead + slope / steepest).clamp(min=0)
        following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = climbed + (momentum - 1) / following * (climbed - multipliers)
        multipliers, momentum = climbed, following
    return multipliers
