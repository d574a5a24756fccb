"""Images shifted, turned, scaled, sheared or seen askew. What comes in from beyond their borders is black."""

from math import cos, radians, sin, tan

import torch
from jaxtyping import Float64
from torch import Tensor
from torch.nn import functional as F

from robustsuite.roles import Images, Levels

Places = Float64[Tensor, "height width"]
"""For every pixel of the answer a coordinate in the source, in pixels: 0 is the outer edge of its first row or column."""

TIE = 1e-9  # levels: larger than the rounding errors of an interpolation, so that flat areas are not rounded down to one level less


def shifted(levels: Levels, pixels: int) -> Levels:
    """Every row moved to the right by some pixels, or to the left where they are negative."""
    return F.pad(levels, (pixels, -pixels)) if abs(pixels) < levels.shape[-1] else torch.zeros_like(levels)


def affine(levels: Levels, turned: float = 0.0, enlarged: float = 1.0, sheared: float = 0.0) -> Levels:
    """An image moved about its centre, as `torchvision.transforms.functional.affine` has it of a Pillow image, bilinear.

    Rounded down, as Pillow does. A pixel is black where its place in the source is outside the image; near the border within,
    the border's pixel is repeated.

    The centre is that of torchvision today. Up to version 0.6, and so in the published files, it was half a pixel further right
    and further down.

    Args:
        levels: uint8.
        turned: clockwise, in degrees.
        enlarged: by this factor.
        sheared: the angle by which vertical lines lean, their upper ends to the right, in degrees.
    """
    height, width = levels.shape[-2:]
    angle, lean = radians(turned), radians(sheared)
    right, down = (cos(angle), sin(angle)), (-cos(angle) * tan(lean) - sin(angle), -sin(angle) * tan(lean) + cos(angle))
    inverse = (down[1] / enlarged, -down[0] / enlarged, width * 0.5), (-right[1] / enlarged, right[0] / enlarged, height * 0.5)
    x, y = _centres(levels)
    columns, rows = (
        torch.add(across * x, (along * y)[:, None]).add_(across * -(width * 0.5) + along * -(height * 0.5) + middle)
        for across, along, middle in inverse
    )
    outside = (columns < 0).logical_or_(columns >= width).logical_or_(rows < 0).logical_or_(rows >= height)
    return interpolated(levels, columns, rows, "border").add_(TIE).masked_fill_(outside, 0).to(torch.uint8)


def projected(levels: Levels, matrix: Float64[Tensor, "3 3"]) -> Levels:
    """An image under a projective map, as `cv2.warpPerspective` has it: bilinear, black all around, rounded to the nearest level.

    Interpolated at exact coordinates, as OpenCV 5 does. Older ones, and with them the published files, round them to 1/32 pixel,
    which changes photos by 0.05 to 0.2 level on average and single values by up to 4.

    Args:
        levels: uint8.
        matrix: takes (x, y, 1) in the source to a multiple of (x, y, 1) in the answer; on the CPU. In pixels, 0 being the
            centre of the first one.
    """
    x, y = (centres - 0.5 for centres in _centres(levels))
    columns, rows, scale = (
        torch.add(across * x, (along * y)[:, None]).add_(constant) for across, along, constant in matrix.inverse().tolist()
    )
    columns, rows = (places.div_(scale).add_(0.5) for places in (columns, rows))
    return interpolated(levels, columns, rows, "zeros").round_().to(torch.uint8)


def interpolated(levels: Levels, columns: Places, rows: Places, beyond: str) -> Images:
    """Bilinear interpolation in float64, on the scale of levels.

    Args:
        levels: uint8.
        columns: where to read, across.
        rows: where to read, down.
        beyond: what surrounds an image: its `border` repeated, or `zeros`.
    """
    height, width = levels.shape[-2:]
    places = torch.stack([columns * (2 / width) - 1, rows * (2 / height) - 1], dim=-1)  # -1 and 1 are the outer edges
    return F.grid_sample(levels.double(), places.expand(len(levels), -1, -1, -1), padding_mode=beyond, align_corners=False)


def _centres(levels: Levels) -> tuple[Tensor, Tensor]:
    """0.5, 1.5 and so on for every column and for every row; float64."""
    height, width = levels.shape[-2:]
    columns, rows = (torch.arange(size, dtype=torch.float64, device=levels.device) + 0.5 for size in (width, height))
    return columns, rows
