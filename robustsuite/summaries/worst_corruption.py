"""The worst corruption: of the means over its severities, the lowest where higher is better, else the highest."""

from collections.abc import Mapping

from robustsuite.records import Condition, Corrupted


def worst_corruption(values: Mapping[Condition, float], higher_is_better: bool) -> float:
    """The worst of the corruptions' means, in the metric's own unit; what is not a corruption stands for itself."""
    found: dict[object, list[float]] = {}
    for condition, value in values.items():
        perturbation = condition.perturbation
        found.setdefault(perturbation.corruption if isinstance(perturbation, Corrupted) else condition, []).append(value)
    means = [sum(each) / len(each) for each in found.values()]
    return min(means) if higher_is_better else max(means)
