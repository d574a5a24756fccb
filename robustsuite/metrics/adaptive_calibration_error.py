"""Adaptive calibration error: every class in bins of equally many images (ACE; Nixon et al. 2019, arXiv:1904.01685)."""

import numpy as np

from robustsuite.numerics.classwise import equal_mass_gaps, every_class, noise
from robustsuite.numerics.intervals import bounded_differences
from robustsuite.predictions import Predictions

HIGHER_IS_BETTER = False
RANGE = (0.0, 1.0)
NEEDS_LOGITS = True


def adaptive_calibration_error(predictions: Predictions, bins: int = 15) -> float:
    """The mean over classes k of `sum_b |sum_{i in b} ([label_i = k] - p_ik)| / images`, in [0, 2 / classes]; 0 is best.

    The bins of a class hold equally many images, or one more; images that the class has equal probabilities on share a bin, the
    later one, so that their order does not matter. All images count, also where the probability is 0. (netcal's "ACE" is another
    number: the unweighted mean over equal-width bins of the predicted class.) Plug-in estimate: above 0 on a perfectly calibrated
    model, and further above it than with equal-width bins. Raises `LookupError` for predictions without logits.
    """
    errors = [np.abs(equal_mass_gaps(values, own, bins)).sum() for values, own in every_class(predictions)]
    return float(np.mean(errors) / len(predictions))


def interval(predictions: Predictions, alpha: float, bins: int = 15) -> tuple[float, float]:
    """Bounds on the error that these bins would show if the labels were averaged, each wrong with probability at most `alpha`.

    They hold given the images, whose logits make the bins: the labels are what is random. Another label of one image moves two classes by
    1 / images each, hence bounded differences (McDiarmid 1989) of 2 / (classes * images). The mean of the plug-in value exceeds the
    truth by at most what chance adds to the bins, which the lower bound gives up (`numerics.classwise.noise`).

    Of bounds for other images as well nothing is proven but the useless: another image may shift every edge, and merge bins where
    probabilities are tied. In simulations these bounds hold for the distribution's own equal bins too.
    """
    value = adaptive_calibration_error(predictions, bins)
    noises = [noise(equal_mass_gaps(values, own, bins, power=2)) for values, own in every_class(predictions)]
    bias = float(np.mean(noises) / len(predictions))
    radius = bounded_differences(2 / (len(noises) * len(predictions)), len(predictions), alpha)
    return max(value - bias - radius, 0.0), min(value + radius, 1.0)
