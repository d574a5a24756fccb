"""Generalised entropy, GEN (Liu, Lochman & Zach 2023, "Pushing the Limits of Softmax-Based Out-of-Distribution Detection", CVPR)."""

from collections.abc import Callable

import numpy as np

from robustsuite.detectors._evidence import by_rows
from robustsuite.detectors._probabilities import log_probabilities
from robustsuite.errors import UsageError
from robustsuite.predictions import Evidence, Head


def gen(
    familiar: Evidence, labels: np.ndarray, head: Head | None, gamma: float = 0.1, largest: int = 100
) -> Callable[[Evidence], np.ndarray]:
    """`-sum_k p_k^gamma (1 - p_k)^gamma` over the largest probabilities, in [-largest / 4^gamma, 0]. Nothing is fitted.

    A constant added to all logits of an image changes nothing.

    Args:
        familiar: not read.
        labels: not read.
        head: not read.
        gamma: the exponent, above 0; the paper recommends 0.1.
        largest: how many of the largest probabilities, the paper's M; all of them where there are fewer classes.
    """
    if gamma <= 0 or largest < 1:
        raise UsageError(f"expected gamma above 0 and largest of at least 1 for the detector gen, got {gamma} and {largest}")

    def score(logits: np.ndarray) -> np.ndarray:
        logs, classes = log_probabilities(logits), logits.shape[1]
        kept = np.partition(logs, classes - largest, axis=1)[:, classes - largest :] if largest < classes else logs
        return -((np.exp(kept) * -np.expm1(kept)) ** gamma).sum(axis=1)

    return lambda evidence: by_rows(score, evidence.logits)
