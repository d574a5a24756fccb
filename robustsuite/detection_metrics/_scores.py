"""Scores of familiar and of other images that can be ranked."""

import numpy as np

from robustsuite.errors import UsageError


def checked(inside: np.ndarray, outside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The scores as they came. Raises `UsageError` where either are none, or one is not a number."""
    if not len(inside) or not len(outside):
        raise UsageError(f"expected scores of familiar and of other images, got {len(inside)} and {len(outside)}; judge some of either")
    if strange := int(np.isnan(inside).sum() + np.isnan(outside).sum()):
        raise UsageError(f"expected scores that can be ranked, got NaN for {strange} of {len(inside) + len(outside)} images")
    return inside, outside
