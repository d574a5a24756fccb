"""From outcomes to verdicts, and to the numbers of a report. Pure: no model, no images, no torch."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from robustsuite.catalog import constant, find, module, names
from robustsuite.numerics.binning import equal_width, sums
from robustsuite.numerics.intervals import bootstrap, clopper_pearson
from robustsuite.predictions import CalibrationLogits, Outcome, Predictions
from robustsuite.records import (
    Calibration,
    Check,
    Condition,
    ConditionResult,
    Corrupted,
    Decision,
    Frame,
    Gate,
    Measurement,
    ReliabilityBin,
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
            return certain_failure(check, model, outcomes, decision) or _error(check, model, cut_short)
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
        return Verdict(
            check.name, model, "passed", f"measured on {samples} images; no threshold is set", measurement, metric=measured_as(check)
        )
    threshold = _threshold(check.gate, check, outcomes)
    if check.gate.bound == "at_least":
        passed, failed = low >= threshold, high < threshold
    else:
        passed, failed = high <= threshold, low > threshold
    status = "passed" if passed else "failed" if failed else "inconclusive"
    reason = _reason(status, check.gate, measurement, threshold, decision)
    if measured_as(check) != check.metric and any(_in_memory(condition) for condition in check.conditions):
        reason += "; images corrupted in memory, not comparable with values published for the stored benchmark"
    return Verdict(check.name, model, status, reason, measurement, str(check.gate), threshold, measured_as(check))


def certain_failure(check: Check, model: str, outcomes: Outcomes, decision: Decision) -> Verdict | None:
    """A FAIL that no image still to come can undo, or None. For accuracies against a fixed threshold.

    Even if every image not seen yet were right, the threshold would be out of reach. Arithmetic, not statistics: it speaks of
    exactly these images, and so says nothing where the target is the population.
    """
    gate = check.gate
    if (
        decision.target != "test-set"
        or measured_as(check) != "accuracy"
        or check.recalibration
        or gate is None
        or gate.relative_to
        or gate.bound != "at_least"
    ):
        return None
    parts = [outcomes[condition] for condition in check.conditions]
    if any(part.error or part.predictions is None for part in parts):
        return None
    best = [(int(part.predictions.correct.sum()) + part.expected - len(part.rows)) / part.expected for part in parts if part.predictions]
    worst = [int(part.predictions.correct.sum()) / part.expected for part in parts if part.predictions]
    sofar = [float(part.predictions.correct.mean()) for part in parts if part.predictions]
    limit, value, lowest = (_summarised(check, dict(zip(check.conditions, each, strict=True))) for each in (best, sofar, worst))
    if limit >= gate.threshold:
        return None
    seen, expected = len(parts[0].rows), parts[0].expected
    reason = f"certain after {seen} of {expected} images: even if all others were right, {limit:.4f} would miss the threshold"
    measurement = Measurement("accuracy", value, lowest, limit, seen)
    return Verdict(check.name, model, "failed", reason, measurement, str(gate), gate.threshold, check.metric)


def _error(check: Check, model: str, why: str) -> Verdict:
    fixed = check.gate.threshold if check.gate and not check.gate.relative_to else None
    return Verdict(check.name, model, "error", why, None, str(check.gate or ""), fixed, measured_as(check))


def measure(check: Check, outcomes: Outcomes) -> float:
    """The check's number on exactly the images that were shown."""
    return _summarised(check, _values(check, outcomes, ""))


def measured_as(check: Check) -> str:
    """What the check's number is called: its metric, or its summary where that has a unit of its own."""
    return check.summary if constant("summaries", check.summary, "HIGHER_IS_BETTER", None) is not None else check.metric


def directions() -> dict[str, bool]:
    """Whether higher is better, of every metric and of every summary that has a unit of its own."""
    metrics = {name: module(room, name).HIGHER_IS_BETTER for room in ("metrics", "sequence_metrics") for name in names(room)}
    own = {name: constant("summaries", name, "HIGHER_IS_BETTER", None) for name in names("summaries")}
    return metrics | {name: better for name, better in own.items() if better is not None}


def _room(check: Check) -> str:
    """Where the check's metric lives."""
    return "sequence_metrics" if check.metric in names("sequence_metrics") else "metrics"


