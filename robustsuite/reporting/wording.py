"""The words and numbers that every kind of output shares: statuses, verdict sentences, values, intervals and gates."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import isfinite
from typing import Literal

from robustsuite.records import (
    Attacked,
    Condition,
    Corrupted,
    Decision,
    Diagnosed,
    Difference,
    Frame,
    Grouped,
    Measurement,
    Norm,
    Placement,
    Report,
    Status,
    Verdict,
)

Standing = Status | Literal["measured"]

ORDER: tuple[Standing, ...] = ("failed", "error", "skipped", "inconclusive", "passed", "measured")
"""The most urgent first."""

SYMBOLS: dict[Standing, str] = {"failed": "✗", "error": "!", "skipped": "–", "inconclusive": "?", "passed": "✓", "measured": "·"}
WORDS: dict[Standing, str] = {
    "failed": "FAILED",
    "error": "ERROR",
    "skipped": "SKIPPED",
    "inconclusive": "INCONCLUSIVE",
    "passed": "passed",
    "measured": "measured",
}
NORMS: dict[Norm, str] = {"linf": "L∞", "l2": "L2", "l1": "L1", "l0": "L0", "spatial": "turns and shifts"}

METRICS = ("accuracy", "negative_log_likelihood", "brier_score", "expected_calibration_error")
"""The order in which metrics are listed; others follow by name."""

METRIC_NAMES = {
    "brier_score": "Brier score",
    "negative_log_likelihood": "negative log-likelihood",
    "mean_corruption_error": "mean corruption error (mCE)",
    "relative_mean_corruption_error": "relative mCE",
}
"""Where the name is not simply the key with spaces."""

SHARES = ("shape_bias", "effective_robustness", "churn", "agreement", "negative_flip_rate", "group_gap")
"""Further metrics that are written in percent."""

NOTHING = "–"
"""Stands where there is no number."""


# -------------------------------------------------------------------------------------------------------- verdicts


def standing(verdict: Verdict) -> Standing:
    """The status, except that a check without a gate, or one that only informs, is not said to pass or to fail: it was `measured`."""
    if verdict.status == "skipped":
        return "skipped"
    if (verdict.status == "passed" and not verdict.gate) or (verdict.status != "passed" and not verdict.required):
        return "measured"
    return verdict.status


def by_urgency(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The most urgent first; within a standing, the order of the suite."""
    return sorted(verdicts, key=lambda verdict: ORDER.index(standing(verdict)))


def skipped_that_inform(report: Report) -> tuple[dict[str, list[str]], list[Verdict]]:
    """The names of skipped checks that are not required, by reason; and all other verdicts, the most urgent first."""
    informing: dict[str, list[str]] = {}
    judged = []
    for verdict in by_urgency(report.verdicts):
        if verdict.status != "skipped" or verdict.required:
            judged.append(verdict)
        elif verdict.check not in informing.setdefault(verdict.reason, []):
            informing[verdict.reason].append(verdict.check)
    return informing, judged


def models(report: Report) -> tuple[str, ...]:
    """Every model of the report, also one that only a verdict names."""
    return tuple(dict.fromkeys([*report.models, *(verdict.model for verdict in report.verdicts)]))


def overall(report: Report, model: str) -> Standing:
    """The standing of a model: that of its most urgent check, with inconclusive ones taken as the suite decides."""
    taken: dict[str, Standing] = {"hold": "inconclusive", "fail": "failed", "warn": "passed"}
    worst: Standing = "measured"
    for verdict in report.verdicts:
        if verdict.model == model:
            one = "measured" if verdict.status == "skipped" and not verdict.required else standing(verdict)
            one = taken[report.decision.inconclusive] if one == "inconclusive" else one
            worst = one if ORDER.index(one) < ORDER.index(worst) else worst
    return worst


def headline(report: Report, model: str) -> str:
    """The verdict on a model without the names of checks: `digits-standard FAILED 3 of 11 checks; 1 ERROR`."""
    return _told(report, model, named=False)


def sentence(report: Report, model: str) -> str:
    """The verdict on a model in one sentence: `digits-standard FAILED 2 of 11 checks: noise, blur; 1 ERROR: contrast`."""
    return _told(report, model, named=True)


