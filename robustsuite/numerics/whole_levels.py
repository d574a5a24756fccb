"""Arithmetic on the scale of levels, 0 to 255, that ends in levels: clipped, then rounded down."""

import torch
from jaxtyping import Float
from torch import Tensor

from robustsuite.roles import Images, Levels


def rounded_down(values: Images) -> Levels:
    """What was computed on the scale of levels, as levels. Overwrites `values`."""
    return values.clamp_(0, 255).to(torch.uint8)


def added(levels: Levels, change: Float[Tensor, "batch channels height width"]) -> Levels:
    """`levels + change`, on the scale of levels, as levels. Overwrites `change`.

    A whole number plus a change, rounded down, is that number plus the change rounded down: 16-bit integers do.

    Args:
        levels: uint8.
        change: of one channel, the same for all, or of three.
    """
    whole = change.floor_().clamp_(-255, 255).to(torch.int16)
    return levels.to(torch.int16).add_(whole).clamp_(0, 255).to(torch.uint8)
