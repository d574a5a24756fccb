"""The image under rippled water: refracted, and lit by the ripples.

ImageNet-C-bar: Mintun, Kirillov & Xie 2021, arXiv:2102.11273; constants from facebookresearch/augmentation-corruption, imagenet_c_bar.
"""

from jaxtyping import Float64
from torch import Tensor
from torch.nn import functional as F

from robustsuite.numerics.bilinear import read_at_once, read_between
from robustsuite.numerics.caustics import Slopes, slopes_of_caustics
from robustsuite.numerics.draws import parameters
from robustsuite.numerics.levels import to_unit
from robustsuite.numerics.placement import on_host
from robustsuite.numerics.tables import constant, pixels
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

REFRACTION = 4  # index of the water, n below
BENDING = REFRACTION**2 - 1  # n² - 1
STEEPEST_UNBENT = 0.999  # cosine of the slope below which a ray goes straight on


def caustic_refraction(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """Every pixel is read where the vertical ray through it meets the ground, bent by Snell's law at the surface.

    The surface's normal is `(east - west, south - north, 1)` of the ripples (`numerics.caustics`) at the pixel's neighbours (0
    beyond the image), brought to length 1; `lighting * (east - west + north - south)` is added. Sampling in float32, as in the
    benchmark. The ripples repeat themselves after a period between .75 and 1.25 of the image's shorter side.
    """
    height, width = levels.shape[-2:]
    side = min(height, width)
    depth, lighting = WATER[profile][severity - 1]
    time, period = parameters(noise, (0.5, 2), (0.75 * side, 1.25 * side))
    slopes = slopes_of_caustics(time, period, height, width)
    places, divisors = pixels(height, width, levels.device), _divisors(slopes)
    reach = depth * side * BENDING / REFRACTION
    # The places to thousandths of a pixel, as in the benchmark.
    if on_host(levels.device):
        rows, columns = (slopes / divisors).mul_(1000 * reach).round_().div_(1000).add_(places).unbind(dim=1)
        seen = read_between(levels, rows, columns, to_unit)
        for slope in (-slopes[:, 1], slopes[:, 0]):
            seen.add_(slope.mul_(lighting).float()[:, None])
    else:
        places = places.addcdiv(slopes, divisors, value=reach).round_(decimals=3)
        seen = read_at_once(levels, places, to_unit)
        seen.add_((slopes[:, 0] - slopes[:, 1])[:, None], alpha=lighting)
    return rounded_down(seen.mul_(255))


def _divisors(slopes: Slopes) -> Float64[Tensor, "batch 1 height width"]:
    """`1 + sqrt(n² + (n² - 1) s²)` for the refractive index n and the slope s; infinite where the ray goes straight on.

    The ray is bent from the vertical by the slope minus the angle of refraction. Divided by this, `(n - 1 / n) s` is how far
    that moves it on the ground where the water is one pixel deep.
    """
    down, across = slopes.split(1, dim=1)
    root = constant(REFRACTION**2, slopes.device).addcmul(down, down, value=BENDING).addcmul_(across, across, value=BENDING).sqrt_()
    return F.threshold(root, (1 + BENDING / STEEPEST_UNBENT**2) ** 0.5, float("inf"), inplace=True).add_(1)
