"""Blur by an anti-aliased disk: a lens out of focus.

ImageNet-C: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants and kernel from hendrycks/robustness, ImageNet-C/create_c.
"""

from functools import cache

import torch
from torch.nn import functional as F

from robustsuite.numerics.filters import correlate, gaussian_window
from robustsuite.numerics.levels import to_unit
from robustsuite.roles import Images, Levels, Noise

BENCHMARKS = ("imagenet-c",)
GROUP = "blur"

DISK = {  # (radius of the disk in pixels, standard deviation of its anti-aliasing in pixels), severity 1 to 5
    "imagenet": ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    "imagenet-299": ((4, 0.1), (5, 0.5), (7, 0.5), (10, 0.5), (12, 0.5)),
    "tiny": ((0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)),
    "cifar": ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
}


@cache
def _disk(radius: float, sigma: float) -> torch.Tensor:
    """The benchmark's kernel, float32 with an odd side; zero rows and columns at the rim are cut off.

    A disk on a 17 x 17 grid (or one just large enough for radii above 8), divided by its sum, then smoothed by a Gaussian
    of 3 (or 5) taps with mirrored borders. Where the disk touches the grid's edge (radius 8 and 10) the mirroring adds
    weight: those kernels sum to 1.013 and 1.011 and brighten the image, in the benchmark as here.
    """
    half, taps = (8, 3) if radius <= 8 else (int(radius), 5)
    places = torch.arange(-half, half + 1, dtype=torch.float64)
    disk = (places[:, None].square() + places.square() <= radius**2).double()
    window = gaussian_window(taps, sigma)
    padded = F.pad((disk / disk.sum())[None, None], (taps // 2,) * 4, mode="reflect")
    kernel = F.conv2d(F.conv2d(padded, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))[0, 0].float()
    rim = min(int((kernel.amax(dim=1) > 1e-9).nonzero()[0]), half)
    return kernel[rim : kernel.shape[0] - rim, rim : kernel.shape[1] - rim]


def defocus_blur(levels: Levels, severity: int, noise: Noise, profile: str) -> Images:
    """Correlation of every channel with the disk; borders mirror without repeating the edge."""
    return correlate(to_unit(levels, torch.float64), _disk(*DISK[profile][severity - 1]).to(levels.device))
