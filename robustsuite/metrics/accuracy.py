"""Accuracy: the share of images whose prediction is the label (top-1). Under attack it is the robust accuracy.

Source: top-1 as in Russakovsky et al. 2015, arXiv:1409.0575.
"""

import numpy as np

from robustsuite.predictions import Predictions

HIGHER_IS_BETTER = True
RANGE = (0.0, 1.0)
COINS = True  # each image's number is 0 or 1, so that limits can be exact


def per_image(predictions: Predictions) -> np.ndarray:
    """1 where the prediction is the label, else 0; float64 `[images]`."""
    return predictions.correct.astype(np.float64)


def sums(predictions: Predictions) -> np.ndarray:
    """The sum of `per_image` and the number of images, float64 `[2]`."""
    return np.array([per_image(predictions).sum(), len(predictions)])


def of_sums(sums: np.ndarray) -> float:
    """The metric from `sums` over all images."""
    return float(sums[0] / sums[1])


def accuracy(predictions: Predictions) -> float:
    """The mean over images, in [0, 1]; 1 is best."""
    return float(per_image(predictions).mean())
