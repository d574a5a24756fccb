"""Softmax probabilities that are not rounded to 1, and their normaliser."""

import numpy as np


def log_probabilities(logits: np.ndarray) -> np.ndarray:
    """The log-softmax of float64 `[images, classes]`, as precise for the top class as for the others.

    The top class has `-log1p(sum of the others, relative to it)`: a probability of 1 - 1e-30 is not 1, so that saturated
    confidences, which tie in their thousands as float32 probabilities, keep their order.
    """
    top = logits.argmax(axis=1)[:, None]
    shifted = logits - np.take_along_axis(logits, top, axis=1)
    others = np.exp(shifted)
    np.put_along_axis(others, top, 0, axis=1)
    return shifted - np.log1p(others.sum(axis=1, keepdims=True))


def log_sum_exp(logits: np.ndarray) -> np.ndarray:
    """`log sum_k exp(z_k)` of float64 `[images, classes]`, without overflow."""
    largest = logits.max(axis=1)
    return largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1))
