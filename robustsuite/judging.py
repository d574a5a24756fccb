"""From outcomes to verdicts, and to the numbers of a report. Pure: no model, no images, no torch."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from inspect import signature
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.stats import binom

from robustsuite.catalog import constant, find, module, names
from robustsuite.numerics.binning import equal_width, sums
from robustsuite.numerics.intervals import bootstrap, clopper_pearson
from robustsuite.predictions import CalibrationLogits, Outcome, Predictions, PredictionSets
from robustsuite.records import (
    Calibration,
    Check,
    Condition,
    ConditionResult,
    Conformed,
    Corrupted,
    Decision,
    Detection,
    Diagnosed,
    Frame,
    Gate,
    Measurement,
    ReliabilityBin,
    RiskAtCoverage,
    Selection,
    Status,
    Verdict,
)

Outcomes = Mapping[Condition, Outcome]
"""The outcomes of one model."""

# -------------------------------------------------------------------------------------------------------- verdicts


def judge(check: Check, model: str, outcomes: Outcomes, decision: Decision) -> Verdict:
    """What becomes of a check once its conditions have been evaluated, or could not be."""
    for condition in check.needed:
        if outcomes[condition].error:
            return _error(check, model, outcomes[condition].error)
    for condition in check.needed:
        outcome = outcomes[condition]
        if not outcome.complete:
            share = f"{len(outcome.rows)} of {outcome.expected} images" if outcome.expected > 0 else "no images"
            cut_short = f"the run was cut short: {share} were judged under {condition}; run the suite again"
            verdict = certain(check, model, outcomes, decision)
            # A pass of a run that was not meant to stop there is not believed: an ERROR is never a PASS.
            believed = verdict is not None and (verdict.status == "failed" or decision.stop == "decided")
            return verdict if verdict is not None and believed else _error(check, model, cut_short)
    try:
        value = measure(check, outcomes)
        low, high = _interval(check, outcomes, decision) if decision.target == "population" else (value, value)
    except LookupError as error:
        return _error(check, model, str(error.args[0]))
    samples = outcomes[check.conditions[0]].expected
    if not np.isfinite([value, low, high]).all():
        return _error(check, model, f"expected a finite {check.metric}, got {value}")
    measurement = Measurement(measured_as(check), value, low, high, samples)
    if check.gate is None:
        return _verdict(check, model, "passed", f"measured on {samples} images; no threshold is set", measurement)
    threshold = _threshold(check.gate, check, outcomes)
    if check.gate.bound == "at_least":
        passed, failed = low >= threshold, high < threshold
    else:
        passed, failed = high <= threshold, low > threshold
    status: Status = "passed" if passed else "failed" if failed else "inconclusive"
    reason = _reason(status, check.gate, measurement, threshold, decision)
    if measured_as(check) != check.metric and any(_in_memory(condition) for condition in check.conditions):
        reason += "; images corrupted in memory, not comparable with values published for the stored benchmark"
    return _verdict(check, model, status, reason, measurement, threshold)


def certain(check: Check, model: str, outcomes: Outcomes, decision: Decision) -> Verdict | None:
    """A PASS or FAIL that no image still to come can undo, or None. For accuracies against a fixed threshold.

    Even if every image not seen yet were right (or wrong), the threshold would be out of reach (or met). Arithmetic, not
    statistics: it speaks of exactly these images, and so says nothing where the target is the population.
    """
    gate = check.gate
    if (
        decision.target != "test-set"
        or measured_as(check) != "accuracy"
        or check.recalibration
        or check.via
        or gate is None
        or gate.relative_to
        or gate.bound != "at_least"
    ):
        return None
    parts = [outcomes[condition] for condition in check.conditions]
    if any(part.error or part.predictions is None for part in parts):
        return None
    right = [int(part.predictions.correct.sum()) for part in parts if part.predictions]
    best = [(count + part.expected - len(part.rows)) / part.expected for count, part in zip(right, parts, strict=True)]
    worst = [count / part.expected for count, part in zip(right, parts, strict=True)]
    sofar = [count / len(part.rows) for count, part in zip(right, parts, strict=True)]
    highest, value, lowest = (_summarised(check, dict(zip(check.conditions, each, strict=True))) for each in (best, sofar, worst))
    if lowest < gate.threshold <= highest:
        return None
    status, if_others, limit = ("passed", "wrong", lowest) if lowest >= gate.threshold else ("failed", "right", highest)
    seen, expected = len(parts[0].rows), parts[0].expected
    would = "would meet" if status == "passed" else "would miss"
    reason = f"certain after {seen} of {expected} images: even if all others were {if_others}, {limit:.4f} {would} the threshold"
    measurement = Measurement("accuracy", value, lowest, highest, seen)
    return _verdict(check, model, status, reason, measurement, gate.threshold)


EXIT_FAILED, EXIT_ERROR, EXIT_INCONCLUSIVE = 1, 6, 7


def exit_code(verdicts: Iterable[tuple[str, bool]], inconclusive: str) -> int:
    """What a run exits with, by the statuses of its checks and whether each is required; those that only inform change nothing.

    What could not be evaluated goes before what failed, and that before what was inconclusive (docs/decisions/004).
    """
    found = {status for status, required in verdicts if required}
    if found & {"error", "skipped"}:
        return EXIT_ERROR
    if "failed" in found or ("inconclusive" in found and inconclusive == "fail"):
        return EXIT_FAILED
    return EXIT_INCONCLUSIVE if "inconclusive" in found and inconclusive == "hold" else 0


def _error(check: Check, model: str, why: str) -> Verdict:
    fixed = check.gate.threshold if check.gate and not check.gate.relative_to else None
    return _verdict(check, model, "error", why, None, fixed)


def _verdict(
    check: Check, model: str, status: Status, reason: str, measurement: Measurement | None, threshold: float | None = None
) -> Verdict:
    return Verdict(
        check.name, model, status, reason, measurement, str(check.gate or ""), threshold, measured_as(check), required=check.required
    )


def measure(check: Check, outcomes: Outcomes) -> float:
    """The check's number on exactly the images that were shown."""
    return _summarised(check, _values(check, outcomes, ""))


