"""Two models on the same images: is the one worse than the other, is it surely not, and what would be seen at all.

A difference is 1 where only the new model is right, -1 where only the old one is, 0 where both agree. Only the discordant images, of
which one model is right, tell the models apart: pairing removes what makes images hard for both.
"""

from math import inf, sqrt

import numpy as np
from scipy.stats import binom, binomtest

from robustsuite.numerics import betting


def mcnemar(worse: int, better: int) -> float:
    """The exact one-sided p-value against "the new model is no worse" (McNemar 1947), for one look at a number of images fixed before.

    The probability that at least `worse` of all discordant images fall to the old model if each model is as likely to win one.

    Args:
        worse: images that only the old model gets right.
        better: images that only the new model gets right.
    """
    return float(binomtest(worse, worse + better, 0.5, alternative="greater").pvalue) if worse + better else 1.0


def log_evidence_no_worse(differences: np.ndarray, margin: float, total: int | None = None) -> np.ndarray:
    """The running log of an e-value against "the mean difference is at most `-margin`": evidence that it is not worse by that.

    Valid whenever one looks, so also once, after a number of images fixed before; a bet as in `betting.log_evidence_of_more`.

    Args:
        differences: in {-1, 0, 1} (any in [-1, 1] will do), `[..., seen]`, of images in random order.
        margin: the drop that is not tolerated, in [0, 1).
        total: how many images the test set has, if its own mean difference is meant; None for the population it came from.
    """
    return betting.log_evidence_of_more(_share(differences), (1 - margin) / 2, total)


def log_evidence_worse(differences: np.ndarray, margin: float, total: int | None = None) -> np.ndarray:
    """The running log of an e-value against "the mean difference is at least `-margin`": evidence of a larger drop.

    Arguments and validity as of `log_evidence_no_worse`.
    """
    return betting.log_evidence_of_less(_share(differences), (1 - margin) / 2, total)


def limits(differences: np.ndarray, alpha: float, total: int | None = None) -> tuple[float, float]:
    """Limits on the mean difference, each ever wrong with probability at most `alpha`, as `betting.limits`.

    A lower limit above `-margin` says that the new model is not worse by the margin. Arguments as of `log_evidence_no_worse`.
    """
    low, high = betting.limits(_share(differences), alpha, total)
    return 2 * low - 1, 2 * high - 1


def detectable(images: int, discordant_share: float, alpha: float, power: float = 0.8) -> float:
    """The least drop in accuracy that `mcnemar` finds with probability `power`: infinite if there is none.

    Args:
        images: seen by both models.
        discordant_share: of images that only one of the models gets right, in [0, 1]; no drop is larger.
        alpha: the p-value at which one calls the new model worse.
        power: in (0, 1).
    """
    expected = images * discordant_share
    spread = 9 * sqrt(expected * (1 - discordant_share)) + 20  # the rest has a probability of less than 1e-12
    discordant = np.arange(max(int(expected - spread), 1), min(int(expected + spread), images) + 1)
    weights, critical = binom.pmf(discordant, images, discordant_share), binom.isf(alpha, discordant, 0.5)

    def found(drop: float) -> float:
        return float(weights @ binom.sf(critical, discordant, (1 + drop / discordant_share) / 2))

    if discordant_share == 0 or found(discordant_share) < power:
        return inf
    low, high = 0.0, discordant_share
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) >= power else (middle, high)
    return high


def _share(differences: np.ndarray) -> np.ndarray:
    """From [-1, 1] to [0, 1]."""
    return (np.asarray(differences, dtype=np.float64) + 1) / 2
