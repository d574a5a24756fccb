"""Drops of water, or splashes of mud, on the lens.

ImageNet-C: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-C/create_c.
"""

from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from robustsuite.numerics import drops, liquid
from robustsuite.numerics.filters import gaussian_window
from robustsuite.numerics.levels import to_unit
from robustsuite.numerics.placement import on_host
from robustsuite.roles import Images, Levels, Noise

BENCHMARKS = ("imagenet-c-extra",)
GROUP = "weather"

# (mean and standard deviation of the random layer, standard deviation of its smoothing in pixels, least value that is liquid,
# strength of the water or, in pixels, standard deviation of the mud's edges, what it is), severity 1 to 5
LIQUID = {
    "imagenet": (
        (0.65, 0.3, 4, 0.69, 0.6, "water"),
        (0.65, 0.3, 3, 0.68, 0.6, "water"),
        (0.65, 0.3, 2, 0.68, 0.5, "water"),
        (0.65, 0.3, 1, 0.65, 1.5, "mud"),
        (0.67, 0.4, 1, 0.65, 1.5, "mud"),
    ),
    "imagenet-299": (
        (0.65, 0.3, 4, 0.69, 0.9, "water"),
        (0.65, 0.3, 3.5, 0.68, 0.9, "water"),
        (0.65, 0.3, 3, 0.68, 0.8, "water"),
        (0.65, 0.3, 1.2, 0.65, 1.8, "mud"),
        (0.67, 0.4, 1.2, 0.65, 1.8, "mud"),
    ),
    "tiny": (
        (0.62, 0.1, 0.7, 0.7, 0.6, "water"),
        (0.65, 0.1, 0.8, 0.7, 0.6, "water"),
        (0.65, 0.3, 1, 0.69, 0.6, "water"),
        (0.65, 0.1, 0.7, 0.68, 0.6, "mud"),
        (0.65, 0.1, 0.5, 0.67, 0.6, "mud"),
    ),
    "cifar": (
        (0.62, 0.1, 0.7, 0.7, 0.5, "water"),
        (0.65, 0.1, 0.8, 0.7, 0.5, "water"),
        (0.65, 0.3, 1, 0.69, 0.5, "water"),
        (0.65, 0.1, 0.7, 0.69, 0.6, "mud"),
        (0.65, 0.1, 0.5, 0.68, 0.6, "mud"),
    ),
}
WATER = (175 / 255, 238 / 255, 238 / 255)  # RGB on the [0, 1] scale: pale turquoise
MUD = (63 / 255, 42 / 255, 20 / 255)  # brown


def spatter(levels: Levels, severity: int, noise: Noise, profile: str) -> Images:
    """`images + WATER * m`, or `images * (1 - m) + MUD * m`, with m in [0, 1] for every pixel.

    A layer of normal numbers, smoothed, is liquid where it exceeds a limit. For water, m is the `gloss` of the drops, scaled
    to the strength at most. For mud, m is 1 where there is liquid and 0 elsewhere, smoothed, and 0 where that is below 0.8.
    A layer without liquid, as a very small image may have, leaves the image as it is (the benchmark divides 0 by 0).

    The layer is float64 and what follows float32, as in the benchmark. On a CPU OpenCV draws the drops, one image after
    another; elsewhere all images have theirs drawn at once, bit for bit the same.
    """
    mean, deviation, sigma, limit, amount, kind = LIQUID[profile][severity - 1]
    here, colour = on_host(levels.device), _colour(kind, levels.device)
    if kind == "water":
        draw = _drawn_by_opencv if here else drops.gloss
        m = draw(noise.normal(*levels.shape[-2:]).double(), mean, deviation, sigma, limit)[:, None]
        m.div_(m.amax(dim=(2, 3), keepdim=True).clamp_(min=1)).mul_(amount)
        return to_unit(levels).add_(colour * m)
    smooth = _smoothed if here else _smoothed_by_products
    layer = noise.normal(*levels.shape[-2:]).double().mul_(deviation).add_(mean)
    m = smooth((smooth(layer, sigma) > limit).float(), amount)[:, None]
    m.mul_(m >= 0.8)
    return to_unit(levels).mul_(1 - m).add_(colour * m)


@cache
def _colour(kind: str, device: torch.device) -> Float[Tensor, "3 1 1"]:
    return torch.tensor(WATER if kind == "water" else MUD, device=device)[:, None, None]


def _drawn_by_opencv(
    layers: Float[Tensor, "batch height width"], mean: float, deviation: float, sigma: float, limit: float
) -> Float[Tensor, "batch height width"]:
    """As `drops.gloss`. Overwrites `layers`."""
    layers = layers.mul_(deviation).add_(mean)
    return torch.from_numpy(np.stack([liquid.gloss(liquid.puddles(each, sigma, limit)) for each in layers.numpy()]))


def _smoothed(fields: Float[Tensor, "batch height width"], sigma: float) -> Float[Tensor, "batch height width"]:
    """Gaussian smoothing in float64, down and then across, kept in the type of `fields`; borders repeat the edge."""
    radius = int(4 * sigma + 0.5)
    weights = gaussian_window(2 * radius + 1, sigma).tolist()
    for dim, margin in ((1, (0, 0, radius, radius)), (2, (radius, radius, 0, 0))):
        padded = F.pad(fields.double()[:, None], margin, mode="replicate")[:, 0]
        total = torch.zeros_like(fields, dtype=torch.float64)
        for place, weight in enumerate(weights):
            total.add_(padded.narrow(dim, place, fields.shape[dim]), alpha=weight)
        fields = total.to(fields.dtype)
    return fields


def _smoothed_by_products(fields: Float[Tensor, "batch height width"], sigma: float) -> Float[Tensor, "batch height width"]:
    """As `_smoothed`, whose sums it rounds in another order."""
    down, across = (drops.smoothing(side, sigma, fields.device) for side in fields.shape[1:])
    fields = (down @ fields.double()).to(fields.dtype)
    return (fields.double() @ across.T).to(fields.dtype)
