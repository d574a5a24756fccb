"""The image from small, in a black frame, to larger than it was.

ImageNet-P: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-P/create_p.
"""

from collections.abc import Iterator

from robustsuite.numerics.affine import affine
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-p", "cifar10-p")
FRAMES = {"imagenet": 31, "imagenet-299": 31, "tiny": 31, "cifar": 31}
REFERENCE = "previous"
MARGIN = True

SIZE = {  # (of frame 0, what each frame adds), in percent of the image's own
    "imagenet": (40, 2.5),
    "imagenet-299": (40, 2.5),
    "tiny": (40, 2.5),
    "cifar": (70, 2),
}


def scale(levels: Levels, noise: Noise, profile: str) -> Iterator[Levels]:
    """Enlarged about the centre, bilinear without smoothing; black around it.

    At 299 pixels the benchmark scales the central crop alone; here the margin, where there is one, is scaled with it.
    """
    first, step = SIZE[profile]
    for frame in range(FRAMES[profile]):
        yield affine(levels, enlarged=(frame * step + first) / 100)
