"""Maximum calibration error of the predicted class, equal-width bins (Naeini et al. 2015; Guo et al. 2017, equation 6)."""

import numpy as np

from robustsuite.numerics.binning import answers_by_confidence as sums
from robustsuite.numerics.intervals import chernoff
from robustsuite.predictions import Predictions

HIGHER_IS_BETTER = False
RANGE = (0.0, 1.0)


def of_sums(sums: np.ndarray) -> float:
    """The metric from `sums` over all images."""
    images, gaps, _ = sums
    return float((np.abs(gaps) / np.maximum(images, 1)).max())


def maximum_calibration_error(predictions: Predictions, bins: int = 15) -> float:
    """`max_b |accuracy_b - confidence_b|` over the bins that hold images, in [0, 1]; 0 is best.

    Bins of equal width, `[lo, hi)` with the last one closed, so that a confidence of exactly 1 falls into the last bin. Noisy: a
    bin with a single image weighs as much as all others, and its gap may be 1 on a calibrated model.
    """
    return of_sums(sums(predictions, bins))


def interval(predictions: Predictions, alpha: float, bins: int = 15) -> tuple[float, float]:
    """Bounds on the distribution's largest gap over the bins that these images fall into; each wrong with probability at most `alpha`.

    Of a bin that holds no image nothing can be known, and it is left out. Given which bins the images fell into, the gaps within
    one are independent and lie between `-hi` and `1 - lo` (`numerics.intervals.chernoff`). High: the largest limit of any bin, without
    a price for their number, for the limit of the one bin that has the largest gap is seldom wrong. Low: every bin's limit must
    hold at once, on both sides (Bonferroni).
    """
    images, gaps, _ = sums(predictions, bins)
    occupied = np.flatnonzero(images)
    count, mean = images[occupied], gaps[occupied] / images[occupied]
    least, width = -(occupied + 1) / bins, 1 + 1 / bins
    shares = np.clip((mean - least) / width, 0, 1)
    value = of_sums(sums(predictions, bins))
    low, high = (np.stack(chernoff(shares, count, level)) * width + least for level in (alpha / (2 * len(occupied)), alpha))
    below = np.maximum(np.maximum(low[0], -low[1]), 0).max()
    return float(min(below, value)), float(np.clip(np.abs(high).max(), value, 1))
