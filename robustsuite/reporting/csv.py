"""Rows as CSV that a spreadsheet may open: names are text there, and never formulas."""

import csv
from collections.abc import Iterable, Mapping
from io import StringIO

from robustsuite.records import Report
from robustsuite.reporting.plain import plain
from robustsuite.reporting.table import RESULT_COLUMNS, VERDICT_COLUMNS, Value, rows, verdict_rows

FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""What a cell begins with that a spreadsheet would compute (OWASP, CSV Injection); wide forms are taken for the narrow ones."""


def results_csv(report: Report) -> str:
    """One line for each model, condition and metric; see `rows`."""
    return to_csv(rows(report), RESULT_COLUMNS)


def verdicts_csv(report: Report) -> str:
    """One line for each verdict; see `verdict_rows`."""
    return to_csv(verdict_rows(report), VERDICT_COLUMNS)


def to_csv(rows: Iterable[Mapping[str, Value]], columns: Iterable[str]) -> str:
    """The rows below a line of column names (RFC 4180, but lines end with a line feed alone).

    Numbers are written in full and stay numbers; `None` is an empty cell. Text is on one line, without anything that cannot be seen, and
    what a spreadsheet would take for a formula begins with a quote sign.
    """
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns := list(columns))
    writer.writerows([_cell(row[column]) for column in columns] for row in rows)
    return file.getvalue()


def _cell(value: Value) -> Value:
    if not isinstance(value, str):
        return {True: "true", False: "false"}[value] if isinstance(value, bool) else value
    # Looked at before and after: a tab at the beginning is a space once the text is on one line.
    text = plain(value)
    return f"'{text}" if value.startswith(FORMULA) or text.lstrip().startswith(FORMULA) else text
