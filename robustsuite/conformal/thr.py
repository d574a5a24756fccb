"""THR, or LAC: the classes whose probability reaches a threshold, the smallest sets on average (Sadinle, Lei & Wasserman 2019)."""

import numpy as np

from robustsuite.conformal._split import Sets, split_conformal


def thr(logits: np.ndarray, labels: np.ndarray, alpha: float, draws: np.ndarray) -> Sets:
    """Fit the threshold on the probabilities that the calibration images gave to their own labels (arXiv:1609.00451).

    The score is minus the log-probability, and the limit its `ceil((n + 1) (1 - alpha))`-th smallest of n; infinite, so that sets hold
    every class, where n is too small for that rank to exist. A set may be empty. Draws are not used.

    Args:
        logits: `[images, classes]`, finite.
        labels: int `[images]`.
        alpha: a new exchangeable image's label is missing with at most this probability.
        draws: `[images]`.

    Returns:
        From logits `[others, classes]` and draws `[others]` to sets, bool `[others, classes]`.
    """
    return split_conformal(lambda log_probabilities, _: -log_probabilities, logits, labels, alpha, draws)
