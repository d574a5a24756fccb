"""Expected calibration error of the predicted class, equal-width bins (Naeini et al. 2015; Guo et al. 2017, equation 5)."""

import numpy as np

from robustsuite.numerics.binning import answers_by_confidence as sums
from robustsuite.numerics.gap_limits import mean_gap_low
from robustsuite.numerics.intervals import largest_mean_high
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
    """Bounds on the binned error of the distribution, each wrong with probability at most `alpha`; for any number of images and bins.

    The error is the largest mean of the gaps times a sign for each bin. High: `numerics.intervals.largest_mean_high`. Low: a bet
    on all signs at once (`numerics.gap_limits.mean_gap_low`), which gives up what chance alone makes of empty and nearly empty bins. No
    bootstrap: its percentiles cover a true 0 never, at any number of images. (Bounded differences would allow every image
    2 / images: limits up to twice as far away.)
    """
    value = expected_calibration_error(predictions, bins)
    squares = float(((predictions.correct - predictions.confidence) ** 2).sum())
    return min(mean_gap_low(predictions, alpha, bins), value), largest_mean_high(value, squares, len(predictions), alpha)
