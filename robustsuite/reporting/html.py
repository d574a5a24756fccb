"""A report as one HTML page that opens from disk: no network, everything inside the file, and complete where scripts do not run."""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from math import copysign, isfinite
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from robustsuite.records import Calibration, ConditionResult, Report, Selection, Verdict
from robustsuite.reporting import arrangement, drawings, wording
from robustsuite.reporting.comparison import SIGNS

CARDS = 24
"""Checks that did not pass are shown as cards up to this many; the rest follow as a folded list, each with its reason."""

HEATS = 50
"""Steps of colour in a heatmap; each is a class of the style sheet, for the page's policy allows no other style."""

LONG = 120
"""Names of more characters are cut in the middle; the whole ones are in `results.json`."""

TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Marks that turn the reading direction of what follows; left open in a name, they would do so even beyond an element set apart for it."""

CHANGES = 100
"""Differences from the baseline that are listed, the worst first; the others are counted, and are in `results.json`."""

PICTURE_KINDS = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg"}


def to_html(report: Report) -> str:
    """The report as a self-contained page.

    Every name and reason is escaped. The page's own policy forbids requests, and all styles and scripts but these two, by their hashes.
    """
    _, judged = wording.skipped_that_inform(report)
    urgent = [verdict for verdict in judged if wording.standing(verdict) not in ("passed", "measured")]
    metrics = wording.metric_order(name for result in report.results for name in result.metrics)
    changes = wording.by_change(wording.compared(report), report.higher_is_better)
    page = _template().render(
        report=report,
        changes=changes[:CHANGES],
        more_changes=max(len(changes) - CHANGES, 0),
        cards=urgent[:CARDS],
        rest=urgent[CARDS:],
        measurement_metrics=metrics,
    )
    # A file name that is not valid Unicode could not be saved as UTF-8.
    return page.encode("utf-8", "replace").decode("utf-8")


@cache
def _template() -> Template:
    folder = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, auto_reload=False
    )
    style = (folder / "report.css").read_text("utf-8") + "".join(f".h{step}{{--loss:{100 * step // HEATS}%}}" for step in range(HEATS + 1))
    # Indentation and comments are for us.
    script = re.sub(r"^\s*(//.*)?\n|^\s+", "", (folder / "report.js").read_text("utf-8"), flags=re.MULTILINE)
    environment.globals.update(
        wording=wording,
        arrangement=arrangement,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
        anchor=_anchor,
        name=_name,
        short=_short,
        headline=_headline,
        heat_class=_heat_class,
        signs=SIGNS,
        amplified_difference=drawings.amplified_difference,
        legend_mark=drawings.legend_mark,
        curve_drawing=_curve_drawing,
        reliability_drawing=_reliability_drawing,
        small_reliability_drawing=_small_reliability_drawing,
        few=drawings.FEW,
        drift_drawing=_drift_drawing,
        risk_drawing=_risk_drawing,
        gate_drawing=_gate_drawing,
        calibration_rows=_calibration_rows,
        picture_source=_picture_source,
        told=_told,
        unbroken=_unbroken,
        percent=_percent,
        points=_points,
        cell_words=_cell_words,
    )
    return environment.get_template("report.html.jinja")


def _policy(style: str, script: str) -> str:
    """What the page may do: show its own pictures, and run and be dressed by exactly these two texts."""
    hashes = [b64encode(sha256(text.encode("utf-8")).digest()).decode("ascii") for text in (style, script)]
    allowed = f"img-src data:; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


# ----------------------------------------------------------------------------------------------------------- drawings


def _curve_drawing(curve: arrangement.Curve) -> Markup:
    series = []
    for place, model in enumerate(curve.models):
        points = []
        for radius, cells in curve.rows:
            if (value := arrangement.accuracy(cells[place])) is not None:
                limits = curve.limits(cells[place])
                words = f"{_short(model)}, radius {wording.radius(radius)}: {wording.number('accuracy', value)}"
                words += f", between {_percent(limits[0])} and {_percent(limits[1])} % in the population" if limits else ""
                points.append(drawings.Point(float(radius), value, words, limits))
        series.append(points)
    title = f"Accuracy by radius under {curve.attack} in {wording.NORMS[curve.norm]}; the table below it has the numbers"
    ticks = [(float(radius), wording.radius(radius)) for radius, _ in curve.rows]
    return drawings.curves(_short(title, 400), series, ticks, f"radius ε in {wording.NORMS[curve.norm]}")


def _reliability_drawing(calibration: Calibration, when: str) -> Markup:
    bins = calibration.reliability_before if when == "before" else calibration.reliability_after
    shown = f"{calibration.dataset}{' under ' if calibration.perturbation else ''}{calibration.perturbation}"
    title = f"Accuracy by confidence of {calibration.model} on {shown}, {when} {wording.metric_name(calibration.recalibration)}"
    return drawings.reliability_diagram(_short(title, 400), bins)


def _at_least(verdict: Verdict) -> bool:
    """Which side of the threshold is allowed; a comparison with a baseline allows a drop (below 0) or a rise."""
    if verdict.gate.startswith("no worse"):
        return verdict.threshold is not None and copysign(1, verdict.threshold) < 0
    return verdict.gate.startswith("≥")


def _small_reliability_drawing(calibration: Calibration) -> Markup:
    title = f"Accuracy by confidence of {calibration.model} under {calibration.perturbation}, before and after"
    return drawings.small_reliability(_short(title, 400), calibration.reliability_before, calibration.reliability_after)


def _drift_drawing(drift: arrangement.Drift) -> Markup:
    ticks = [(float(row.severity), str(row.severity)) for row in drift.rows]
    series = [
        [
            drawings.Point(row.severity, value, f"{when} recalibration, severity {row.severity}: {wording.number(drift.metric, value)}")
            for row, value in zip(drift.rows, values, strict=True)
        ]
        for when, values in (("before", [row.before for row in drift.rows]), ("after", [row.after for row in drift.rows]))
    ]
    most = max(max(row.before, row.after) for row in drift.rows)
    title = f"Calibration error of {drift.model} on {drift.dataset} by severity, before and after; the table beside it has the numbers"
    return drawings.curves(
        _short(title, 400), series, ticks, "severity (0: clean)", "calibration error, %", min(1.0, -(-most // 0.1) * 0.1 or 0.1)
    )


def _risk_drawing(dataset: str, several: Sequence[Selection]) -> Markup:
    series = [
        [
            drawings.Point(
                point.coverage,
                point.risk,
                f"{_short(one.model)}: {100 * point.risk:.1f} % wrong of the surest {100 * point.coverage:.0f} %",
            )
            for point in one.points
        ]
        for one in several
    ]
    most = max(point.risk for one in several for point in one.points)
    ticks = [(share / 4, f"{25 * share}") for share in range(5)]
    title = f"Risk by coverage on {dataset}: the share of wrong predictions among the surest images"
    return drawings.curves(_short(title, 400), series, ticks, "coverage, % of images", "wrong, %", min(1.0, -(-most // 0.1) * 0.1 or 0.1))


def _gate_drawing(verdict: Verdict) -> Markup:
    measured, threshold = verdict.measurement, verdict.threshold
    if measured is None or threshold is None:
        return Markup()
    numbers = (measured.low, measured.value, measured.high, threshold)
    if wording.NOTHING in [wording.number(measured.metric, one) for one in numbers]:
        return Markup()
    title = f"{wording.metric_name(measured.metric)} {wording.value(verdict)} against the gate {wording.gate(verdict)}"
    return drawings.gate_strip(_short(title, 400), measured.low, measured.value, measured.high, threshold, _at_least(verdict))


# ------------------------------------------------------------------------------------------------------- words, cells


def _short(text: str, most: int = LONG) -> str:
    """The text, cut in the middle where it is longer than `most` characters, with a � for every mark that would turn it."""
    kept = text if len(text) <= most else f"{text[: most - 20]} … {text[-17:]}"
    return TURNING.sub("\ufffd", kept)


def _name(text: str) -> Markup:
    """A name in the middle of other words, which its reading direction leaves alone."""
    return Markup("<bdi>{}</bdi>").format(_short(text))


def _anchor(kind: str, name: str) -> str:
    """The address on the page of a check or a condition, as in `check=clean` or `condition=digits/fog-3`; the script knows the spelling."""
    spelt = quote(name, safe="-_.!~*'()/", errors="replace")
    return f"{kind}={spelt if len(spelt) <= 240 else spelt[:200] + sha256(spelt.encode()).hexdigest()[:16]}"


def _headline(report: Report, model: str) -> Markup:
    """The verdict on a model, its name set apart."""
    told = wording.headline(report, model)
    before, after = told.split(model, 1) if model and model in told else (told, "")
    kind = Markup(' class="name"') if len(model) <= 32 else Markup()  # kept on one line
    return _unbroken(before) + (Markup("<bdi{}>{}</bdi>").format(kind, _short(model)) if model else Markup()) + _unbroken(after)


def _heat_class(value: float) -> str:
    """The class for the colour of a share: full at 0, plain at 1."""
    return f"heat h{round(HEATS * (1 - min(max(value, 0.0), 1.0)))}" if isfinite(value) else "heat"


def _percent(share: float | None) -> str:
    """A share without its unit, for cells under a caption that names it."""
    return wording.number("accuracy", share).removesuffix(" %")


def _points(difference: float | None) -> tuple[str, str]:
    """A difference of two shares in signed points, without their unit, and in a word."""
    words = wording.signed("accuracy", difference).removesuffix(" points")
    return words, "" if difference is None else "higher" if words.startswith("+") else "lower" if words.startswith("−") else "same"


def _cell_words(result: ConditionResult | None) -> str:
    """What a cell without a number says."""
    if result is None:
        return "not measured"
    return result.error or "no accuracy"


def _calibration_rows(calibration: Calibration, higher_is_better: Mapping[str, bool]) -> list[tuple[str, str, str, str, str]]:
    """Metric, which way is better, before, after, and what the change means."""
    rows = []
    for metric in wording.metric_order([*calibration.before, *calibration.after]):
        before, after = calibration.before.get(metric), calibration.after.get(metric)
        better = wording.better(metric, higher_is_better)
        change = ""
        if better and before is not None and after is not None and before == before and after == after:
            change = "same" if before == after else "better" if (after > before) == (better == "higher") else "worse"
        rows.append(
            (wording.metric_name(metric), better, wording.number(metric, before, after), wording.number(metric, after, before), change)
        )
    return rows


def _picture_source(picture: bytes) -> str:
    """The picture as a `data:` address; empty for anything that is not a PNG or JPEG."""
    kind = next((kind for start, kind in PICTURE_KINDS.items() if picture.startswith(start)), "")
    return f"data:{kind};base64,{b64encode(picture).decode('ascii')}" if kind else ""


def _unbroken(text: str) -> Markup:
    """The text with its short hyphenated names kept on one line each, so that a reader can find them."""
    pieces = (
        Markup('<span class="name">{}</span>').format(piece) if "-" in piece and len(piece) <= 32 else Markup.escape(piece)
        for piece in text.split(" ")
    )
    return Markup(" ").join(pieces)


def _told(value: Any) -> Markup:
    """A value of the provenance: mappings as a list of terms, sequences as a list, everything else as its text."""
    if isinstance(value, Mapping) and value:
        terms = (Markup("<dt>{}</dt><dd>{}</dd>").format(_short(str(name)), _told(item)) for name, item in value.items())
        return Markup("<dl>{}</dl>").format(Markup("").join(terms))
    if isinstance(value, list | tuple) and value:
        return Markup(", ").join(_told(item) for item in value) if len(str(value)) < 200 else Markup("<ul>{}</ul>").format(
            Markup("").join(Markup("<li>{}</li>").format(_told(item)) for item in value)
        )  # fmt: skip
    if isinstance(value, bool):
        return Markup("yes" if value else "no")
    return Markup.escape(wording.NOTHING if value is None or value in ("", [], (), {}) else _short(str(value), 2000))
