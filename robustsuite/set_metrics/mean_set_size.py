"""Mean set size: how many classes a prediction set holds; of two predictors with the same coverage, the smaller sets say more.

Source: Sadinle, Lei & Wasserman 2019, arXiv:1609.00451, who call it ambiguity.
"""

import numpy as np

from robustsuite.predictions import PredictionSets

HIGHER_IS_BETTER = False
RANGE = (0.0, float("inf"))


def per_image(sets: PredictionSets) -> np.ndarray:
    """The number of classes in each set, float64 `[images]`; 0 for an empty one."""
    return sets.sizes.astype(np.float64)


def mean_set_size(sets: PredictionSets) -> float:
    """The mean over images, in classes."""
    return float(per_image(sets).mean())
