"""From checks to what must be computed: the union of their conditions, each once. Pure."""

from collections.abc import Mapping, Sequence

from robustsuite.catalog import GROUPS, group
from robustsuite.records import Attacked, Check, Condition, Corrupted, Frame, Plan, Suite

DEFAULT_RECALIBRATION = "temperature"


def plan(suite: Suite, selected: Mapping[str, Sequence[Check]]) -> Plan:
    """The plan for the selected checks of each model (by alias): what is deselected is not computed.

    Every data set in use is also shown clean: an attack starts from there, and a report without it says little.
    """
    wanted = {alias: _wanted(checks) for alias, checks in selected.items() if checks}
    used = set().union(*wanted.values())
    places = list(suite.data)
    conditions = tuple(sorted(used, key=lambda condition: (places.index(condition.dataset), _order(condition))))
    calibrated = tuple(name for name, demand in suite.data.items() if demand.calibration and Condition(name) in used)
    asked = [check.recalibration for checks in selected.values() for check in checks if check.recalibration]
    if asked and not calibrated:  # the images to fit on may belong to a data set that no selected check judges
        calibrated = tuple(name for name, demand in suite.data.items() if demand.calibration)[:1]
    return Plan(
        {alias: tuple(checks) for alias, checks in selected.items() if checks},
        conditions,
        {condition: tuple(alias for alias, own in wanted.items() if condition in own) for condition in conditions},
        calibrated,
        tuple(dict.fromkeys([DEFAULT_RECALIBRATION, *asked])) if calibrated else (),
        tuple({_kind(condition): condition for condition in conditions}.values()),  # the last of a kind is the strongest
    )


def _wanted(checks: Sequence[Check]) -> set[Condition]:
    used = {condition for check in checks for condition in check.needed}
    return used | {Condition(condition.dataset) for condition in used}


def _order(condition: Condition) -> tuple[int, str, float]:
    match condition.perturbation:
        case None:
            return 0, "", 0
        case Corrupted(corruption, severity, as_published):
            return 1, f"{(*GROUPS, '').index(group(corruption))} {corruption} {as_published}", severity
        case Frame(sequence, profile, number):
            return 2, f"{sequence} {profile}", number
        case Attacked() as attacked:
            return 3, f"{attacked.attack} {attacked.threat.norm} {attacked.options}", float(attacked.threat.epsilon)


def _kind(condition: Condition) -> tuple[str, int, str]:
    kind, name, _ = _order(condition)
    return condition.dataset, kind, name
