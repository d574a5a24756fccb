"""From outcomes to a check's number: its metric on every condition, and the summary of these. Pure: no model, no images, no torch."""

from collections.abc import Mapping, Sequence
from functools import partial
from inspect import signature
from types import SimpleNamespace
from typing import Any

import numpy as np

from robustsuite.catalog import constant, find, module, names
from robustsuite.predictions import Outcome, Predictions, PredictionSets
from robustsuite.records import Check, Condition, Conformed, Detection, Diagnosed, Frame

Outcomes = Mapping[Condition, Outcome]
"""The outcomes of one model."""


def measure(check: Check, outcomes: Outcomes) -> float:
    """The check's number on exactly the images that were shown."""
    return summarised(check, values(check, outcomes, ""))


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


def metric_of(check: Check) -> Any:
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


def values(check: Check, outcomes: Outcomes, function: str, **more: float) -> dict[Condition, Any]:
    """A function of the metric's module (or the metric itself) for every `_arguments`."""
    wanted = partial(getattr(metric_of(check), function or check.metric), **dict(check.metric_options), **more)
    found = arguments(check, outcomes)
    bins = signature(find("metrics", check.metric)).parameters.get("bins") if check.metric in names("metrics") else None
    least = int(str(dict(check.metric_options).get("bins", bins.default))) if bins else 1
    images = min(len(each[0]) for each in found.values())
    if images < least:
        raise LookupError(f"expected at least as many images as bins ({least}), got {images}: judge more images, or set fewer bins")
    return {condition: wanted(*arguments) for condition, arguments in found.items()}


def arguments(check: Check, outcomes: Outcomes) -> dict[Condition, tuple[Any, ...]]:
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
                frames[0]: ([predictions_of(check, outcomes[frame]) for frame in frames], constant("sequences", sequence, "REFERENCE"))
                for sequence, frames in sequences.items()
            }
    return {condition: (predictions_of(check, outcomes[condition]),) for condition in check.conditions}


def higher_is_better(check: Check) -> bool:
    """Of the check's number."""
    own = constant("summaries", check.summary, "HIGHER_IS_BETTER", None)
    return metric_of(check).HIGHER_IS_BETTER if own is None else own


def weights(check: Check, conditions: Sequence[Condition]) -> tuple[np.ndarray, float] | None:
    """What the summary multiplies each condition's value with, float64 `[conditions]`, and what it adds; None where it is not linear."""
    if not constant("summaries", check.summary, "LINEAR", False):
        return None
    base = summarised(check, dict.fromkeys(conditions, 0.0))
    return np.array([summarised(check, {**dict.fromkeys(conditions, 0.0), one: 1.0}) - base for one in conditions]), base


def summarised(check: Check, values: Mapping[Condition, float]) -> float:
    """One number from the metric's values."""
    return float(find("summaries", check.summary)(values, metric_of(check).HIGHER_IS_BETTER))


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


def predictions_of(check: Check, outcome: Outcome) -> Predictions:
    """What the check's metric is given of an outcome. Raises `LookupError` with a sentence where it was not kept."""
    found = outcome.recalibrated.get(check.recalibration) if check.recalibration else outcome.predictions
    if found is not None and found.logits is None and getattr(metric_of(check), "NEEDS_LOGITS", False):
        raise LookupError(f"{check.metric} needs every logit, and none were kept of {outcome.condition}: run it with --rs-keep logits")
    if found is None:
        raise LookupError(
            f"{check.recalibration} could not be fitted for {outcome.condition}: no calibration images were evaluated, or no logits kept"
        )
    return found
