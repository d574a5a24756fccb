"""The worst condition: the lowest value where higher is better, else the highest.

Source: of groups, Sagawa et al. 2020, arXiv:1911.08731.
"""

from collections.abc import Mapping, Sequence

from robustsuite.records import Condition


def worst_case(values: Mapping[Condition, float], higher_is_better: bool) -> float:
    """The worst of the values, in the metric's own unit."""
    return min(values.values()) if higher_is_better else max(values.values())


def parts(conditions: Sequence[Condition]) -> list[tuple[Condition, ...]]:
    """The conditions of which the worst counts: each by itself."""
    return [(condition,) for condition in conditions]
