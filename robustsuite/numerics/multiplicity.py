"""Several hypotheses at once: which may be rejected so that one or more true ones are with probability at most alpha.

A suite passes if all its gates do, so passes need no correction: whichever gate is truly bad has to pass itself (Berger 1982). Fails do,
since any one false fail is one too many.
"""

from math import log

import numpy as np


def holm(p_values: np.ndarray, alpha: float) -> np.ndarray:
    """Which hypotheses are rejected, bool `[m]`; the p-values may depend on each other in any way (Holm 1979)."""
    return holm_adjusted(p_values) <= alpha


def holm_adjusted(p_values: np.ndarray) -> np.ndarray:
    """For each hypothesis the least alpha at which `holm` rejects it, float64 `[m]`, at most 1."""
    p_values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p_values)
    left = len(p_values) - np.arange(len(p_values))  # hypotheses that smaller p-values have not rejected
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(left * p_values[order]), 1)
    return adjusted


def e_holm(log_evidence: np.ndarray, alpha: float) -> np.ndarray:
    """Which hypotheses are rejected, bool `[..., m]`; the e-values may depend on each other in any way (Vovk & Wang 2021).

    If they are running ones, of images in one random order, one may look after any image, and however often.

    Args:
        log_evidence: logs of e-values, `[..., m]`; infinite ones may be among them.
        alpha: the probability to reject any true hypothesis.
    """
    return e_holm_adjusted(log_evidence) >= log(1 / alpha)


def e_holm_adjusted(log_evidence: np.ndarray) -> np.ndarray:
    """The log of the adjusted e-value of each hypothesis, float64 `[..., m]` (Vovk & Wang 2021, arXiv:1912.06116, algorithm 1).

    The least mean over all sets of e-values that it belongs to: the closure of averaging, which may always be done to e-values. The
    set with the least mean consists of the smallest e-values beside its own.
    """
    log_evidence = np.asarray(log_evidence, dtype=np.float64)
    order = np.argsort(log_evidence, axis=-1)
    ascending = np.take_along_axis(log_evidence, order, axis=-1)
    adjusted, smaller = ascending.copy(), np.full_like(ascending[..., :1], -np.inf)
    for others in range(1, log_evidence.shape[-1]):
        smaller = np.logaddexp(smaller, ascending[..., others - 1, None])  # the sum of as many of the smallest
        means = np.logaddexp(ascending, smaller) - log(others + 1)
        adjusted[..., others:] = np.minimum(adjusted, means)[..., others:]  # those that are not among these
    result = np.empty_like(adjusted)
    np.put_along_axis(result, order, adjusted, axis=-1)
    return result
