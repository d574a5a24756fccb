"""The image under rippled water: refracted, and lit by the ripples.

ImageNet-C-bar: Mintun, Kirillov & Xie 2021, arXiv:2102.11273; constants from facebookresearch/augmentation-corruption, imagenet_c_bar.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from robustsuite.numerics.bilinear import read_between
from robustsuite.numerics.draws import parameters
from robustsuite.numerics.filters import gaussian_window
from robustsuite.numerics.levels import to_unit
from robustsuite.numerics.whole_levels import rounded_down
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-c-bar",)
GROUP = "weather"

# (depth below the surface as a share of the image's shorter side, lighting), severity 1 to 5; only the 224-pixel ones were
# published. The lighting is what a step of 1 between a pixel's neighbours in the ripples adds, on the [0, 1] scale.
WATER = {
    "imagenet": ((0.1175, 0.47), (0.16, 0.64), (0.245, 0.98), (0.33, 1.32), (0.4575, 1.83)),
    "imagenet-299": ((0.1175, 0.47), (0.16, 0.64), (0.245, 0.98), (0.33, 1.32), (0.4575, 1.83)),
    "tiny": ((0.1175, 0.47), (0.16, 0.64), (0.245, 0.98), (0.33, 1.32), (0.4575, 1.83)),
    "cifar": ((0.1175, 0.47), (0.16, 0.64), (0.245, 0.98), (0.33, 1.32), (0.4575, 1.83)),
}

REFRACTION = 4  # index of the water
STEEPEST_UNBENT = 0.999  # cosine of the slope below which a ray goes straight on


def caustic_refraction(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """Every pixel is read where the vertical ray through it meets the ground, bent by Snell's law at the surface.

    The surface's normal is `(east - west, south - north, 1)` of the ripples at the pixel's neighbours (0 beyond the image),
    brought to length 1; `lighting * (east - west + north - south)` is added. Sampling in float32, as in the benchmark.
    """
    height, width = levels.shape[-2:]
    depth, lighting = WATER[profile][severity - 1]
    around = F.pad(_ripples(noise, height, width), (1, 1, 1, 1))
    down, across = around[:, 2:, 1:-1] - around[:, :-2, 1:-1], around[:, 1:-1, 2:] - around[:, 1:-1, :-2]
    upright = (down.square() + across.square()).add_(1).rsqrt_()
    # The ray is bent from the vertical by the slope minus the angle of refraction; sin(a - b) = sin a cos b - cos a sin b.
    bent = (1 - (1 - upright.square()) / REFRACTION**2).sqrt_().sub_(upright, alpha=1 / REFRACTION)
    reach = torch.where(upright < STEEPEST_UNBENT, bent.mul_(upright), 0).mul_(depth * min(height, width))
    rows, columns = (
        # To thousandths of a pixel, as in the benchmark.
        (reach * slope).mul_(1000).round_().div_(1000).add_(torch.arange(size, device=levels.device).view(shape))
        for slope, size, shape in ((down, height, (-1, 1)), (across, width, (1, -1)))
    )
    seen = read_between(to_unit(levels), rows, columns)
    for slope in (across.neg(), down):
        seen.add_(slope.mul_(lighting).float()[:, None])
    return rounded_down(seen.clamp_(0, 1).mul_(255))


def _ripples(noise: Noise, height: int, width: int) -> Float[Tensor, "batch height width"]:
    """Caustics in [0, 1]: a plane folded five times by sines, blurred by a Gaussian of 1 pixel; float64.

    They repeat themselves after a period between .75 and 1.25 of the image's shorter side.
    """
    side = min(height, width)
    time, period = parameters(noise, (0.5, 2), (0.75 * side, 1.25 * side))
    y, x = (
        (torch.arange(size, device=time.device).view(shape) / period).remainder_(1).mul_(6.28318530718).sub_(250)
        for size, shape in ((height, (-1, 1)), (width, (1, -1)))
    )
    folded_y, folded_x = y, x
    light = torch.ones_like(time)
    for folding in range(1, 6):
        t = time * (1 - 3.5 / folding)
        folded_y, folded_x = (
            (t - folded_y).cos_() + (t + folded_x).sin_() + y,
            (t - folded_x).sin_() + (t + folded_y).cos_() + x,
        )
        light = (y / (folded_y + t).sin_()).square_().add_((x / (folded_x + t).cos_()).square_()).rsqrt_().mul_(200).add_(light)
    light = light.div_(5).pow_(1.4).neg_().add_(1.17).square_().square_().square_().clamp_(max=1)
    return _softened(light)


def _softened(fields: Float[Tensor, "batch height width"]) -> Float[Tensor, "batch height width"]:
    """scipy.ndimage.gaussian_filter of 1 pixel: cut off at 4, the fields mirrored beyond the edge, which is repeated."""
    window = gaussian_window(9, 1).tolist()
    for axis in (1, 2):
        size = fields.shape[axis]
        mirrored = torch.arange(-4, size + 4, device=fields.device).remainder_(2 * size)
        around = fields.index_select(axis, torch.minimum(mirrored, 2 * size - 1 - mirrored))
        fields = around.narrow(axis, 4, size) * window[4]
        for reach in range(1, 5):
            for tap in (4 - reach, 4 + reach):
                fields.add_(around.narrow(axis, tap, size), alpha=window[tap])
    return fields
