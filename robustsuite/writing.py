"""A report into its run's folder, and back: `report.html`, `results.json`, `summary.md`, `results.csv`, `verdicts.csv`. No torch."""

from pathlib import Path

from robustsuite.errors import UsageError
from robustsuite.records import Report
from robustsuite.reporting.csv import results_csv, verdicts_csv
from robustsuite.reporting.html import to_html
from robustsuite.reporting.json import from_json, to_json
from robustsuite.reporting.markdown import to_markdown
from robustsuite.store import write_whole

FILES = {
    "report.html": to_html,
    "results.json": to_json,
    "summary.md": to_markdown,
    "results.csv": results_csv,
    "verdicts.csv": verdicts_csv,
}


def write(report: Report, folder: Path) -> Path:
    """Write every kind of output; returns the path of the HTML report."""
    for name, render in FILES.items():
        write_whole(folder / name, render(report).encode())
    return folder / "report.html"


def read(path: Path) -> Report:
    """A report from its `results.json`, or from the folder that holds it. Raises `UsageError` where there is none that can be read."""
    file = path / "results.json" if path.is_dir() else path
    if not file.is_file():
        raise UsageError(f"expected a report's results.json at {file}, got nothing there; check the path")
    try:
        return from_json(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"expected a report in UTF-8 at {file}, got a file that cannot be read ({error}); run the suite again") from error
