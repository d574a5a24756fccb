"""Relative mCE: the errors that corruption adds, relative to AlexNet's (Hendrycks & Dietterich 2019, arXiv:1903.12261, section 3).

Comparable with published values only for all 15 corruptions and 5 severities, 50,000 images, and images as published.
"""

from collections.abc import Mapping

from robustsuite.records import Condition
from robustsuite.summaries._alexnet import CLEAN, errors

METRIC = "accuracy"
LINEAR = True
NEEDS_CLEAN = True
HIGHER_IS_BETTER = False
BENCHMARK = "imagenet-c"


def relative_mean_corruption_error(values: Mapping[Condition, float], higher_is_better: bool) -> float:
    """`mean_c (sum_s (error_cs - clean error) / sum_s (AlexNet's error_cs - AlexNet's clean error))`; lower is better.

    Of accuracies in [0, 1], the clean one among them. 1 is AlexNet's; a model that corruption does not disturb has 0.
    """
    clean = next(1 - value for condition, value in values.items() if condition.perturbation is None)
    found = errors(values).values()
    return sum((own - count * clean) / (alexnets - count * CLEAN) for own, alexnets, count in found) / len(found)
