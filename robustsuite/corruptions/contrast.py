"""Every channel drawn towards its own mean over the image.

ImageNet-C: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-C/create_c.
"""

import torch

from robustsuite.numerics.levels import to_unit
from robustsuite.roles import Images, Levels, Noise

BENCHMARKS = ("imagenet-c",)
GROUP = "digital"

KEPT = {  # share of the distance from the mean that is left, severity 1 to 5
    "imagenet": (0.4, 0.3, 0.2, 0.1, 0.05),
    "imagenet-299": (0.4, 0.3, 0.2, 0.1, 0.05),
    "tiny": (0.4, 0.3, 0.2, 0.1, 0.05),
    "cifar": (0.75, 0.5, 0.4, 0.3, 0.15),
}


def contrast(levels: Levels, severity: int, noise: Noise, profile: str) -> Images:
    """`(images - mean) * KEPT + mean`, with the mean of each image and channel."""
    images = to_unit(levels, torch.float64)
    mean = images.mean(dim=(2, 3), keepdim=True)
    return (images - mean) * KEPT[profile][severity - 1] + mean
