"""The mean over conditions, each counting the same (as ImageNet-C averages over severities).

Source: Hendrycks & Dietterich 2019, arXiv:1903.12261, section 3.
"""

from collections.abc import Mapping

from robustsuite.records import Condition

LINEAR = True


def mean(values: Mapping[Condition, float], higher_is_better: bool) -> float:
    """`sum(values) / len(values)`, in the metric's own unit."""
    return sum(values.values()) / len(values)
