"""The three colours at three magnifications: a lens that bends them differently.

CIFAR-10-C-bar: Mintun, Kirillov & Xie 2021, arXiv:2102.11273; constants from facebookresearch/augmentation-corruption,
imagenet_c_bar, as is the spelling.
"""

from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from robustsuite.numerics.draws import permutation
from robustsuite.numerics.placement import on_host
from robustsuite.numerics.splines import Banded, as_matrix, cubic_taps
from robustsuite.numerics.tables import constant
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("cifar10-c-bar",)
GROUP = "digital"

MAGNIFICATIONS = {  # of the three colours, severity 1 to 5; only the 32-pixel ones were published
    "imagenet": ((1, 1.025, 1.05), (1, 1.05, 1.1), (1, 1.125, 1.25), (1, 1.225, 1.45), (1, 1.25, 1.5)),
    "imagenet-299": ((1, 1.025, 1.05), (1, 1.05, 1.1), (1, 1.125, 1.25), (1, 1.225, 1.45), (1, 1.25, 1.5)),
    "tiny": ((1, 1.025, 1.05), (1, 1.05, 1.1), (1, 1.125, 1.25), (1, 1.225, 1.45), (1, 1.25, 1.5)),
    "cifar": ((1, 1.025, 1.05), (1, 1.05, 1.1), (1, 1.125, 1.25), (1, 1.225, 1.45), (1, 1.25, 1.5)),
}

# A cubic B-spline at a coefficient's place and beside it; the last weight is 0 but for its rounding.
SMOOTHING = (1 / 6, 4 / 6, 1 / 6, 1 - 1 / 6 - 4 / 6 - 1 / 6)


def transverse_chromatic_abberation(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """Each colour magnified to a whole number of pixels, its middle kept, rounded to the nearest level; which colour how is drawn.

    The magnification sums cubic B-splines with the levels themselves as coefficients, so it also smooths: even the colour that
    keeps its size, by (1, 4, 1) / 6 along rows and columns.
    """
    order = permutation(noise, 3)
    height, width = levels.shape[-2:]
    of_colour = order.argsort(dim=1)[:, :, None, None].expand(-1, -1, height, width)
    planes = levels.gather(1, of_colour).double()
    planes[:, 0] = _smoothed(planes[:, 0])
    for rank, factor in enumerate(MAGNIFICATIONS[profile][severity - 1][1:], start=1):
        planes[:, rank] = _magnified(width, factor, levels.device).across(_magnified(height, factor, levels.device).down(planes[:, rank]))
    return planes.add_(0.5).clamp_(0, 255).to(torch.uint8).gather(1, order[:, :, None, None].expand(-1, -1, height, width))


def _smoothed(plane: Float[Tensor, "batch height width"]) -> Float[Tensor, "batch height width"]:
    """The magnification by 1, every product and sum in scipy's order.

    One in 36 answers lies half-way between two levels, if not for its rounding errors: they decide which it becomes.
    """
    height, width = plane.shape[1:]
    around = plane.index_select(1, _and_beyond(height, plane.device)).index_select(2, _and_beyond(width, plane.device))
    total = torch.zeros_like(plane)
    for down, row_weight in enumerate(SMOOTHING):
        weighted = around.narrow(1, down, height) * row_weight
        if on_host(plane.device):
            for across, column_weight in enumerate(SMOOTHING):
                total.add_(weighted.narrow(2, across, width) * column_weight)
        else:  # the same sum in the same order, in fewer launches: the last of the running sums
            terms = weighted.unfold(2, width, 1) * constant(SMOOTHING, plane.device)[:, None]
            terms[:, :, 0].add_(total)
            total = terms.cumsum_(dim=2)[:, :, -1]
    return total


@cache
def _and_beyond(size: int, device: torch.device) -> Int64[Tensor, " places"]:
    """The places along a side, with one of its mirror image before them and two after."""
    return torch.from_numpy(cubic_taps(np.arange(-1.0, size + 2), size)[0][:, 1]).to(device)


@cache
def _magnified(size: int, factor: float, device: torch.device) -> Banded:
    """scipy.ndimage.zoom of order 3 without its prefilter, of which the middle is kept."""
    larger = round(size * factor)
    kept = np.arange(size) + (larger - size) // 2
    places = kept * ((size - 1) / max(larger - 1, 1))
    return Banded.of(as_matrix(*cubic_taps(places, size), size), device)
