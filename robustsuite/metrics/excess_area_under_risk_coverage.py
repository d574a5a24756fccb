"""Excess area under the risk-coverage curve: what is lost because wrong answers are not the least confident ones (E-AURC).

Geifman, Uziel & El-Yaniv 2019, arXiv:1805.08206.
"""

from math import log1p

import numpy as np

from robustsuite.numerics.intervals import clopper_pearson
from robustsuite.numerics.selection import area_limits, area_weights, by_falling_confidence
from robustsuite.predictions import Predictions

HIGHER_IS_BETTER = False
RANGE = (0.0, 1.0)


def excess_area_under_risk_coverage(predictions: Predictions) -> float:
    """The area under the risk-coverage curve, less that of the same answers in the best order; in [0, 1), 0 is best.

    Best is every wrong answer after every right one, on exactly these images (the paper approximates it by
    `e + (1 - e) log(1 - e)` at an error rate of e). It says nothing of accuracy: where all answers are right, or all wrong, any
    order is the best, and it is 0. Ties in confidence as in `area_under_risk_coverage`.
    """
    _, sizes, wrong = by_falling_confidence(predictions)
    best = area_weights(np.ones(len(predictions), dtype=np.int64))[len(predictions) - int(wrong.sum()) :].sum()
    return max(float(wrong @ area_weights(sizes) - best) / len(predictions), 0.0)


def interval(predictions: Predictions, alpha: float) -> tuple[float, float]:
    """Bounds on the excess in the distribution, each wrong with probability at most `alpha`, for any number of images.

    The limits on the area (`numerics.selection.area_limits`) less the best area at the limits on the error rate (Clopper &
    Pearson), with half of `alpha` each.
    """
    value = excess_area_under_risk_coverage(predictions)
    low, high = area_limits(predictions, alpha / 2)
    few, many = clopper_pearson(int((~predictions.correct).sum()), len(predictions), alpha / 2)
    return max(min(low - _best_area(many), value), 0.0), max(high - _best_area(few), value)


def _best_area(error_rate: float) -> float:
    return error_rate + (1 - error_rate) * log1p(-error_rate) if error_rate < 1 else 1.0
