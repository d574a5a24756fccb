"""Stars of many rays: how brightly they shine around their centres."""

from math import pi

import torch
from jaxtyping import Float, Int64
from torch import Tensor


def shine(
    centre: Float[Tensor, "batch 2"],
    lengths: Float[Tensor, "batch most_rays"],
    rays: Int64[Tensor, " batch"],
    power: float,
    size: tuple[int, int],
) -> Float[Tensor, "batch height width"]:
    """`min((1 - t²) * (length² / (distance² + 1e-4)) ** power, 1)`, float64: t is 0 along a ray's axis and 1/2 between two rays.

    Between the axes the length is interpolated. As in imagenet_c_bar of facebookresearch/augmentation-corruption, where the
    axis of a ray is half a ray from the angle for which its length was drawn.

    Args:
        centre: as shares of the height and of the width, float64.
        lengths: of the rays in pixels, counterclockwise from the direction of falling row numbers; float64.
        rays: how many of the lengths count, for each image.
        power: how steeply the light falls off.
        size: height and width.
    """
    batch, most = lengths.shape
    height, width = size
    down = (torch.arange(height, device=centre.device) - centre[:, :1] * height)[:, :, None]
    across = (torch.arange(width, device=centre.device) - centre[:, 1:] * width)[:, None]
    turn = torch.atan2(across, down).add_(pi).div_(2 * pi).mul_(rays[:, None, None])
    ray = turn.to(torch.int32)
    turn.sub_(ray)
    # The circle closes: beyond the last ray comes the first, and the angle pi may count as the one beyond the last.
    around = torch.arange(most + 2, device=centre.device).expand(batch, -1).remainder(rays[:, None])
    ring = lengths.gather(1, around)
    steps = ring.diff(append=ring[:, -1:]).view(-1)
    place = ray.add_(torch.arange(batch, dtype=torch.int32, device=centre.device)[:, None, None] * (most + 2)).view(-1)
    length = steps.index_select(0, place).view_as(turn).mul_(turn).add_(ring.view(-1).index_select(0, place).view_as(turn))
    light = length.square_().div_(down.square().add(1e-4) + across.square())
    if power != 1:
        light.pow_(power)
    return turn.sub_(0.5).square_().neg_().add_(1).mul_(light).clamp_(max=1)
