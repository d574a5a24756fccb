"""Sorting numbers in [0, 1] into bins."""

import numpy as np


def equal_width(values: np.ndarray, bins: int) -> np.ndarray:
    """The bin of each value, int64 in 0..bins-1: `[lo, hi)`, the last one closed."""
    return np.minimum((values * bins).astype(np.int64), bins - 1)


def sums(index: np.ndarray, values: np.ndarray, bins: int) -> np.ndarray:
    """The sum of `values` in every bin, float64 `[bins]`."""
    return np.bincount(index, weights=values, minlength=bins)
