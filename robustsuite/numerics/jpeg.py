"""Saved as JPEG and read again, bit for bit as Pillow does it.

Baseline JPEG (ITU-T T.81) with chroma at half resolution (4:2:0), the standard's quantisation tables and the integer arithmetic of
libjpeg-turbo: its `jccolor.c`, `jcsample.c`, `jfdctint.c`, `jcdctmgr.c`, `jidctint.c`, `jdsample.c` and `jdcolor.c`.
"""

from functools import cache
from io import BytesIO

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from robustsuite.numerics.placement import on_host
from robustsuite.roles import Levels

Planes = Float[Tensor, "batch planes _ _"]

LUMINANCE = (  # T.81, table K.1: quantisation steps at quality 50
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMINANCE = (  # table K.2
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
)

# Left halves of the rows of the cosine transform, times 2**13; the right halves mirror them, with the other sign in odd rows.
# Sums of libjpeg's rounded constants, hence -2259 and 2261 where the cosine is the same.
COSINES = (
    (8192, 8192, 8192, 8192),
    (11363, 9633, 6437, 2260),
    (10703, 4433, -4433, -10703),
    (9633, -2259, -11362, -6436),
    (8192, -8192, -8192, 8192),
    (6437, -11362, 2261, 9633),
    (4433, -10704, 10704, -4433),
    (2260, -6436, 9633, -11363),
)

# To brightness and two differences of colour (Y, Cb, Cr), and back; times 2**16.
TO_YCC = ((19595, 38470, 7471), (-11059, -21709, 32768), (32768, -27439, -5329))
TO_RGB = ((65536, 0, 91881), (65536, -22554, -46802), (65536, 116130, 0))


def round_trip(levels: Levels, quality: int) -> Levels:
    """The levels after JPEG compression.

    The same on every device; on a CPU it is Pillow that does it.

    Args:
        levels: uint8 RGB of any size; not changed.
        quality: 1 to 100, as in Pillow's `save(quality=...)`.
    """
    if not on_host(levels.device):
        return _in_tensors(levels, quality)
    found = torch.empty_like(levels)
    for planes, answer in zip(levels.numpy(), found.permute(0, 2, 3, 1).numpy(), strict=True):
        file = BytesIO()
        Image.merge("RGB", [Image.fromarray(plane) for plane in planes]).save(file, "JPEG", quality=quality)
        answer[:] = np.asarray(Image.open(file))
    return found


def _in_tensors(levels: Levels, quality: int) -> Levels:
    """`round_trip` for any device. Whole numbers in float64, where every product and sum here is exact, in any order."""
    height, width = levels.shape[-2:]
    luminance, chrominance, cosines, to_ycc, to_rgb = _constants(quality, levels.device)
    ycc = (to_ycc @ levels.double().flatten(2)).unflatten(2, (height, width))
    # Differences of colour round halves down, and everything is centred: 128 less than in the file.
    y = _padded((ycc[:, :1] + 0.5).floor_() - 128, 8, 8)
    c = _halved((ycc[:, 1:] + (0.5 - 2**-16)).floor_())
    y = _quantised(y, luminance, cosines)[..., :height, :width]
    c = _quantised(_padded(c, 8, 8), chrominance, cosines)[..., : (height + 1) // 2, : (width + 1) // 2]
    c = _doubled(c)[..., :height, :width]
    rgb = to_rgb @ torch.cat([y, c], dim=1).flatten(2)
    return (rgb + 128.5).clamp_(0, 255).unflatten(2, (height, width)).to(torch.uint8)


@cache
def _constants(quality: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Steps of brightness and of colour at this quality `[8, 1, 8]`, the cosine transform `[8, 8]`, matrices of colours `[3, 3]`."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    steps = ((torch.tensor([LUMINANCE, CHROMINANCE]) * percent + 50) // 100).clamp(1, 255).double()
    halves = torch.tensor(COSINES, dtype=torch.float64)
    signs = torch.tensor([1.0, -1.0]).repeat(4)[:, None]
    cosines = torch.cat([halves, signs * halves.flip(1)], dim=1)
    colours = (torch.tensor(matrix, dtype=torch.float64) / 2**16 for matrix in (TO_YCC, TO_RGB))
    luminance, chrominance, cosines, to_ycc, to_rgb = (part.to(device) for part in (*steps[:, :, None], cosines, *colours))
    return luminance, chrominance, cosines, to_ycc, to_rgb


def _padded(planes: Planes, rows: int, columns: int) -> Planes:
    """Enlarged to multiples of `rows` and `columns` by repeating the last ones."""
    height, width = planes.shape[-2:]
    return F.pad(planes, (0, -width % columns, 0, -height % rows), mode="replicate")


def _halved(planes: Planes) -> Planes:
    """Means of 2 x 2 pixels; an odd column is first repeated to fill blocks of 8, an odd row once."""
    planes = _padded(planes, 2, 16)
    # Halves are rounded down in even columns and up in odd ones, so that colours do not drift.
    bias = (torch.arange(planes.shape[-1] // 2, dtype=planes.dtype, device=planes.device) % 2 + 1) / 4
    return F.avg_pool2d(planes, 2).add_(bias).floor_()


def _quantised(planes: Planes, steps: Tensor, cosines: Tensor) -> Planes:
    """What is left of blocks of 8 x 8 pixels when each coefficient of their cosine transform is a multiple of its step."""
    rows = _shifted(planes.unflatten(-1, (-1, 8)) @ cosines.mT, 11).flatten(-2)
    coefficients = _shifted(cosines @ rows.unflatten(-2, (-1, 8)), 15).unflatten(-1, (-1, 8))
    multiples = coefficients / (8 * steps)  # the transform comes 8 times too large
    multiples = multiples.sign() * multiples.abs().add_(0.5).floor_()
    columns = _shifted(cosines.mT @ (multiples * steps).flatten(-2), 11).flatten(-3, -2)
    return _shifted(columns.unflatten(-1, (-1, 8)) @ cosines, 18).clamp_(-128, 127).flatten(-2)


def _shifted(numbers: Tensor, bits: int) -> Tensor:
    """Divided by a power of two, halves rounded up; in place."""
    return numbers.mul_(2.0**-bits).add_(0.5).floor_()


def _doubled(planes: Planes) -> Planes:
    """Twice the resolution, 3/4 of the nearest pixel and 1/4 of the next on each axis. Up to 4 pixels wide, a plain copy."""
    if planes.shape[-1] <= 2:
        return planes.repeat_interleave(2, dim=-2).repeat_interleave(2, dim=-1)
    padded = F.pad(planes, (1, 1, 1, 1), mode="replicate")
    near = 3 * padded[..., 1:-1, :]
    rows = torch.stack([near + padded[..., :-2, :], near + padded[..., 2:, :]], dim=-2).flatten(-3, -2)
    near = 3 * rows[..., 1:-1]
    left, right = near + rows[..., :-2] + 8, near + rows[..., 2:] + 7
    return torch.stack([left, right], dim=-1).flatten(-2).mul_(1 / 16).floor_()
