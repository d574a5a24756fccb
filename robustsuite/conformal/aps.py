"""APS: the likeliest classes until they hold enough probability, the last one by lot (Romano, Sesia & Candès 2020, arXiv:2006.02544)."""

import numpy as np

from robustsuite.conformal._ranked import ranked
from robustsuite.conformal._split import Sets, split_conformal


def aps(logits: np.ndarray, labels: np.ndarray, alpha: float, draws: np.ndarray) -> Sets:
    """Fit how much probability a set must hold (adaptive classification with split-conformal calibration, algorithm 1).

    A class's score is the probability of the classes before it and a share of its own, the image's draw u, uniform on (0, 1). (The paper
    shares 1 - u: the same in distribution.) The limit is the `ceil((n + 1) (1 - alpha))`-th smallest of n scores; infinite, so
    that sets hold every class, where n is too small for that rank to exist. A set holds the first classes of the order, ties going
    to the lower class; it may be empty, as in the paper: were probabilities the truth and the limit 1 - alpha, each image's label would
    be held with probability exactly 1 - alpha.

    Args:
        logits: `[images, classes]`, finite.
        labels: int `[images]`.
        alpha: a new exchangeable image's label is missing with at most this probability.
        draws: `[images]` in (0, 1), each image's own.

    Returns:
        From logits `[others, classes]` and draws `[others]` to sets, bool `[others, classes]`.
    """
    return split_conformal(ranked, logits, labels, alpha, draws)
