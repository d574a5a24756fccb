"""Canny's edge detector for bytes, bit for bit as OpenCV has it (its `canny.cpp`), on many images at once and in few launches.

Canny 1986, "A computational approach to edge detection".
"""

from functools import cache
from math import inf

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor
from torch.nn import functional as F

WEAK, STRONG = 50, 150  # what is steeper than STRONG is an edge, and what is steeper than WEAK where it hangs together with that
ACROSS, DOWN = np.array([[-1, 0, 1, -2, 0, 2, -1, 0, 1], [-1, -2, -1, 0, 0, 0, 1, 2, 1]])  # Sobel's, on 3x3 neighbours
TANGENT = 13573 / 2**15  # of 22.5 degrees, as OpenCV rounds it; that of 67.5 degrees it takes to be larger by 2
# Of the slopes down / across between the limits -TANGENT - 2, -TANGENT, TANGENT and TANGENT + 2: the two of the 3x3 neighbours
# that lie before and behind a pixel, and whether the latter may be as steep as the pixel.
RIVALS = ((1, 7, True), (2, 6, False), (3, 5, True), (0, 8, False), (1, 7, True))
DOUBLINGS = 4


def edges(levels: Float32[Tensor, "batch height width"]) -> Bool[Tensor, "batch height width"]:
    """Where `cv2.Canny(levels, 50, 150)` is not 0. Beyond the image, the edge's pixel is repeated.

    OpenCV follows a chain of weak pixels to its end, this for `1 + 2**DOUBLINGS` of them: what follows is no edge. In an image
    with more than `height * width // 256 + 64` weak pixels, the steepest beyond that number are taken to be strong. In the drops
    of 88,000 layers, the longest chain had 12 pixels, and there were never more than two thirds of so many weak ones.

    Args:
        levels: whole numbers from 0 to 255.
    """
    return _connected(*_ridges(levels))[..., : levels.shape[-1]]


def _ridges(
    levels: Float32[Tensor, "batch height width"],
) -> tuple[Float32[Tensor, "batch height width+1"], Bool[Tensor, "batch height width+1"]]:
    """How steep every pixel is, `|across| + |down|` or WEAK if that is larger; and whether it is steeper than those before and behind it.

    So also for an empty column to the right of the image.
    """
    slopes = F.linear(levels.flatten(1)[:, _neighbourhoods(*levels.shape[1:], levels.device)], *_sobel(levels.device))
    across, down = slopes[:, 1:-1, 1:-1, :2].unbind(-1)
    # What is no steeper than WEAK is no edge: made equally steep, it loses to its neighbours.
    steepness = torch.linalg.vector_norm(slopes[..., 2:], ord=inf, dim=-1)
    limits, handicaps = _directions(levels.device)
    direction = torch.bucketize(down / across, limits, out_int32=True)
    rivals = handicaps.index_select(0, direction.flatten()).view(*direction.shape, 3, 3)
    rivals.add_(steepness.unfold(1, 3, 1).unfold(2, 3, 1))
    steepness = steepness[:, 1:-1, 1:-1]
    return steepness, steepness > rivals.amax(dim=(-2, -1))


def _connected(
    steepness: Float32[Tensor, "batch height columns"], ridges: Bool[Tensor, "batch height columns"]
) -> Bool[Tensor, "batch height columns"]:
    """Which pixels of the ridges are edges: the strong ones, and the weak ones from which a chain of weak ones leads to a strong one.

    The weak ones are few, and listed; strong ones fill the list up, then others. A matrix says which of the list touch; its
    powers, from which a chain of so many leads to which. Only what is 0 there matters: the weights keep the rest from becoming it.

    Args:
        steepness: at least WEAK.
        ridges: the last column is empty, so that a row's end does not touch the next row's beginning.
    """
    height, columns = ridges.shape[1:]
    found = (ridges / steepness).flatten(1)
    weights, places = found.topk(min(height * (columns - 1) // 256 + 64, height * columns), sorted=False)
    steepest = F.max_pool2d(ridges * steepness, 3, stride=1, padding=1).flatten(1).gather(1, places)
    chains = _touching(height, columns, ridges.device)[places[:, :, None] - places[:, None]].mul_(weights[:, None])
    for _ in range(DOUBLINGS):
        chains = chains @ chains
    leads = chains @ F.threshold(steepest, STRONG, 0)[..., None]
    return (found.scatter_reduce_(1, places, leads[..., 0], "prod") > 0).view_as(ridges)


@cache
def _neighbourhoods(height: int, width: int, device: torch.device) -> Int64[Tensor, "rows columns 9"]:
    """For every pixel the places of its neighbours in the flattened image, of which the nearest stands for one outside.

    So also for a row above and one below the image, a column before and two behind it; there all neighbours are the same
    pixel, so that nothing is steep.
    """
    rows, columns = torch.arange(-1, height + 1)[:, None, None], torch.arange(-1, width + 2)[:, None]
    steps = torch.arange(9)
    places = (rows + steps // 3 - 1).clamp(0, height - 1) * width + (columns + steps % 3 - 1).clamp(0, width - 1)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return torch.where(inside, places, 0).to(device)


@cache
def _sobel(device: torch.device) -> tuple[Float32[Tensor, "5 9"], Float32[Tensor, "5"]]:
    """Weights and biases of the slope across and down; their sum and difference, the larger of which is `|across| + |down|`; WEAK."""
    weights = np.stack([ACROSS, DOWN, ACROSS + DOWN, ACROSS - DOWN, 0 * ACROSS])
    biases = [0, 0, 0, 0, WEAK]
    return torch.tensor(weights, dtype=torch.float32, device=device), torch.tensor(biases, dtype=torch.float32, device=device)


@cache
def _directions(device: torch.device) -> tuple[Float32[Tensor, "4"], Float32[Tensor, "5 9"]]:
    """The limits between directions, and for each direction what to add to the neighbours of which a pixel must be steeper."""
    limits = torch.tensor([-TANGENT - 2, -TANGENT, TANGENT, TANGENT + 2])
    handicaps = torch.full((5, 9), -inf)
    for handicap, (before, behind, equal) in zip(handicaps, RIVALS, strict=True):
        handicap[before], handicap[behind] = 0, -equal
    return limits.to(device), handicaps.to(device)


@cache
def _touching(height: int, columns: int, device: torch.device) -> Float32[Tensor, " differences"]:
    """For the difference of two places in a flattened image, negative ones counted from the end: above 0 if they touch, or are one."""
    touching = torch.zeros(2 * height * columns)
    for row in (-columns, 0, columns):
        for column in (-1, 0, 1):
            touching[(row + column) % len(touching)] = STRONG
    return touching.to(device)
