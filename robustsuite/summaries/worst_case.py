"""The worst condition: the lowest value where higher is better, else the highest."""

from collections.abc import Mapping

from robustsuite.records import Condition


def worst_case(values: Mapping[Condition, float], higher_is_better: bool) -> float:
    """The worst of the values, in the metric's own unit."""
    return min(values.values()) if higher_is_better else max(values.values())
