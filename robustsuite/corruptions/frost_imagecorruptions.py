"""The image seen through frosted glass, as `imagecorruptions` has it: the photos of frost a tenth larger, one set of constants.

Michaelis et al. 2019, arXiv:1907.07484; constants from imagecorruptions 1.1.2 (bethgelab), which are those for 224 pixels.
"""

from robustsuite.corruptions._frost_textures import frosted, textures
from robustsuite.roles import Levels, Noise

SHARES = {  # (of the image, of the frost), severity 1 to 5
    "imagenet": ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    "imagenet-299": ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    "tiny": ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    "cifar": ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
}


def frost_imagecorruptions(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """`levels * share + frost * share`, cut off at 255 and rounded down; the frost is a window of one of five photos.

    Every photo is enlarged to 1.1 times its size (bicubic), or to 1.1 times what it takes to cover the image.
    """
    height, width = levels.shape[-2:]
    photos = textures(height, width, 1, always_enlarged=True, device=levels.device)
    return frosted(levels, photos.cropped(height, width, noise), SHARES[profile][severity - 1])
