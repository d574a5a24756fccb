"""Images read between their pixels, and the smooth random fields that say where."""

from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from robustsuite.numerics.placement import on_host
from robustsuite.roles import Images

Places = Float[Tensor, "batch rows columns"]
"""For every pixel of the answer a coordinate in the source, in pixels: 0 is the centre of its first row or column."""


def sampled(images: Images, columns: Places, rows: Places, edge_twice: bool) -> Float[Tensor, "batch 3 rows columns"]:
    """Bilinear interpolation in float64 at the given places, rounded to the type of `images`.

    Args:
        images: what is read.
        columns: float64, across.
        rows: float64, down.
        edge_twice: how the image mirrors beyond its borders: `c b a | a b c` (`reflect` in scipy.ndimage), or with the edge
            once, `c b | a b c` (`mirror` there, reflect-101 in OpenCV).
    """
    places = columns.new_empty((*columns.shape, 2))
    for axis, (coordinates, size) in enumerate(zip((columns, rows), (images.shape[-1], images.shape[-2]), strict=True)):
        # grid_sample's -1 and 1 are the outer edges of the first and the last pixel, or their centres.
        pixel = 2 / size if edge_twice else 2 / max(size - 1, 1)
        torch.mul(coordinates, pixel, out=places[..., axis]).add_(pixel / 2 - 1 if edge_twice else -1)
    return F.grid_sample(images.double(), places, padding_mode="reflection", align_corners=not edge_twice).to(images.dtype)


def displaced(images: Images, shifts: Float[Tensor, "batch 2 height width"]) -> Images:
    """Every pixel read from `shifts` (across, then down; pixels) further on: scipy.ndimage.map_coordinates, order 1, mode `reflect`."""
    height, width = images.shape[-2:]
    columns, rows = pixels(width, images.device), pixels(height, images.device)[:, None]
    return sampled(images, columns + shifts[:, 0], rows + shifts[:, 1], edge_twice=True)


@cache
def pixels(size: int, device: torch.device) -> Float[Tensor, " size"]:
    """The coordinates of a side's pixels, 0 to `size - 1`; float64."""
    return torch.arange(size, dtype=torch.float64, device=device)


def smoothed(fields: Float[Tensor, "batch fields height width"], sigma: tuple[float, float]) -> Float[Tensor, "batch fields height width"]:
    """Gaussian smoothing as scipy.ndimage.gaussian_filter has it with mode `reflect` and `truncate=3`; float64.

    Args:
        fields: float64.
        sigma: standard deviations down and across, in pixels, positive. They may be wider than the field, whose mirror images
            are then folded into the weights, as often as the window reaches.
    """
    rows = 16 if on_host(fields.device) else 512  # a processor gains by leaving zeros out; a GPU by fewer, larger products
    down, across = (_folded_gaussian(size, width, fields.device, rows) for size, width in zip(fields.shape[-2:], sigma, strict=True))
    fields = _joined([weights @ fields[..., sources, :] for sources, weights in down], dim=-2)
    return _joined([fields[..., sources] @ weights.mT for sources, weights in across], dim=-1)


def _joined(parts: list[Tensor], dim: int) -> Tensor:
    return torch.cat(parts, dim) if len(parts) > 1 else parts[0]


@cache
def _folded_gaussian(size: int, sigma: float, device: torch.device, least_rows: int) -> tuple[tuple[slice, Tensor], ...]:
    """The smoothing of a line as a matrix, cut into bands of some rows: which places a band reads, and their weights (float64)."""
    radius = int(3 * sigma + 0.5)
    taps = np.arange(-radius, radius + 1)
    window = np.exp(-((taps / sigma) ** 2) / 2)
    read = (np.arange(size)[:, None] + taps) % (2 * size)
    matrix = np.zeros((size, size))
    np.add.at(matrix, (np.arange(size)[:, None], np.minimum(read, 2 * size - 1 - read)), window / window.sum())
    bands = []
    for rows in np.split(matrix, range(0, size, max(least_rows, 2 * radius))[1:]):
        reached = np.flatnonzero(rows.any(axis=0))
        sources = slice(int(reached[0]), int(reached[-1]) + 1)
        bands.append((sources, torch.tensor(rows[:, sources], device=device)))
    return tuple(bands)
