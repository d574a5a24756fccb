"""Evidence about zeros and ones drawn without replacement, valid whenever one looks: what the images seen so far say of the whole test set.

The likelihood of what was seen under a few alternatives, relative to its likelihood under the hypothesis, averaged: a mixture of
betting martingales (Waudby-Smith & Ramdas 2020, arXiv:2006.04347; 2024, arXiv:2010.09686), each of which is a ratio of hypergeometric
probabilities. It depends on two counts only, so batches and workers are merged by adding them, and it may be looked at after any
batch, for as long as one likes. The images must come in a random order: files sorted by class break it.
"""

from bisect import bisect_left
from math import inf, log

import numpy as np
from scipy.special import gammaln

DISTANCES = np.array([0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16])
"""How far above the hypothesis the alternatives lie, as shares of the whole.

Nearer ones, and `most + 1`, were measured to decide no sooner even when the truth of 50,000 images is 10 away.
"""


def log_evidence(successes: int, seen: int, total: int, most: int) -> float:
    """The log of an e-value against "at most `most` of all `total` are successes", after `seen` of them in random order.

    If that is true, it ever reaches `log(1 / alpha)` with probability at most alpha, however often one looks (Ville 1939). Against
    "at least `least`", ask for the failures: `log_evidence(seen - successes, seen, total, total - least)`.

    Infinite once the hypothesis is impossible (`successes > most`), minus infinity once it is certain.
    """
    return float(log_evidences(np.array([successes]), np.array([seen]), total, most)[0])


def log_evidences(successes: np.ndarray, seen: np.ndarray, total: int, most: int) -> np.ndarray:
    """`log_evidence` of many counts, of any two shapes that broadcast to more than a number; float64."""
    if most < 0:
        return np.full(np.broadcast_shapes(successes.shape, seen.shape), inf)
    most = min(most, total)
    # An alternative beyond the total would be impossible.
    alternatives = np.minimum(most + np.ceil(DISTANCES * total), total)
    hypothesis = _log_likelihood(successes, seen, total, most)
    others = _log_likelihood(successes[..., None], seen[..., None], total, alternatives)
    mixture = np.logaddexp.reduce(others, axis=-1) - log(len(DISTANCES))
    with np.errstate(invalid="ignore"):  # impossible under the hypothesis and under every alternative
        ratio = mixture - hypothesis
    return np.where(np.isneginf(hypothesis), np.where(successes > most, inf, -inf), ratio)


def limits(successes: int, seen: int, total: int, alpha: float) -> tuple[int, int]:
    """The least and the largest number of successes among all `total` that the evidence does not refute.

    Each side is ever wrong with probability at most `alpha`, however often one looks; so limits may be intersected over time. Equal
    to `successes` on both sides once everything has been seen.
    """

    def least(successes: int) -> int:
        # The likelihood is log-concave in the truth, so a larger `most` is never refuted more.
        return bisect_left(range(total), True, key=lambda most: log_evidence(successes, seen, total, most) < log(1 / alpha))

    return least(successes), total - least(seen - successes)


def _log_likelihood(successes: np.ndarray, seen: np.ndarray, total: int, truth: np.ndarray | int) -> np.ndarray:
    """The log probability of the counts if `truth` of `total` are successes, but for what does not depend on it; minus infinity if none."""
    left = truth - successes  # gammaln is infinite at 0, -1, ...: where fewer than none are left, or more than images
    return gammaln(truth + 1) + gammaln(total - truth + 1) - gammaln(left + 1) - gammaln(total - seen - left + 1)
