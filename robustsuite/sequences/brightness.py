"""The image from darker to brighter.

ImageNet-P: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-P/create_p.
"""

from collections.abc import Iterator

import torch

from robustsuite.numerics.levels import to_unit
from robustsuite.roles import Images, Levels, Noise

BENCHMARKS = ("imagenet-p", "cifar10-p")
FRAMES = {"imagenet": 31, "imagenet-299": 31, "tiny": 31, "cifar": 31}
REFERENCE = "previous"
MARGIN = False

STEP = {"imagenet": 2, "imagenet-299": 2, "tiny": 2, "cifar": 1.5}  # added from frame to frame to the value of HSV, in percent
DIMMING = torch.tensor([[0, 1, 3, 3, 2, 0], [2, 0, 0, 1, 3, 3], [3, 3, 2, 0, 0, 1]])
"""For red, green and blue in each sixth of the circle of hues, which of `_kept`'s four shares of the saturation dims them."""


def brightness(levels: Levels, noise: Noise, profile: str) -> Iterator[Levels]:
    """The value V of HSV becomes `clip(V + added)`, hue and saturation are kept; nothing is added in the middle frame."""
    images = to_unit(levels, torch.float64)
    value, kept = images.amax(dim=1, keepdim=True), _kept(images)
    for frame in range(FRAMES[profile]):
        added = (frame - FRAMES[profile] // 2) * STEP[profile] / 100
        yield ((value + added).clamp_(0, 1) * kept).mul_(255).to(torch.uint8)


def _kept(images: Images) -> Images:
    """What share of the value V each channel has, whatever V is: `1 - share * saturation`.

    Where V does not change the exact answer is a whole level for every pixel, and the roundings decide on which side of it
    float64 falls. So the steps are those of scikit-image's `rgb2hsv` and `hsv2rgb`.
    """
    (red, green, blue), value = images.unbind(dim=1), images.amax(dim=1)
    spread = value - images.amin(dim=1)
    hue = torch.where(green == value, 2 + (blue - red) / spread, (green - blue) / spread)
    hue = torch.where(blue == value, 4 + (red - green) / spread, hue)
    hue = torch.where(spread > 0, (hue / 6) % 1, 0).mul_(6)
    sixth = hue.floor()
    within = hue - sixth
    shares = torch.stack([torch.zeros_like(hue), within, 1 - within, torch.ones_like(hue)], dim=1)
    which = DIMMING.to(images.device)[:, sixth.long() % 6].movedim(0, 1)
    saturation = torch.where(spread > 0, spread / value, 0)
    return 1 - shares.gather(1, which).mul_(saturation[:, None])
