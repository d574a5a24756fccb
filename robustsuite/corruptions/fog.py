"""A cloud of fog, drawn as a plasma fractal, over the image.

ImageNet-C: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-C/create_c.
"""

import torch

from robustsuite.numerics.levels import to_unit
from robustsuite.numerics.plasma import plasma
from robustsuite.roles import Images, Levels, Noise

BENCHMARKS = ("imagenet-c",)
GROUP = "weather"

FOG = {  # (brightness of the thickest fog on the [0, 1] scale, decay of the fractal), severity 1 to 5
    "imagenet": ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    "imagenet-299": ((1.5, 2), (2, 2), (2.5, 1.8), (2.5, 1.6), (3, 1.5)),
    "tiny": ((0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)),
    "cifar": ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
}


def fog(levels: Levels, severity: int, noise: Noise, profile: str) -> Images:
    """`(images + thickness * cloud) * m / (m + thickness)`, with m the image's largest value and a grey cloud in [0, 1].

    The cloud is the corner of a fractal whose side is the next power of two from the image's longer side on: 256 for 224
    pixels and 512 for 299, as published.
    """
    thickness, decay = FOG[profile][severity - 1]
    height, width = levels.shape[-2:]
    size = max(2, 1 << (max(height, width) - 1).bit_length())
    cloud = plasma(noise, size, decay)[:, None, :height, :width].mul_(thickness)
    images = to_unit(levels, torch.float64)
    brightest = images.amax(dim=(1, 2, 3), keepdim=True)
    return images.add_(cloud).mul_(brightest).div_(brightest + thickness)
