"""The mean over conditions, each counting the same (as ImageNet-C averages over severities)."""

from collections.abc import Sequence


def mean(values: Sequence[float], higher_is_better: bool) -> float:
    """`sum(values) / len(values)`, in the metric's own unit."""
    return sum(values) / len(values)
