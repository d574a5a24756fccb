"""The share of images for which the largest of all the model's outputs stands for the label, those of other classes included.

Where a data set has only some of ImageNet's classes, papers print the accuracy among these; asked among all 1,000, a model is right less
often, and the two are no more comparable than two data sets (ImageNet-A: robustness_metrics prints this one).

Source: the other way of counting is that of Hendrycks et al. 2021, arXiv:1907.07174.
"""

import numpy as np

from robustsuite.predictions import Predictions

HIGHER_IS_BETTER = True
RANGE = (0.0, 1.0)
COINS = True


def unmasked_accuracy(predictions: Predictions) -> float:
    """In [0, 1]. The accuracy itself where the model's outputs are the data set's classes. Higher is better."""
    return float(per_image(predictions).mean())


def per_image(predictions: Predictions) -> np.ndarray:
    """1.0 where the largest of all outputs stands for the label, else 0.0; float64 `[images]`."""
    right = predictions.correct if predictions.right_unmasked is None else predictions.right_unmasked
    return right.astype(np.float64)
