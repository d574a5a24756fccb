"""Sorting numbers in [0, 1] into bins."""

import numpy as np

from robustsuite.predictions import Predictions


def equal_width(values: np.ndarray, bins: int) -> np.ndarray:
    """The bin of each value, int64 in 0..bins-1: `[lo, hi)`, the last one closed."""
    return np.minimum((values * bins).astype(np.int64), bins - 1)


def sums(index: np.ndarray, values: np.ndarray, bins: int) -> np.ndarray:
    """The sum of `values` in every bin, float64 `[bins]`."""
    return np.bincount(index, weights=values, minlength=bins)


def answers_by_confidence(predictions: Predictions, bins: int = 15) -> np.ndarray:
    """What the binned errors of the predicted class need, in bins of equal width: float64 `[3, bins]`, additive over images.

    The number of images, the sum of `correct - confidence`, and the number of right ones.
    """
    confidence, correct = predictions.confidence, predictions.correct.astype(np.float64)
    index = equal_width(confidence, bins)
    return np.stack([sums(index, part, bins) for part in (np.ones(len(index)), correct - confidence, correct)])
