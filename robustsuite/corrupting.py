"""One corruption of one batch: which constants, which noise."""

from collections.abc import Iterator
from math import log, prod

import torch
from jaxtyping import UInt8
from torch import Tensor

from robustsuite.catalog import constant, find
from robustsuite.errors import UsageError
from robustsuite.numerics.jpeg import round_trip
from robustsuite.numerics.levels import to_levels
from robustsuite.numerics.memory import keep_freed_memory
from robustsuite.numerics.placement import on_host
from robustsuite.numerics.random import KeyedNoise, keyed
from robustsuite.records import Corrupted
from robustsuite.roles import Levels

PROFILES = {"cifar": 32, "tiny": 64, "imagenet": 224, "imagenet-299": 299}  # pixels that the constants were published for
PUBLISHED_QUALITY = 85
"""Of the JPEG files of ImageNet-C, with chroma at half resolution (hendrycks/robustness, make_imagenet_c.py)."""

IN_CACHE = 4 * 3 * 224 * 224  # elements corrupted at a time on a CPU


def profile_for(height: int, width: int) -> str:
    """The profile whose published size is nearest (as a ratio) to the shorter side."""
    side = min(height, width)
    return min(PROFILES, key=lambda name: abs(log(side / PROFILES[name])))


def corrupt(levels: Levels, corrupted: Corrupted, keys: Tensor, seed: int, profile: str = "auto") -> Levels:
    """The batch corrupted, in the levels that the benchmark's code writes; compressed too where `corrupted` is `as_published`.

    CIFAR-10-C was distributed as arrays: there, as published is what the code writes.

    Args:
        levels: uint8 RGB.
        corrupted: which corruption, how severe.
        keys: `image_keys` of the images, on the same device; the noise depends on them, on the seed and on `corrupted` only.
        seed: another seed draws other noise.
        profile: whose constants; `auto` takes `profile_for` the images' size.

    Raises `UsageError` for an unknown corruption, severity or profile.
    """
    if profile == "auto":
        profile = profile_for(*levels.shape[-2:])
    elif profile not in PROFILES:
        raise UsageError(f"expected a profile among {', '.join(PROFILES)} or auto, got {profile!r}")
    if type(corrupted.severity) is not int or not 1 <= corrupted.severity <= 5:
        raise UsageError(f"severity of corruption {corrupted.corruption!r} must be 1 to 5, got {corrupted.severity}")
    kernel = find("corruptions", corrupted.corruption)
    keep_freed_memory()
    found = torch.empty_like(levels)
    for few in _pieces(levels):
        noise = keyed(keys[few], seed, f"{corrupted.corruption}-{corrupted.severity}")
        answer = kernel(levels[few], corrupted.severity, noise, profile)
        stored = to_levels(answer) if answer.is_floating_point() else answer
        found[few] = round_trip(stored, PUBLISHED_QUALITY) if corrupted.as_published and profile != "cifar" else stored
    return found


def frames(levels: Levels, sequence: str, keys: Tensor, seed: int, profile: str) -> Iterator[UInt8[Tensor, "batch 3 rows columns"]]:
    """The frames of a perturbation sequence, in order.

    Images larger than the profile's are cropped to its size about the centre: before, or after where the sequence moves what
    lies around the crop into sight.
    """
    keep_freed_memory()
    side, margin = PROFILES[profile], constant("sequences", sequence, "MARGIN")
    shown = levels if margin else _centre(levels, side)
    kernel, noise = find("sequences", sequence), keyed(keys, seed, f"{sequence}-p")
    playing = [kernel(shown[few], KeyedNoise(noise.keys[few]), profile) for few in _pieces(shown)]
    for parts in zip(*playing, strict=True):
        yield _centre(torch.cat(parts), side)


def _pieces(levels: Levels) -> list[slice]:
    """A few images at a time, which stay in a processor's cache; a GPU takes the whole batch."""
    few = max(1, IN_CACHE // prod(levels.shape[1:])) if on_host(levels.device) else max(1, len(levels))
    return [slice(begin, begin + few) for begin in range(0, len(levels), few)]


def _centre(levels: Levels, side: int) -> UInt8[Tensor, "batch 3 rows columns"]:
    """The central square of at most `side` pixels, as torchvision's CenterCrop finds it."""
    height, width = levels.shape[-2:]
    rows, columns = min(side, height), min(side, width)
    top, left = round((height - rows) / 2), round((width - columns) / 2)
    return levels[..., top : top + rows, left : left + columns]
