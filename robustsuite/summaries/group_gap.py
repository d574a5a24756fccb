"""The gap between the best and the worst: of groups, how unequally a model treats them.

Source: Buolamwini & Gebru 2018, "Gender shades", FAT*.
"""

from collections.abc import Mapping

from robustsuite.records import Condition

HIGHER_IS_BETTER = False


def group_gap(values: Mapping[Condition, float], higher_is_better: bool) -> float:
    """`max(values) - min(values)`, at least 0, in the metric's own unit; whichever way the metric is better. Lower is better."""
    return max(values.values()) - min(values.values())


def limits(pairs: Mapping[Condition, tuple[float, float]]) -> tuple[float, float]:
    """Limits on the gap from limits on each value that are right at once."""
    lows, highs = [low for low, _ in pairs.values()], [high for _, high in pairs.values()]
    return max(0.0, max(lows) - min(highs)), max(highs) - min(lows)