def measured_as(check: Check) -> str:
    """What the check's number is called: its metric or column, or its summary where that has a unit of its own."""
    return check.summary if constant("summaries", check.summary, "HIGHER_IS_BETTER", None) is not None else check.metric


def directions() -> dict[str, bool]:
    """Whether higher is better, of every metric and of every summary that has a unit of its own."""
    rooms = "metrics", "sequence_metrics", "set_metrics", "detection_metrics"
    metrics = {name: module(room, name).HIGHER_IS_BETTER for room in rooms for name in names(room)}
    columns = [constant("diagnostics", name, "COLUMNS").items() for name in names("diagnostics")]
    metrics |= {column: better for found in columns for column, better in found if better is not None}
    own = {name: constant("summaries", name, "HIGHER_IS_BETTER", None) for name in names("summaries")}
    return metrics | {name: better for name, better in own.items() if better is not None}


def _metric(check: Check) -> Any:
    """The module of the check's metric; of a diagnostic's column, what stands for it."""
    match check.via, check.conditions[0].perturbation:
        case Detection(), _:
            return module("detection_metrics", check.metric)
        case Conformed(), _:
            return module("set_metrics", check.metric)
        case _, Diagnosed(diagnostic):
            better = constant("diagnostics", diagnostic, "COLUMNS")[check.metric]
            return SimpleNamespace(HIGHER_IS_BETTER=better is not False, per_image=np.asarray, **{check.metric: np.mean})
        case _, Frame():
            return module("sequence_metrics", check.metric)
    return module("metrics", check.metric)


