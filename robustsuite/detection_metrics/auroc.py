"""Area under the receiver operating characteristic (Hanley & McNeil 1982), the usual number of OOD detection."""

import numpy as np

from robustsuite.detection_metrics._limits import limits
from robustsuite.detection_metrics._scores import checked

HIGHER_IS_BETTER = True
RANGE = (0.0, 1.0)


def auroc(inside: np.ndarray, outside: np.ndarray) -> float:
    """The probability that a familiar image scores higher than another one, in [0, 1]; equal scores count half, so 0.5 is chance.

    The same number whichever class is called positive, and the area by the trapezoidal rule. Raises `UsageError` without images of
    either kind, or for a score that is not a number.
    """
    inside, outside = checked(inside, outside)
    return int(_wins(inside, outside).sum()) / (2 * len(inside) * len(outside))


def interval(inside: np.ndarray, outside: np.ndarray, alpha: float) -> tuple[float, float]:
    """Limits on the area of the population, each wrong with probability at most about `alpha`; see `_limits`.

    The variance is DeLong's (DeLong, DeLong & Clarke-Pearson 1988): that of the share of the others that each image stands above,
    of either sample by itself. It is 0 where the samples are separated, and far too small where hardly any pair is out of order: the
    limits `area +- 1.645 s` then miss the truth up to two times in three (`benchmarks/detection_coverage.py`). A share
    of images missed by the smaller sample takes the area with it; at an area of 1 the lower limit is `alpha^(1 / images)`, which
    is exact: an average over pairs of independent images errs no more than a proportion of so many (Hoeffding 1963, section 5).
    """
    value = auroc(inside, outside)
    familiar = _wins(inside, outside) / (2 * len(outside))
    others = 1 - _wins(outside, inside) / (2 * len(inside))
    variance = sum(float(part.var(ddof=1)) / len(part) if len(part) > 1 else 0.0 for part in (familiar, others))
    images = min(len(inside), len(outside))
    kept = alpha ** (1 / images)
    return limits(value, value, variance, images, alpha, (value * kept, 1 - (1 - value) * kept))


def _wins(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Twice the number of `others` that each score stands above, equal ones counting half: int64 `[scores]`."""
    ascending = np.sort(others)
    return np.searchsorted(ascending, scores, "left") + np.searchsorted(ascending, scores, "right")
