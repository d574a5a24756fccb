"""Every pixel displaced by smooth random fields, as the package imagecorruptions has it: no affine map, one set of constants.

Michaelis et al. 2019, arXiv:1907.07484; constants from bethgelab/imagecorruptions, version 1.1.2. Not the algorithm of ImageNet-C,
from which it differs by 16 to 32 levels on average.
"""

from robustsuite.numerics.levels import to_unit
from robustsuite.numerics.warping import displaced, smoothed
from robustsuite.roles import Images, Levels, Noise

FACTOR = {  # of the smoothed displacement, severity 1 to 5; the package knows one size, and so one set
    "imagenet": (250 * 0.05, 250 * 0.065, 250 * 0.085, 250 * 0.1, 250 * 0.12),
    "imagenet-299": (250 * 0.05, 250 * 0.065, 250 * 0.085, 250 * 0.1, 250 * 0.12),
    "tiny": (250 * 0.05, 250 * 0.065, 250 * 0.085, 250 * 0.1, 250 * 0.12),
    "cifar": (250 * 0.05, 250 * 0.065, 250 * 0.085, 250 * 0.1, 250 * 0.12),
}


def elastic_transform_imagecorruptions(levels: Levels, severity: int, noise: Noise, profile: str) -> Images:
    """The image read at `(x + dx, y + dy)`, bilinear; dx, dy = FACTOR * smoothed uniform(-0.005, 0.005) * height.

    The smoothing's standard deviation is 1 % of the image: of its height down, of its width across.
    """
    height, width = levels.shape[-2:]
    fields = (2 * noise.uniform(2, height, width).double() - 1) * (0.005 * height)
    shifts = smoothed(fields, (0.01 * height, 0.01 * width)) * FACTOR[profile][severity - 1]
    return displaced(to_unit(levels), shifts.float())
