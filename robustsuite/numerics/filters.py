"""Linear filters of images."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy.fft import next_fast_len
from scipy.ndimage import gaussian_filter1d
from torch import Tensor
from torch.nn import functional as F

from robustsuite.errors import EvaluationError
from robustsuite.numerics.opencv import opencv
from robustsuite.numerics.placement import on_host
from robustsuite.roles import Images, Levels


def correlate(images: Images, kernel: Float[Tensor, "rows columns"]) -> Images:
    """Correlation of every channel with an odd-sized kernel; borders mirror without repeating the edge (reflect-101).

    On a CPU OpenCV does it, which is faster; elsewhere, or without it, the fast Fourier transform, whose cost does not grow with
    the kernel. On float64 images both are within 1e-14 of a direct sum.

    Raises `EvaluationError` for images that are not larger than half the kernel.
    """
    rows, columns = kernel.shape[0] // 2, kernel.shape[1] // 2
    if images.shape[-2] <= rows or images.shape[-1] <= columns:
        least = max(rows, columns) + 1
        raise EvaluationError(
            f"expected images of at least {least}x{least} pixels for so wide a blur, got {images.shape[-1]}x{images.shape[-2]}"
        )
    if on_host(images.device) and (cv2 := opencv()):
        planes, weights = images.flatten(0, 1).numpy(), kernel.numpy()
        filtered = [cv2.filter2D(plane, -1, weights, borderType=cv2.BORDER_REFLECT_101) for plane in planes]
        return torch.from_numpy(np.stack(filtered)).view(images.shape)
    return _by_transform(images, kernel)


def _by_transform(images: Images, kernel: Float[Tensor, "rows columns"]) -> Images:
    rows, columns = kernel.shape[0] // 2, kernel.shape[1] // 2
    padded = F.pad(images, (columns, columns, rows, rows), mode="reflect")
    size = [next_fast_len(side, real=True) for side in padded.shape[-2:]]
    spectrum = torch.fft.rfft2(padded, s=size) * torch.fft.rfft2(kernel.to(images.dtype), s=size).conj()
    return torch.fft.irfft2(spectrum, s=size)[..., : images.shape[-2], : images.shape[-1]]


def gaussian_window(size: int, sigma: float) -> Float[Tensor, " size"]:
    """Weights of a sampled Gaussian over `size` (odd) places, summing to 1; float64."""
    places = torch.arange(size, dtype=torch.float64) - size // 2
    weights = torch.exp(-places.square() / (2 * sigma * sigma))
    return weights / weights.sum()


def leaning(flat: np.ndarray, by: float) -> Float[Tensor, "256"]:
    """The 256 levels as float64, each moved `by` a part of itself towards the side on which the benchmark falls.

    A filter whose weights sum to 1 leaves flat areas as they are: there the exact answer is a whole level, and the rounding
    errors of the benchmark's own sums decide whether it is rounded down to that level or to the one below. A filter of
    leaning levels, summed in any order, falls on the same side.

    Args:
        flat: `[256]`, what the benchmark's arithmetic makes of an area of each level, on the scale of levels.
        by: larger than the rounding errors of the sums to come, and so small that nothing else is moved across a level.
    """
    levels = np.arange(256)
    return torch.from_numpy(levels * (1 + by * np.where(flat >= levels, 1, -1)))


def looked_up(table: Float[Tensor, "256"], levels: Levels) -> Images:
    """`table[level]` for every element."""
    return table.index_select(0, levels.reshape(-1).int()).view(levels.shape)


@dataclass(frozen=True)
class Band:
    """Neighbouring outputs of a filter along one side, and the inputs that they are sums of.

    Attributes:
        inputs: where they lie along the side.
        weights: float64 `[outputs, inputs]`.
    """

    inputs: slice
    weights: Float[Tensor, "outputs inputs"]


@cache
def _gaussian_bands(size: int, sigma: float, device: torch.device, outputs: int) -> tuple[Band, ...]:
    """A Gaussian blur along a side of `size` pixels, cut off at 4 sigma; beyond the edge, the edge's pixel is repeated.

    The matrix of the blur is zero far from its diagonal, and bands of a few `outputs` leave most of that out.
    """
    radius = int(4 * sigma + 0.5)
    window = gaussian_window(2 * radius + 1, sigma)
    reached = (torch.arange(size)[:, None] + torch.arange(-radius, radius + 1)).clamp(0, size - 1)
    bands = []
    for inputs in reached.split(outputs):
        low, high = int(inputs.min()), int(inputs.max()) + 1
        weights = torch.zeros(len(inputs), high - low, dtype=torch.float64)
        weights.scatter_add_(1, inputs - low, window.expand(len(inputs), -1))
        bands.append(Band(slice(low, high), weights.to(device)))
    return tuple(bands)


@cache
def _levels_for_gaussian(sigma: float, device: torch.device) -> Float[Tensor, "256"]:
    flat = np.arange(256)[:, None] / 255
    for _ in range(2):
        flat = gaussian_filter1d(flat, sigma, axis=1, mode="nearest")
    return leaning(flat[:, 0] * 255, by=1e-12).to(device)


def gaussian_blurred(levels: Levels, sigma: float) -> Levels:
    """Every channel blurred by a Gaussian and rounded down, as `np.uint8(skimage.filters.gaussian(image / 255, sigma) * 255)`.

    The window is cut off at 4 sigma and the edge repeated beyond the image (scipy's mode `nearest`). In float64, and flat areas
    as scipy rounds them: see `leaning`.

    Args:
        levels: uint8.
        sigma: pixels.
    """
    outputs = 32 if on_host(levels.device) else 512  # a processor gains by leaving zeros out; a GPU by fewer, larger products
    blurred = looked_up(_levels_for_gaussian(sigma, levels.device), levels).flatten(0, 1)
    for side in (1, 2):
        parts = []
        for band in _gaussian_bands(blurred.shape[side], sigma, levels.device, outputs):
            few = blurred.narrow(side, band.inputs.start, band.inputs.stop - band.inputs.start)
            parts.append(band.weights.expand(len(few), -1, -1) @ few if side == 1 else few @ band.weights.T)
        blurred = torch.cat(parts, dim=side)
    return blurred.to(torch.uint8).view(levels.shape)


@cache
def comet(radius: int, sigma: float, device: torch.device) -> Float[Tensor, " taps"]:
    """Weights of a trail that fades as half a Gaussian, `2 * radius + 1` of them from its head on, summing to 1; float64."""
    places = np.arange(2 * radius + 1)
    weights = np.exp(-(places**2) / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma)
    return torch.from_numpy(weights / weights.sum()).to(device)


def trail(degrees: Float[Tensor, " batch"], taps: int) -> tuple[Int64[Tensor, "batch taps"], Int64[Tensor, "batch taps"]]:
    """The places of `taps` steps of length 1 from a pixel, in rows and in columns, at one angle for each image.

    ImageMagick's MotionBlurImage: `ceil(i * sin - 0.5)` rows down and `ceil(i * cos - 0.5)` columns to the right.
    """
    radians = degrees.double() * torch.pi / 180
    down, right = ends = torch.stack((radians.sin(), radians.cos())).mul_(taps)
    rows, columns = (ends[..., None] * _numbers(taps, degrees.device)).div_(torch.hypot(down, right)[:, None]).sub_(0.5).ceil_().long()
    return rows, columns


@cache
def _numbers(count: int, device: torch.device) -> Int64[Tensor, " count"]:
    """0, 1, 2, ..."""
    return torch.arange(count, device=device)


def within(
    rows: Int64[Tensor, "batch taps"], columns: Int64[Tensor, "batch taps"], weights: Float[Tensor, " taps"], height: int, width: int
) -> Float[Tensor, "batch taps"]:
    """The weights of a `trail` that ends where a step reaches as far as the image is high or wide: 0 from there on."""
    return weights * ((rows.abs() < height) & (columns.abs() < width))  # no later step is nearer


def sum_of_shifts(
    images: Float[Tensor, "batch channels height width"],
    rows: Int64[Tensor, "batch taps"],
    columns: Int64[Tensor, "batch taps"],
    weights: Float[Tensor, "batch taps"],
) -> Float[Tensor, "batch channels height width"]:
    """`sum over i of weights[i] * images[y + rows[i], x + columns[i]]`; beyond the edge, the edge's pixel is repeated."""
    return (_sum_of_slices if on_host(images.device) else _sum_of_look_ups)(images, rows, columns, weights)


def _sum_of_slices(images: Tensor, rows: Tensor, columns: Tensor, weights: Tensor) -> Tensor:
    """A slice of a padded image is read at the speed of memory, and every image has slices of its own."""
    height, width = images.shape[-2:]
    top, left = max(0, -int(rows.min())), max(0, -int(columns.min()))
    padded = F.pad(images, (left, max(0, int(columns.max())), top, max(0, int(rows.max()))), mode="replicate")
    total = torch.zeros_like(images)
    for found, image, *taps in zip(total, padded, rows.tolist(), columns.tolist(), weights.tolist(), strict=True):
        for row, column, weight in zip(*taps, strict=True):
            found.add_(image[:, top + row :, left + column :][:, :height, :width], alpha=weight)
    return total


def _sum_of_look_ups(images: Tensor, rows: Tensor, columns: Tensor, weights: Tensor) -> Tensor:
    """A row of the answer is a weighted sum of stretches of the image's rows: torch knows it as an embedding bag.

    So one launch adds all taps of all images, one tap after the other; in float64.
    """
    batch, channels, height, width = images.shape
    margin = min(rows.shape[1], width) - 1  # farther to the side there is but the edge
    columns = columns.clamp(-margin, margin)
    # A trail leads to one side: from its leftmost place on, every image is as wide again as the trail.
    leftmost = columns.amin(dim=1, keepdim=True)
    wide = width + margin
    seen = (leftmost + _numbers(wide, images.device)).clamp_(0, width - 1)[:, None, :, None]
    padded = images.movedim(1, -1).gather(2, seen.expand(-1, height, -1, channels)).double()
    begins = torch.arange(0, batch * height * wide, height * wide, device=images.device)[:, None]
    left = columns.sub_(leftmost).add_(begins)[:, None]
    starts = torch.add(left, (rows[:, None] + _numbers(height, images.device)[:, None]).clamp_(0, height - 1), alpha=wide).flatten(0, 1)
    stretches = padded.flatten().unfold(0, width * channels, channels)
    found = F.embedding_bag(starts, stretches, mode="sum", per_sample_weights=weights.double().repeat_interleave(height, dim=0))
    return found.view(batch, height, width, channels).movedim(-1, 1).to(images.dtype)
