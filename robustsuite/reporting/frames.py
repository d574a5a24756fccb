"""A report's tables as pandas frames, for those who have pandas."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from robustsuite.errors import UsageError
from robustsuite.records import Condition, Report
from robustsuite.reporting.table import RESULT_COLUMNS, VERDICT_COLUMNS, rows, verdict_rows

if TYPE_CHECKING:
    import pandas

KINDS = {str: "str", int: "Int64", float: "float64", bool: "bool"}
"""Of a column; the numbers of images and severities may be missing, and stay whole all the same."""

TABLES = (
    "verdicts",
    "results",
    "calibrations",
    "selections",
    "groups",
    "suspects",
    "suspect_counts",
    "verdicts_without_suspects",
    "placements",
    "classes",
    "confusions",
    "differences",
    "flips",
    "baseline_results",
    "examples",
)
"""The tables of a report, by the names of its fields."""


def frame(report: Report, table: str) -> "pandas.DataFrame":
    """A table of the report, with a row for each record; empty where there is none.

    `results` and `verdicts` have the columns of the CSV files; every other table has its record's fields, with those of records and
    mappings within by `field.name`, without pictures, and of a sequence within the number of its items. Raises `UsageError` for an
    unknown table, and where pandas is not installed.
    """
    if table not in TABLES:
        raise UsageError(f"expected one of the tables {', '.join(TABLES)}, got {table!r}; choose one of them")
    try:
        import pandas
    except ImportError:
        raise UsageError("expected pandas for a data frame, got none; pip install pandas") from None
    if table == "results":
        return pandas.DataFrame(rows(report), columns=list(RESULT_COLUMNS)).astype(_kinds(RESULT_COLUMNS))
    if table == "verdicts":
        return pandas.DataFrame(verdict_rows(report), columns=list(VERDICT_COLUMNS)).astype(_kinds(VERDICT_COLUMNS))
    return pandas.DataFrame([_flat(record) for record in getattr(report, table)])


def _kinds(columns: Mapping[str, type]) -> dict[str, str]:
    return {name: KINDS[kind] for name, kind in columns.items()}


def _flat(record: Any, prefix: str = "") -> dict[str, Any]:
    answer: dict[str, Any] = {}
    for field in fields(record):
        value, name = getattr(record, field.name), f"{prefix}{field.name}"
        if isinstance(value, Condition):
            answer |= {"dataset": value.dataset, "perturbation": str(value.perturbation or "clean")}
        elif isinstance(value, Mapping):
            answer |= {f"{name}.{key}": item for key, item in value.items()}
        elif is_dataclass(value):
            answer |= _flat(value, f"{name}.")
        elif isinstance(value, tuple):
            answer[name] = len(value)
        elif not isinstance(value, bytes):
            answer[name] = value
    return answer
