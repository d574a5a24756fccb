"""Agreement: how often two models say the same of an image, whichever is right; `1 - churn`.

With a stronger model as the reference it needs no labels: what this one says where there are none is taken for right. It is then the
accuracy only as far as the reference is.

Source: the top-1 agreement of Stanton et al. 2021, "Does knowledge distillation really work?", arXiv:2106.05945.
"""

from robustsuite.numerics.intervals import clopper_pearson
from robustsuite.predictions import Predictions

HIGHER_IS_BETTER = True
RANGE = (0.0, 1.0)
NEEDS_LABELS = False


def agreement(predictions: Predictions, others: Predictions) -> float:
    """The share of images whose predicted classes are the same, in [0, 1]. Higher is better.

    Args:
        predictions: of the model.
        others: of the reference, on the same images in the same order.
    """
    return float((predictions.prediction == others.prediction).mean())


def interval(predictions: Predictions, others: Predictions, alpha: float) -> tuple[float, float]:
    """Exact limits, each wrong with probability at most `alpha`."""
    return clopper_pearson(int((predictions.prediction == others.prediction).sum()), len(predictions), alpha)
