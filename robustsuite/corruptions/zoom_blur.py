"""The mean of the image and ever stronger magnifications of its middle: the camera came closer.

ImageNet-C: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-C/create_c.
"""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from robustsuite.numerics.filters import leaning, looked_up
from robustsuite.numerics.zooming import magnified_in_frame
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-c",)
GROUP = "blur"

FACTORS = {  # (how many, from 1 on; the step from one to the next), severity 1 to 5
    "imagenet": ((12, 0.01), (16, 0.01), (11, 0.02), (13, 0.02), (11, 0.03)),
    "imagenet-299": ((12, 0.01), (16, 0.01), (11, 0.02), (13, 0.02), (11, 0.03)),
    "tiny": ((7, 0.01), (12, 0.01), (16, 0.01), (21, 0.01), (26, 0.01)),
    "cifar": ((7, 0.01), (12, 0.01), (16, 0.01), (21, 0.01), (26, 0.01)),
}


@cache
def _levels_for(count: int, device: torch.device) -> Tensor:
    """The 256 levels, float32, leaning to where the benchmark's float32 sum of `count` magnifications falls in flat areas."""
    image = (np.arange(256) / 255).astype(np.float32)
    total = np.zeros_like(image)
    for _ in range(count):
        total += image
    return leaning((image + total) / np.float32(count + 1) * np.float32(255), by=1e-6).float().to(device)


def zoom_blur(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """`(image + sum over the FACTORS of the magnified image) / (their number + 1)`; the factor 1 is among them."""
    count, step = FACTORS[profile][severity - 1]
    # With the channels last, which is faster on a CPU.
    images = looked_up(_levels_for(count, levels.device), levels).contiguous(memory_format=torch.channels_last)
    total = 2 * images
    for factor in np.arange(1, 1 + (count - 0.5) * step, step)[1:].tolist():  # numpy's roundings decide the size of the crop
        total += magnified_in_frame(images, factor)
    return total.div_(count + 1).to(levels.dtype)
