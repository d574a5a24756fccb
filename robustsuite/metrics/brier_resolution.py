"""Resolution: what telling right answers from wrong ones gains in the Brier score of the predicted class (Murphy 1973).

doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2.
"""

from math import log, sqrt

import numpy as np

from robustsuite.numerics.binning import answers_by_confidence as sums
from robustsuite.predictions import Predictions

HIGHER_IS_BETTER = True
RANGE = (0.0, 0.25)


def of_sums(sums: np.ndarray) -> float:
    """The metric from `sums` over all images."""
    images, _, right = sums
    accuracy = right.sum() / images.sum()
    return float((images * (right / np.maximum(images, 1) - accuracy) ** 2).sum() / images.sum())


def brier_resolution(predictions: Predictions, bins: int = 15) -> float:
    """`sum_b images_b / images * (accuracy_b - accuracy)^2`, equal-width bins, in [0, 1/4]; higher is better.

    At most the uncertainty `accuracy * (1 - accuracy)`, reached where every bin is all right or all wrong: so 0 where all
    answers are right, or all wrong, for then there is nothing to tell apart. `brier_reliability` says what the decomposition
    is of. Bins are `[lo, hi)` with the last one closed; empty ones add nothing.
    """
    return of_sums(sums(predictions, bins))


def interval(predictions: Predictions, alpha: float, bins: int = 15) -> tuple[float, float]:
    """Bounds on the variance of the bins' accuracies in the distribution, each wrong with probability at most `alpha`.

    For any number of images, in two steps of `alpha / 2`. Given the bins that the images fell into, the root of the plug-in value
    is a distance, convex, and moves by at most 1 / sqrt(images) for each unit of all answers: it lies below what it estimates
    at most as far as a weighted mean does (Hoeffding 1963), and above its root mean square, which has at most a quarter for each
    bin but one, as Boucheron, Lugosi & Massart 2013, theorem 6.10, say. From the bins' shares as found to their probabilities by the
    standard deviation of numbers in [0, 1] (Maurer & Pontil 2009, theorem 10, arXiv:0907.3740).
    """
    found = sums(predictions, bins)
    value, images, most = of_sums(found), len(predictions), log(2 / alpha)
    if images < 2:
        return RANGE
    shares, unbiased = sqrt(2 * most / (images - 1)), images / (images - 1)
    high = sqrt(unbiased) * (sqrt(value) + sqrt(most / (2 * images))) + shares
    given_bins = max(sqrt(value) - sqrt(2 * most / images), 0) ** 2 - (np.count_nonzero(found[0]) - 1) / (4 * images)
    low = max(sqrt(unbiased * max(given_bins, 0)) - shares, 0)
    return min(low**2, value), max(min(high**2, RANGE[1]), value)