def named(report: Report, model: str) -> list[tuple[Standing, str]]:
    """The first few checks of every standing that is not a pass, for those standings that occur."""
    standings: tuple[Standing, ...] = ("failed", "error", "skipped", "inconclusive")
    answer = []
    for one in standings:
        names = [verdict.check for verdict in report.verdicts if verdict.model == model and standing(verdict) == one]
        if names:
            answer.append((one, _listed(names)))
    return answer


def _told(report: Report, model: str, named: bool) -> str:
    verdicts = [verdict for verdict in report.verdicts if verdict.model == model]
    names = {one: [verdict.check for verdict in verdicts if standing(verdict) == one] for one in ORDER}
    judged = len(verdicts) - len(names["measured"]) - len(names["skipped"])
    if not judged:
        if names["skipped"]:
            return (
                f"{model}: {len(names['skipped'])} of {len(verdicts)} checks SKIPPED, the others measured; no check with a gate was judged"
            )
        return f"{model} was measured; no check has a gate" if verdicts else f"no check was run on {model}"
    lists = {one: f": {_listed(names[one])}" if named else "" for one in ORDER}
    of = f"of {judged} check{'' if judged == 1 else 's'}"
    parts = [
        f"FAILED {len(names['failed'])} {of}{lists['failed']}" if names["failed"] else f"passed {len(names['passed'])} {of}",
        *(f"{len(names[one])} {WORDS[one]}{lists[one]}" for one in ("error", "skipped", "inconclusive") if names[one]),
    ]
    return f"{model} {'; '.join(parts)}"


