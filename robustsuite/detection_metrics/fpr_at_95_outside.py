"""False-positive rate at 95 % true positives, the **other** images being positive (OpenOOD v1.5, Zhang et al. 2023, arXiv:2306.09301)."""

import numpy as np

from robustsuite.detection_metrics import _false_positives
from robustsuite.detection_metrics._scores import checked

HIGHER_IS_BETTER = False
RANGE = (0.0, 1.0)


def fpr_at_95_outside(inside: np.ndarray, outside: np.ndarray) -> float:
    """The share of familiar images that are taken for strange when 95 % of the unfamiliar ones are, in [0, 1]; 0 is best.

    At the lowest threshold that rejects at least 95 % of the unfamiliar images; a score equal to it is rejected. `fpr_at_95` has the
    familiar class positive, and may give quite another number. Raises `UsageError` without images of either kind, or for a
    score that is not a number.
    """
    inside, outside = checked(inside, outside)
    return _false_positives.false_positive_rate(-outside, -inside)


def interval(inside: np.ndarray, outside: np.ndarray, alpha: float) -> tuple[float, float]:
    """Exact limits on the rate of the population, each wrong with probability at most `alpha`, the threshold's error included."""
    inside, outside = checked(inside, outside)
    return _false_positives.interval(-outside, -inside, alpha)
