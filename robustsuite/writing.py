"""A report into its run's folder: `report.html`, `results.json`, `summary.md`. No torch."""

from pathlib import Path

from robustsuite.records import Report
from robustsuite.reporting.html import to_html
from robustsuite.reporting.json import to_json
from robustsuite.reporting.markdown import to_markdown
from robustsuite.store import write_whole

FILES = {"report.html": to_html, "results.json": to_json, "summary.md": to_markdown}


def write(report: Report, folder: Path) -> Path:
    """Write every kind of output; returns the path of the HTML report."""
    for name, render in FILES.items():
        write_whole(folder / name, render(report).encode())
    return folder / "report.html"
