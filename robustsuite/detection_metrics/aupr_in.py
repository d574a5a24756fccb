"""Area under the precision-recall curve with the **familiar** images as the positive class (AUPR-In of Hendrycks & Gimpel 2017)."""

import numpy as np

from robustsuite.detection_metrics import _average_precision
from robustsuite.detection_metrics._scores import checked

HIGHER_IS_BETTER = True
RANGE = (0.0, 1.0)


def aupr_in(inside: np.ndarray, outside: np.ndarray) -> float:
    """Average precision of finding familiar images by high scores, in [0, 1]; chance is their share among all images.

    A sum of steps, not trapezia: between two thresholds precision does not change linearly with recall, so that straight lines
    promise too much (Davis & Goadrich 2006), most of all where many scores are equal. The number depends on how many images
    there are of either kind. `aupr_out` has the other class positive. Raises `UsageError` without images of either kind, or for a
    score that is not a number.
    """
    return _average_precision.average_precision(*checked(inside, outside))


def interval(inside: np.ndarray, outside: np.ndarray, alpha: float) -> tuple[float, float]:
    """Limits on the area of a population in the same proportion, each wrong with probability at most about `alpha`."""
    return _average_precision.interval(*checked(inside, outside), alpha)
