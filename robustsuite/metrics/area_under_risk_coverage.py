"""Area under the risk-coverage curve: the error rate of a model that may abstain, averaged over how often it answers (AURC).

Geifman, Uziel & El-Yaniv 2019, arXiv:1805.08206.
"""

from robustsuite.numerics.selection import area_limits, area_weights, by_falling_confidence
from robustsuite.predictions import Predictions

HIGHER_IS_BETTER = False
RANGE = (0.0, 1.0)


def area_under_risk_coverage(predictions: Predictions) -> float:
    """The mean over j = 1 … images of the share of wrong answers among the j most confident, in [0, 1]; 0 is best.

    Equally confident images (in float32, where many may say exactly 1) are put in every possible order, and the mean over the
    orders is taken, exactly: so the order in which images come does not matter.
    """
    _, sizes, wrong = by_falling_confidence(predictions)
    return min(float(wrong @ area_weights(sizes)) / len(predictions), 1.0)


def interval(predictions: Predictions, alpha: float) -> tuple[float, float]:
    """Bounds on the area in the distribution, the mean over all coverages, each wrong with probability at most `alpha`.

    For any number of images; see `numerics.selection.area_limits`. Bounded differences would allow one image
    `(1 + log(images)) / images`, for it may be the most confident one: limits ten times as far away.
    """
    value = area_under_risk_coverage(predictions)
    low, high = area_limits(predictions, alpha)
    return min(low, value), max(high, value)
