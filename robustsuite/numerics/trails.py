"""Images blurred along a line, all at the same angle."""

from functools import cache

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from robustsuite.numerics.filters import comet, sum_of_shifts, trail


def trailing(
    levels: Float[Tensor, "batch channels height width"], radius: int, sigma: float, degrees: float
) -> Float[Tensor, "batch channels height width"]:
    """A sum over a trail that fades as half a Gaussian, rounded to the nearest level; the edge is repeated beyond the image.

    As ImageMagick 6's MotionBlurImage. float32 is exact enough, for no flat area lies near a half.

    Args:
        levels: whole numbers, as float32.
        radius: half the trail's length, in pixels.
        sigma: standard deviation of its weights, in pixels.
        degrees: its angle, from the right downwards.
    """
    weights = comet(radius, sigma, levels.device)
    rows, columns = (steps.expand(len(levels), -1) for steps in _places(degrees, len(weights), levels.device))
    return sum_of_shifts(levels, rows, columns, weights.expand(rows.shape)).add_(0.5).floor_()


@cache
def _places(degrees: float, taps: int, device: torch.device) -> tuple[Int64[Tensor, "one taps"], Int64[Tensor, "one taps"]]:
    # On the CPU: at 30 and 60 degrees every other step ends between two pixels, and a sine rounded otherwise chooses the other one.
    rows, columns = trail(torch.tensor([degrees], dtype=torch.float64), taps)
    return rows.to(device), columns.to(device)
