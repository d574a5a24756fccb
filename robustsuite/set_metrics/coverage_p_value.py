"""Coverage p-value: whether as few covered images as these are to be expected of a correct conformal predictor."""

from scipy.stats import betabinom

from robustsuite.numerics.exchangeable import spared
from robustsuite.predictions import PredictionSets

HIGHER_IS_BETTER = True
RANGE = (0.0, 1.0)


def coverage_p_value(sets: PredictionSets) -> float:
    """The probability that a correct predictor covers no more of so many images than were covered, in [0, 1].

    With calibration and judged images exchangeable, and scores that never tie, the number covered is beta-binomial: the coverage of
    a predictor fitted on n images is Beta(n + 1 - l, l), `l = floor((n + 1) alpha)` (Vovk 2012, arXiv:1209.2673; Angelopoulos & Bates
    2021, arXiv:2107.07511). Ties of scores only raise it.

    A gate `at_least = 0.05` fails a correct predictor in at most 5 % of all runs. `coverage` with `at_least = 0.9` fails
    one that promises 0.9 in about half: its coverage is 0.9 on average, over images to calibrate on and images to judge.
    """
    left_out = spared(sets.calibrated_on, sets.alpha)
    missed = len(sets) - int(sets.covered.sum())
    if not left_out:  # so few images to calibrate on that every set holds every class
        return float(missed == 0)
    return min(float(betabinom.cdf(len(sets) - missed, len(sets), sets.calibrated_on + 1 - left_out, left_out)), 1.0)


def interval(sets: PredictionSets, alpha: float) -> tuple[float, float]:
    """The value itself, twice: a p-value speaks of the population already, and its chance is in the threshold that it is held against."""
    value = coverage_p_value(sets)
    return value, value
