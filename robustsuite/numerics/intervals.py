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
    statistic: Callable[[np.ndarray], float], samples: int, alpha: float, seed: int, resamples: int = 1000
) -> tuple[float, float]:
    """Percentile limits of a statistic of resampled row numbers (Efron 1979); right only for many images.

    For means over images and smooth functions of them. Deterministic: the resampling has a generator of its own.
    """
    generator = np.random.default_rng(seed)
    values = [statistic(generator.integers(samples, size=samples)) for _ in range(resamples)]
    low, high = np.quantile(values, [alpha, 1 - alpha])
    return float(low), float(high)
