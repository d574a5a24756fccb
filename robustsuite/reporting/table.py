"""A report as rows of plain values: what CSV, parquet, data frames and experiment trackers are made of."""

from collections.abc import Mapping
from math import isfinite

from robustsuite.records import Attacked, Condition, Corrupted, Diagnosed, Frame, Grouped, Report, Verdict
from robustsuite.reporting import wording

Value = str | int | float | bool | None

RESULT_COLUMNS: dict[str, type] = {
    "model": str,
    "dataset": str,
    "perturbation": str,
    "kind": str,
    "name": str,
    "severity": int,
    "norm": str,
    "epsilon": float,
    "images": int,
    "metric": str,
    "value": float,
    "error": str,
}
"""What `rows` tells of each number, and the type of each column where it is not empty."""

VERDICT_COLUMNS: dict[str, type] = {
    "model": str,
    "check": str,
    "status": str,
    "required": bool,
    "metric": str,
    "value": float,
    "low": float,
    "high": float,
    "threshold": float,
    "gate": str,
    "images": int,
    "reason": str,
}


def rows(report: Report) -> list[dict[str, Value]]:
    """One row for each model, condition and metric; `None` where a column does not apply, or a number is not finite.

    A condition without metrics has one row with its error. `kind` is `clean`, `corruption`, `attack`, `diagnostic`, `sequence` or `group`;
    `perturbation` is unique, `name` is that of the corruption, attack, diagnostic, sequence or attribute. `epsilon` is on the [0, 1] scale.
    """
    found: list[dict[str, Value]] = []
    for result in report.results:
        told = {"model": result.model, **_told(result.condition)}
        for metric in wording.metric_order(result.metrics):
            value = finite(result.metrics[metric])
            found.append({**told, "images": result.images, "metric": metric, "value": value, "error": result.error})
        if not result.metrics:
            found.append({**told, "images": result.images, "metric": "", "value": None, "error": result.error})
    return found


def verdict_rows(report: Report) -> list[dict[str, Value]]:
    """One row for each verdict, in the order of the report; `None` where there is no number, or none that is finite."""
    return [_verdict_row(verdict) for verdict in report.verdicts]


def _verdict_row(verdict: Verdict) -> dict[str, Value]:
    measured = verdict.measurement
    return {
        "model": verdict.model,
        "check": verdict.check,
        "status": verdict.status,
        "required": verdict.required,
        "metric": wording.metric_of(verdict),
        "value": finite(measured.value) if measured else None,
        "low": finite(measured.low) if measured else None,
        "high": finite(measured.high) if measured else None,
        "threshold": finite(verdict.threshold),
        "gate": verdict.gate,
        "images": measured.samples if measured else None,
        "reason": verdict.reason,
    }


def _told(condition: Condition) -> Mapping[str, Value]:
    kind, name = "clean", ""
    severity: int | None = None
    norm, epsilon = "", None
    match condition.perturbation:
        case Corrupted(name, severity):
            kind = "corruption"
        case Attacked(name, threat):
            kind, norm, epsilon = "attack", threat.norm, float(threat.epsilon)
        case Diagnosed(name):
            kind = "diagnostic"
        case Frame(name):
            kind = "sequence"
        case Grouped(name):
            kind = "group"
    perturbation = str(condition.perturbation or "clean")
    return {
        "dataset": condition.dataset,
        "perturbation": perturbation,
        "kind": kind,
        "name": name,
        "severity": severity,
        "norm": norm,
        "epsilon": epsilon,
    }


def finite(value: float | None) -> float | None:
    """The number; `None` where there is none, or it is not finite."""
    return value if value is not None and isfinite(value) else None
