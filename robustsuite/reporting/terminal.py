"""A report as plain lines for a terminal of 80 columns: what is wrong first and in full, what passed in short."""

from collections.abc import Sequence
from dataclasses import replace
from textwrap import wrap
from unicodedata import east_asian_width

from robustsuite.records import ConditionResult, Placement, Report, Verdict
from robustsuite.reporting import wording
from robustsuite.reporting.plain import inert, plain

COLUMNS = 80
PASSED_SHOWN = 20
REASON_LINES = 6
NAME_COLUMNS = 24  # of a name at the head of a line
CONDITION_COLUMNS = 29  # of a condition's name in a table
COUNT_COLUMNS = 8  # of a number of images there
METRIC_COLUMNS = 13  # of a metric's name above its numbers, on several lines

COLOURS: dict[str, str] = {
    wording.SYMBOLS["failed"]: "red",
    wording.SYMBOLS["error"]: "red",
    wording.SYMBOLS["skipped"]: "yellow",
    wording.SYMBOLS["inconclusive"]: "yellow",
    wording.SYMBOLS["passed"]: "green",
}
"""Of a line that begins with the symbol, where there are colours; they repeat what symbol and word say."""


def lines(report: Report, verbose: bool = False) -> list[str]:
    """The report as lines without colour codes, each at most 80 columns wide, of which none is a command to a CI service.

    One verdict sentence for each model; then each failed, erroneous or inconclusive check (name and model; value, interval
    and gate; reason); then one line for each other check, at most twenty; then what was skipped and only informs; then one for each
    model's suspect labels and for each accuracy among reference models. A line that speaks of a check begins with its symbol.

    With `verbose`, every check is told in full, with the number of images and what was judged, and the numbers of every condition follow.
    """
    return [inert(line) for line in (_verbose(report) if verbose else _short(report))]


def _short(report: Report) -> list[str]:
    informing, judged = wording.skipped_that_inform(report)
    urgent = [verdict for verdict in judged if wording.standing(verdict) not in ("passed", "measured")]
    others = [verdict for verdict in wording.by_urgency(report.verdicts) if wording.standing(verdict) in ("passed", "measured")]
    several = len(wording.models(report)) > 1
    answer = [line for model in wording.models(report) for line in _verdict_lines(report, model)]
    for verdict in urgent:
        answer += ["", *_full(verdict)]
    if others:
        answer += ["", *_table(others[:PASSED_SHOWN], several)]
    if len(others) > PASSED_SHOWN:
        what = "passed" if all(verdict.gate for verdict in others[PASSED_SHOWN:]) else "passed or measured"
        answer.append(f"  ... and {len(others) - PASSED_SHOWN} more {what}")
    for reason, names in informing.items():
        answer += ["", *_wrapped(f"{wording.SYMBOLS['skipped']} skipped: {', '.join(names)}: {reason}", "", "  ")]
    return answer + _further(report)


def _verbose(report: Report) -> list[str]:
    answer = [line for model in wording.models(report) for line in _verdict_lines(report, model)]
    answer += ["", *_wrapped(wording.decision_sentence(report.decision), "", "")]
    for verdict in wording.by_urgency(report.verdicts):
        answer += ["", *_full(verdict, verbose=True)]
    for model in dict.fromkeys(result.model for result in report.results):
        answer += ["", *_conditions(model, [result for result in report.results if result.model == model])]
    return answer + _further(report)


def _further(report: Report) -> list[str]:
    """What is told beside the checks: suspect labels, accuracies among references, notes."""
    several = len(wording.models(report)) > 1
    told = [_suspects(report, model, several) for model in wording.models(report) if wording.suspects(report, model)]
    told += [_placed(one, several) for one in report.placements]
    answer = ["", *told] if told else []
    for note in report.notes:
        answer += ["", *_wrapped(f"Note: {note}", "", "      ")]
    return answer


def _verdict_lines(report: Report, model: str) -> list[str]:
    return _wrapped(f"{wording.SYMBOLS[wording.overall(report, model)]} {wording.sentence(report, model)}", "", "  ")


def _full(verdict: Verdict, verbose: bool = False) -> list[str]:
    standing = wording.standing(verdict)
    interval = wording.interval(verdict)
    measured = f"{wording.metric_name(verdict.measurement.metric)} {wording.value(verdict)}" if verdict.measurement else "nothing measured"
    demanded = f"gate {wording.gate(verdict)}" if verdict.gate else "no gate"
    shown = [wording.images(verdict.measurement.samples)] if verbose and verdict.measurement else []
    reason = _wrapped(verdict.reason or "no reason was given", "    ", "    ")
    return [
        _shortened(f"{wording.SYMBOLS[standing]} {wording.WORDS[standing]}  {verdict.check} · {verdict.model}", COLUMNS),
        *_wrapped("   ".join([measured, *([f"interval {interval}"] if interval else []), demanded, *shown]), "    ", "    "),
        *(reason if verbose else reason[:REASON_LINES]),
    ]


