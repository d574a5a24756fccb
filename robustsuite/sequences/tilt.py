"""The image tilted in space, about both axes at once, a degree a frame.

ImageNet-P: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-P/create_p.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float64
from torch import Tensor

from robustsuite.numerics.affine import projected
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-p", "cifar10-p")
FRAMES = {"imagenet": 31, "imagenet-299": 31, "tiny": 31, "cifar": 31}
REFERENCE = "previous"
MARGIN = True

STEP = {"imagenet": 1, "imagenet-299": 1, "tiny": 1, "cifar": 0.75}  # degrees from frame to frame; 0 in the middle frame


def tilt(levels: Levels, noise: Noise, profile: str) -> Iterator[Levels]:
    """Seen by a camera after a turn about the vertical axis and then about the horizontal one, bilinear; black beyond the border."""
    height, width = levels.shape[-2:]
    for frame in range(FRAMES[profile]):
        yield projected(levels, _view(STEP[profile] * (frame - FRAMES[profile] // 2), height, width))


def _view(degrees: float, height: int, width: int) -> Float64[Tensor, "3 3"]:
    """The map of pixels (x, y, 1): to a plane about the centre (at the height 1), turned twice, seen from a diagonal's length away."""
    angle = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    diagonal = float(height**2 + width**2) ** 0.5
    cos, sin, one, zero = angle.cos(), angle.sin(), torch.ones_like(angle), torch.zeros_like(angle)
    plane = torch.tensor([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]], dtype=torch.float64)
    yaw = torch.stack([cos, zero, -sin, zero, one, zero, sin, zero, cos]).view(3, 3)
    pitch = torch.stack([one, zero, zero, zero, cos, -sin, zero, sin, cos]).view(3, 3)
    turned = pitch @ yaw @ plane
    turned[2, 2] += diagonal
    camera = torch.tensor([[diagonal, 0, width / 2], [0, diagonal, height / 2], [0, 0, 1]], dtype=torch.float64)
    return camera @ turned
