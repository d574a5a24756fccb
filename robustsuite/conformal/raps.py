"""RAPS: APS with a penalty on every class beyond the first few, against long tails (Angelopoulos et al. 2021, arXiv:2009.14193)."""

from functools import partial

import numpy as np

from robustsuite.conformal._ranked import ranked
from robustsuite.conformal._split import Sets, split_conformal
from robustsuite.errors import UsageError


def raps(
    logits: np.ndarray,
    labels: np.ndarray,
    alpha: float,
    draws: np.ndarray,
    k_reg: int = 5,
    penalty: float = 0.01,
    never_empty: bool = False,
) -> Sets:
    """Fit how much probability, with penalties, a set must hold.

    A class's score is that of `aps` and `penalty * (rank - k_reg)^+`, ranks counted from 1. The limit is the
    `ceil((n + 1) (1 - alpha))`-th smallest of n scores; infinite, so that sets hold every class, where n is too small for that
    rank to exist. (The authors scale the temperature first; here logits are taken as they come.)

    Args:
        logits: `[images, classes]`, finite.
        labels: int `[images]`.
        alpha: a new exchangeable image's label is missing with at most this probability.
        draws: `[images]` in (0, 1), each image's own.
        k_reg: how many classes cost nothing.
        penalty: the paper's lambda, at least 0. Both defaults are those that the authors' code proposes without tuning.
        never_empty: always hold the likeliest class, as the authors' code does unless empty sets are allowed; sets are then larger than
            the error rate asks for.

    Returns:
        From logits `[others, classes]` and draws `[others]` to sets, bool `[others, classes]`.

    Raises:
        UsageError: a negative penalty or `k_reg`.
    """
    if k_reg < 0 or penalty < 0:
        raise UsageError(f"expected a k_reg and a penalty of at least 0, got {k_reg} and {penalty:g}")
    sets = split_conformal(partial(ranked, penalty=penalty, free=k_reg), logits, labels, alpha, draws)

    def with_the_likeliest(others: np.ndarray, draws: np.ndarray) -> np.ndarray:
        held = sets(others, draws)
        held[np.arange(len(held)), np.argmax(others, axis=1)] = True
        return held

    return with_the_likeliest if never_empty else sets
