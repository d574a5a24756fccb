"""Thresholded adaptive calibration error: ACE of the probabilities that matter (TACE; Nixon et al. 2019, arXiv:1904.01685)."""

import numpy as np

from robustsuite.numerics.classwise import equal_mass_gaps, every_class, noise
from robustsuite.numerics.intervals import bounded_differences
from robustsuite.predictions import Predictions

HIGHER_IS_BETTER = False
RANGE = (0.0, 1.0)
NEEDS_LOGITS = True


def thresholded_adaptive_calibration_error(predictions: Predictions, threshold: float = 1e-3, bins: int = 15) -> float:
    """The mean over classes k of `sum_b |sum_{i in b} ([label_i = k] - p_ik)| / kept_k`, in [0, 1]; 0 is best.

    As `adaptive_calibration_error`, but of the `kept_k` images with `p_ik > threshold` only, and divided by their number, as
    robustness_metrics has it (whose own default is 0.01). A class that keeps none has an error of 0 and counts among the classes. A
    label whose probability is at most the threshold counts nowhere.

    Raises `LookupError` for predictions without logits.
    """
    errors = []
    for values, own in every_class(predictions):
        kept = values.compress(values > threshold)
        errors.append(np.abs(equal_mass_gaps(kept, own[own > threshold], bins)).sum() / max(len(kept), 1))
    return float(np.mean(errors))


def interval(predictions: Predictions, alpha: float, threshold: float = 1e-3, bins: int = 15) -> tuple[float, float]:
    """Bounds on the error that these bins would show if the labels were averaged, each wrong with probability at most `alpha`.

    They hold given the images, as those of `adaptive_calibration_error` do. Another label of an image moves two classes that kept it by
    1 / kept_k each, hence bounded differences (McDiarmid 1989) with a constant of each image's own. The upper bound grants the worst
    error to classes that kept no image: others might show it. In simulations these bounds hold for the distribution too.
    """
    value = thresholded_adaptive_calibration_error(predictions, threshold, bins)
    most, second = np.zeros((2, len(predictions)))
    noises, unseen = [], 0
    for values, own in every_class(predictions):
        kept = values > threshold
        count = int(kept.sum())
        squares = equal_mass_gaps(values.compress(kept), own[own > threshold], bins, power=2)
        noises.append(noise(squares) / max(count, 1))
        unseen += count == 0
        share = kept / max(count, 1)
        second = np.maximum(second, np.minimum(most, share))
        most = np.maximum(most, share)
    bias, classes = float(np.mean(noises)), len(noises)
    change = float(np.sqrt(np.mean((most + second) ** 2))) / classes
    radius = bounded_differences(change, len(predictions), alpha)
    return max(value - bias - radius, 0.0), min(value + radius + unseen / classes, 1.0)