def _values(check: Check, outcomes: Outcomes, function: str, **more: float) -> dict[Condition, Any]:
    """A function of the metric's module (or the metric itself) for every `_arguments`."""
    wanted = partial(getattr(_metric(check), function or check.metric), **dict(check.metric_options), **more)
    found = _arguments(check, outcomes)
    bins = signature(find("metrics", check.metric)).parameters.get("bins") if check.metric in names("metrics") else None
    least, images = dict(check.metric_options).get("bins", bins.default) if bins else 1, min(len(each[0]) for each in found.values())
    if images < least:
        raise LookupError(f"expected at least as many images as bins ({least}), got {images}: judge more images, or set fewer bins")
    return {condition: wanted(*arguments) for condition, arguments in found.items()}


def _arguments(check: Check, outcomes: Outcomes) -> dict[Condition, tuple[Any, ...]]:
    """What the metric is given: for every condition; of a detector for every unfamiliar one; of a sequence by its first frame."""
    match check.via, check.conditions[0].perturbation:
        case Detection() as via, _:
            inside, *outside = (_measured(outcomes[condition], f"score {via}") for condition in check.conditions)
            return {condition: (inside, scores) for condition, scores in zip(check.conditions[1:], outside, strict=True)}
        case Conformed() as via, _:
            return {condition: (_sets(outcomes[condition], via),) for condition in check.conditions}
        case _, Diagnosed():
            return {condition: (outcomes[condition].measured[check.metric].astype(np.float64),) for condition in check.conditions}
        case _, Frame():
            sequences: dict[str, list[Condition]] = {}
            for condition in check.conditions:
                assert isinstance(condition.perturbation, Frame)
                sequences.setdefault(condition.perturbation.sequence, []).append(condition)
            return {
                frames[0]: ([_predictions(check, outcomes[frame]) for frame in frames], constant("sequences", sequence, "REFERENCE"))
                for sequence, frames in sequences.items()
            }
    return {condition: (_predictions(check, outcomes[condition]),) for condition in check.conditions}


def _summarised(check: Check, values: Mapping[Condition, float]) -> float:
    """One number from the metric's values."""
    return float(find("summaries", check.summary)(values, _metric(check).HIGHER_IS_BETTER))


def _measured(outcome: Outcome, name: str) -> np.ndarray:
    if name not in outcome.measured:
        raise LookupError(
            f"{name.partition(' ')[2]} could not be fitted for {outcome.condition}: no calibration images, no logits kept, or see the notes"
        )
    return outcome.measured[name]


def _sets(outcome: Outcome, via: Conformed) -> PredictionSets:
    assert outcome.predictions is not None
    covered, sizes, fitted_on = (_measured(outcome, f"{name} {via}") for name in ("covered", "size", "fitted_on"))
    return PredictionSets(outcome.predictions.labels, covered.astype(bool), sizes, int(fitted_on[0]), via.error)


def _predictions(check: Check, outcome: Outcome) -> Predictions:
    found = outcome.recalibrated.get(check.recalibration) if check.recalibration else outcome.predictions
    if found is not None and found.logits is None and constant("metrics", check.metric, "NEEDS_LOGITS", False):
        raise LookupError(f"{check.metric} needs every logit, and none were kept of {outcome.condition}: run it with --rs-keep logits")
    if found is None:
        raise LookupError(
            f"{check.recalibration} could not be fitted for {outcome.condition}: no calibration images were evaluated, or no logits kept"
        )
    return found


def _in_memory(condition: Condition) -> bool:
    """Whether the images lack the compression with which the benchmark's files were distributed."""
    return isinstance(condition.perturbation, Corrupted) and not condition.perturbation.as_published


def _threshold(gate: Gate, check: Check, outcomes: Outcomes) -> float:
    if gate.relative_to is None:
        return gate.threshold
    metric = partial(find("metrics", check.metric), **dict(check.metric_options))
    return metric(_predictions(check, outcomes[gate.relative_to])) + gate.threshold


