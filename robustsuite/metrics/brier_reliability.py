"""Reliability: what miscalibration costs in the Brier score of the predicted class, equal-width bins (Murphy 1973).

doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2.
"""

import numpy as np

from robustsuite.numerics.binning import answers_by_confidence as sums
from robustsuite.numerics.gap_limits import root_mean_square_limits
from robustsuite.predictions import Predictions

HIGHER_IS_BETTER = False
RANGE = (0.0, 1.0)


def of_sums(sums: np.ndarray) -> float:
    """The metric from `sums` over all images."""
    images, gaps, _ = sums
    return float((gaps**2 / np.maximum(images, 1)).sum() / images.sum())


def brier_reliability(predictions: Predictions, bins: int = 15) -> float:
    """`sum_b images_b / images * (confidence_b - accuracy_b)^2`, in [0, 1]; 0 is best.

    With every confidence replaced by the mean of its bin, the Brier score of the event "the prediction is right" is the mean of
    `(confidence_b - correct_i)^2`, and is exactly reliability - `brier_resolution` + uncertainty, where the uncertainty
    `accuracy * (1 - accuracy)` is that of always saying the accuracy. (The score of the confidences themselves differs by their
    spread within the bins; and it is not `brier_score`, which is over all classes.) Bins of equal width, `[lo, hi)` with the
    last one closed; empty ones add nothing. The square of `root_mean_square_calibration_error`.
    """
    return of_sums(sums(predictions, bins))


def interval(predictions: Predictions, alpha: float, bins: int = 15) -> tuple[float, float]:
    """Bounds on the distribution's, each wrong with probability at most `alpha`, for any number of images.

    The squares of those on the root mean square error (`numerics.gap_limits.root_mean_square_limits`).
    """
    value = brier_reliability(predictions, bins)
    low, high = root_mean_square_limits(predictions, alpha, bins)
    return min(low**2, value), max(high**2, value)
