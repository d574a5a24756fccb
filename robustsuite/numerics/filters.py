"""Linear filters of images."""

import torch
from jaxtyping import Float
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn import functional as F

from robustsuite.errors import EvaluationError
from robustsuite.roles import Images


def correlate(images: Images, kernel: Float[Tensor, "rows columns"]) -> Images:
    """Correlation of every channel with an odd-sized kernel; borders mirror without repeating the edge (reflect-101).

    By the fast Fourier transform, whose cost does not grow with the kernel. On float64 images within 1e-14 of a direct sum.

    Raises `EvaluationError` for images that are not larger than half the kernel.
    """
    rows, columns = kernel.shape[0] // 2, kernel.shape[1] // 2
    if images.shape[-2] <= rows or images.shape[-1] <= columns:
        least = max(rows, columns) + 1
        raise EvaluationError(
            f"expected images of at least {least}x{least} pixels for so wide a blur, got {images.shape[-1]}x{images.shape[-2]}"
        )
    padded = F.pad(images, (columns, columns, rows, rows), mode="reflect")
    size = [next_fast_len(side, real=True) for side in padded.shape[-2:]]
    spectrum = torch.fft.rfft2(padded, s=size) * torch.fft.rfft2(kernel.to(images.dtype), s=size).conj()
    return torch.fft.irfft2(spectrum, s=size)[..., : images.shape[-2], : images.shape[-1]]


def gaussian_window(size: int, sigma: float) -> Float[Tensor, " size"]:
    """Weights of a sampled Gaussian over `size` (odd) places, summing to 1; float64."""
    places = torch.arange(size, dtype=torch.float64) - size // 2
    weights = torch.exp(-places.square() / (2 * sigma * sigma))
    return weights / weights.sum()
