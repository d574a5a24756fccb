"""Class coverage gap: how far the coverage of single classes is from what is promised on average (CovGap; Ding et al. 2023)."""

from math import sqrt

import numpy as np

from robustsuite.numerics.intervals import bounded_differences
from robustsuite.predictions import PredictionSets
from robustsuite.set_metrics._by_class import by_class

HIGHER_IS_BETTER = False
RANGE = (0.0, 1.0)


def class_coverage_gap(sets: PredictionSets) -> float:
    """The mean over classes of `|class coverage - (1 - alpha)|`, in [0, 1]; 0 is best (arXiv:2306.09335).

    Classes without an image are left out. Too much coverage counts as too little does. Plug-in estimate: with few images of a class
    above 0 for a predictor without any gap.
    """
    covered, images = by_class(sets)
    return float(np.abs(covered / images - (1 - sets.alpha)).mean())


def interval(sets: PredictionSets, alpha: float) -> tuple[float, float]:
    """Bounds on the gap of this predictor on new images of these classes, each wrong with probability at most `alpha`.

    Given how many images n_k each class has, one image moves the value by at most `1 / (classes n_k)`, hence bounded differences
    (McDiarmid 1989). Its mean exceeds the truth by at most the mean over classes of a share's standard deviation, which is at most
    `1 / (2 sqrt(n_k))` and which the lower bound gives up.
    """
    value, (_, images) = class_coverage_gap(sets), by_class(sets)
    largest_change = sqrt(float((1 / images).sum()) / len(sets)) / len(images)  # in the mean square over images
    radius = bounded_differences(largest_change, len(sets), alpha)
    bias = float((1 / (2 * np.sqrt(images))).mean())
    return max(value - bias - radius, 0.0), min(value + radius, 1.0)
