"""Confidence limits, one-sided on each side: a limit is wrong with probability at most `alpha`, or about that where stated."""

from collections.abc import Callable
from math import log, sqrt

import numpy as np
from scipy.stats import beta


def clopper_pearson(successes: int, trials: int, alpha: float) -> tuple[float, float]:
    """Exact limits on a binomial proportion (Clopper & Pearson 1934)."""
    low = float(beta.ppf(alpha, successes, trials - successes + 1)) if successes else 0.0
    high = float(beta.ppf(1 - alpha, successes + 1, trials - successes)) if successes < trials else 1.0
    return low, high


def bounded_differences(largest_change: float, samples: int, alpha: float) -> float:
    """How far a statistic may exceed its mean when one sample moves it by `largest_change` at most (McDiarmid 1989)."""
    return largest_change * sqrt(samples * log(1 / alpha) / 2)


def bootstrap(
    values: np.ndarray, statistic: Callable[[np.ndarray], float], alpha: float, seed: int, resamples: int = 1000
) -> tuple[float, float]:
    """Percentile limits of a statistic of the means over images (Efron 1979); right only for many images.

    Args:
        values: float64 `[images, columns]`; an image is drawn with all of its columns.
        statistic: from the means of the columns to one number.
        alpha: each limit is wrong with about this probability.
        seed: of a generator of its own.
        resamples: how many.
    """
    generator = np.random.default_rng(seed)
    images, found = len(values), []
    for _ in range(resamples):
        counts = np.bincount(generator.integers(images, size=images), minlength=images)
        found.append(statistic(counts @ values / images))
    low, high = np.quantile(found, [alpha, 1 - alpha])
    return float(low), float(high)
