"""Noise with a given spectrum and random phases."""

from functools import cache
from math import pi

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from robustsuite.numerics.draws import between
from robustsuite.roles import Noise


@cache
def cycles(height: int, width: int, device: torch.device) -> Float[Tensor, "height width"]:
    """How often each wave of a spectrum fits into the image's shorter side; the constant is at (height / 2, width / 2)."""
    side = min(height, width)
    down, across = ((torch.arange(size, dtype=torch.float64) - size / 2) * (side / size) for size in (height, width))
    return torch.hypot(down[:, None], across).to(device)


def spectral_noise(noise: Noise, spectrum: Float[Tensor, "height width"], fields: int) -> Float[Tensor, "batch {fields} height width"]:
    """The real part of the waves' sum, divided by its standard deviation; float64. A single pixel has no waves: 0.

    The phases of the left half of the spectrum are uniform in (0, 2 pi). The right half repeats them, turned by 180 degrees
    about the middle of the array, which is half a place beside the constant; an odd width's middle column mirrors itself, with
    phase 0 in between. As in imagenet_c_bar of facebookresearch/augmentation-corruption.

    Args:
        noise: draws the left half's phases row by row and, where the width is odd, the upper half of the middle column's; then
            those of the next field. Of an odd number of them, which no square has, one more is drawn for each field.
        spectrum: amplitudes, the constant's at (height / 2, width / 2); float64.
        fields: how many for each image.
    """
    height, width = spectrum.shape
    waves = torch.fft.fftshift(_waves(noise, height, width, fields).mul_(spectrum), dim=(2, 3))
    field = torch.fft.ifft2(waves).real.contiguous()
    variance = field.square().mean(dim=(2, 3), keepdim=True) - field.mean(dim=(2, 3), keepdim=True).square()
    return torch.where(variance > 0, field / variance.sqrt(), 0)


def _waves(noise: Noise, height: int, width: int, fields: int) -> Complex[Tensor, "batch {fields} {height} {width}"]:
    """All of amplitude 1."""
    half, middle = height * (width // 2), height // 2 * (width % 2)
    drawn = max(1, half + middle)
    phases = _unit_waves(between(noise, 0, 2 * pi, fields, drawn + drawn % 2))
    left = phases[..., :half].unflatten(2, (height, width // 2))
    parts = [left, left.flip(2, 3)]
    if width % 2:
        upper = phases[..., half : half + middle, None]
        parts.insert(1, torch.cat([upper, upper.new_ones(len(upper), fields, height % 2, 1), upper.flip(2)], dim=2))
    return torch.cat(parts, dim=3)


def _unit_waves(phases: Float[Tensor, "..."]) -> Complex[Tensor, "..."]:
    """`exp(i * phases)`; several times faster than `torch.polar`."""
    return torch.complex(phases.cos(), phases.sin())
