"""Photons counted: a Poisson draw for every pixel and channel, whose mean is the brightness.

ImageNet-C: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-C/create_c.
"""

import torch

from robustsuite.roles import Images, Levels, Noise

BENCHMARKS = ("imagenet-c",)
GROUP = "noise"

PHOTONS = {  # counted on average where the image is white, severity 1 to 5
    "imagenet": (60, 25, 12, 5, 3),
    "imagenet-299": (50, 20, 10, 5, 3),
    "tiny": (250, 100, 50, 30, 15),
    "cifar": (500, 250, 100, 75, 50),
}


def shot_noise(levels: Levels, severity: int, noise: Noise, profile: str) -> Images:
    """`Poisson(image * PHOTONS) / PHOTONS`."""
    photons = PHOTONS[profile][severity - 1]
    rates = torch.arange(256, dtype=torch.float64) / 255 * photons
    return noise.poisson(levels, rates).double() / photons
