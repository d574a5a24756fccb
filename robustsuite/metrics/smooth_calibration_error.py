"""Smooth calibration error of the predicted class: without bins, and continuous in the confidences (smECE).

Błasiok & Nakkiran 2024, arXiv:2309.12236.
"""

import numpy as np
from scipy.optimize import brentq

from robustsuite.numerics.intervals import largest_mean_high, log_evidence_of_more
from robustsuite.numerics.reflected_gaussian import NARROWEST, PLACES, Smoothed
from robustsuite.predictions import Predictions

HIGHER_IS_BETTER = False
RANGE = (0.0, 1.0)


def smooth_calibration_error(predictions: Predictions) -> float:
    """The s for which the gaps `correct - confidence`, smoothed by a Gaussian of bandwidth s, have the size s; in [0, 1], 0 is best.

    The Gaussian is reflected at 0 and 1; the size is the integral of the absolute value of the smoothed curve of
    `sum_i gap_i / images`, which falls as the bandwidth rises, so that there is exactly one such s. No smoothing is narrower
    than 0.0005: below that the value is the size there. Exact to 1e-9 for values from 0.005, to 1e-6 below, and on no grid:
    the authors' relplot gathers images on one, and bisects the bandwidth in ten steps.
    """
    gaps = predictions.correct - predictions.confidence
    return fixed_point(Smoothed(predictions.confidence, gaps / len(gaps)))


def fixed_point(smoothed: Smoothed) -> float:
    """The bandwidth at which the smoothed gaps are as large as it is wide."""
    narrow = smoothed.size(NARROWEST)
    if narrow <= NARROWEST:
        return narrow
    if smoothed.size(1.0) >= 1:
        return 1.0
    return float(brentq(lambda bandwidth: smoothed.size(bandwidth) - bandwidth, NARROWEST, 1.0, xtol=1e-14))  # pyright: ignore[reportArgumentType] - without full_output it is a number


def interval(predictions: Predictions, alpha: float) -> tuple[float, float]:
    """Bounds on the smooth error of the distribution, each wrong with probability at most `alpha`, for any number of images.

    At a fixed bandwidth the size is the largest mean of a function in [-1, 1] times the gap. High: at the distribution's
    bandwidth the plug-in size is no larger than the value, unless the value is larger (`numerics.intervals.largest_mean_high`). Low:
    the smallest s that is not refuted by the smoothed gaps summed over 15 stretches of confidence (`log_evidence_of_more`),
    sought in steps of 1/64 of the value. (Bounded differences would allow every image 2 / images.)
    """
    gaps = predictions.correct - predictions.confidence
    images, squares = len(gaps), float((gaps**2).sum())
    smoothed = Smoothed(predictions.confidence, gaps / images)
    value = fixed_point(smoothed)
    edges = np.linspace(0, PLACES, 16).astype(int)
    low = 0.0
    for limit in np.linspace(0, value, 65):
        parts = images * np.diff(smoothed.curves(max(limit, NARROWEST))[1][edges])
        if log_evidence_of_more(limit, parts, squares, images, alpha) < np.log(1 / alpha):
            break
        low = float(limit)
    return min(low, value), largest_mean_high(value, squares, images, alpha)
