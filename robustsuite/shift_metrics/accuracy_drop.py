"""How much lower the accuracy is under a shift than on the set it is compared with (its control).

Source: Recht et al. 2019, arXiv:1902.10811.
"""

from robustsuite.predictions import Predictions
from robustsuite.shift_metrics._limits import accuracy_limits

HIGHER_IS_BETTER = False
RANGE = (-1.0, 1.0)


def accuracy_drop(control: Predictions, shifted: Predictions) -> float:
    """`accuracy(control) - accuracy(shifted)`, in [-1, 1]; 0.05 is five points. Lower is better."""
    return float(control.correct.mean() - shifted.correct.mean())


def interval(control: Predictions, shifted: Predictions, alpha: float) -> tuple[float, float]:
    """Limits for the two populations, each wrong with probability at most `alpha`, however the two sets of images overlap."""
    (least, most), (low, high) = (accuracy_limits(each, alpha / 2) for each in (control, shifted))
    return least - high, most - low
