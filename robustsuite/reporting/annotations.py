"""Checks that did not pass as annotations of GitHub Actions: workflow commands that point at the lines of the suite file.

Source: docs.github.com, "Workflow commands for GitHub Actions"; what is escaped, and how, from `command.ts` of actions/toolkit.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from robustsuite.records import Report, Suite, Verdict
from robustsuite.reporting import wording
from robustsuite.reporting.plain import plain

Level = Literal["error", "warning"]

MOST = 10
"""GitHub shows ten annotations of each level of a step, and drops the others without a word."""

LONGEST = 500  # characters of a reason; the summary has all of it


def annotations(reports: Iterable[tuple[Report, Suite]], workspace: Path | None = None) -> list[str]:
    """One workflow command for each check that did not pass, errors first, at most ten of each level; the last counts those left out.

    An inconclusive check is a warning, unless the suite decides that it is a failure. What only informs has none. The file is told relative
    to `workspace`, and only where the suite lies in it.
    """
    found: dict[Level, list[str]] = {"error": [], "warning": []}
    for report, suite in reports:
        for verdict in wording.by_urgency(report.verdicts):
            if level := _level(verdict, report):
                found[level].append(_command(level, verdict, suite, workspace))
    return [command for level, commands in found.items() for command in _at_most(level, commands)]


def _level(verdict: Verdict, report: Report) -> Level | None:
    standing = wording.standing(verdict)
    if not verdict.required or standing in ("passed", "measured"):
        return None
    return "warning" if standing == "inconclusive" and report.decision.inconclusive != "fail" else "error"


def _command(level: Level, verdict: Verdict, suite: Suite, workspace: Path | None) -> str:
    title = f"{wording.WORDS[wording.standing(verdict)]} {verdict.check} · {verdict.model}"
    properties = {**_place(verdict, suite, workspace), "title": _short(title, 200)}
    measured = f"{wording.value(verdict)}, gate {wording.gate(verdict)}. " if verdict.measurement else ""
    told = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {told}::{_message(_short(measured + verdict.reason, LONGEST))}"


def _place(verdict: Verdict, suite: Suite, workspace: Path | None) -> dict[str, str]:
    """Where the suite states the check; nothing where GitHub has no such file."""
    path, root = Path(suite.path).resolve(), (workspace or Path()).resolve()
    if workspace is None or not path.is_relative_to(root):
        return {}
    line = next((check.line for check in suite.checks if check.name == verdict.check), 1)
    return {"file": path.relative_to(root).as_posix(), "line": str(max(line, 1))}


def _at_most(level: Level, commands: Sequence[str]) -> list[str]:
    if len(commands) <= MOST:
        return list(commands)
    rest = len(commands) - MOST + 1
    return [*commands[: MOST - 1], f"::{level} title=robustsuite::and {rest} more checks did not pass; the summary lists them"]


def _short(text: str, most: int) -> str:
    text = plain(text).strip()
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
