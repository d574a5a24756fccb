"""Calibration error of the predicted class by a consistent kernel estimate, without bins (Popordanoska, Sayer & Blaschko 2022).

Equation 9 of arXiv:2210.07810, for the predicted class and p = 1.
"""

import numpy as np

from robustsuite.numerics.beta_kernel import mean_of_others
from robustsuite.numerics.gap_limits import mean_gap_low
from robustsuite.numerics.intervals import largest_mean_high
from robustsuite.predictions import Predictions

HIGHER_IS_BETTER = False
RANGE = (0.0, 1.0)


def kernel_calibration_error(predictions: Predictions, bandwidth: float = 0.001) -> float:
    """The mean of `|accuracy_i - confidence_i|`, where accuracy_i is the kernel-weighted mean of the **other** images; in [0, 1].

    0 is best. The kernel is a beta density (`numerics.beta_kernel`) with a variance of about `bandwidth * c (1 - c)`: 0.014 wide at a
    confidence c of 0.7, so that with the default about as many images are averaged as in a bin of 1/15. Consistent for a
    bandwidth that falls more slowly than 1 / images^2; it is an option and not chosen from the images, so that two sets can be
    compared, and because the likelihood that the authors choose by is unbounded where confidences tie. Above 0 on a calibrated model.
    Confidences are kept 6e-8 away from 0 and 1; of a single image it is the gap between its own answer and its confidence.
    """
    correct = predictions.correct.astype(np.float64)
    gaps = mean_of_others(predictions.confidence, correct, bandwidth) - predictions.confidence
    return min(float(np.abs(gaps).mean()), 1.0)


def interval(predictions: Predictions, alpha: float, bandwidth: float = 0.001) -> tuple[float, float]:
    """Bounds on `E|P(right | confidence) - confidence|` of the distribution, each wrong with probability at most `alpha`.

    For any number of images and any distribution, hence wide: low, that of any bins, here 15 of equal width; high, that of
    `E|correct - confidence|`, for without an assumption of smoothness nobody can tell answers that are right at random from ones that
    each confidence decides, and of those this is the calibration error. `smooth_calibration_error` has an upper limit of use.
    """
    value = kernel_calibration_error(predictions, bandwidth)
    sizes = np.abs(predictions.correct - predictions.confidence)
    high = largest_mean_high(min(float(sizes.mean()), 1.0), float((sizes**2).sum()), len(sizes), alpha)
    return min(mean_gap_low(predictions, alpha, bins=15), value), max(high, value)