def _interval(check: Check, outcomes: Outcomes, decision: Decision) -> tuple[float, float]:
    """Limits for the population the images came from, each wrong with probability at most (or, bootstrapped, about) alpha."""
    if hasattr(_metric(check), "interval"):
        limits = _values(check, outcomes, "interval", alpha=decision.alpha / len(_arguments(check, outcomes)))
        low, high = (_summarised(check, {condition: pair[side] for condition, pair in limits.items()}) for side in (0, 1))
        return low, high
    if measured_as(check) == "accuracy" and len(check.conditions) == 1:
        predictions = _predictions(check, outcomes[check.conditions[0]])
        return clopper_pearson(int(predictions.correct.sum()), len(predictions), decision.alpha)
    # Images are resampled, each with all of its conditions: the conditions show the same images, and are not independent.
    values = _values(check, outcomes, "per_image")
    columns = np.stack(list(values.values()), axis=1)
    return bootstrap(columns, lambda means: _summarised(check, dict(zip(values, means.tolist(), strict=True))), decision.alpha, seed=0)


def _reason(status: str, gate: Gate, measurement: Measurement, threshold: float, decision: Decision) -> str:
    value, images = f"{measurement.value:.4f}", measurement.samples
    asked = f"{'at least' if gate.bound == 'at_least' else 'at most'} {threshold:.4f}"
    if gate.relative_to:
        asked += f" ({gate.relative_to} {gate.threshold:+g})"
    if decision.target == "test-set":
        return f"{value} on exactly these {images} images, {asked} was asked for"
    limits = f"between {measurement.low:.4f} and {measurement.high:.4f}, each limit wrong with probability at most {decision.alpha:g}"
    if status == "inconclusive":
        return f"the population's value lies {limits}: {images} images cannot tell whether it is {asked}"
    return f"the population's value lies {limits}, {asked} was asked for ({images} images)"


# ----------------------------------------------------------------------------------------------- numbers of a report


REPORTED = ("accuracy", "negative_log_likelihood", "brier_score", "expected_calibration_error")
"""The metrics that every condition is reported with; others where a check asks for them."""


def reported(checks: Iterable[Check]) -> tuple[str, ...]:
    """The metrics to report of every condition: the usual ones, and those that some check asks for."""
    return tuple(dict.fromkeys([*REPORTED, *(check.metric for check in checks if not check.via and check.metric in names("metrics"))]))


def results(outcomes: Iterable[Outcome], metrics: Sequence[str] = REPORTED) -> tuple[ConditionResult, ...]:
    """The metrics of every condition; a frame of a sequence says nothing by itself, and unfamiliar images cannot be right or wrong."""
    told = [one for one in outcomes if not isinstance(one.condition.perturbation, Frame)]
    return tuple(
        _result(one, metrics)
        for one in told
        if one.predictions or one.error or not one.measured or isinstance(one.condition.perturbation, Diagnosed)
    )


def _numbers(predictions: Predictions | None, metrics: Sequence[str]) -> dict[str, float]:
    """The metrics that can be had from what was kept."""
    if predictions is None:
        return {}
    kept = [name for name in metrics if predictions.logits is not None or not constant("metrics", name, "NEEDS_LOGITS", False)]
    return {name: find("metrics", name)(predictions) for name in kept}


def _result(outcome: Outcome, metrics: Sequence[str]) -> ConditionResult:
    if outcome.error or not len(outcome.rows):
        return ConditionResult(outcome.model, outcome.condition, len(outcome.rows), error=outcome.error or "no image was judged")
    if isinstance(outcome.condition.perturbation, Diagnosed):
        columns = constant("diagnostics", outcome.condition.perturbation.diagnostic, "COLUMNS")
        means = {name: float(outcome.measured[name].astype(np.float64).mean()) for name in columns}
        return ConditionResult(outcome.model, outcome.condition, len(outcome.rows), means)
    numbers = _numbers(outcome.predictions, metrics)
    if outcome.distance is not None:
        numbers |= {f"{name}_per_image": outcome.counts.get(name, 0) / len(outcome.rows) for name in ("forwards", "backwards")}
    return ConditionResult(outcome.model, outcome.condition, len(outcome.rows), numbers)


