"""Gap between mean confidence and accuracy: calibration in the large, the calibration error in a single bin.

Cox 1958, "Two further applications of a model for binary regression".
"""

import numpy as np

from robustsuite.numerics.intervals import largest_mean_high, largest_mean_low
from robustsuite.predictions import Predictions

HIGHER_IS_BETTER = False
RANGE = (0.0, 1.0)


def sums(predictions: Predictions) -> np.ndarray:
    """The sum of `correct - confidence` and the number of images, float64 `[2]`."""
    return np.array([(predictions.correct - predictions.confidence).sum(), len(predictions)])


def of_sums(sums: np.ndarray) -> float:
    """The metric from `sums` over all images."""
    return float(abs(sums[0]) / sums[1])


def confidence_accuracy_gap(predictions: Predictions) -> float:
    """`|accuracy - mean confidence|`, in [0, 1]; 0 is best. Whether the model is over- or underconfident, it does not say.

    Never above the expected calibration error in any bins: gaps of either sign cancel.
    """
    return of_sums(sums(predictions))


def interval(predictions: Predictions, alpha: float) -> tuple[float, float]:
    """Bounds on the distribution's gap, each wrong with probability at most `alpha`, for any number of images.

    By betting on the mean (`numerics.intervals.largest_mean_high`): narrower than Hoeffding's where answers are mostly as sure as right.
    """
    gaps = predictions.correct - predictions.confidence
    squares = float((gaps**2).sum())
    value = confidence_accuracy_gap(predictions)
    low = largest_mean_low(gaps.sum(keepdims=True), squares, len(gaps), alpha)
    return min(low, value), largest_mean_high(value, squares, len(gaps), alpha)
