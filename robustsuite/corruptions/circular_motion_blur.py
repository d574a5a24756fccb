"""Blur along circles about the image's centre: the camera rolls.

CIFAR-10-C-bar: Mintun, Kirillov & Xie 2021, arXiv:2102.11273; constants from facebookresearch/augmentation-corruption, imagenet_c_bar.
"""

import warnings
from functools import cache, lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int32
from scipy.sparse import csr_array
from scipy.special import cosdg, sindg
from torch import Tensor

from robustsuite.numerics.filters import leaning, looked_up
from robustsuite.numerics.splines import Banded, cubic_taps, interpolating
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("cifar10-c-bar",)
GROUP = "blur"

FURTHEST = {  # rotation to either side in degrees, severity 1 to 5; only the 32-pixel ones were published
    "imagenet": (4.2, 5.4, 6.6, 7.8, 9.0),
    "imagenet-299": (4.2, 5.4, 6.6, 7.8, 9.0),
    "tiny": (4.2, 5.4, 6.6, 7.8, 9.0),
    "cifar": (4.2, 5.4, 6.6, 7.8, 9.0),
}

ROTATIONS = 2 * np.arange(21) / 20 - 1  # as shares of the furthest
SHARES = np.exp(-2 * ROTATIONS**2)

MIRRORED = ((), (1,), (0,), (0, 1))  # axes of the four mirror images
LARGEST_KEPT = 320 * 320  # pixels of an image whose matrix is kept: up to 50 MB, and growing as fast as the number of pixels


def circular_motion_blur(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """The mean of 21 rotations of the image, weighted by `exp(-2 t²)` at the share t of the furthest, rounded down.

    Each is interpolated by cubic splines; what a rotation brings in from outside is black.
    """
    batch, colours, height, width = levels.shape
    coefficients = _prefilter(width, levels.device).across(looked_up(_leaning_levels(levels.device), levels))
    # From here on a pixel's colours, in all images, stand beside each other.
    coefficients = _prefilter(height, levels.device).down(coefficients.permute(2, 3, 0, 1).reshape(height, -1)).view(height * width, -1)
    # The blur is its own mirror image, along rows as along columns: one quarter of it, applied to all mirror images, is all.
    coefficients = coefficients.index_select(0, _mirrored(height, width, levels.device)).view(height * width, -1)
    quarter = _kept_quarter if height * width <= LARGEST_KEPT else _quarter
    quarters = quarter(height, width, FURTHEST[profile][severity - 1], levels.device) @ coefficients
    down, right = (height + 1) // 2, (width + 1) // 2
    quarters = quarters.clamp_(0, 255).to(torch.uint8).view(down, right, len(MIRRORED), batch, colours)
    blurred = levels.new_empty(height, width, batch, colours)
    for number, axes in enumerate(MIRRORED):
        rows = slice(height - down, None) if 0 in axes else slice(down)
        columns = slice(width - right, None) if 1 in axes else slice(right)
        blurred[rows, columns] = quarters[:, :, number].flip(axes)
    return blurred.permute(2, 3, 0, 1).contiguous()


@cache
def _prefilter(size: int, device: torch.device) -> Banded:
    return Banded.of(interpolating(size), device)


@lru_cache(maxsize=1)
def _mirrored(height: int, width: int, device: torch.device) -> Int32[Tensor, " {4*height*width}"]:
    """The pixels that the mirror images have in the place of every pixel, one after the other; numbered along the rows."""
    places = torch.arange(height * width, dtype=torch.int32, device=device).view(height, width)
    return torch.stack([places.flip(axes) for axes in MIRRORED], dim=2).flatten()


@cache
def _leaning_levels(device: torch.device) -> Float[Tensor, "256"]:
    """As float64, each level moved by what decides to which side the benchmark, in float32, rounds flat areas."""
    unit, total = np.arange(256, dtype=np.float32) / np.float32(255), np.zeros(256, np.float32)
    for share in SHARES.astype(np.float32):
        total += share * unit
    total /= np.float32(SHARES.sum())
    # The benchmark rounds every rotation to float32, which takes flat what is so to 1e-7.
    return leaning(total * np.float32(255), by=1e-7).to(device)


def _quarter(height: int, width: int, furthest: float, device: torch.device) -> Tensor:
    """The sparse matrix from spline coefficients `[height * width]` to the blurred pixels of the upper left quarter."""
    centre = (np.array([height, width]) - 1) / 2
    rows, columns = np.indices(((height + 1) // 2, (width + 1) // 2)).reshape(2, -1)
    total = csr_array((len(rows), height * width))
    for rotation, share in zip(ROTATIONS, SHARES / SHARES.sum(), strict=True):
        cosine, sine = cosdg(rotation * furthest), sindg(rotation * furthest)
        turn = np.array([[cosine, sine], [-sine, cosine]])
        offset = centre - turn @ centre
        y, x = (turn[axis, 0] * rows + turn[axis, 1] * columns + offset[axis] for axis in (0, 1))
        inside = (y >= 0) & (y <= height - 1) & (x >= 0) & (x <= width - 1)
        (near_rows, row_weights), (near_columns, column_weights) = cubic_taps(y, height), cubic_taps(x, width)
        weights = row_weights[:, :, None] * column_weights[:, None] * (share * inside)[:, None, None]
        taps = near_rows[:, :, None] * width + near_columns[:, None]
        total += csr_array((weights.ravel(), taps.ravel(), np.arange(len(rows) + 1) * 16), shape=total.shape)
    total.sum_duplicates()
    with warnings.catch_warnings():  # once in a process, that sparse matrices in torch are young
        warnings.simplefilter("ignore", UserWarning)
        starts, read = (torch.from_numpy(part.astype(np.int32)) for part in (total.indptr, total.indices))
        return torch.sparse_csr_tensor(starts, read, torch.from_numpy(total.data), total.shape, check_invariants=False).to(device)


_kept_quarter = lru_cache(maxsize=5)(_quarter)
