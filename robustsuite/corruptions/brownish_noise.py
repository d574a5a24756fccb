"""Random clouds, stronger the coarser, of each colour for itself, added to the image.

ImageNet-C-bar and CIFAR-10-C-bar: Mintun, Kirillov & Xie 2021, arXiv:2102.11273; constants from
facebookresearch/augmentation-corruption, imagenet_c_bar.
"""

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from robustsuite.numerics.spectral_noise import cycles, spectral_noise
from robustsuite.numerics.whole_levels import added
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-c-bar", "cifar10-c-bar")
GROUP = "noise"

DEVIATION = {  # standard deviation of the clouds in levels, severity 1 to 5; those of 64 pixels were not published
    "imagenet": (6.4, 12.8, 19.2, 25.6, 32.0),
    "imagenet-299": (6.4, 12.8, 19.2, 25.6, 32.0),
    "tiny": (16.0, 25.6, 35.2, 41.6, 44.8),
    "cifar": (16.0, 25.6, 35.2, 41.6, 44.8),
}


def brownish_noise(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """`levels + DEVIATION * clouds`: noise of amplitude 1 / (f² + 1) at f cycles to the image's shorter side."""
    spectrum = _spectrum(*levels.shape[-2:], levels.device)
    clouds = spectral_noise(noise, spectrum, fields=3)
    return added(levels, clouds.mul_(DEVIATION[profile][severity - 1]))


@cache
def _spectrum(height: int, width: int, device: torch.device) -> Float[Tensor, "height width"]:
    return 1 / (cycles(height, width, device).square() + 1)
