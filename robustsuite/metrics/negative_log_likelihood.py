"""Negative log-likelihood of the true class, in nats: a proper scoring rule (Good 1952), unbounded above."""

import numpy as np

from robustsuite.predictions import Predictions

HIGHER_IS_BETTER = False
RANGE = (0.0, float("inf"))


def per_image(predictions: Predictions) -> np.ndarray:
    """`-log p(label)`, float64 `[images]`."""
    return -predictions.label_log_probability.astype(np.float64)


def negative_log_likelihood(predictions: Predictions) -> float:
    """The mean over images, in [0, inf); 0 is best."""
    return float(per_image(predictions).mean())
