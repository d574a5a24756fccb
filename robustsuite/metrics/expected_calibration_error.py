"""Expected calibration error of the predicted class, equal-width bins (Naeini et al. 2015; Guo et al. 2017, equation 5)."""

import numpy as np

from robustsuite.numerics.binning import answers_by_confidence as sums
from robustsuite.numerics.binning import equal_width
from robustsuite.numerics.binning import sums as binned
from robustsuite.numerics.intervals import bounded_differences
from robustsuite.predictions import Predictions

HIGHER_IS_BETTER = False
RANGE = (0.0, 1.0)


def of_sums(sums: np.ndarray) -> float:
    """The metric from `sums` over all images."""
    images, gaps, _ = sums
    return float(np.abs(gaps).sum() / images.sum())


def expected_calibration_error(predictions: Predictions, bins: int = 15) -> float:
    """`sum_b |sum_{i in b} (correct_i - confidence_i)| / images`, in [0, 1]; 0 is best.

    Bins are `[lo, hi)` with the last one closed, so that a confidence of exactly 1 falls into the last bin; empty bins
    add nothing. Plug-in estimate: on a perfectly calibrated model its mean is above 0 (about 0.02 at 1,000 images).
    """
    return of_sums(sums(predictions, bins))


def interval(predictions: Predictions, alpha: float, bins: int = 15) -> tuple[float, float]:
    """Bounds on the binned error of the distribution, each wrong with probability at most `alpha`; no bootstrap.

    One image moves the plug-in value by at most 2 / images, hence bounded differences (McDiarmid 1989). Its mean exceeds
    the truth by at most `sum_b sqrt(sum_{i in b} (gap_i - mean gap_b)^2) / images` (Jensen), which the lower bound gives up.
    The percentile bootstrap covers a true 0 never, at any number of images.
    """
    value = expected_calibration_error(predictions, bins)
    gaps = predictions.correct - predictions.confidence
    index = equal_width(predictions.confidence, bins)
    counts, totals, squares = (binned(index, part, bins) for part in (np.ones_like(gaps), gaps, gaps**2))
    within = np.maximum(squares - totals**2 / np.maximum(counts, 1), 0)
    bias = float(np.sqrt(within).sum() / len(predictions))
    radius = bounded_differences(2 / len(predictions), len(predictions), alpha)
    return max(value - bias - radius, 0.0), min(value + radius, 1.0)