def calibrations(
    outcomes: Sequence[Outcome], logits: Sequence[CalibrationLogits], metrics: Sequence[str] = REPORTED, bins: int = 15
) -> tuple[Calibration, ...]:
    """Before and after each recalibration, for every outcome that has one: the clean ones first, then by severity."""
    found = []
    fits: dict[tuple[str, str, str], Any] = {}
    for outcome in outcomes:
        shown = outcome.condition.perturbation
        if outcome.predictions is None or not isinstance(shown, Corrupted | None):
            continue
        for method, after in outcome.recalibrated.items():
            own = [part for part in logits if part.model == outcome.model]
            fitted = next((part for part in own if part.dataset == outcome.condition.dataset), own[0] if own else None)
            if fitted is None:
                continue
            place = outcome.model, fitted.dataset, method
            if place not in fits:
                fits[place] = find("recalibration", method)(fitted.logits, fitted.labels)
            fit = fits[place]
            found.append(
                Calibration(
                    outcome.model,
                    outcome.condition.dataset,
                    method,
                    fit.parameters,
                    len(fitted.rows),
                    _numbers(outcome.predictions, metrics),
                    _numbers(after, metrics),
                    reliability(outcome.predictions, bins),
                    reliability(after, bins),
                    fit.note,
                    str(shown or ""),
                    shown.severity if shown else 0,
                )
            )
    return tuple(sorted(found, key=lambda one: one.severity))


def reliability(predictions: Predictions, bins: int, alpha: float = 0.05) -> tuple[ReliabilityBin, ...]:
    """The bins of a reliability diagram that hold images, by ascending confidence (equal width).

    The band is that of a binomial at the bin's mean confidence, at least as wide as the exact one of unequal confidences.
    """
    index = equal_width(predictions.confidence, bins)
    counts = sums(index, np.ones(len(predictions)), bins)
    confidences, rights = sums(index, predictions.confidence, bins), sums(index, predictions.correct, bins)
    filled = [(confidence / n, right / n, int(n)) for confidence, right, n in zip(confidences, rights, counts, strict=True) if n]
    return tuple(
        ReliabilityBin(
            float(sure), float(right), n, float(binom.ppf(alpha, n, min(sure, 1)) / n), float(binom.ppf(1 - alpha, n, min(sure, 1)) / n)
        )
        for sure, right, n in filled
    )


def selections(outcomes: Iterable[Outcome], points: int = 50) -> tuple[Selection, ...]:
    """The risk-coverage curve of every clean outcome, at about as many `points`. Images equally confident count as drawn at random."""
    return tuple(
        Selection(outcome.model, outcome.condition.dataset, _risks(outcome.predictions, points))
        for outcome in outcomes
        if outcome.condition.perturbation is None and outcome.predictions is not None
    )


def _risks(predictions: Predictions, points: int) -> tuple[RiskAtCoverage, ...]:
    order = np.argsort(-predictions.confidence, kind="stable")
    _, group = np.unique(-predictions.confidence[order], return_inverse=True)
    wrong = (~predictions.correct[order]).astype(np.float64)
    wrong = (np.bincount(group, weights=wrong) / np.bincount(group))[group]  # the mean of each tie
    risk = wrong.cumsum() / np.arange(1, len(wrong) + 1)
    places = np.unique(np.linspace(1, len(wrong), min(points, len(wrong))).round().astype(np.int64)) - 1
    return tuple(RiskAtCoverage((place + 1) / len(wrong), float(risk[place])) for place in places.tolist())
