"""Stars of many rays: how brightly they shine around their centres."""

from dataclasses import dataclass
from math import pi

import torch
from jaxtyping import Float64, Int32, Int64
from torch import Tensor

from robustsuite.numerics.tables import numbers


def shine(
    centre: Float64[Tensor, "batch stars 2"],
    lengths: Float64[Tensor, "batch stars most_rays"],
    rays: Int64[Tensor, "batch stars"],
    power: float,
    size: tuple[int, int],
) -> Float64[Tensor, "batch stars height width"]:
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
    return Stars.of(centre, lengths, rays, size).light(slice(None), power)


@dataclass(frozen=True)
class Stars:
    """Stars before they shine, small as long as none does: `light` of a few at a time takes little memory.

    Attributes:
        down: how far below the centre each row of the image is, in pixels; float64, as all but `begins`.
        across: how far to the right of it each column is.
        density: rays per radian.
        ring: the lengths of the rays of all stars, one star behind the other, each ring beginning and ending with the same ray.
        steps: from each of them to the next.
        begins: where in `ring` each star's rays begin; int32.
    """

    down: Float64[Tensor, "batch stars height 1"]
    across: Float64[Tensor, "batch stars 1 width"]
    density: Float64[Tensor, "batch stars 1 1"]
    ring: Float64[Tensor, " places"]
    steps: Float64[Tensor, " steps"]
    begins: Int32[Tensor, "batch stars 1 1"]

    @classmethod
    def of(
        cls,
        centre: Float64[Tensor, "batch stars 2"],
        lengths: Float64[Tensor, "batch stars most_rays"],
        rays: Int64[Tensor, "batch stars"],
        size: tuple[int, int],
    ) -> "Stars":
        """With the arguments of `shine`."""
        batch, stars, most = lengths.shape
        device = lengths.device
        row, column = (numbers(side, device) for side in size)
        # The circle closes: beyond the last ray comes the first, and the angle pi may count as the one beyond the last.
        ring = lengths.gather(2, numbers(most + 2, device).remainder(rays[..., None])).view(-1)
        return cls(
            down=row[:, None] - centre[..., 0, None, None] * size[0],
            across=column - centre[..., 1, None, None] * size[1],
            density=(rays.double() / (2 * pi))[..., None, None],
            ring=ring,
            steps=ring.diff(),  # behind a star's ring the next one's begins: the step from one to the other belongs to no ray
            begins=torch.arange(0, len(ring), most + 2, dtype=torch.int32, device=device).view(batch, stars, 1, 1),
        )

    def light(self, few: slice, power: float) -> Float64[Tensor, "batch few height width"]:
        """What `shine` says, of a few of the stars."""
        down, across = self.down[:, few], self.across[:, few]
        turn = torch.atan2(across, down).add_(pi).mul_(self.density[:, few])
        ray = turn.to(torch.int32)
        turn.sub_(ray)
        place = ray.add_(self.begins[:, few]).view(-1)
        step = self.steps.index_select(0, place).view_as(turn)
        length = self.ring.index_select(0, place).view_as(turn).addcmul_(step, turn)
        del step  # a number for every pixel and star
        light = length.square_().div_(torch.addcmul(down.square().add_(1e-4), across, across))
        if power != 1:
            light.pow_(power)
        turn.sub_(0.5).square_()
        return light.addcmul_(turn, light, value=-1).clamp_(max=1)
