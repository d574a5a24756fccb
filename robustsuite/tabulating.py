"""From outcomes to the numbers of a report: every metric of every condition, calibration before and after, risk by coverage. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import binom

from robustsuite.catalog import constant, find, module, names
from robustsuite.numerics.binning import equal_width, sums
from robustsuite.numerics.reference_models import Reference, placed
from robustsuite.predictions import CalibrationLogits, Outcome, Predictions
from robustsuite.records import (
    Calibration,
    Check,
    ClassResult,
    ConditionResult,
    Confusion,
    Corrupted,
    DataDemand,
    Diagnosed,
    Frame,
    GroupResult,
    Placement,
    ReliabilityBin,
    RiskAtCoverage,
    Selection,
)

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
    if predictions is None or (len(predictions) and predictions.labels[0] < 0):  # images without labels
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


def groups(outcomes: Iterable[Outcome], metrics: Sequence[str] = REPORTED, most: int = 200) -> tuple[GroupResult, ...]:
    """The metrics of every group of clean images; of attributes with more than `most` groups, those with most images."""
    found = []
    for outcome in outcomes:
        if outcome.condition.perturbation is not None or outcome.predictions is None or outcome.predictions.labels[0] < 0:
            continue
        for attribute, belongs in outcome.groups.items():
            names, counts = np.unique(belongs[belongs != ""], return_counts=True)
            for name in sorted(names[np.argsort(-counts, kind="stable")[:most]].tolist()):
                part = outcome.predictions.take(belongs == name)
                found.append(
                    GroupResult(outcome.model, outcome.condition.dataset, attribute, name, len(part), _group_numbers(part, metrics))
                )
    return tuple(found)


def _group_numbers(predictions: Predictions, metrics: Sequence[str]) -> dict[str, float]:
    """Means over the group's images alone: few images say nothing about calibration errors."""
    means = [name for name in metrics if hasattr(module("metrics", name), "per_image")]
    return _numbers(predictions, means)


def classes(
    outcomes: Iterable[Outcome], data: Mapping[str, Mapping[str, Any]], worst: int = 10, fewest: int = 5, few: int = 20
) -> tuple[ClassResult, ...]:
    """How often each class was recognised on clean images, the least accurate first; with equals, the one of more images.

    Of data sets of more than `few` classes, the `worst` ones of `fewest` images or more.

    Args:
        outcomes: of one model or several; of them those on clean images with labels.
        data: what a run says of each data set. A class that has no name there is called by its number. Where an image may have several
            right classes (`several_right`), the label is that which the model likes best, and nothing is told.
        worst: how many classes, where there are many.
        fewest: images of a class, below which it is too few to tell.
        few: how many classes are all told.
    """
    found = []
    for outcome, predictions in _labelled(outcomes, data):
        every = np.unique(predictions.labels)
        size = int(max(every.max(), predictions.prediction.max())) + 1
        images, calls = (np.bincount(column, minlength=size) for column in (predictions.labels, predictions.prediction))
        rights = np.bincount(predictions.labels[predictions.correct], minlength=size)
        order = sorted(every.tolist(), key=lambda label: (rights[label] / images[label], -images[label]))
        kept = order if len(every) <= few else [label for label in order if images[label] >= fewest][:worst]
        dataset = outcome.condition.dataset
        for label in kept:
            counted = int(images[label]), int(rights[label]), int(calls[label])
            found.append(ClassResult(outcome.model, dataset, _called(data, dataset, label), *counted))
    return tuple(found)


def confusions(outcomes: Iterable[Outcome], data: Mapping[str, Mapping[str, Any]], most: int = 10) -> tuple[Confusion, ...]:
    """What was taken for what on clean images, the `most` frequent first; with equals, the lower label first. `data` as of `classes`."""
    found = []
    for outcome, predictions in _labelled(outcomes, data):
        wrong = ~predictions.correct
        pairs = np.stack([predictions.labels[wrong], predictions.prediction[wrong]], axis=1)
        kinds, counts = np.unique(pairs, axis=0, return_counts=True)
        dataset = outcome.condition.dataset
        for place in np.argsort(-counts, kind="stable")[:most]:
            label, prediction = kinds[place].tolist()
            names = _called(data, dataset, label), _called(data, dataset, prediction)
            found.append(Confusion(outcome.model, dataset, *names, int(counts[place])))
    return tuple(found)


