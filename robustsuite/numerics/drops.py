"""Drops of water on a lens, on many images at once and in few launches: what `liquid.py` draws one after another, bit for bit.

Where the two could differ is the layer's smoothing: its sums are rounded in another order, which moves a byte in 10**12.
"""

from functools import cache

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int32, Int64
from torch import Tensor
from torch.nn import functional as F

from robustsuite.numerics.canny import edges
from robustsuite.numerics.chamfer import ONE, REACH, distances
from robustsuite.numerics.filters import gaussian_window

EMBOSS = (-2, -1, 0, -1, 1, 1, 0, 1, 2)  # on a pixel's 3x3 neighbourhood

Planes = Float32[Tensor, "batch height width"]


def gloss(layers: Float64[Tensor, "batch height width"], mean: float, deviation: float, sigma: float, limit: float) -> Planes:
    """`liquid.gloss(liquid.puddles(mean + deviation * layer, sigma, limit))` of every layer.

    Where no drop has a rim, as on an image of a few pixels, at another scale.
    """
    drops = _bytes(layers, mean, deviation, sigma, limit)
    height, width = drops.shape[1:]
    mirrored, surrounded = (_mirrored(height, width, margin, drops.device) for margin in (0, 1))
    total = distances(edges(drops)).flatten(1)[:, mirrored].sum(dim=-1, dtype=torch.int32)
    relief = _equalised(torch.bucketize(total, _totals(drops.device), right=True))
    embossed = (relief[:, surrounded] @ _emboss(drops.device)).clamp_(0, 255)
    return embossed.unfold(1, 3, 1).unfold(2, 3, 1).mean(dim=(-2, -1)).round_().mul_(drops)


def _bytes(layers: Float64[Tensor, "batch height width"], mean: float, deviation: float, sigma: float, limit: float) -> Planes:
    """The layers' puddles on the scale of bytes, of which only the lowest eight bits are kept."""
    down, across = (smoothing(side, sigma, layers.device) for side in layers.shape[1:])
    one = _one(layers.device)
    layers = torch.baddbmm(one, down @ layers, across.T.expand(len(layers), -1, -1), beta=255 * mean, alpha=255 * deviation)
    return F.threshold(layers, 255 * limit, 0).int().view(torch.uint8)[..., ::4].float()


def _equalised(values: Int64[Tensor, "batch height width"]) -> Float32[Tensor, "batch pixels"]:
    """`cv2.equalizeHist` of images of values up to REACH, flattened. In an image of one value, 0 stays 0 and others become 255."""
    values = values.flatten(1)
    every, most = _values(values.device)
    reached = (values[:, None] <= every).sum(dim=-1, dtype=torch.float32)
    above = reached - reached.gather(1, values.amin(dim=1, keepdim=True))
    # Here 0 / 0 is the mark of an image of one value.
    levels = (above * (most[-1] / above[:, -1:])).round_()
    return torch.fmin(levels, most).gather(1, values)


@cache
def smoothing(size: int, sigma: float, device: torch.device) -> Float64[Tensor, "size size"]:
    """The matrix of a Gaussian blur along a side, cut off at 4 sigma; beyond the edge, the edge's pixel is repeated."""
    radius = int(4 * sigma + 0.5)
    reached = (torch.arange(size)[:, None] + torch.arange(-radius, radius + 1)).clamp(0, size - 1)
    weights = torch.zeros(size, size, dtype=torch.float64)
    return weights.scatter_add_(1, reached, gaussian_window(2 * radius + 1, sigma).expand(size, -1)).to(device)


@cache
def _one(device: torch.device) -> Float64[Tensor, "1 1 1"]:
    return torch.ones(1, 1, 1, dtype=torch.float64, device=device)


@cache
def _emboss(device: torch.device) -> Float32[Tensor, "9"]:
    return torch.tensor(EMBOSS, dtype=torch.float32, device=device)


@cache
def _values(device: torch.device) -> tuple[Int64[Tensor, "values 1"], Float32[Tensor, " values"]]:
    """The values up to REACH, and the most that each may become."""
    most = torch.full((REACH + 1,), 255.0)
    most[0] = 0
    return torch.arange(REACH + 1, device=device)[:, None], most.to(device)


@cache
def _totals(device: torch.device) -> Int32[Tensor, " values"]:
    """From which sum of nine distances on their mean, in float32 as OpenCV has it, is at least 1, 2, and so on up to REACH."""
    means = np.arange(1, REACH + 1)[:, None]
    totals = 9 * ONE * means + np.arange(-128, 1)
    reached = (totals / ONE * (1 / 9)).astype(np.float32) >= means
    return torch.from_numpy(totals[range(REACH), reached.argmax(axis=1)].astype(np.int32)).to(device)


@cache
def _mirrored(height: int, width: int, margin: int, device: torch.device) -> Int64[Tensor, "rows columns 9"]:
    """For every pixel the places of its 3x3 neighbours in the flattened image, which mirrors beyond its borders (reflect-101).

    So also for the pixels of a `margin` around it, which are mirrored with their neighbours.
    """
    rows, columns = (_reflected(torch.arange(-margin, side + margin), side) for side in (height, width))
    steps = torch.arange(9)
    rows, columns = _reflected(rows[:, None] + steps // 3 - 1, height), _reflected(columns[:, None] + steps % 3 - 1, width)
    return (rows[:, None] * width + columns).to(device)


def _reflected(places: Int64[Tensor, "*places"], size: int) -> Int64[Tensor, "*places"]:
    """Places up to 1 beyond a side, as they mirror at its outermost pixels; of a single pixel, that pixel."""
    return (size - 1 - (size - 1 - places.abs()).abs()).clamp(min=0)
