"""A model's numbers as a flat mapping, as experiment trackers keep them."""

import re

from robustsuite.records import Report
from robustsuite.reporting.table import rows, verdict_rows

LONGEST = 250
"""MLflow takes no longer name of a metric, and of its characters letters, digits and `_-. /` everywhere."""


def flat_metrics(report: Report, model: str) -> dict[str, float]:
    """The numbers of a model by names such as `checks/clean-accuracy`, `passed/clean-accuracy` (0 or 1) and `digits/fog-3/accuracy`.

    Numbers that are not finite are left out. A character that trackers refuse becomes `_`; names that are then the same are numbered.
    """
    found: list[tuple[str, float]] = []
    for row in verdict_rows(report):
        if row["model"] == model:
            found += [(f"checks/{row['check']}", float(row["value"]))] if row["value"] is not None else []
            found.append((f"passed/{row['check']}", float(row["status"] == "passed")))
    for row in rows(report):
        if row["model"] == model and row["value"] is not None:
            found.append((f"{row['dataset']}/{row['perturbation']}/{row['metric']}", float(row["value"])))
    answer: dict[str, float] = {}
    for name, value in found:
        answer[_unused(tracked_name(name), answer)] = value
    return answer


def tracked_name(name: str) -> str:
    """The name as every tracker takes it: no part of a path that leads elsewhere, nothing empty."""
    parts = [re.sub(r"[^A-Za-z0-9_\-. ]", "_", part).strip() for part in name[:LONGEST].split("/")]
    return "/".join(part if part.strip(".") else "_" for part in parts)[:LONGEST].rstrip("/. ")


def _unused(name: str, taken: dict[str, float]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name[: LONGEST - len(str(number)) - 1]}_{number}"
    return free
