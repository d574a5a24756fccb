"""Images read between their pixels, with black around them."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Float64, UInt8
from torch import Tensor
from torch.nn import functional as F

from robustsuite.numerics.placement import on_host
from robustsuite.numerics.tables import constant
from robustsuite.roles import Images, Levels

Coordinates = Float[Tensor, "batch #height #width"]
"""Pixels: 0 is the centre of the first row or column. float64; one row or column of them stands for all."""

Places = Float64[Tensor, "batch 2 height width"]
"""Such rows and columns for every pixel."""


def read_between(levels: Levels, rows: Coordinates, columns: Coordinates, scaled: Callable[[Levels], Images]) -> Images:
    """Bilinear interpolation at the given places; beyond the image everything is 0.

    The two neighbours in a row are weighted first, then the rows, each weight rounded as in imagenet_c_bar of
    facebookresearch/augmentation-corruption: in flat areas that decides on which side of a whole level the sum falls.

    Args:
        levels: uint8.
        rows: where to read.
        columns: where to read.
        scaled: makes of levels what is interpolated, on the scale and in the type of the answer; 0 of 0.
    """
    if on_host(levels.device):
        return _colour_by_colour(scaled(levels), rows, columns)
    return read_at_once(levels, torch.stack(torch.broadcast_tensors(rows, columns), dim=1), scaled)


def _colour_by_colour(images: Images, rows: Coordinates, columns: Coordinates) -> Images:
    """A colour's pixels stay in the processor's cache."""
    batch, channels, height, width = images.shape
    top, left = rows.floor(), columns.floor()
    upper, lower = ((1 - rows).add_(top).to(images.dtype), (rows - top).to(images.dtype))
    before, after = ((1 - columns).add_(left).to(images.dtype), (columns - left).to(images.dtype))
    # Two rows and columns of black, so that every place far outside is between two of them.
    padded = F.pad(images.transpose(0, 1), (2, 2, 2, 2))
    wide = width + 4
    image = torch.arange(batch, dtype=torch.int32, device=images.device).mul_((height + 4) * wide)[:, None, None]
    index = (top.clamp_(-2, height).to(torch.int32).add_(2).mul_(wide).add_(image)) + left.clamp_(-2, width).to(torch.int32).add_(2)
    found = images.new_empty(channels, *index.shape)
    for plane, answer in zip(padded.reshape(channels, -1), found, strict=True):
        corners = [plane[start:].index_select(0, index.view(-1)).view_as(answer) for start in (0, 1, wide, wide + 1)]
        torch.mul(corners[0].mul_(before).add_(corners[1].mul_(after)), upper, out=answer)
        answer.add_(corners[2].mul_(before).add_(corners[3].mul_(after)).mul_(lower))
    return found.transpose(0, 1)


def read_at_once(levels: Levels, places: Places, scaled: Callable[[Levels], Images]) -> Images:
    """`read_between` in launches as few as a GPU likes them. Overwrites `places`."""
    around = scaled(_around(levels, places)).unflatten(2, (2, 2, levels.shape[2]))
    beyond = places.remainder_(1)
    short = torch.sub(constant(1, places.device), beyond, out=torch.empty_like(beyond, dtype=around.dtype))
    beyond = beyond.to(around.dtype)
    before, after = around.unbind(dim=3)
    upper, lower = before.mul_(short[:, 1:, None]).add_(after.mul_(beyond[:, 1:, None])).unbind(dim=2)
    return upper.mul_(short[:, :1]).add_(lower.mul_(beyond[:, :1]))


def _around(levels: Levels, places: Places) -> UInt8[Tensor, "batch 3 4*height width"]:
    """The pixels between which each place lies, as four images below each other: upper left, upper right, lower left, lower right."""
    batch, channels, height, width = levels.shape
    wide = width + 4
    # Two rows and columns of black, so that every place far outside is between two of them.
    least, most = constant(((-2, -2), (height, width)), places.device)[..., None, None]
    row, column = places.floor().clamp_(least, most).unbind(dim=1)
    index = torch.add(column, row, alpha=wide).long().add_(2 * wide + 2).view(batch, 1, 1, 1, -1)
    padded = F.pad(levels, (2, 2, 2, 2)).flatten(2)
    # The padded image from its first pixel on, from its second on, and both a row further down.
    shifted = padded.as_strided((batch, channels, 2, 2, padded.shape[2] - wide - 1), (*padded.stride()[:2], wide, 1, 1))
    return shifted.gather(4, index.expand(-1, channels, 2, 2, -1)).reshape(batch, channels, 4 * height, width)
