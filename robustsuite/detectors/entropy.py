"""Entropy of the softmax probabilities (as in Hendrycks & Gimpel 2017; Chan et al. 2021, arXiv:2012.06575, for unfamiliar objects)."""

from collections.abc import Callable

import numpy as np

from robustsuite.detectors._evidence import by_rows
from robustsuite.detectors._probabilities import log_probabilities
from robustsuite.predictions import Evidence, Head


def entropy(familiar: Evidence, labels: np.ndarray, head: Head | None) -> Callable[[Evidence], np.ndarray]:
    """`sum_k p_k log p_k`, the **negative** entropy in nats, in [-log classes, 0]. Nothing is fitted.

    A constant added to all logits of an image changes nothing.
    """

    def score(logits: np.ndarray) -> np.ndarray:
        logs = log_probabilities(logits)
        return (np.exp(logs) * logs).sum(axis=1)

    return lambda evidence: by_rows(score, evidence.logits)
