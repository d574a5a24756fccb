"""Divergence from the nearest class's typical probabilities (Hendrycks et al. 2022, arXiv:1911.11132)."""

from collections.abc import Callable

import numpy as np

from robustsuite.detectors._evidence import ROWS, by_rows, fitted_on
from robustsuite.detectors._probabilities import log_probabilities
from robustsuite.predictions import Evidence, Head

LEAST = np.finfo(np.float64).tiny  # of a template's probability, so that its logarithm is finite


def kl_matching(familiar: Evidence, labels: np.ndarray, head: Head | None) -> Callable[[Evidence], np.ndarray]:
    """`-min_k KL(p || d_k)` in nats, at most 0; a constant added to all logits of an image changes nothing.

    The template d_k is the mean softmax of the familiar images that the model **predicts** as k, as in the paper and its code:
    labels are not read. A class that is never predicted has no template. Raises `UsageError` without familiar images.
    """
    fitted_on(familiar, "kl_matching")
    classes = familiar.logits.shape[1]
    totals, counts = np.zeros((classes, classes)), np.zeros(classes)
    for begin in range(0, len(familiar), ROWS):
        logs = log_probabilities(familiar.logits[begin : begin + ROWS].astype(np.float64))
        predicted = logs.argmax(axis=1)
        np.add.at(totals, predicted, np.exp(logs))
        counts += np.bincount(predicted, minlength=classes)
    seen = counts > 0
    templates = np.log(np.maximum(totals[seen] / counts[seen, None], LEAST)).T

    def score(logits: np.ndarray) -> np.ndarray:
        logs = log_probabilities(logits)
        probabilities = np.exp(logs)
        divergences = (probabilities * logs).sum(axis=1, keepdims=True) - probabilities @ templates
        return -np.maximum(divergences.min(axis=1), 0)  # which rounding may take below 0

    return lambda evidence: by_rows(score, evidence.logits)
