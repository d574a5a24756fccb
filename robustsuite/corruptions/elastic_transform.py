"""A random affine map, then every pixel displaced by smooth random fields.

ImageNet-C: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-C/create_c.
"""

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from robustsuite.numerics.levels import to_unit
from robustsuite.numerics.warping import displaced, pixels, sampled, smoothed
from robustsuite.roles import Images, Levels, Noise

BENCHMARKS = ("imagenet-c",)
GROUP = "digital"

# (factor of the displacement, standard deviation of its smoothing, largest shift of each of the affine map's three points),
# all in pixels, severity 1 to 5. That 244 is not 224 is the benchmark's.
WARP = {
    "imagenet": (
        (244 * 2, 244 * 0.7, 244 * 0.1),
        (244 * 2, 244 * 0.08, 244 * 0.2),
        (244 * 0.05, 244 * 0.01, 244 * 0.02),
        (244 * 0.07, 244 * 0.01, 244 * 0.02),
        (244 * 0.12, 244 * 0.01, 244 * 0.02),
    ),
    "imagenet-299": (
        (360 * 2, 360 * 0.7, 360 * 0.1),
        (360 * 2, 360 * 0.08, 360 * 0.2),
        (360 * 0.05, 360 * 0.01, 360 * 0.02),
        (360 * 0.07, 360 * 0.01, 360 * 0.02),
        (360 * 0.12, 360 * 0.01, 360 * 0.02),
    ),
    "tiny": (
        (0, 0, 64 * 0.08),
        (64 * 0.05, 64 * 0.3, 64 * 0.06),
        (64 * 0.1, 64 * 0.08, 64 * 0.06),
        (64 * 0.1, 64 * 0.03, 64 * 0.03),
        (64 * 0.16, 64 * 0.03, 64 * 0.02),
    ),
    "cifar": (
        (0, 0, 32 * 0.08),
        (32 * 0.05, 32 * 0.2, 32 * 0.07),
        (32 * 0.08, 32 * 0.06, 32 * 0.06),
        (32 * 0.1, 32 * 0.04, 32 * 0.05),
        (32 * 0.1, 32 * 0.03, 32 * 0.03),
    ),
}


def elastic_transform(levels: Levels, severity: int, noise: Noise, profile: str) -> Images:
    """The image under the affine map, read at `(x + dx, y + dy)`; dx, dy = factor * smoothed uniform(-1, 1). Both bilinear.

    The affine map reads at exact coordinates, as OpenCV 5 does; older versions, which wrote the published files, round them to
    1/32 pixel, which moves 7 to 18 % of the values by a level, a few by 2 or 3. Between the steps float32, as in the benchmark.
    """
    factor, sigma, largest = WARP[profile][severity - 1]
    height, width = levels.shape[-2:]
    images = to_unit(levels)
    images = sampled(images, *_affine(2 * noise.uniform(3, 2).double() - 1, largest, height, width), edge_twice=False)
    if not factor:
        return images
    fields = 2 * noise.uniform(2, height, width).double() - 1
    return displaced(images, (smoothed(fields, (sigma, sigma)) * factor).float())


def _affine(jitter: Float[Tensor, "batch 3 2"], largest: float, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Where each pixel comes from: columns and rows, float64 `[batch, height, width]`, of the map that takes three points back.

    The points are corners of a square about the centre, `min(height, width) // 3` to each side (here at least 1, so that the
    map exists for the smallest images too); each has moved by `jitter * largest` pixels. The centre's coordinates are
    exchanged, (rows // 2, columns // 2) being read as (x, y), in the benchmark as here: it shows where the image is not square.
    """
    half = max(min(height, width) // 3, 1)
    corners = _corners(height // 2, width // 2, half, jitter.device)
    moved = (corners + (jitter * largest).float()).double()
    sides = moved[:, ::2] - moved[:, 1:2]
    area = sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 1, 0] * sides[:, 0, 1]
    # Moved onto one line the points define no map; every pixel then reads the second of them.
    scale = (2 * half / area).nan_to_num_(posinf=0, neginf=0)
    # The rows of the inverse are the sides turned by a right angle, as the square's sides are to each other.
    inverse = scale[:, None, None] * sides.flip(2).mul_(_turn(jitter.device))
    offset = corners[1] - (inverse @ moved[:, 1, :, None])[..., 0]
    columns, rows = pixels(width, jitter.device), pixels(height, jitter.device)[:, None]
    found = inverse[:, :, 0, None, None] * columns + (inverse[:, :, 1, None, None] * rows + offset[..., None, None])
    return found[:, 0], found[:, 1]


@cache
def _corners(x: int, y: int, half: int, device: torch.device) -> Float[Tensor, "3 2"]:
    """The three points before they move, (x, y) in pixels."""
    return torch.tensor([[x + half, y + half], [x + half, y - half], [x - half, y - half]], dtype=torch.float32, device=device)


@cache
def _turn(device: torch.device) -> Float[Tensor, " 2"]:
    return torch.tensor([1, -1], dtype=torch.float64, device=device)
