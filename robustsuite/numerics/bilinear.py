"""Images read between their pixels, with black around them."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from robustsuite.roles import Images

Coordinates = Float[Tensor, "batch #height #width"]
"""Pixels: 0 is the centre of the first row or column. float64; one row or column of them stands for all."""


def read_between(images: Images, rows: Coordinates, columns: Coordinates) -> Images:
    """Bilinear interpolation at the given places, in the type of `images`; beyond the image everything is 0.

    The two neighbours in a row are weighted first, then the rows, each weight rounded as in imagenet_c_bar of
    facebookresearch/augmentation-corruption: in flat areas that decides on which side of a whole level the sum falls.
    """
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
