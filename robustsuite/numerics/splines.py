"""Cubic B-splines along a line, as scipy.ndimage has them; beyond its ends the line is mirrored about its first and last place."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from robustsuite.numerics.placement import on_host


def cubic_taps(places: Float64[np.ndarray, " places"], size: int) -> tuple[Int64[np.ndarray, "places 4"], Float64[np.ndarray, "places 4"]]:
    """Which four of `size` coefficients a spline at these places is a sum of, and their weights, which sum to 1."""
    before = np.floor(places)
    beyond = places - before
    short = 1 - beyond
    near, far = ((t * t * (t - 2) * 3 + 4) / 6 for t in (beyond, short))
    outer = short**3 / 6
    period = max(2 * (size - 1), 1)
    taps = np.abs(before.astype(np.int64)[:, None] + np.arange(-1, 3)) % period
    return np.minimum(taps, 2 * (size - 1) - taps), np.stack([outer, near, far, 1 - outer - near - far], axis=1)


def as_matrix(
    taps: Int64[np.ndarray, "outputs 4"], weights: Float64[np.ndarray, "outputs 4"], size: int
) -> Float64[np.ndarray, "outputs size"]:
    """The sums of `cubic_taps` as a matrix."""
    matrix = np.zeros((len(taps), size))
    np.add.at(matrix, (np.arange(len(taps))[:, None], taps), weights)
    return matrix


def interpolating(size: int) -> Float64[np.ndarray, "size size"]:
    """The matrix from values to the coefficients of the spline through them."""
    return np.linalg.inv(as_matrix(*cubic_taps(np.arange(size, dtype=np.float64), size), size))


Parts = list[tuple[slice, Tensor]]
"""Of a matrix, for some neighbouring rows each: which inputs they are sums of, and the weights `[rows, inputs]`."""


@dataclass(frozen=True)
class Banded:
    """A matrix of float64 that is zero far from its diagonal, to be applied along one side of images.

    Attributes:
        narrow: in parts of few rows: a processor gains by leaving the zeros out.
        wide: the same in parts of many rows: a GPU gains by fewer, larger products.
    """

    narrow: Parts
    wide: Parts

    @classmethod
    def of(cls, matrix: Float64[np.ndarray, "outputs inputs"], device: torch.device) -> "Banded":
        """Entries below 1e-12 count as zero."""
        return cls(*(_parts(matrix, rows, device) for rows in (32, 512)))

    def down(self, images: Float[Tensor, "*batch inputs width"]) -> Float[Tensor, "*batch outputs width"]:
        """Sums of rows."""
        parts = self.narrow if on_host(images.device) else self.wide
        return torch.cat([weights @ images[..., inputs, :] for inputs, weights in parts], dim=-2)

    def across(self, images: Float[Tensor, "*batch height inputs"]) -> Float[Tensor, "*batch height outputs"]:
        """Sums of columns."""
        parts = self.narrow if on_host(images.device) else self.wide
        return torch.cat([images[..., inputs] @ weights.T for inputs, weights in parts], dim=-1)


def _parts(matrix: Float64[np.ndarray, "outputs inputs"], rows: int, device: torch.device) -> Parts:
    parts = []
    for few in np.split(matrix, range(rows, len(matrix), rows)):
        reached = np.flatnonzero((np.abs(few) > 1e-12).any(axis=0))
        inputs = slice(int(reached[0]), int(reached[-1]) + 1)
        parts.append((inputs, torch.tensor(few[:, inputs], device=device)))
    return parts
