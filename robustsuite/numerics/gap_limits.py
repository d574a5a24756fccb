"""Limits on binned errors of the predicted class, for the distribution that the images came from."""

from math import log, sqrt

import numpy as np

from robustsuite.numerics.binning import answers_by_confidence
from robustsuite.numerics.intervals import chernoff, largest_mean_low
from robustsuite.predictions import Predictions


def mean_gap_low(predictions: Predictions, alpha: float, bins: int) -> float:
    """A lower limit on `sum_b |E[(correct - confidence) [in bin b]]|`, equal-width bins.

    Finer bins have a larger error, and so has the calibration error without bins: it is a limit on those too.
    """
    gaps = predictions.correct - predictions.confidence
    return largest_mean_low(answers_by_confidence(predictions, bins)[1], float((gaps**2).sum()), len(gaps), alpha)


def root_mean_square_limits(predictions: Predictions, alpha: float, bins: int) -> tuple[float, float]:
    """Limits on `sqrt(sum_b P(b) E[correct - confidence | b]^2)`, equal-width bins; each wrong with probability at most `alpha`.

    Low: the mean size of the gaps, which is never larger. High: given the bins that the images fell into, the plug-in value is
    at least a weighted mean of independent gaps whose expectation is the error with the bins' shares as found (the weights are
    those that attain it), and a gap in a bin has a range of `1 + 1 / bins`, hence Hoeffding 1963; from the bins' shares as found
    to their probabilities by `chernoff`, for the square is a mean of the images' squared bin gaps, in [0, 1].
    """
    images, gaps, _ = answers_by_confidence(predictions, bins)
    samples = len(predictions)
    value = sqrt(float((gaps**2 / np.maximum(images, 1)).sum()) / samples)
    given_bins = min(value + (1 + 1 / bins) * sqrt(log(2 / alpha) / (2 * samples)), 1.0)
    return mean_gap_low(predictions, alpha, bins), sqrt(float(chernoff(np.array(given_bins**2), samples, alpha / 2)[1]))
