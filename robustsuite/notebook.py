"""Reports that show themselves: in a notebook as HTML, and as pandas frames on request.

Records hold no behaviour, and they stand below everything that could show them. So what the public functions return is a `ShownReport`: a
`Report` in every respect, with the same fields and nothing of its own but these methods.
"""

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from robustsuite.records import Report
from robustsuite.reporting import frames
from robustsuite.reporting.card import to_card

if TYPE_CHECKING:
    import pandas


class ShownReport(Report):
    """A report that shows itself. `page` is its HTML file, where there is one."""

    page: Path | None = None

    def __eq__(self, other: object) -> bool:
        """Whether the other is a report of the same fields, able to show itself or not."""
        return isinstance(other, Report) and all(getattr(self, field.name) == getattr(other, field.name) for field in fields(self))

    __hash__ = Report.__hash__

    def frame(self, table: str) -> "pandas.DataFrame":
        """A table as a pandas frame, such as `results` or `verdicts`; see `reporting.frames.frame`."""
        return frames.frame(self, table)

    def frames(self) -> "dict[str, pandas.DataFrame]":
        """Every table that is not empty, by its name."""
        return {table: frames.frame(self, table) for table in frames.TABLES if getattr(self, table)}

    def _repr_html_(self) -> str:
        """The card that a notebook shows in place of all fields."""
        return to_card(self, self.page)


def shown(report: Report, page: Path | None = None) -> ShownReport:
    """The report, able to show itself; with a link to its page where that is there."""
    answer = ShownReport(**{field.name: getattr(report, field.name) for field in fields(report)})
    object.__setattr__(answer, "page", page if page and page.is_file() else None)  # it is frozen
    return answer
