"""Coloured clouds, sines of a plane that is folded several times, blended with the image.

ImageNet-C-bar: Mintun, Kirillov & Xie 2021, arXiv:2102.11273; constants from facebookresearch/augmentation-corruption, imagenet_c_bar.
"""

from math import pi

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from robustsuite.numerics.draws import parameters
from robustsuite.numerics.placement import on_host
from robustsuite.numerics.tables import constant, pixels
from robustsuite.numerics.whole_levels import rounded_down
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-c-bar",)
GROUP = "noise"

AMPLITUDE = {  # of the clouds in levels, severity 1 to 5; only the 224-pixel ones were published
    "imagenet": (30.4, 44.8, 54.4, 59.2, 64.0),
    "imagenet-299": (30.4, 44.8, 54.4, 59.2, 64.0),
    "tiny": (30.4, 44.8, 54.4, 59.2, 64.0),
    "cifar": (30.4, 44.8, 54.4, 59.2, 64.0),
}

FOLDINGS = 6  # at most; at least 4
FINER, SLOWER = 1.93, 1.15  # from one folding to the next

OfAnImage = Float64[Tensor, "batch 1 1"]


def plasma_noise(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """`(1 - AMPLITUDE / 255) * levels + AMPLITUDE * clouds`, the clouds in (-1, 1) for each channel.

    Column and row, in units of a scale between .075 and .2 of the image's shorter side, are folded 4 to 6 times,
    `x += (cos(f y + p) - .3 sin(f x + p)) / d` and `y += (sin(f x + p) + .3 cos(f y + p)) / d`: ever finer (f grows 1.93-fold)
    and by less (d grows by a factor between 1.25 and 1.75). The clouds are `sin(x - t)`, `sin((x + y + sin t) / 2)` and
    `sin(y + t)`, t random.
    """
    height, width = levels.shape[-2:]
    side = min(height, width)
    (time,) = parameters(noise, (0, 6 * pi))
    foldings = noise.integers(FOLDINGS - 3, 1, 1) + 4
    sharpness, scale = parameters(noise, (0.5, 1), (0.075 * side, 0.2 * side))
    clouds = (_clouds if on_host(levels.device) else _clouds_at_once)(time, foldings, 2.25 - sharpness, scale, height, width)
    amplitude = AMPLITUDE[profile][severity - 1]
    return rounded_down(clouds.mul_(amplitude).add_(levels, alpha=1 - amplitude / 255))


def _clouds(
    time: OfAnImage, foldings: Int64[Tensor, "batch 1 1"], growth: OfAnImage, scale: OfAnImage, height: int, width: int
) -> Float64[Tensor, "batch 3 height width"]:
    """Sines of the folded plane, for each channel."""
    x = torch.arange(width, device=time.device) / scale
    y = torch.arange(height, device=time.device)[:, None] / scale
    frequency, slowing, damping = 1.0, 1.0, torch.ones_like(growth)
    for folding in range(FOLDINGS):
        phase = time / slowing
        # An image that is folded often enough is moved no more.
        damp = torch.where(folding < foldings, damping, torch.inf)
        one, other = (y * frequency + phase).cos_().div_(damp), (x * frequency + phase).sin_().div_(damp)
        x, y = x + one.sub(other, alpha=0.3), y + other.add(one, alpha=0.3)
        frequency, slowing, damping = frequency * FINER, slowing * SLOWER, damping * growth
    return torch.stack([(x - time).sin_(), ((x + y).add_(time.sin()) * 0.5).sin_(), (y + time).sin_()], dim=1)


def _clouds_at_once(
    time: OfAnImage, foldings: Int64[Tensor, "batch 1 1"], growth: OfAnImage, scale: OfAnImage, height: int, width: int
) -> Float64[Tensor, "batch 3 height width"]:
    """The same in launches as few as a GPU likes them: row and column together, and what is linear in them as a product."""
    device = time.device
    number = constant(tuple(range(FOLDINGS)), device)[:, None, None]
    phases = torch.addcmul(constant(((pi / 2,), (0,)), device), time[..., None], SLOWER**-number)
    # What the sines, of the row and of the column, add to the row and to the column.
    moves = growth[..., None].pow(-number).mul_(number < foldings[..., None]) * constant(((0.3, 1), (1, -0.3)), device)
    plane = pixels(height, width, device).flatten(1) / scale
    for folding in range(FOLDINGS):
        waves = torch.add(phases[:, folding], plane, alpha=FINER**folding).sin_()
        plane = torch.baddbmm(plane, moves[:, folding], waves)
    shift = torch.addcmul(time * constant(((-1,), (0,), (1,)), device), time.sin(), constant(((0,), (0.5,), (0,)), device))
    sums = constant(((0, 1), (0.5, 0.5), (1, 0)), device).expand(len(time), -1, -1)
    return torch.baddbmm(shift, sums, plane).sin_().unflatten(2, (height, width))
