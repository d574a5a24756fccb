"""Caustics, the net of light on the ground of a pool: a plane folded by sines.

As in imagenet_c_bar of facebookresearch/augmentation-corruption.
"""

from functools import cache
from math import pi

import torch
from jaxtyping import Float64
from torch import Tensor
from torch.nn import functional as F

from robustsuite.numerics.filters import gaussian_window
from robustsuite.numerics.placement import on_host
from robustsuite.numerics.tables import constant, pixels

OfAnImage = Float64[Tensor, "batch 1 1"]
Field = Float64[Tensor, "batch height width"]
Slopes = Float64[Tensor, "batch 2 height width"]

TAU = 6.28318530718  # as in the benchmark
BEGIN = -250
FOLDINGS = 5
BRIGHTNESS = 200
CONTRAST = 1.4
DARKEST = 1.17


def slopes_of_caustics(time: OfAnImage, period: OfAnImage, height: int, width: int) -> Slopes:
    """How much lighter it is at the pixel below than above, and at the one to the right than to the left.

    Of light in [0, 1], blurred by a Gaussian of 1 pixel; beyond the image it is 0.

    Args:
        time: how far the waves have moved.
        period: pixels after which the net repeats itself.
        height: pixels.
        width: pixels.
    """
    if on_host(time.device):
        light = _softened(_softened(_light(time, period, height, width), 1), 2)
        around = F.pad(light, (1, 1, 1, 1))
        return torch.stack([around[:, 2:, 1:-1] - around[:, :-2, 1:-1], around[:, 1:-1, 2:] - around[:, 1:-1, :-2]], dim=1)
    down, across = _slopes_and_blurs(height, width, time.device)
    filtered = down @ _light_at_once(time, period, height, width) @ across
    # Two of the four: sloping down and blurred across, blurred down and sloping across.
    return filtered.view(-1, 2, height, 2, width).diagonal(dim1=1, dim2=3).movedim(3, 1)


def _light(time: OfAnImage, period: OfAnImage, height: int, width: int) -> Field:
    """`(1.17 - (1/5 + 40 * sum over foldings of 1 / hypot(y / sin(v + t), x / cos(u + t))) ** 1.4) ** 8`, at most 1.

    Row y and column x run through 6.28 from -250 on. Each folding has a t of its own and takes (v, u), which is (y, x) before
    the first, to `(y + cos(t - v) + sin(t + u), x + sin(t - u) + cos(t + v))`.
    """
    y, x = (
        (torch.arange(size, device=time.device).view(shape) / period).remainder_(1).mul_(TAU).add_(BEGIN)
        for size, shape in ((height, (-1, 1)), (width, (1, -1)))
    )
    folded_y, folded_x = y, x
    light = torch.ones_like(time)
    for folding in range(1, FOLDINGS + 1):
        t = time * (1 - 3.5 / folding)
        folded_y, folded_x = (
            (t - folded_y).cos_() + (t + folded_x).sin_() + y,
            (t - folded_x).sin_() + (t + folded_y).cos_() + x,
        )
        light = (y / (folded_y + t).sin_()).square_().add_((x / (folded_x + t).cos_()).square_()).rsqrt_().mul_(BRIGHTNESS).add_(light)
    return light.div_(FOLDINGS).pow_(CONTRAST).neg_().add_(DARKEST).square_().square_().square_().clamp_(max=1)


def _light_at_once(time: OfAnImage, period: OfAnImage, height: int, width: int) -> Field:
    """The same in launches as few as a GPU likes them."""
    light = torch.linalg.vector_norm(_foldings(time, period, height, width), dim=2).reciprocal_().sum(dim=1)
    light = torch.add(constant(1 / FOLDINGS, time.device), light, alpha=BRIGHTNESS / FOLDINGS)
    return (DARKEST - light.pow_(CONTRAST)).pow_(8).clamp_(max=1)


def _foldings(time: OfAnImage, period: OfAnImage, height: int, width: int) -> Float64[Tensor, "batch foldings 2 height width"]:
    """`(y / sin(v + t), x / cos(u + t))` after each folding: row and column together, and all sines as cosines."""
    turns = torch.addcmul(_phases(time.device), time[..., None, None, None], _speeds(time.device))
    summands = time.new_empty(len(time), 3, 2, height, width)
    plane = (pixels(height, width, time.device) / period[:, None]).remainder_(1)
    plane = folded = torch.add(constant(BEGIN, time.device), plane, alpha=TAU, out=summands[:, 2])
    foldings = time.new_empty(len(time), FOLDINGS, 2, height, width)
    for folding in range(FOLDINGS):
        torch.add(folded[:, :, None], turns[:, folding, :2], out=summands[:, :2]).cos_()
        folded = torch.sum(summands, dim=1, out=foldings[:, folding])
    return torch.div(plane[:, None], foldings.add_(turns[:, :, 2]).cos_(), out=foldings)


@cache
def _phases(device: torch.device) -> Float64[Tensor, "3 2 1 1"]:
    """What is added before the cosine: to v and to u where it becomes part of the next v and of the next u; to both for the light."""
    return torch.tensor([[0, 0], [-pi / 2, pi / 2], [-pi / 2, 0]], dtype=torch.float64, device=device)[..., None, None]


@cache
def _speeds(device: torch.device) -> Float64[Tensor, "foldings 3 2 1 1"]:
    """How many times `time` is added there too, in each folding."""
    signs = torch.tensor([[-1, 1], [1, -1], [1, 1]])[..., None, None]
    slowed = torch.tensor([1 - 3.5 / folding for folding in range(1, FOLDINGS + 1)], dtype=torch.float64)
    return (slowed.view(-1, 1, 1, 1, 1) * signs).to(device)


@cache
def _slopes_and_blurs(
    height: int, width: int, device: torch.device
) -> tuple[Float64[Tensor, "2*{height} {height}"], Float64[Tensor, "{width} 2*{width}"]]:
    """Matrices from light to its slope, and to the blurred light: down, and across (to be multiplied from the right)."""
    down, across = (_softened(torch.eye(size, dtype=torch.float64)[None], 1)[0] for size in (height, width))
    steeper_down, steeper_across = (around[2:] - around[:-2] for around in (F.pad(blur, (0, 0, 1, 1)) for blur in (down, across)))
    return torch.cat([steeper_down, down]).to(device), torch.cat([across, steeper_across]).T.contiguous().to(device)


def _softened(fields: Field, axis: int) -> Field:
    """scipy.ndimage.gaussian_filter1d of 1 pixel: cut off at 4, the fields mirrored beyond the edge, which is repeated."""
    window = gaussian_window(9, 1).tolist()
    size = fields.shape[axis]
    mirrored = torch.arange(-4, size + 4, device=fields.device).remainder_(2 * size)
    around = fields.index_select(axis, torch.minimum(mirrored, 2 * size - 1 - mirrored))
    fields = around.narrow(axis, 4, size) * window[4]
    for reach in range(1, 5):
        for tap in (4 - reach, 4 + reach):
            fields.add_(around.narrow(axis, tap, size), alpha=window[tap])
    return fields
