"""Salt and pepper: single values replaced by white or black.

ImageNet-C: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-C/create_c.
"""

import torch

from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-c",)
GROUP = "noise"

REPLACED = {  # share of the values, severity 1 to 5
    "imagenet": (0.03, 0.06, 0.09, 0.17, 0.27),
    "imagenet-299": (0.04, 0.07, 0.10, 0.18, 0.28),
    "tiny": (0.01, 0.02, 0.05, 0.08, 0.14),
    "cifar": (0.01, 0.02, 0.03, 0.05, 0.07),
}


def impulse_noise(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """Each value of each channel, with probability REPLACED, becomes 255 or 0, either equally probable.

    One uniform draw decides both. The benchmark makes two, from a generator that no seed reaches: only its statistics can
    be compared.
    """
    half = REPLACED[profile][severity - 1] / 2
    drawn = noise.uniform(*levels.shape[1:])
    salt, no_pepper = ((drawn < limit).to(torch.uint8).mul_(255) for limit in (half, 1 - half))
    return torch.minimum(torch.maximum(levels, salt), no_pepper)
