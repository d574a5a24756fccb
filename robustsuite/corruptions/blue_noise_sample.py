"""Pixels made black where a random field, stronger the finer, is low.

ImageNet-C-bar and CIFAR-10-C-bar: Mintun, Kirillov & Xie 2021, arXiv:2102.11273; constants from
facebookresearch/augmentation-corruption, imagenet_c_bar.
"""

from robustsuite.numerics.spectral_noise import cycles, spectral_noise
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-c-bar", "cifar10-c-bar")
GROUP = "noise"

THRESHOLD = {  # of the field, in its standard deviations, severity 1 to 5; those of 64 pixels were not published
    "imagenet": (-2.26, -2.02, -1.78, -1.3, -0.82),
    "imagenet-299": (-2.26, -2.02, -1.78, -1.3, -0.82),
    "tiny": (-2.29, -2.08, -1.87, -1.45, -1.24),
    "cifar": (-2.29, -2.08, -1.87, -1.45, -1.24),
}


def blue_noise_sample(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """A pixel is kept where blue noise, whose amplitude is proportional to the frequency, lies above THRESHOLD."""
    field = spectral_noise(noise, cycles(*levels.shape[-2:], levels.device), fields=1)
    return levels * (field > THRESHOLD[profile][severity - 1])
