"""Brier score over all classes: the squared distance between the probabilities and the one-hot label (Brier 1950)."""

import numpy as np

from robustsuite.predictions import Predictions

HIGHER_IS_BETTER = False
RANGE = (0.0, 2.0)


def per_image(predictions: Predictions) -> np.ndarray:
    """`sum_k (p_k - [k = label])^2 = sum_k p_k^2 - 2 p_label + 1`, float64 `[images]` in [0, 2]."""
    label_probability = np.exp(predictions.label_log_probability.astype(np.float64))
    # Both are rounded to float32, which may take a score of nearly 0 below it.
    return np.maximum(predictions.sum_of_squares.astype(np.float64) - 2 * label_probability + 1, 0)


def sums(predictions: Predictions) -> np.ndarray:
    """The sum of `per_image` and the number of images, float64 `[2]`."""
    return np.array([per_image(predictions).sum(), len(predictions)])


def of_sums(sums: np.ndarray) -> float:
    """The metric from `sums` over all images."""
    return float(sums[0] / sums[1])


def brier_score(predictions: Predictions) -> float:
    """The mean over images of the **sum** over classes, in [0, 2]; 0 is best. Some libraries divide by the classes."""
    return float(per_image(predictions).mean())
