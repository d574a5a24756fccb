"""The false-positive rate where 95 % of the positive images are accepted, whichever class is the positive one."""

import numpy as np
from scipy.stats import binom

from robustsuite.numerics.intervals import clopper_pearson

REJECTED = 1, 20  # one positive image in twenty: a plain fraction, for 0.95 times a number of images may be rounded up


def false_positive_rate(positive: np.ndarray, negative: np.ndarray) -> float:
    """The share of negatives that score as high as the highest threshold which accepts 95 % of the positives, or higher.

    The first such threshold of all scores, without interpolation; a score equal to the threshold is accepted, on both sides.
    """
    part, whole = REJECTED
    threshold = np.sort(positive)[len(positive) * part // whole]
    return float((negative >= threshold).mean())


def interval(positive: np.ndarray, negative: np.ndarray, alpha: float) -> tuple[float, float]:
    """Limits on the rate of the population, each wrong with probability at most `alpha`, for any scores and any number of images.

    The threshold of the population lies between two scores of positive images, each of them wrong with probability at most
    `alpha / 2` (order statistics: the number of scores below a quantile is binomial). Given either of them, the count of negatives
    above is binomial, with the limits of Clopper & Pearson at what is left of `alpha`. Fewer than `log(alpha / 2) / log 0.95`
    positive images, 72 at 5 %, say nothing of how low the threshold may be: the upper limit is then 1.
    """
    part, whole = REJECTED
    ascending, images, share = np.sort(positive), len(positive), part / whole
    # At least `below` scores lie at or under the quantile, and fewer than `above` under it, but for `alpha / 2` of all samples.
    below = int(binom.ppf(alpha / 2, images, share))
    above = int(binom.isf(alpha / 2, images, share)) + 1
    lowest = ascending[below - 1] if below else -np.inf
    highest = ascending[above - 1] if above <= images else None
    most = int((negative >= lowest).sum())
    least = int((negative >= highest).sum()) if highest is not None else 0
    upper = clopper_pearson(most, len(negative), _left(alpha, float(binom.cdf(below - 1, images, share))))[1]
    lower = clopper_pearson(least, len(negative), _left(alpha, float(binom.sf(above - 1, images, share))))[0]
    return lower, upper


def _left(alpha: float, spent: float) -> float:
    """How often the second of two independent limits may be wrong, if the first is with probability `spent` and both together `alpha`."""
    return (alpha - spent) / (1 - spent)
