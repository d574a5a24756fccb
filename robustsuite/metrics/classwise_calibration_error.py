"""Classwise calibration error: every class in bins of equal width (SCE of Nixon et al. 2019, classwise-ECE of Kull et al. 2019).

arXiv:1904.01685 and arXiv:1910.12656.
"""

import numpy as np

from robustsuite.numerics.classwise import equal_width_gaps, every_class, noise
from robustsuite.numerics.intervals import bounded_differences
from robustsuite.predictions import Predictions

HIGHER_IS_BETTER = False
RANGE = (0.0, 1.0)
NEEDS_LOGITS = True


def classwise_calibration_error(predictions: Predictions, bins: int = 15) -> float:
    """The mean over classes k of `sum_b |sum_{i in b} ([label_i = k] - p_ik)| / images`, in [0, 2 / classes]; 0 is best.

    Every image counts for every class, by the probability of that class. Bins are `[lo, hi)` with the last one closed, so that a
    probability of exactly 1 falls into the last bin; empty bins add nothing. Plug-in estimate: above 0 on a perfectly calibrated
    model. Raises `LookupError` for predictions without logits.
    """
    errors = [np.abs(equal_width_gaps(values, own, bins)).sum() for values, own in every_class(predictions)]
    return float(np.mean(errors) / len(predictions))


def interval(predictions: Predictions, alpha: float, bins: int = 15) -> tuple[float, float]:
    """Bounds on the binned error of the distribution, each wrong with probability at most `alpha`; no bootstrap.

    The sizes of an image's gaps `[label = k] - p_k` add up to at most 2 over the classes, so one image moves the plug-in value by at
    most 4 / (classes * images), hence bounded differences (McDiarmid 1989). Its mean exceeds the truth by at most what chance adds to
    the bins, which the lower bound gives up (`numerics.classwise.noise`).
    """
    value = classwise_calibration_error(predictions, bins)
    noises = [noise(equal_width_gaps(values, own, bins, power=2)) for values, own in every_class(predictions)]
    bias = float(np.mean(noises) / len(predictions))
    radius = bounded_differences(4 / (len(noises) * len(predictions)), len(predictions), alpha)
    return max(value - bias - radius, 0.0), min(value + radius, 1.0)
