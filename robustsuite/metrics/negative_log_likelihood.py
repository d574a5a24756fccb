"""Negative log-likelihood of the true class, in nats: a proper scoring rule (Good 1952), unbounded above."""

import numpy as np

from robustsuite.predictions import Predictions

HIGHER_IS_BETTER = False
RANGE = (0.0, float("inf"))


def per_image(predictions: Predictions) -> np.ndarray:
    """`-log p(label)`, float64 `[images]`."""
    return -predictions.label_log_probability.astype(np.float64)


def sums(predictions: Predictions) -> np.ndarray:
    """The sum of `per_image` and the number of images, float64 `[2]`."""
    return np.array([per_image(predictions).sum(), len(predictions)])


def of_sums(sums: np.ndarray) -> float:
    """The metric from `sums` over all images."""
    return float(sums[0] / sums[1])


def negative_log_likelihood(predictions: Predictions) -> float:
    """The mean over images, in [0, inf); 0 is best."""
    return float(per_image(predictions).mean())