def _table(verdicts: list[Verdict], several: bool) -> list[str]:
    """One line each: name, value, gate, in columns as wide as they need to be and no wider than the terminal."""
    names = [plain(f"{verdict.check} · {verdict.model}" if several else verdict.check) for verdict in verdicts]
    values = [plain(wording.value(verdict)) for verdict in verdicts]
    gates = [_shortened(wording.gate(verdict), 34) for verdict in verdicts]
    value_columns, gate_columns = max(map(_columns, values)), max(map(_columns, gates))
    name_columns = min(max(map(_columns, names)), COLUMNS - value_columns - gate_columns - 6)
    answer = []
    for verdict, name, value, gate in zip(verdicts, names, values, gates, strict=True):
        name = _shortened(name, name_columns)
        padding = " " * (name_columns - _columns(name) + 2 + value_columns - _columns(value))
        answer.append(_shortened(f"{wording.SYMBOLS[wording.standing(verdict)]} {name}{padding}{value}  {gate}", COLUMNS))
    return answer


def _conditions(model: str, results: Sequence[ConditionResult]) -> list[str]:
    """Every metric of every condition, as many to a table as fit beside the names; then the conditions that have none, and why."""
    metrics = wording.metric_order(name for result in results for name in result.metrics)
    most = (COLUMNS - CONDITION_COLUMNS - COUNT_COLUMNS) // (METRIC_COLUMNS + 1)
    answer = []
    for first in range(0, len(metrics), most):
        some = metrics[first : first + most]
        answer += ["", *_condition_table(model, [one for one in results if set(some) & set(one.metrics)], some)]
    for result in results:
        if result.error or not result.metrics:
            told = f"{result.condition}: {result.error or 'nothing was measured'}"
            answer += ["", *_wrapped(f"{wording.SYMBOLS['error']} {told}", "", "  ")]
    return answer[1:]


def _condition_table(model: str, results: Sequence[ConditionResult], metrics: Sequence[str]) -> list[str]:
    heads = [["images"], *(wrap(plain(wording.metric_name(metric)), METRIC_COLUMNS) for metric in metrics)]
    height = max(map(len, heads))
    heads = [[""] * (height - len(head)) + head for head in heads]
    names = [*[""] * (height - 1), model]
    answer = [_cells(name, line) for name, line in zip(names, zip(*heads, strict=True), strict=True)]
    dataset = None
    for result in results:
        if result.condition.dataset != dataset:
            dataset = result.condition.dataset
            answer.append(_shortened(dataset, COLUMNS))
        numbers = [wording.number(metric, result.metrics.get(metric)) for metric in metrics]
        answer.append(_cells(f"  {wording.perturbation_name(result.condition)}", [f"{result.images:,}", *numbers]))
    return answer


def _cells(name: str, values: Sequence[str]) -> str:
    """A name on the left, and on the right a number of images and metrics below each other."""
    name = _shortened(name, CONDITION_COLUMNS)
    widths = [COUNT_COLUMNS, *[METRIC_COLUMNS + 1] * (len(values) - 1)]
    cells = [_shortened(value, width - 1) for value, width in zip(values, widths, strict=True)]
    padded = [" " * (width - _columns(cell)) + cell for cell, width in zip(cells, widths, strict=True)]
    return f"{name}{' ' * (CONDITION_COLUMNS - _columns(name))}{''.join(padded)}".rstrip()


def _suspects(report: Report, model: str, several: bool) -> str:
    named = f", {_shortened(model, NAME_COLUMNS)}" if several else ""
    return _shortened(f"labels{named}: {wording.suspects(report, model)}", COLUMNS)


def _placed(one: Placement, several: bool) -> str:
    """Where an accuracy stands, with the names of the references as short as they have to be."""
    head = _shortened(f"{one.dataset} · {one.model}" if several else one.dataset, NAME_COLUMNS)
    room = COLUMNS - _columns(f"{head}: {wording.placement(replace(one, below='', above=''))}")
    if _columns(one.below) + _columns(one.above) > room:
        each = max(room // 2, room - min(_columns(one.below), _columns(one.above)))
        one = replace(one, below=_shortened(one.below, each), above=_shortened(one.above, each))
    return _shortened(f"{head}: {wording.placement(one)}", COLUMNS)


def _columns(text: str) -> int:
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def _shortened(text: str, columns: int) -> str:
    text = plain(text)
    if len(text) <= columns and _columns(text) <= columns:
        return text
    text = text[:columns]  # every character takes a column or two
    while text and _columns(text) > columns - 1:
        text = text[:-1]
    return f"{text}…"


def _wrapped(text: str, first: str, later: str) -> list[str]:
    text = plain(text)
    # Wide characters take two columns, which `wrap` does not know.
    width = COLUMNS if _columns(text) == len(text) else COLUMNS // 2
    # A name with hyphens should stay findable, so lines break at spaces alone.
    return wrap(text, width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False) or [first.rstrip()]
