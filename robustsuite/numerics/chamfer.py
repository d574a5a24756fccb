"""Distances to what is nearest, bit for bit as OpenCV measures them, on many images at once and in few launches.

Borgefors 1986, "Distance transformations in digital images": ways go by single steps of chess's king and knight.
"""

from functools import cache

import numpy as np
import torch
from jaxtyping import Bool, Int32, UInt8
from torch import Tensor
from torch.nn import functional as F

from robustsuite.numerics.opencv import opencv_to

ONE = 2**23  # a pixel's width: multiples of its inverse are all that float32 holds from 1 on
REACH = 20


def distances(marked: Bool[Tensor, "batch height width"]) -> Int32[Tensor, "batch height width"]:
    """`cv2.distanceTransform(~marked, cv2.DIST_L2, 5).clip(max=REACH) * ONE`; `REACH * ONE` where nothing is marked.

    For every pixel, the nearest marked one is looked for in its own row, then the best of these among the rows around it. There
    are fewer different distances than 256: until they are added up, one byte says which.
    """
    batch, height, width = marked.shape
    nearness, ranks, lengths = _tables(marked.device)
    rows = F.pad(marked.view(torch.uint8), (REACH, REACH - 1, REACH - 1, REACH - 1)).unfold(2, 2 * REACH, 1)
    nearest = (rows * nearness).argmax(dim=-1)
    planes = ranks.index_select(1, nearest.flatten()).view(-1, *nearest.shape)
    # What plane i says of a row is for the pixels i - REACH + 1 rows higher up.
    around = planes.unfold(2, height, 1).diagonal(dim1=0, dim2=2).permute(0, 2, 1, 3)
    return lengths.index_select(0, around.amin(dim=-1).flatten().int()).view(batch, height, width)


@cache
def _tables(device: torch.device) -> tuple[UInt8[Tensor, " across"], UInt8[Tensor, "down across"], Int32[Tensor, " ranks"]]:
    """For steps across, from `-REACH` to `REACH - 1`: how near they lead; for steps down as well: the distance's rank; the distances.

    OpenCV says itself how far a single mark is. Its builds differ in that: some add in float32, along ways whose sums are rounded
    differently to the left and to the right; others in whole numbers. Of two marks as near in a row, the left one is never farther.

    The first steps across lead as far as can be, and are taken where the row has no mark.
    """
    cv2 = opencv_to("measure distances")
    unmarked = np.full((2 * REACH + 1, 2 * REACH + 1), 255, np.uint8)
    unmarked[REACH, REACH] = 0
    # Where the mark's pixels lie as seen from it is opposite to where it lies as seen from them.
    distance = cv2.distanceTransform(unmarked, cv2.DIST_L2, 5)[::-1, ::-1][1:-1, :-1]
    lengths, ranks = np.unique(np.minimum(distance, REACH) * ONE, return_inverse=True)
    assert len(lengths) < 256
    across = np.arange(-REACH, REACH)
    nearness = 2 * (REACH - np.abs(across)) + (across < 0)
    tables = nearness.astype(np.uint8), ranks.reshape(distance.shape).astype(np.uint8), lengths.astype(np.int32)
    nearness, ranks, lengths = (torch.from_numpy(table).to(device) for table in tables)
    return nearness, ranks, lengths
