"""Long thin grey lines, all in about one direction.

CIFAR-10-C-bar: Mintun, Kirillov & Xie 2021, arXiv:2102.11273; constants from facebookresearch/augmentation-corruption, imagenet_c_bar.
"""

from math import pi
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from robustsuite.numerics.draws import parameters
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("cifar10-c-bar",)
GROUP = "digital"

DENSITY = {  # lines for each pixel of the image's shorter side, severity 1 to 5; only the 32-pixel ones were published
    "imagenet": (0.05, 0.1, 0.15, 0.2, 0.25),
    "imagenet-299": (0.05, 0.1, 0.15, 0.2, 0.25),
    "tiny": (0.05, 0.1, 0.15, 0.2, 0.25),
    "cifar": (0.05, 0.1, 0.15, 0.2, 0.25),
}


def lines(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """A line turns a pixel of value v to `v + (128 - v) * (1 - distance)`, rounded down; the next line begins with that.

    The distance is that of the pixel's centre from the line, in pixels. A line's middle is uniform in the image, its half
    length that of the image's longer side, and its angle uniform in an interval about one that is the same for all lines;
    the interval is between .1 and 1 of a full turn wide. Ends are rounded towards 0 to whole pixels.
    """
    height, width = levels.shape[-2:]
    angle, variation = parameters(noise, (0, 2 * pi), (0.1, 1))
    count = int(DENSITY[profile][severity - 1] * min(height, width))
    if not count:
        return levels
    row, column, turn = noise.uniform(count, 3).double().unbind(dim=2)
    direction = angle[:, 0] + 2 * pi * variation[:, 0] * (turn - 0.5)
    down, right = (part * max(height, width) for part in (direction.cos(), direction.sin()))
    begin = torch.stack([(row * height - down).long(), (column * width - right).long()], dim=2)
    end = torch.stack([(row * height + down).long(), (column * width + right).long()], dim=2)
    drawn = _coverage(begin, end, height, width)
    # One pixel more, for what lies outside the image.
    pixels = torch.cat([levels.flatten(2), levels.new_zeros(len(levels), 3, 1)], dim=2).double()
    places, seen, added = drawn.pixel[:, :, None].expand(-1, -1, 3, -1), (1 - drawn.covered)[:, :, None], (drawn.covered * 128)[:, :, None]
    for line in range(count):
        place = places[:, line]
        pixels.scatter_(2, place, pixels.gather(2, place).mul_(seen[:, line]).add_(added[:, line]).floor_())
    return pixels[..., :-1].to(torch.uint8).view_as(levels)


class _Coverage(NamedTuple):
    """Pixels that a line touches.

    Attributes:
        pixel: `row * width + column`, or `height * width` where the line touches nothing; otherwise no pixel is named twice.
        covered: 1 on the line, 0 at a distance of one pixel; float64.
    """

    pixel: Int64[Tensor, "batch lines touched"]
    covered: Float[Tensor, "batch lines touched"]


def _coverage(begin: Int64[Tensor, "batch lines 2"], end: Int64[Tensor, "batch lines 2"], height: int, width: int) -> _Coverage:
    """All pixels nearer to a line than 1, from its first to its last row or column, as skimage.draw.line_aa walks them.

    The line is followed along the coordinate in which it is longer: three pixels, beside each other, at every step. Of those
    beside the first and the last step, the ones beyond the ends are left out.
    """
    (rows, columns), (row, column) = (end - begin).abs().unbind(2), begin.unbind(2)
    backwards_down, backwards_right = (end < begin).unbind(2)
    along_columns = columns >= rows
    far, aside = torch.maximum(rows, columns)[..., None], torch.minimum(rows, columns)[..., None]
    first, first_aside = torch.where(along_columns, column, row)[..., None], torch.where(along_columns, row, column)[..., None]
    way, way_aside = (
        torch.where(torch.where(along_columns, one, other), -1, 1)[..., None]
        for one, other in ((backwards_right, backwards_down), (backwards_down, backwards_right))
    )
    place = torch.arange(max(height, width), device=begin.device)
    step = (place - first) * way
    middle = torch.div(aside * (2 * step + 1), (2 * far).clamp(min=1), rounding_mode="floor")
    step, place = step[..., None], place[:, None]
    beside = middle[..., None] + torch.arange(-1, 2, device=begin.device)
    place_aside = first_aside[..., None] + way_aside[..., None] * beside
    far, aside, along_columns = far[..., None], aside[..., None], along_columns[..., None, None]
    # In whole numbers: the distance times the line's length.
    area = (far * beside - aside * step).abs()
    length = (far.square() + aside.square()).double().sqrt_().clamp_(min=1)
    pixel_row, pixel_column = (torch.where(along_columns, place_aside, place), torch.where(along_columns, place, place_aside))
    touched = (step >= 0) & (step <= far) & (area < length)
    touched &= ((step > 0) | (beside >= 0)) & ((step < far) | (beside <= aside))
    touched &= (pixel_row >= 0) & (pixel_row < height) & (pixel_column >= 0) & (pixel_column < width)
    pixel = torch.where(touched, pixel_row * width + pixel_column, height * width)
    return _Coverage(pixel.flatten(2), torch.where(touched, 1 - area / length, 0).flatten(2))
