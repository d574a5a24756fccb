"""Rows and columns displaced by sine waves.

CIFAR-10-C-bar: Mintun, Kirillov & Xie 2021, arXiv:2102.11273; constants from facebookresearch/augmentation-corruption, imagenet_c_bar.
"""

from math import pi

import torch

from robustsuite.numerics.bilinear import read_between
from robustsuite.numerics.draws import between
from robustsuite.numerics.whole_levels import rounded_down
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("cifar10-c-bar",)
GROUP = "digital"

AMPLITUDE = {  # of the waves as a share of the image's shorter side, severity 1 to 5; only the 32-pixel ones were published
    "imagenet": (0.01375, 0.015, 0.01625, 0.01875, 0.02),
    "imagenet-299": (0.01375, 0.015, 0.01625, 0.01875, 0.02),
    "tiny": (0.01375, 0.015, 0.01625, 0.01875, 0.02),
    "cifar": (0.01375, 0.015, 0.01625, 0.01875, 0.02),
}


def ripple(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """The pixel in row y is read at `y + AMPLITUDE * side * sin(2 pi y / wavelength + phase)`, its column likewise; black outside.

    Each of the two wavelengths is uniform between .1 and .3 of the image's shorter side, each phase in (0, 2 pi).
    """
    side = min(levels.shape[-2:])
    wavelengths = between(noise, 0.1, 0.3, 2, 1) * side
    phases = between(noise, 0, 2 * pi, 2, 1)
    rows, columns = (
        places + AMPLITUDE[profile][severity - 1] * side * (2 * pi * places / wavelengths[:, axis] + phases[:, axis]).sin()
        for axis, places in enumerate(torch.arange(size, dtype=torch.float64, device=levels.device) for size in levels.shape[-2:])
    )
    return rounded_down(read_between(levels, rows[:, :, None], columns[:, None], torch.Tensor.double))
