"""A report as Markdown for a pull request or a job summary: the verdict, then the checks, failed ones first."""

import re
from collections.abc import Iterable

from robustsuite.records import Report, Verdict
from robustsuite.reporting import wording
from robustsuite.reporting.plain import plain

MOST_BYTES = 60_000
"""GitHub refuses a comment above 65,536 characters; a job summary may be longer, but nobody reads it."""

LEAST_BYTES = 2_000
"""Below that there is no room for a verdict and a table."""

RESERVED_BYTES = 600
"""Kept free for the sentence that says what was left out."""


def to_markdown(report: Report, most: int = MOST_BYTES) -> str:
    """The report as GitHub-flavoured Markdown, of at most `most` bytes, which are at least `LEAST_BYTES`.

    Whatever does not fit is left out, and a sentence says so. A name is text: it makes no link, mentions nobody, and changes no direction.
    """
    verdicts = wording.by_urgency(report.verdicts)
    several = len(wording.models(report)) > 1
    head = [
        *(
            line
            for model in wording.models(report)
            for line in (f"**{wording.SYMBOLS[wording.overall(report, model)]} {_escaped(wording.sentence(report, model), 600)}**", "")
        ),
        f"{_escaped(report.title or report.suite, 300)}. {wording.decision_sentence(report.decision)}",
        "",
        *(line for told in _told(report, several) for line in (_escaped(told, 300), "")),
    ]
    table = ["| | Check | Model | Value | Interval | Gate | Reason |", "|---|---|---|---:|---|---|---|"]
    if not several:
        table = ["| | Check | Value | Interval | Gate | Reason |", "|---|---|---:|---|---|---|"]
    notes = [f"* {_escaped(note, 500)}" for note in report.notes]
    text, left_out = _filled("", head, most // 3)
    text, without_rows = _filled(text + _joined(table), (_row(verdict, several) for verdict in verdicts), most - RESERVED_BYTES)
    if without_rows:
        text += f"\n{without_rows} more of {len(verdicts)} rows do not fit here; the HTML and JSON reports hold every check.\n"
    if left_out:
        text += f"\n{left_out} lines above the table do not fit here; the HTML and JSON reports hold every model.\n"
    if notes:
        filled, left_out = _filled(text + "\n**Notes**\n\n", notes, most - RESERVED_BYTES // 2)
        text = text + f"\n{len(notes)} notes do not fit here.\n" if left_out == len(notes) else filled
    # A file name that is not valid Unicode could not be saved as UTF-8.
    return text.encode("utf-8", "replace").decode("utf-8")


def _told(report: Report, several: bool) -> Iterable[str]:
    """A line for each model's suspect labels, and for each accuracy among reference models."""
    for model in wording.models(report):
        if told := wording.suspects(report, model):
            yield f"labels{f', {model}' if several else ''}: {told}"
    for one in report.placements:
        yield f"{one.dataset}{f' · {one.model}' if several else ''}: {wording.placement(one)}"


def _filled(text: str, lines: Iterable[str], most: int) -> tuple[str, int]:
    """The text with as many of the lines as fit into `most` bytes, and how many did not."""
    lines = list(lines)
    size = _size(text)
    kept = []
    for line in lines:
        size += _size(line) + 1
        if size > most:
            break
        kept.append(line)
    return text + _joined(kept), len(lines) - len(kept)


def _joined(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _row(verdict: Verdict, several: bool) -> str:
    standing = wording.standing(verdict)
    reason = "" if standing in ("passed", "measured") else verdict.reason
    cells = [
        f"{wording.SYMBOLS[standing]} {wording.WORDS[standing]}",
        _escaped(verdict.check, 120),
        *([_escaped(verdict.model, 80)] if several else []),
        wording.value(verdict),
        wording.interval(verdict),
        _escaped(wording.gate(verdict), 80),
        _escaped(reason, 300),
    ]
    return f"| {' | '.join(cells)} |"


def _escaped(text: str, most: int) -> str:
    """The text on one line, at most `most` characters of it, with nothing left that Markdown, HTML or GitHub would act upon."""
    text = " ".join(plain(text).split())
    text = text if len(text) <= most else f"{text[: most - 1]}…"
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # An underscore inside a word is an underscore in GitHub's Markdown; only at a word's edge does it emphasise.
    text = re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", re.sub(r"([\\`*\[\]|~#])", r"\\\1", text))
    # GitHub looks for people and addresses in what is left, whatever was escaped: only another character between stops it.
    return re.sub(r"@(?=\w)|:(?=//)|\bwww(?=\.)", r"\g<0>&#8203;", text)
