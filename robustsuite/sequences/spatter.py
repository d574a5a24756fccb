"""Drops of water that run down the lens.

ImageNet-P: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-P/create_p.
"""

from collections.abc import Iterator

import numpy as np
import torch

from robustsuite.numerics.levels import to_levels, to_unit
from robustsuite.numerics.liquid import gloss, puddles, run_down
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-p-extra", "cifar10-p")
FRAMES = {"imagenet": 31, "imagenet-299": 31, "tiny": 31, "cifar": 31}
REFERENCE = "previous"
MARGIN = False

LIQUID = {  # mean and standard deviation of the random layer, standard deviation of its smoothing in pixels, least value that is liquid
    "imagenet": (0.65, 0.27, 3.7, 0.69),
    "imagenet-299": (0.65, 0.3, 4, 0.69),
    "tiny": (0.6, 0.25, 1.75, 0.7),
    "cifar": (0.6, 0.265, 1.75, 0.7),
}
SHARES = {  # of a row's liquid that the next frame shows one row up, in place, one down and two down; or in place and one down
    "imagenet": (0.05, 0.1, 0.15, 0.7),
    "imagenet-299": (0.05, 0.1, 0.15, 0.7),
    "tiny": (0.2, 0.8),
    "cifar": (0.2, 0.8),
}
STRENGTH = 0.6
WATER = (175 / 255, 238 / 255, 238 / 255)  # pale turquoise as blue, green, red; the benchmark adds it to red, green, blue


def spatter(levels: Levels, noise: Noise, profile: str) -> Iterator[Levels]:
    """`image + WATER * m`, where m is the liquid's `gloss`, scaled to STRENGTH at most.

    A layer of normal numbers, drawn once and smoothed, is liquid where it is at least a limit. From frame to frame it runs down.
    Without liquid, as a very small image may be, the image stays as it is (the benchmark would divide 0 by 0).

    The layer is float64 and what follows float32, as in the benchmark.
    """
    mean, deviation, sigma, limit = LIQUID[profile]
    layers = noise.normal(*levels.shape[-2:]).double().mul_(deviation).add_(mean)
    liquid = [puddles(layer, sigma, limit) for layer in layers.cpu().numpy()]
    images = to_unit(levels)
    colour = images.new_tensor(WATER)[:, None, None]
    for _ in range(FRAMES[profile]):
        m = torch.from_numpy(np.stack([gloss(each) for each in liquid])).to(levels.device)[:, None]
        m.div_(m.amax(dim=(2, 3), keepdim=True).clamp_(min=1)).mul_(STRENGTH)
        yield to_levels((colour * m).add_(images))
        liquid = [run_down(each, SHARES[profile]) for each in liquid]
