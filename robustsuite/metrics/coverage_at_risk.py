"""Coverage at a risk: how many images a model may answer if only so few of its answers may be wrong, abstaining from the others.

Geifman & El-Yaniv 2017, arXiv:1705.08500.
"""

import numpy as np
from scipy.stats import binom

from robustsuite.numerics.intervals import clopper_pearson
from robustsuite.numerics.selection import by_falling_confidence
from robustsuite.predictions import Predictions

HIGHER_IS_BETTER = True
RANGE = (0.0, 1.0)

STARTS = np.array([1, 0.9999, 0.999, 0.99, 0.98, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0])
"""Confidences from which the lower limit is sought; fixed in advance."""


def coverage_at_risk(predictions: Predictions, risk: float = 0.05) -> float:
    """The largest share of images, the most confident first, with at most the share `risk` of wrong answers; in [0, 1].

    1 is best; 0 where even the most confident have more. Equally confident images (in float32) are answered together or not at
    all. A larger coverage may do where a smaller one does not: the risk need not rise with it.
    """
    _, sizes, wrong = by_falling_confidence(predictions)
    answered, errors = np.cumsum(sizes), np.cumsum(wrong)
    enough = answered[errors / answered <= risk]
    return float(enough[-1] / len(predictions)) if len(enough) else 0.0


def interval(predictions: Predictions, alpha: float, risk: float = 0.05) -> tuple[float, float]:
    """Bounds on the coverage in the distribution, each wrong with probability at most `alpha`, for any number of images.

    Half of `alpha` is for the number of images above a threshold (Clopper & Pearson), half for their errors, binomial at any
    threshold fixed in advance. High: the distribution's own threshold is one, so it is among those whose errors are not too many
    for the risk. Low: thresholds are lowered from each of a few starts for as long as the errors are too few for a larger risk; the first
    threshold that should stop it is fixed too, so that only the starts share the error (fixed-sequence testing).
    """
    confidences, sizes, wrong = by_falling_confidence(predictions)
    answered, errors, images = np.cumsum(sizes), np.cumsum(wrong), len(predictions)
    possible = answered[binom.sf(errors - 1, answered, risk) > alpha / 2]
    safe = binom.cdf(errors, answered, risk) <= alpha / (2 * len(STARTS))
    stops = np.append(np.flatnonzero(~safe), len(safe))
    # Of each start: how many thresholds lie at or above it, and the last one that is reached from there.
    at = np.searchsorted(-confidences, -STARTS.astype(np.float32), side="right") - 1
    at = at[at >= 0]
    reached = stops[np.searchsorted(stops, at)] - 1
    certain = answered[reached[reached >= at]]
    low = clopper_pearson(int(certain.max(initial=0)), images, alpha / 2)[0]
    return low, clopper_pearson(int(possible.max(initial=0)), images, alpha / 2)[1]
