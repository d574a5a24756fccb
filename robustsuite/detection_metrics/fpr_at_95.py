"""False-positive rate at 95 % true positives, the **familiar** images being positive (Liang et al. 2018, ODIN; OpenOOD v1)."""

import numpy as np

from robustsuite.detection_metrics import _false_positives
from robustsuite.detection_metrics._scores import checked

HIGHER_IS_BETTER = False
RANGE = (0.0, 1.0)


def fpr_at_95(inside: np.ndarray, outside: np.ndarray) -> float:
    """The share of unfamiliar images that are taken for familiar when 95 % of the familiar ones are, in [0, 1]; 0 is best.

    At the highest threshold that accepts at least 95 % of the familiar images; a score equal to it is accepted. The paper's code
    averages over thresholds from 94.95 % to 95.05 % instead. `fpr_at_95_outside` has the other class positive, and may give
    quite another number. Raises `UsageError` without images of either kind, or for a score that is not a number.
    """
    return _false_positives.false_positive_rate(*checked(inside, outside))


def interval(inside: np.ndarray, outside: np.ndarray, alpha: float) -> tuple[float, float]:
    """Exact limits on the rate of the population, each wrong with probability at most `alpha`, the threshold's error included."""
    return _false_positives.interval(*checked(inside, outside), alpha)
