"""One corruption of one batch: which constants, which noise."""

from math import log, prod

import torch
from torch import Tensor

from robustsuite.catalog import find
from robustsuite.errors import UsageError
from robustsuite.numerics.levels import to_levels
from robustsuite.numerics.memory import keep_freed_memory
from robustsuite.numerics.random import keyed
from robustsuite.records import Corrupted
from robustsuite.roles import Levels

PROFILES = {"cifar": 32, "tiny": 64, "imagenet": 224, "imagenet-299": 299}  # pixels that the constants were published for

IN_CACHE = 4 * 3 * 224 * 224  # elements corrupted at a time on a CPU


def profile_for(height: int, width: int) -> str:
    """The profile whose published size is nearest (as a ratio) to the shorter side."""
    side = min(height, width)
    return min(PROFILES, key=lambda name: abs(log(side / PROFILES[name])))


def corrupt(levels: Levels, corrupted: Corrupted, keys: Tensor, seed: int, profile: str = "auto") -> Levels:
    """The batch corrupted, as the benchmark stores it.

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
    # A few images at a time stay in a processor's cache; a GPU takes the whole batch.
    piece = max(1, IN_CACHE // prod(levels.shape[1:])) if levels.device.type == "cpu" else max(1, len(levels))
    found = torch.empty_like(levels)
    for begin in range(0, len(levels), piece):
        few = slice(begin, begin + piece)
        noise = keyed(keys[few], seed, f"{corrupted.corruption}-{corrupted.severity}")
        answer = kernel(levels[few], corrupted.severity, noise, profile)
        found[few] = to_levels(answer) if answer.is_floating_point() else answer
    return found
