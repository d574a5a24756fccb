"""Root mean square calibration error of the predicted class, equal-width bins (Hendrycks et al. 2019, arXiv:1812.04606)."""

import numpy as np

from robustsuite.numerics.binning import answers_by_confidence as sums
from robustsuite.numerics.gap_limits import root_mean_square_limits
from robustsuite.predictions import Predictions

HIGHER_IS_BETTER = False
RANGE = (0.0, 1.0)


def of_sums(sums: np.ndarray) -> float:
    """The metric from `sums` over all images."""
    images, gaps, _ = sums
    return float(np.sqrt((gaps**2 / np.maximum(images, 1)).sum() / images.sum()))


def root_mean_square_calibration_error(predictions: Predictions, bins: int = 15) -> float:
    """`sqrt(sum_b images_b / images * (accuracy_b - confidence_b)^2)`, in [0, 1]; 0 is best. Never below the expected error.

    Bins of equal width, `[lo, hi)` with the last one closed, so that a confidence of exactly 1 falls into the last bin; empty
    bins add nothing. (The authors' own code makes bins of 100 images each and leaves out the last one.) Plug-in estimate: above
    0 on a perfectly calibrated model; `debiased_calibration_error` takes that out.
    """
    return of_sums(sums(predictions, bins))


def interval(predictions: Predictions, alpha: float, bins: int = 15) -> tuple[float, float]:
    """Bounds on the binned error of the distribution, each wrong with probability at most `alpha`, for any number of images.

    See `numerics.gap_limits.root_mean_square_limits`.
    """
    value = root_mean_square_calibration_error(predictions, bins)
    low, high = root_mean_square_limits(predictions, alpha, bins)
    return min(low, value), max(high, value)