def _values(check: Check, outcomes: Outcomes, function: str, **more: float) -> dict[Condition, Any]:
    """A function of the metric's module (or the metric itself) for every condition, or for every sequence by its first frame."""
    wanted = partial(getattr(module(_room(check), check.metric), function or check.metric), **dict(check.metric_options), **more)
    parts = {condition: _predictions(check, outcomes[condition]) for condition in check.conditions}
    if _room(check) == "metrics":
        return {condition: wanted(part) for condition, part in parts.items()}
    sequences: dict[str, list[Condition]] = {}
    for condition in check.conditions:
        assert isinstance(condition.perturbation, Frame)
        sequences.setdefault(condition.perturbation.sequence, []).append(condition)
    return {
        frames[0]: wanted([parts[frame] for frame in frames], constant("sequences", sequence, "REFERENCE"))
        for sequence, frames in sequences.items()
    }


def _summarised(check: Check, values: Mapping[Condition, float]) -> float:
    """One number from the metric's values."""
    higher = module(_room(check), check.metric).HIGHER_IS_BETTER
    return float(find("summaries", check.summary)(values, higher))


def _predictions(check: Check, outcome: Outcome) -> Predictions:
    if check.recalibration is None:
        assert outcome.predictions is not None
        return outcome.predictions
    if check.recalibration not in outcome.recalibrated:
        raise LookupError(f"{check.recalibration} could not be fitted for {outcome.condition}: no calibration images were evaluated")
    return outcome.recalibrated[check.recalibration]


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
    if hasattr(module(_room(check), check.metric), "interval"):
        limits = _values(check, outcomes, "interval", alpha=decision.alpha / len(check.conditions))
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


def results(outcomes: Iterable[Outcome]) -> tuple[ConditionResult, ...]:
    """Every reported metric of every condition; a frame of a sequence says nothing by itself, and has none."""
    return tuple(_result(outcome) for outcome in outcomes if not isinstance(outcome.condition.perturbation, Frame))


def _result(outcome: Outcome) -> ConditionResult:
    if outcome.error or outcome.predictions is None:
        return ConditionResult(outcome.model, outcome.condition, len(outcome.rows), error=outcome.error or "no image was judged")
    numbers = {name: find("metrics", name)(outcome.predictions) for name in names("metrics")}
    if outcome.distance is not None:
        numbers |= {f"{name}_per_image": outcome.counts.get(name, 0) / len(outcome.rows) for name in ("forwards", "backwards")}
    return ConditionResult(outcome.model, outcome.condition, len(outcome.rows), numbers)


def calibrations(outcomes: Sequence[Outcome], logits: Sequence[CalibrationLogits], bins: int = 15) -> tuple[Calibration, ...]:
    """Before and after each recalibration, for every clean outcome that has one."""
    found = []
    for outcome in outcomes:
        if outcome.condition.perturbation is not None or outcome.predictions is None:
            continue
        for method, after in outcome.recalibrated.items():
            own = [part for part in logits if part.model == outcome.model]
            fitted = next((part for part in own if part.dataset == outcome.condition.dataset), own[0] if own else None)
            if fitted is None:
                continue
            fit = find("recalibration", method)(fitted.logits, fitted.labels)
            found.append(
                Calibration(
                    outcome.model,
                    outcome.condition.dataset,
                    method,
                    fit.parameters,
                    len(fitted.rows),
                    {name: find("metrics", name)(outcome.predictions) for name in names("metrics")},
                    {name: find("metrics", name)(after) for name in names("metrics")},
                    reliability(outcome.predictions, bins),
                    reliability(after, bins),
                    fit.note,
                )
            )
    return tuple(found)


def reliability(predictions: Predictions, bins: int) -> tuple[ReliabilityBin, ...]:
    """The bins of a reliability diagram that hold images, by ascending confidence (equal width)."""
    index = equal_width(predictions.confidence, bins)
    counts = sums(index, np.ones(len(predictions)), bins)
    confidences, rights = sums(index, predictions.confidence, bins), sums(index, predictions.correct, bins)
    return tuple(
        ReliabilityBin(confidence / count, right / count, int(count))
        for confidence, right, count in zip(confidences.tolist(), rights.tolist(), counts.tolist(), strict=True)
        if count
    )
