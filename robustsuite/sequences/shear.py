"""The image sheared, a degree a frame, from leaning to the left to leaning to the right.

ImageNet-P: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-P/create_p.
"""

from collections.abc import Iterator

from robustsuite.numerics.affine import affine
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-p-extra",)
FRAMES = {"imagenet": 31, "imagenet-299": 31, "tiny": 31, "cifar": 31}
REFERENCE = "previous"
MARGIN = True

FIRST = {"imagenet": -15, "imagenet-299": -15, "tiny": -15, "cifar": -15}  # angle of frame 0, in degrees


def shear(levels: Levels, noise: Noise, profile: str) -> Iterator[Levels]:
    """Rows shifted so that vertical lines through the middle row lean by `FIRST + frame` degrees, bilinear; black beyond the border.

    As torchvision shears today. When the benchmark's files were made it also flattened the image, by the cosine of the angle.
    """
    for frame in range(FRAMES[profile]):
        yield affine(levels, sheared=FIRST[profile] + frame)
