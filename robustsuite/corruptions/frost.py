"""The image seen through a pane of frosted glass.

ImageNet-C: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-C/create_c.
"""

from robustsuite.corruptions._frost_textures import frosted, textures
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-c",)
GROUP = "weather"

SHARES = {  # (of the image, of the frost), severity 1 to 5
    "imagenet": ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    "imagenet-299": ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    "tiny": ((1, 0.3), (0.9, 0.4), (0.8, 0.45), (0.75, 0.5), (0.7, 0.55)),
    "cifar": ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
}
SCALE = {"tiny": 0.3, "cifar": 0.2}  # of the photos of frost; elsewhere they are shown as they are


def frost(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """`levels * share + frost * share`, cut off at 255 and rounded down; the frost is a window of one of five photos.

    Where the benchmark's photo is not larger than the image, it is enlarged first, as `imagecorruptions` does.
    """
    height, width = levels.shape[-2:]
    photos = textures(height, width, SCALE.get(profile, 1), always_enlarged=False, device=levels.device)
    return frosted(levels, photos.cropped(height, width, noise), SHARES[profile][severity - 1])
