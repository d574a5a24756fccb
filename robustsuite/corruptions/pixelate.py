"""Fewer, larger pixels.

ImageNet-C: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-C/create_c.
"""

from functools import cache

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from robustsuite.numerics.placement import on_host
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-c",)
GROUP = "digital"

KEPT = {  # share of the pixels that is left on each side, severity 1 to 5
    "imagenet": (0.6, 0.5, 0.4, 0.3, 0.25),
    "imagenet-299": (0.5, 0.4, 0.3, 0.25, 0.2),
    "tiny": (0.9, 0.8, 0.7, 0.6, 0.5),
    "cifar": (0.95, 0.9, 0.85, 0.75, 0.65),
}

Small = UInt8[Tensor, "batch 3 small_height small_width"]


def pixelate(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """Pillow's BOX filter to `int(side * KEPT)` pixels a side, at least 1, and back to the full size; bit for bit.

    Means over the pixels whose centres lie in a box, rounded to levels across and then down; on the way back the nearest pixel.
    """
    height, width = levels.shape[-2:]
    low, narrow = (max(int(side * KEPT[profile][severity - 1]), 1) for side in (height, width))
    rows, columns = _nearest(low, height, levels.device), _nearest(narrow, width, levels.device)
    if on_host(levels.device):
        return torch.from_numpy(_by_pillow(levels, low, narrow).numpy().take(rows, axis=2).take(columns, axis=3))
    return _in_tensors(levels, low, narrow).index_select(2, rows).index_select(3, columns)


def _by_pillow(levels: Levels, height: int, width: int) -> Small:
    box, found = Image.Resampling.BOX, []
    for planes in levels.numpy():
        image = Image.merge("RGB", [Image.fromarray(plane) for plane in planes])
        # In two calls, because since version 13 Pillow shrinks some tall images down before across, and rounds otherwise.
        found.append(np.asarray(image.resize((width, image.height), box).resize((width, height), box)).transpose(2, 0, 1))
    return torch.from_numpy(np.stack(found))


def _in_tensors(levels: Levels, height: int, width: int) -> Small:
    """The same without Pillow: all numbers are whole multiples of 2**-22, exact in float64."""
    across = (levels.double() @ _box(levels.shape[3], width, levels.device).mT).add_(0.5).floor_()
    return (_box(levels.shape[2], height, levels.device) @ across).add_(0.5).to(torch.uint8)


@cache
def _box(size: int, small: int, device: torch.device) -> Tensor:
    """Pillow's weights for shrinking, `[small, size]`: equal for the pixels in each box, in whole units of 2**-22; float64."""
    scale = size / small
    centre = (np.arange(small)[:, None] + 0.5) * scale
    first, beyond = (np.clip((centre + side * scale / 2 + 0.5).astype(int), 0, size) for side in (-1, 1))
    pixels = np.arange(size)
    distance = (pixels - centre + 0.5) / scale
    inside = (pixels >= first) & (pixels < beyond) & (distance > -0.5) & (distance <= 0.5)
    weights = np.floor(inside / inside.sum(axis=1, keepdims=True) * 2**22 + 0.5) / 2**22
    return torch.tensor(weights, device=device)


@cache
def _nearest(small: int, size: int, device: torch.device) -> Tensor:
    """For every pixel of `size` which of the `small` ones it shows."""
    return ((torch.arange(size, dtype=torch.float64) + 0.5) * (small / size)).long().to(device)