def _listed(names: Sequence[str], shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def decision_sentence(decision: Decision) -> str:
    """How numbers became verdicts, in words."""
    several = (
        "A model passes only if every gate does, so that a bad one would have to get through its own: passes need no correction for the "
        "number of gates. Any one false fail fails the suite, so a gate fails only where it does with that chance shared by all (Holm)."
    )
    chance = f"{100 * decision.alpha:.6g} %"
    if decision.target == "population":
        return (
            "Judged for the population that the images came from: a check passes when its whole interval satisfies the gate. "
            f"Each end of an interval errs with probability at most, or where it is bootstrapped about, {chance}. {several}"
        )
    exact = "Judged on exactly these images: a verdict says what the model did on them, not what it would do on others."
    if decision.stop == "decided":
        early = f"Images came in random order until each gate was decided; such a verdict is wrong with probability at most {chance}."
        return f"{exact} {early} {several}"
    return exact


# --------------------------------------------------------------------------------------------------------- numbers


def is_share(metric: str) -> bool:
    """Whether the metric is written in percent: a share of images, or of AlexNet's errors."""
    return "accuracy" in metric or metric.endswith(("corruption_error", "_consistency")) or metric in SHARES


def better(metric: str, higher_is_better: Mapping[str, bool]) -> str:
    """Which way is better, `higher` or `lower`; empty where it is not known."""
    return "" if metric not in higher_is_better else "higher" if higher_is_better[metric] else "lower"


def directions(metrics: Sequence[str], higher_is_better: Mapping[str, bool]) -> str:
    """Which way is better, as sentences over all the metrics, such as `Higher is better: accuracy.`."""
    told = []
    for way in ("higher", "lower"):
        those = [metric_name(metric) for metric in metrics if better(metric, higher_is_better) == way]
        told += [f"{way.capitalize()} is better: {', '.join(those)}."] if those else []
    return " ".join(told)


def metric_name(metric: str) -> str:
    """The metric's name as a reader would say it."""
    return METRIC_NAMES.get(metric, metric.replace("_", " "))


def metric_order(metrics: Iterable[str]) -> list[str]:
    """Each metric once, the well-known ones first."""
    found = set(metrics)
    return [*(one for one in METRICS if one in found), *sorted(found.difference(METRICS))]


def number(metric: str, value: float | None, apart_from: float | None = None) -> str:
    """The value as text: shares as `97.3 %`, counts per image with one decimal, everything else with four.

    Rounding never hides the decision: decimals are added until the text differs from that of `apart_from` where the value
    does, and until a share that is not quite everything or nothing does not look like it.
    """
    if value is None or not isfinite(value):
        return NOTHING
    share = is_share(metric)
    scale, decimals = (100, 1) if share else (1, 1) if metric.endswith("_per_image") else (1, 4)
    text = f"{scale * value:.{decimals}f}"
    while decimals < 10 and (
        (apart_from is not None and value != apart_from and text == f"{scale * apart_from:.{decimals}f}")
        or (share and 0 < value < 1 and float(text) in (0, 100))
    ):
        decimals += 1
        text = f"{scale * value:.{decimals}f}"
    return f"{text} %" if share else text


def value(verdict: Verdict) -> str:
    """The measured value, or a dash where nothing could be measured."""
    measured = verdict.measurement
    return number(measured.metric, measured.value, verdict.threshold) if measured else NOTHING


def is_exact(measurement: Measurement) -> bool:
    """Whether the number is known exactly, so that there is no interval to show."""
    return measurement.low == measurement.value == measurement.high


def interval(verdict: Verdict) -> str:
    """The interval that the decision used; empty where nothing was measured or the number is exact."""
    measured = verdict.measurement
    if measured is None or is_exact(measured):
        return ""
    low, high = (number(measured.metric, end, verdict.threshold) for end in (measured.low, measured.high))
    return f"{low.removesuffix(' %')} to {high}"


def metric_of(verdict: Verdict) -> str:
    """The metric that was, or should have been, measured; empty where it is not known."""
    return verdict.measurement.metric if verdict.measurement else verdict.metric


def demand(verdict: Verdict) -> tuple[str, str]:
    """What was demanded, in the unit of the value (`≥ 90 %`), and what that is relative to, empty where it is absolute."""
    sign, threshold = verdict.gate[:1], verdict.threshold
    if threshold is None or not isfinite(threshold) or verdict.gate.startswith("no worse"):
        return verdict.gate or "no gate", ""
    if verdict.gate == f"{sign} {threshold:g}":
        return f"{sign} {100 * threshold:.6g} %" if is_share(metric_of(verdict)) else verdict.gate, ""
    value = verdict.measurement.value if verdict.measurement else None
    return f"{sign} {number(metric_of(verdict), threshold, value)}", verdict.gate[1:].strip()


def gate(verdict: Verdict) -> str:
    """What was demanded, in one piece: `≥ 91.3 % (digits/clean -0.05)`; and that it was missed, where that only informs."""
    absolute, relative = demand(verdict)
    told = f"{absolute} ({relative})" if relative else absolute
    return told if verdict.required or verdict.status == "passed" else f"{told} {WORDS[verdict.status]}, informs".lstrip()


def confidence(share: float) -> str:
    """A model's confidence: `97.3 %`; what would round to everything or nothing is said to be above 99.9 % or below 0.1 %."""
    if 0 < share < 0.0005:
        return "< 0.1 %"
    return "> 99.9 %" if 0.9995 <= share < 1 else f"{100 * share:.1f} %"


def images(count: int) -> str:
    """A number of images, as in `1 image` or `10,000 images`."""
    return f"{count:,} image{'' if count == 1 else 's'}"


# ------------------------------------------------------------------------------------------------------ differences


Change = Literal["worse", "differs", "not compared", "no difference shown", "same", "better"]

CHANGES: tuple[Change, ...] = ("worse", "differs", "not compared", "no difference shown", "same", "better")
"""The most urgent first."""


def change(one: Difference, higher_is_better: Mapping[str, bool]) -> Change:
    """What became of a number since the baseline; `differs` where the limits leave out 0 and it is not known which way is better."""
    if one.difference is None or one.low is None or one.high is None or not isfinite(one.difference):
        return "not compared"
    if one.low <= 0 <= one.high:
        return "same" if one.low == one.high else "no difference shown"
    way = better(one.metric, higher_is_better)
    return "differs" if not way else "better" if (one.difference > 0) == (way == "higher") else "worse"


def by_change(differences: Iterable[Difference], higher_is_better: Mapping[str, bool]) -> list[Difference]:
    """The worst first: by `CHANGES`, and within one by the size of the difference."""
    return sorted(
        differences, key=lambda one: (CHANGES.index(change(one, higher_is_better)), -abs(one.difference or 0) * _per_unit(one.metric))
    )


def _per_unit(metric: str) -> float:
    return 1.0 if is_share(metric) else 1e-6  # shares before what has another unit


def signed(metric: str, difference: float | None) -> str:
    """A difference as text: of shares in percentage points, as in `−2.3 points`; of everything else as `+0.0112`."""
    if difference is None or not isfinite(difference):
        return NOTHING
    size = number(metric, abs(difference)).replace(" %", " points")
    return f"{'+' if difference > 0 else '−' if difference < 0 else ''}{size}"


def difference_limits(one: Difference) -> str:
    """The limits of a difference, as in `−3.9 to −0.7 points`; empty where it is known exactly, or not at all."""
    if one.low is None or one.high is None or one.low == one.difference == one.high:
        return ""
    return f"{signed(one.metric, one.low).removesuffix(' points')} to {signed(one.metric, one.high)}"


AGAINST = "-against-baseline"
"""Ends the name of a check that was made of another one, to compare it; see `suite_files`."""


def compared(report: Report) -> list[Difference]:
    """The differences, without those told twice: a check and its comparison with the baseline have the same one."""
    told = {(one.check, one.model, one.baseline) for one in report.differences}
    twice = {(f"{check}{AGAINST}", model, baseline) for check, model, baseline in told}
    return [one for one in report.differences if (one.check, one.model, one.baseline) not in twice]


def since_baseline(report: Report, model: str) -> str:
    """What changed on a model, in numbers of checks: `Since v1: 1 check worse, 2 better, 9 same`; empty without a baseline."""
    order: tuple[Change, ...] = ("worse", "better", "differs", "same", "no difference shown", "not compared")
    told = []
    for baseline in dict.fromkeys(one.baseline for one in report.differences if one.model == model):
        mine = [one for one in compared(report) if (one.model, one.baseline) == (model, baseline)]
        found = [change(one, report.higher_is_better) for one in mine]
        first, *others = [(found.count(one), one) for one in order if one in found]
        counts = [f"{first[0]} check{'' if first[0] == 1 else 's'} {first[1]}", *(f"{number} {word}" for number, word in others)]
        told.append(f"Since {baseline}: {', '.join(counts)}")
    return "; ".join(told)


# --------------------------------------------------------------------------------------------- labels and references


def changed(report: Report, model: str) -> int | None:
    """How many verdicts on a model are others without its suspect images; `None` where none was judged without them."""
    before = {verdict.check: verdict.status for verdict in report.verdicts if verdict.model == model}
    after = [verdict for verdict in report.verdicts_without_suspects if verdict.model == model]
    return sum(before.get(verdict.check) != verdict.status for verdict in after) if after else None


def suspects(report: Report, model: str) -> str:
    """A model's suspect labels in a few words: `12 of 600 suspect; without them 0 verdicts change`; empty where none were looked for."""
    counts = [one for one in report.suspect_counts if one.model == model]
    if not counts:
        return ""
    of = f"{sum(one.count for one in counts):,} of {sum(one.images for one in counts):,} suspect"
    where = f" in {len(counts)} data sets" if len(counts) > 1 else ""
    number = changed(report, model)
    change = "" if number is None else f"; without them {number} verdict{' changes' if number == 1 else 's change'}"
    return f"{of}{where}{change}"


def placement(one: Placement) -> str:
    """Where an accuracy stands: `between resnet50.tv_in1k (76.2 %) and efficientnet_b0.ra_in1k (77.7 %)`."""
    below = f"{one.below} ({number('accuracy', one.below_accuracy, one.accuracy)})"
    above = f"{one.above} ({number('accuracy', one.above_accuracy, one.accuracy)})"
    if one.below_accuracy is None:
        return f"below every reference; the lowest is {above}"
    return f"between {below} and {above}" if one.above_accuracy is not None else f"above every reference; the highest is {below}"


# ------------------------------------------------------------------------------------------------------ conditions


def radius(epsilon: Fraction) -> str:
    """A radius as its field writes it: `24/255` rather than 8/85, `2.5` rather than 5/2."""
    if Fraction(f"{float(epsilon):g}") == epsilon:
        return f"{float(epsilon):g}"
    levels = 255 * epsilon
    return f"{levels}/255" if levels.denominator == 1 and levels <= 64 else str(epsilon)


def perturbation_name(condition: Condition) -> str:
    """What was done to the images, as a reader would say it."""
    match condition.perturbation:
        case Corrupted(corruption, severity, as_published):
            return f"{metric_name(corruption)}, severity {severity}{', as published' if as_published else ''}"
        case Frame(sequence, _, number):
            return f"{metric_name(sequence)} sequence, frame {number}"
        case Attacked(attack, threat, options):
            return ", ".join([f"{attack} {NORMS[threat.norm]} {radius(threat.epsilon)}", *(f"{name}={option}" for name, option in options)])
        case Diagnosed(diagnostic, options):
            return ", ".join([metric_name(diagnostic), *(f"{name}={option}" for name, option in options)])
        case Grouped():
            return str(condition.perturbation)
        case None:
            return "clean"
