"""A report as a card in a notebook: the verdicts and a table of checks. It takes its colours from the notebook, light or dark."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from robustsuite.records import Report
from robustsuite.reporting import wording
from robustsuite.reporting.plain import plain

MOST = 40
"""Checks in the table; a notebook keeps its output in its file."""

CELL = "padding: .2em .6em; border-bottom: 1px solid rgba(128, 128, 128, .4); vertical-align: top; text-align: left"


def to_card(report: Report, page: Path | None = None) -> str:
    """A fragment of HTML with inline styles alone, no script and no picture; every name is escaped. `page` is linked to, if any."""
    verdicts = wording.by_urgency(report.verdicts)
    return _template().render(
        report=report,
        verdicts=verdicts[:MOST],
        rest=max(len(verdicts) - MOST, 0),
        page=page.resolve().as_uri() if page else "",
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(wording=wording, cell=CELL, short=_short)
    return environment.get_template("card.html.jinja")


def _short(text: str, most: int) -> str:
    text = plain(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"
