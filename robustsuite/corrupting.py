"""One corruption of one batch: which constants, which noise."""

from math import log

from torch import Tensor, float64

from robustsuite.catalog import find
from robustsuite.errors import UsageError
from robustsuite.numerics.levels import to_unit
from robustsuite.numerics.random import keyed
from robustsuite.records import Corrupted
from robustsuite.roles import Images, Levels

PROFILES = {"cifar": 32, "tiny": 64, "imagenet": 224, "imagenet-299": 299}  # pixels that the constants were published for


def profile_for(height: int, width: int) -> str:
    """The profile whose published size is nearest (as a ratio) to the shorter side."""
    side = min(height, width)
    return min(PROFILES, key=lambda name: abs(log(side / PROFILES[name])))


def corrupt(images: Images | Levels, corrupted: Corrupted, keys: Tensor, seed: int, profile: str = "auto") -> Images:
    """The batch corrupted, before it is rounded to levels (`numerics.levels.to_levels` does that as the benchmark does).

    Args:
        images: uint8 RGB, or floats in [0, 1].
        corrupted: which corruption, how severe.
        keys: `image_keys` of the images, on the same device; the noise depends on them, on the seed and on `corrupted` only.
        seed: another seed draws other noise.
        profile: whose constants; `auto` takes `profile_for` the images' size.

    Returns:
        float64 in [0, 1].
    """
    if profile == "auto":
        profile = profile_for(*images.shape[-2:])
    elif profile not in PROFILES:
        raise UsageError(f"expected a profile among {', '.join(PROFILES)} or auto, got {profile!r}")
    if type(corrupted.severity) is not int or not 1 <= corrupted.severity <= 5:
        raise UsageError(f"severity of corruption {corrupted.corruption!r} must be 1 to 5, got {corrupted.severity}")
    kernel = find("corruptions", corrupted.corruption)
    exact = images.double() if images.is_floating_point() else to_unit(images, float64)
    return kernel(exact, corrupted.severity, keyed(keys, seed, corrupted), profile).clamp_(0, 1)
