"""Coverage: the share of images whose prediction set holds the label.

Source: Vovk, Gammerman & Shafer 2005, "Algorithmic learning in a random world".
"""

from robustsuite.numerics.intervals import clopper_pearson
from robustsuite.predictions import PredictionSets

HIGHER_IS_BETTER = True
RANGE = (0.0, 1.0)


def coverage(sets: PredictionSets) -> float:
    """The mean over images, in [0, 1]. A correct predictor falls below `1 - alpha` in about half of all runs: see `coverage_p_value`."""
    return float(sets.covered.mean())


def interval(sets: PredictionSets, alpha: float) -> tuple[float, float]:
    """Exact limits on the coverage of this predictor, as it was fitted, on new images (Clopper & Pearson 1934).

    Not on the coverage of the method, the mean over other calibration images, of which a fitted predictor's own differs.
    """
    return clopper_pearson(int(sets.covered.sum()), len(sets), alpha)
