"""Pixels that take over the colour of a neighbour, between two blurs: a view through frosted glass.

ImageNet-C: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-C/create_c.
"""

import torch
from jaxtyping import Int64
from torch import Tensor

from robustsuite.numerics.filters import gaussian_blurred
from robustsuite.numerics.placement import on_host
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-c",)
GROUP = "blur"

GLASS = {  # (standard deviation of the blurs in pixels, reach of the copies in pixels, passes of copies), severity 1 to 5
    "imagenet": ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    "imagenet-299": ((0.8, 1, 3), (1, 3, 1), (1.1, 2, 4), (1.2, 4, 2), (1.6, 5, 2)),
    "tiny": ((0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)),
    "cifar": ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
}

GPU_ROUNDS = 7  # chains of 128 copies; a longer one has a probability below 1e-38. To notice the end a GPU would have to wait.


def glass_blur(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """A Gaussian blur rounded down to levels, passes of copies within a few pixels, the blur again.

    A pass visits pixel after pixel from the lower right to the upper left, but for a margin of REACH (above and to the left,
    REACH + 1). Each takes over the colour that the pixel `dy` below and `dx` to the right of it has by then; both are drawn from
    -REACH to REACH - 1. The benchmark's code means to swap the two, but the right-hand side of its assignment holds views of
    the image instead of copies: one colour is there twice, the other is lost. Its published images were made so.
    """
    sigma, reach, passes = GLASS[profile][severity - 1]
    height, width = levels.shape[-2:]
    rows, columns = height - 2 * reach, width - 2 * reach
    pixels = gaussian_blurred(levels, sigma).flatten(2)
    if rows > 0 and columns > 0:
        at_once = 1 if on_host(levels.device) else passes  # one pass stays in a processor's cache; a GPU launches no more for all
        for _ in range(passes // at_once):
            sources = _copied(noise.integers(2 * reach, at_once, rows, columns, 2).sub_(reach).flatten(0, 1), height, width, reach)
            for source in sources.view(-1, at_once, 1, height * width).unbind(dim=1):
                pixels = pixels.gather(2, source.expand(-1, 3, -1))
    return gaussian_blurred(pixels.view(levels.shape), sigma)


def _copied(offsets: Int64[Tensor, "batch rows columns 2"], height: int, width: int, reach: int) -> Int64[Tensor, "batch pixels"]:
    """Whose colour every pixel has after a pass; pixels are numbered along the rows.

    Args:
        offsets: `(dx, dy)` in the order of the visits.
        height: of the image.
        width: of the image.
        reach: largest offset.
    """
    ahead = (offsets[..., 1] * width).add_(offsets[..., 0]).flip(1, 2)
    del offsets  # half of the memory that all of this would take
    own = torch.arange(height * width, device=ahead.device)
    read = own.repeat(len(ahead), 1)
    visited = read.view(-1, height, width)[:, reach + 1 : height - reach + 1, reach + 1 : width - reach + 1]
    visited += ahead
    # A pixel of a higher number was visited before, and has the colour that it took over itself: such chains of higher and
    # higher numbers are followed to their ends, twice as far in every round. Any other still has the colour it had.
    last = torch.maximum(read, own)
    at_hand = on_host(last.device)
    for _ in range(len(own).bit_length() if at_hand else GPU_ROUNDS):
        further = last.gather(1, last)
        if at_hand and torch.equal(further, last):
            break
        last = further
    return read.gather(1, last)
