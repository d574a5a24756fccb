"""What a job of GitHub Actions is told: a summary on its page, and annotations at the lines of the suite. Elsewhere nothing."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from robustsuite.records import Report, Suite
from robustsuite.reporting.annotations import annotations
from robustsuite.reporting.markdown import LEAST_BYTES, MOST_BYTES, to_markdown

SUMMARY_BYTES = 1024 * 1024
"""GitHub refuses a step's summary above that as a whole, with all that other commands of the step wrote into it."""


def announce(reports: Sequence[tuple[Report, Suite]], environment: Mapping[str, str]) -> list[str]:
    """Append the reports to the file that `GITHUB_STEP_SUMMARY` names, and return the lines for the log.

    The lines are workflow commands where `GITHUB_ACTIONS` is `true`, and a warning where the summary could not be written: a run's verdict
    does not depend on it.
    """
    in_actions = environment.get("GITHUB_ACTIONS") == "true"
    workspace = environment.get("GITHUB_WORKSPACE")
    lines = annotations(reports, Path(workspace) if workspace else None) if in_actions else []
    if summary := environment.get("GITHUB_STEP_SUMMARY"):
        lines += [f"{'::warning title=robustsuite::' if in_actions else 'warning: '}{one}" for one in _summarise(reports, Path(summary))]
    return lines


def _summarise(reports: Sequence[tuple[Report, Suite]], path: Path) -> list[str]:
    """Append each report as far as there is room, and say what could not be."""
    said = []
    for report, suite in reports:
        try:
            room = SUMMARY_BYTES - (path.stat().st_size if path.exists() else 0) - 2
            if room < LEAST_BYTES:
                said.append(f"the job summary is full, so that it does not show suite {suite.name}; its report does")
                continue
            with path.open("ab") as file:
                file.write(f"\n{to_markdown(report, min(room, MOST_BYTES))}\n".encode())
        except OSError as error:
            said.append(f"expected to append to GITHUB_STEP_SUMMARY, got {error.strerror or type(error).__name__}; check the path")
    return said