def _labelled(outcomes: Iterable[Outcome], data: Mapping[str, Mapping[str, Any]]) -> list[tuple[Outcome, Predictions]]:
    """The clean outcomes whose images have one label each."""
    clean = [
        (one, one.predictions)
        for one in outcomes
        if one.condition.perturbation is None and not one.error and not data.get(one.condition.dataset, {}).get("several_right")
    ]
    return [(one, kept) for one, kept in clean if kept is not None and len(kept) and (kept.labels >= 0).all()]


def _called(data: Mapping[str, Mapping[str, Any]], dataset: str, label: int) -> str:
    own = data.get(dataset, {}).get("classes") or ()
    return own[label] if label < len(own) else str(label)


STORED = 50_000  # photos under each of a benchmark's corruptions at each severity
IMAGES = {"objectnet": 18_574, "imagenet_c_stored": 75 * STORED, "imagenet_c_bar_stored": 50 * STORED}
"""How many images published accuracies are of, where a reader also takes some of them or more; other readers take all or none."""


def comparable(demands: Mapping[str, DataDemand], data: Mapping[str, Mapping[str, Any]], facts: Mapping[str, Any]) -> dict[str, str]:
    """The catalog's names of the data sets that were judged as a whole, by the suite's.

    Of ImageNet-V2 only the variant that the published accuracies are of; of stored corruptions the benchmark's own, all of them.

    Args:
        demands: as the suite has them; one that restricts the classes, or joins outputs in another way, has another accuracy.
        data: what a run says of each data set.
        facts: the run's provenance, which says where the images came from.
    """
    return {
        name: told["dataset"]
        for name, told in data.items()
        if not (demands[name].classes or demands[name].joined) and _is_whole(told, str(facts.get(f"data {name}", "")))
    }


def _is_whole(told: Mapping[str, Any], source: str) -> bool:
    name, images = told["dataset"], len(told["ids"])
    extra = constant("datasets", name, "EXTRA", ()) if name in names("datasets") else ()
    shown = told.get("groups", {}).get("corruption", {}).get("names", ())
    return (
        told["judged"] == images == IMAGES.get(name, images)
        and not any(one.rpartition("-")[0] in extra for one in shown)
        and (name != "imagenet_v2" or "(matched-frequency)" in source)
    )


def placements(results: Iterable[ConditionResult], datasets: Mapping[str, str]) -> tuple[Placement, ...]:
    """Where every clean accuracy stands among published ones; `datasets` are those of which there may be some, by the suite's names."""
    found = []
    for result in results:
        name, accuracy = datasets.get(result.condition.dataset), result.metrics.get("accuracy")
        if result.condition.perturbation is not None or name is None or accuracy is None:
            continue
        below, above = placed(name, accuracy)
        if below or above:
            found.append(Placement(result.model, result.condition.dataset, accuracy, *_named(below, name), *_named(above, name)))
    return tuple(found)


def _named(reference: Reference | None, dataset: str) -> tuple[str, float | None]:
    return (reference.model, reference.accuracies[dataset]) if reference else ("", None)


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
        if outcome.condition.perturbation is None and outcome.predictions is not None and outcome.predictions.labels[0] >= 0
    )


def _risks(predictions: Predictions, points: int) -> tuple[RiskAtCoverage, ...]:
    order = np.argsort(-predictions.confidence, kind="stable")
    _, group = np.unique(-predictions.confidence[order], return_inverse=True)
    wrong = (~predictions.correct[order]).astype(np.float64)
    wrong = (np.bincount(group, weights=wrong) / np.bincount(group))[group]  # the mean of each tie
    risk = wrong.cumsum() / np.arange(1, len(wrong) + 1)
    places = np.unique(np.linspace(1, len(wrong), min(points, len(wrong))).round().astype(np.int64)) - 1
    return tuple(RiskAtCoverage((place + 1) / len(wrong), float(risk[place])) for place in places.tolist())
