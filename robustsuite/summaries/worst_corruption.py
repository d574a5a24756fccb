"""The worst corruption: of the means over its severities, the lowest where higher is better, else the highest.

Source: the means are those of Hendrycks & Dietterich 2019, arXiv:1903.12261; the worst of them is ours.
"""

from collections.abc import Mapping, Sequence

from robustsuite.records import Condition, Corrupted


def worst_corruption(values: Mapping[Condition, float], higher_is_better: bool) -> float:
    """The worst of the corruptions' means, in the metric's own unit; what is not a corruption stands for itself."""
    means = [sum(values[one] for one in part) / len(part) for part in parts(list(values))]
    return min(means) if higher_is_better else max(means)


def parts(conditions: Sequence[Condition]) -> list[tuple[Condition, ...]]:
    """The conditions of each corruption, of whose means the worst counts."""
    found: dict[object, tuple[Condition, ...]] = {}
    for condition in conditions:
        perturbation = condition.perturbation
        name = perturbation.corruption if isinstance(perturbation, Corrupted) else condition
        found[name] = (*found.get(name, ()), condition)
    return list(found.values())
