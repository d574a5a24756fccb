"""Long thin grey lines, all in about one direction.

CIFAR-10-C-bar: Mintun, Kirillov & Xie 2021, arXiv:2102.11273; constants from facebookresearch/augmentation-corruption, imagenet_c_bar.
"""

from math import pi
from typing import NamedTuple

import torch
from jaxtyping import Float64, Int64, UInt8
from torch import Tensor
from torch.nn import functional as F

from robustsuite.numerics.placement import on_host
from robustsuite.numerics.tables import constant, numbers
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("cifar10-c-bar",)
GROUP = "digital"

DENSITY = {  # lines for each pixel of the image's shorter side, severity 1 to 5; only the 32-pixel ones were published
    "imagenet": (0.05, 0.1, 0.15, 0.2, 0.25),
    "imagenet-299": (0.05, 0.1, 0.15, 0.2, 0.25),
    "tiny": (0.05, 0.1, 0.15, 0.2, 0.25),
    "cifar": (0.05, 0.1, 0.15, 0.2, 0.25),
}

RANKS = 8  # lines over one pixel that are rounded one by one on a GPU


def lines(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """A line turns a pixel of value v to `v + (128 - v) * (1 - distance)`, rounded down; the next line begins with that.

    The distance is that of the pixel's centre from the line, in pixels. A line's middle is uniform in the image, its half
    length that of the image's longer side, and its angle uniform in an interval about one that is the same for all lines;
    the interval is between .1 and 1 of a full turn wide. Ends are rounded towards 0 to whole pixels.
    """
    height, width = levels.shape[-2:]
    count = int(DENSITY[profile][severity - 1] * min(height, width))
    if not count:
        return levels
    distances = _distances(_ends(noise, count, height, width), height, width)
    # With a border of one pixel, for what lies outside the image.
    pixels = F.pad(levels, (1, 1, 1, 1)).flatten(2).double()
    (_drawn_line_by_line if on_host(levels.device) else _drawn_rank_by_rank)(pixels, distances)
    return pixels.view(-1, 3, height + 2, width + 2)[..., 1:-1, 1:-1].to(torch.uint8)


def _ends(noise: Noise, count: int, height: int, width: int) -> Float64[Tensor, "batch {count} 2 2"]:
    """Where each line begins and ends, in whole rows and columns."""
    uniform = noise.uniform(2 + 3 * count)
    low, span = constant(((0, 0.1 * 2 * pi), (2 * pi, 0.9 * 2 * pi)), uniform.device)
    angle, interval = torch.addcmul(low, uniform[:, :2], span)[:, None].unbind(dim=2)
    place = uniform[:, 2:].unflatten(1, (count, 3))
    direction = torch.addcmul(angle, interval, place[..., 2] - 0.5)
    down_and_right = (direction[..., None] - constant((0, pi / 2), uniform.device)).cos_()
    middle = place[..., :2] * constant((height, width), uniform.device)
    reach = max(height, width)
    return torch.addcmul(middle[:, :, None], down_and_right[:, :, None], constant(((-reach,), (reach,)), uniform.device)).trunc_()


class _Distances(NamedTuple):
    """Of pixels from lines.

    Attributes:
        pixel: `row * width + column` in the image with its border. No line has a pixel within the border twice.
        distance: in pixels, 1 for all farther ones.
    """

    pixel: Int64[Tensor, "batch lines near"]
    distance: Float64[Tensor, "batch lines near"]


def _distances(ends: Float64[Tensor, "batch lines 2 2"], height: int, width: int) -> _Distances:
    """At least of all pixels nearer to a line than 1, from its first to its last row or column, as skimage.draw.line_aa walks them.

    The line, of two different ends, is followed along the coordinate in which it is longer: three pixels, beside each other, at
    every step. Those beside the ends whose foot on the line lies beyond it are left out.
    """
    begin, end = ends.unbind(dim=2)
    middle = torch.lerp(begin, end, 0.5)
    half = end - middle
    longer = half.abs().argmax(dim=2, keepdim=True)
    step = (numbers(max(height, width), ends.device) - middle.gather(2, longer)) / half.gather(2, longer)
    nearest = torch.addcmul(middle[:, :, None], half[:, :, None], step[..., None]).round_()
    beside = constant((((0, -1), (0, 0), (0, 1)), ((-1, 0), (0, 0), (1, 0))), ends.device).index_select(0, longer.view(-1))
    # Row and column as one complex number: then a product has parts as long as how far aside, and how far along the line, a pixel
    # is, times half of the line's length. All are whole numbers, or halves or quarters of them.
    nearest, beside, middle, turned = (torch.view_as_complex(pairs) for pairs in (nearest, beside, middle, half.flip(2)))
    pixel = nearest[:, :, None] + beside.view(*middle.shape, 3, 1)
    away = (pixel - middle[..., None, None]) * turned[..., None, None]
    aside, along = torch.view_as_real(away).abs_().unbind(dim=4)
    squared = half.square().sum(dim=2)[..., None, None]
    distance = (aside / squared.sqrt()).clamp_(max=1).masked_fill_(along > squared, 1)
    least, most = constant(((-1, -1), (height, width)), ends.device)
    row, column = torch.view_as_real(pixel).clamp_(least, most).unbind(dim=4)
    return _Distances(torch.add(column, row, alpha=width + 2).long().add_(width + 3).flatten(2), distance.flatten(2))


def _drawn_line_by_line(pixels: Float64[Tensor, "batch 3 places"], distances: _Distances) -> None:
    """Changes `pixels`: with every line only those near it are read and written."""
    covered = 1 - distances.distance
    places, seen, added = distances.pixel[:, :, None].expand(-1, -1, 3, -1), (1 - covered)[:, :, None], (covered * 128)[:, :, None]
    for line in range(places.shape[1]):
        place = places[:, line]
        pixels.scatter_(2, place, pixels.gather(2, place).mul_(seen[:, line]).add_(added[:, line]).floor_())


def _drawn_rank_by_rank(pixels: Float64[Tensor, "batch 3 places"], distances: _Distances) -> None:
    """Changes `pixels`: each first by the first line over it, then by the second, in launches as few as a GPU likes them.

    From the eighth on, the lines over one pixel are rounded together, which changes it by a level for each of the further ones at
    most. Half a line lies over a pixel at severity 5, and more than eight over none of those of 2,700 images that were looked at.
    """
    batch, size = len(pixels), pixels.shape[2]
    places = torch.add(distances.pixel, _ranks(distances, size), alpha=size)
    seen = pixels.new_ones(batch, RANKS * size)
    seen.scatter_reduce_(1, places.flatten(1), distances.distance.flatten(1), "prod")
    grey = constant(128, pixels.device)
    for share in seen.view(batch, RANKS, 1, size).unbind(dim=1):
        torch.lerp(grey, pixels, share, out=pixels).floor_()


def _ranks(distances: _Distances, size: int) -> UInt8[Tensor, "batch lines near"]:
    """How many earlier lines there are over each pixel, of `size` pixels; at most one less than RANKS."""
    batch, count, _ = distances.pixel.shape
    places = torch.add(distances.pixel, numbers(count, distances.pixel.device)[:, None], alpha=size)
    # In a plane for each line: first what it covers, in the next one's; then how many lines before cover that.
    covering = torch.zeros(batch, (count + 1) * size, dtype=torch.uint8, device=places.device)
    covering[:, size:].scatter_(1, places.flatten(1), (distances.distance < 1).view(torch.uint8).flatten(1))
    earlier = covering.view(batch, count + 1, size).cumsum_(dim=1).view(batch, -1)
    return earlier.gather(1, places.flatten(1)).view_as(places).clamp_(max=RANKS - 1)
