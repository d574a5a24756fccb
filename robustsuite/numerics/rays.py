"""Stars of many rays: how brightly they shine around their centres."""

from math import pi

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from robustsuite.numerics.tables import numbers


def shine(
    centre: Float[Tensor, "batch stars 2"],
    lengths: Float[Tensor, "batch stars most_rays"],
    rays: Int64[Tensor, "batch stars"],
    power: float,
    size: tuple[int, int],
) -> Float[Tensor, "batch stars height width"]:
    """`min((1 - t²) * (length² / (distance² + 1e-4)) ** power, 1)`, float64: t is 0 along a ray's axis and 1/2 between two rays.

    Between the axes the length is interpolated. As in imagenet_c_bar of facebookresearch/augmentation-corruption, where the
    axis of a ray is half a ray from the angle for which its length was drawn.

    Args:
        centre: as shares of the height and of the width, float64.
        lengths: of the rays in pixels, counterclockwise from the direction of falling row numbers; float64.
        rays: how many of the lengths count, for each star.
        power: how steeply the light falls off.
        size: height and width.
    """
    batch, stars, most = lengths.shape
    device = lengths.device
    row, column = (numbers(side, device) for side in size)
    down = row[:, None] - centre[..., 0, None, None] * size[0]
    across = column - centre[..., 1, None, None] * size[1]
    turn = torch.atan2(across, down).add_(pi).mul_((rays.double() / (2 * pi))[..., None, None])
    ray = turn.to(torch.int32)
    turn.sub_(ray)
    # The circle closes: beyond the last ray comes the first, and the angle pi may count as the one beyond the last.
    ring = lengths.gather(2, numbers(most + 2, device).remainder(rays[..., None])).view(-1)
    # Behind a star's ring the next one's begins: the step from one to the other belongs to no ray.
    steps = ring.diff()
    first = torch.arange(0, len(ring), most + 2, dtype=torch.int32, device=device).view(batch, stars, 1, 1)
    place = ray.add_(first).view(-1)
    length = steps.index_select(0, place).view_as(turn).mul_(turn).add_(ring.index_select(0, place).view_as(turn))
    light = length.square_().div_(torch.addcmul(down.square().add_(1e-4), across, across))
    if power != 1:
        light.pow_(power)
    turn.sub_(0.5).square_()
    return light.addcmul_(turn, light, value=-1).clamp_(max=1)
