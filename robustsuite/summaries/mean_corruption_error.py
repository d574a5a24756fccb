"""mCE: errors relative to AlexNet's, averaged over corruptions (Hendrycks & Dietterich 2019, arXiv:1903.12261, section 3).

Comparable with published values only for all 15 corruptions and 5 severities, 50,000 images, and images as published.
"""

from collections.abc import Mapping

from robustsuite.records import Condition
from robustsuite.summaries._alexnet import errors

METRIC = "accuracy"
LINEAR = True
HIGHER_IS_BETTER = False
BENCHMARK = "imagenet-c"


def mean_corruption_error(values: Mapping[Condition, float], higher_is_better: bool) -> float:
    """`mean_c (sum_s error_cs / sum_s AlexNet's error_cs)` of accuracies in [0, 1]; 1 is AlexNet's, lower is better.

    A ratio of sums for each corruption, not a mean of ratios; the sums are over the severities that were shown.
    """
    found = errors(values).values()
    return sum(own / alexnets for own, alexnets, _ in found) / len(found)
