"""Debiased root mean square calibration error of the predicted class, equal-width bins (Kumar, Liang & Ma 2019).

Section 5 of arXiv:1909.10155.
"""

import numpy as np

from robustsuite.numerics.binning import answers_by_confidence as sums
from robustsuite.numerics.gap_limits import root_mean_square_limits
from robustsuite.predictions import Predictions

HIGHER_IS_BETTER = False
RANGE = (0.0, 1.0)


def of_sums(sums: np.ndarray) -> float:
    """The metric from `sums` over all images."""
    images, gaps, right = sums
    several, counts = images > 1, np.maximum(images, 2)
    accuracy = right / counts
    squares = (gaps / counts) ** 2 - accuracy * (1 - accuracy) / (counts - 1)
    return float(np.sqrt(max((images * squares)[several].sum() / images.sum(), 0.0)))


def debiased_calibration_error(predictions: Predictions, bins: int = 15) -> float:
    """The root of `sum_b images_b / images * ((accuracy_b - confidence_b)^2 - accuracy_b (1 - accuracy_b) / (images_b - 1))`.

    In [0, 1]; 0 is best. What is subtracted is the variance of a bin's accuracy, estimated without bias: so the sum is about 0
    on average on a calibrated model, and is set to 0 where it falls below. Bins of equal width, `[lo, hi)` with the last one
    closed, so that a confidence of exactly 1 falls into the last bin; bins of fewer than two images add nothing. (The authors'
    code has bins of equal mass by default.)
    """
    return of_sums(sums(predictions, bins))


def interval(predictions: Predictions, alpha: float, bins: int = 15) -> tuple[float, float]:
    """Bounds on the root mean square binned error of the distribution, each wrong with probability at most `alpha`.

    They are those of `root_mean_square_calibration_error`, which estimates the same number, valid for any number of images.
    """
    value = debiased_calibration_error(predictions, bins)
    low, high = root_mean_square_limits(predictions, alpha, bins)
    return min(low, value), max(high, value)
