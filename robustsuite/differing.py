"""What one model does otherwise than another on the same images: differences of checks, and the images that flipped. Pure: no torch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from robustsuite import judging
from robustsuite.measuring import Outcomes, compares_models, measure, measured_as, metric_of, values, weights
from robustsuite.numerics import discordant
from robustsuite.predictions import Outcome, Predictions
from robustsuite.records import Check, Condition, Decision, Diagnosed, Difference, Flip, Frame, Gate

FLIPPED = 200
"""Images whose flips are told, of each pair of models."""


def differences(
    checks: Sequence[Check], model: str, outcomes: Outcomes, baseline: str, others: Outcomes, alpha: float
) -> tuple[Difference, ...]:
    """Every check's number on a model less that on another one, with limits for the population that the images came from.

    Args:
        checks: with or without a gate; what a gate demands plays no part.
        model: what the first model is called.
        outcomes: of the first model.
        baseline: what the other is called.
        others: its outcomes on the same images.
        alpha: each limit is wrong with probability at most (where bootstrapped: about) this.
    """
    return tuple(_difference(check, model, outcomes, baseline, others, alpha) for check in checks)


def _difference(check: Check, model: str, outcomes: Outcomes, baseline: str, others: Outcomes, alpha: float) -> Difference:
    """Of one check; with the reason where there is no number, or no limit."""
    found = Difference(check.name, measured_as(check), model, baseline)
    stopped = ""
    if reason := _apart(check, model, outcomes, baseline, others):
        part = _shown_to_both(check, outcomes, others)
        if part is None:
            return replace(found, reason=reason)
        shown, of = len(part[0][check.conditions[0]].rows), outcomes[check.conditions[0]].expected
        stopped = f"of the first {shown:,} of {of:,} images, in random order: one of the runs stopped there"
        outcomes, others = part
    found = replace(found, images=len(outcomes[check.conditions[0]].rows))
    try:
        if compares_models(check):
            why = f"{check.metric} is a number of two models already, so that there is none to subtract"
            return replace(found, value=measure(check, outcomes, others), reason=why)
        value, before = measure(check, outcomes), measure(check, others)
        if not np.isfinite([value, before]).all():
            return replace(found, reason=f"expected a finite {check.metric}, got {value} and {before}")
        gained, lost = _changed_sides(check, outcomes, others)
        found = replace(found, value=value, baseline_value=before, difference=value - before, gained=gained, lost=lost)
        return _with_limits(replace(found, reason=stopped), check, outcomes, others, alpha)
    except LookupError as error:
        return replace(found, reason=str(error.args[0]))


def _apart(check: Check, model: str, outcomes: Outcomes, baseline: str, others: Outcomes) -> str:
    """Why the check cannot be compared image by image; empty where it can."""
    for condition in check.conditions:
        for name, each in ((model, outcomes), (baseline, others)):
            if reason := _not_whole(each.get(condition), condition, name):
                return reason
        if not np.array_equal(outcomes[condition].rows, others[condition].rows):
            return f"{model} and {baseline} were not shown the same images under {condition}"
    return ""


def _not_whole(outcome: Outcome | None, condition: Condition, name: str) -> str:
    if outcome is None or outcome.expected < 0:
        return f"{name} was not shown {condition}"
    if outcome.error:
        return f"{condition} could not be evaluated on {name}: {outcome.error}"
    if not outcome.complete:
        seen = f"{len(outcome.rows):,} of {outcome.expected:,} images"
        return f"{name} was shown {seen} under {condition}: only what both were shown as a whole is compared"
    return ""


def _shown_to_both(check: Check, outcomes: Outcomes, others: Outcomes) -> tuple[Outcomes, Outcomes] | None:
    """Both as if they had no other images than those that both were shown, where these are the first ones of a random order."""
    parts: tuple[dict[Condition, Outcome], dict[Condition, Outcome]] = {}, {}
    for condition in check.conditions:
        both = [found for each in (outcomes, others) if (found := each.get(condition)) and not found.error]
        if len(both) < 2 or any(one.arrival is None and not one.complete for one in both):
            return None
        rows = np.intersect1d(both[0].rows, both[1].rows)
        if not len(rows) or len(rows) < min(len(one.rows) for one in both):
            return None
        for part, one in zip(parts, both, strict=True):
            part[condition] = replace(one.take(np.isin(one.rows, rows)), expected=len(rows))
        if not np.array_equal(rows, parts[0][check.conditions[0]].rows):
            return None
    return parts


def _changed_sides(check: Check, outcomes: Outcomes, others: Outcomes) -> tuple[int, int] | tuple[None, None]:
    """How many images became right and wrong, under each condition once; `None` where images are not right or wrong."""
    if not getattr(metric_of(check), "COINS", False):
        return None, None
    new, old = (np.concatenate(list(values(check, each, "per_image").values())) for each in (outcomes, others))
    return int((new > old).sum()), int((new < old).sum())


def _with_limits(found: Difference, check: Check, outcomes: Outcomes, others: Outcomes, alpha: float) -> Difference:
    """The difference with limits, paired image by image; or the reason why there are none. A reason so far means fewer images than all."""
    stopped, bounded = found.reason and f"; {found.reason}", np.isfinite(getattr(metric_of(check), "RANGE", (0.0, np.inf))).all()
    if not hasattr(metric_of(check), "per_image"):
        return replace(found, reason=f"no limits: {check.metric} has no number of every single image that could be paired{stopped}")
    if stopped and (not bounded or check.by or weights(check, check.conditions) is None):
        return replace(found, reason=f"no limits that would hold for a run that stops when it is decided{stopped}")
    if found.gained is not None and found.lost is not None and _is_of_one(check) and not stopped:
        low, high = discordant.difference_limits(found.gained, found.lost, found.images, alpha)
        return replace(found, low=low, high=high)
    # As judged where no_worse_than_baseline is asked for; the margin moves no limit. Means of bounded numbers hold whenever one looks.
    paired = replace(check, gate=Gate("no_worse", 0.0))
    verdict = judging.judge(paired, found.model, outcomes, Decision("population", alpha), baseline=others)
    if verdict.measurement is None:
        return replace(found, reason=verdict.reason)
    return replace(found, low=verdict.measurement.low, high=verdict.measurement.high)


def _is_of_one(check: Check) -> bool:
    """Whether the number is the metric of one condition's images."""
    return len(check.conditions) == 1 and not check.by and measured_as(check) == check.metric


# -------------------------------------------------------------------------------------------- images that flipped


def by_condition(model: str, outcomes: Outcomes, baseline: str, others: Outcomes) -> tuple[Difference, ...]:
    """The accuracies under every condition that both models were shown as a whole, without limits; `check` is the condition's name."""
    found = []
    for condition, (new, old) in _comparable(outcomes, others).items():
        right, was = new.correct, old.correct
        value, before = float(right.mean()), float(was.mean())
        found.append(
            Difference(
                str(condition),
                "accuracy",
                model,
                baseline,
                value,
                before,
                value - before,
                images=len(new),
                gained=int((right & ~was).sum()),
                lost=int((was & ~right).sum()),
            )
        )
    return tuple(found)


def flips(
    model: str, outcomes: Outcomes, baseline: str, others: Outcomes, data: Mapping[str, Mapping[str, Any]], most: int = FLIPPED
) -> tuple[Flip, ...]:
    """The flips of up to `most` images: those that flipped under most conditions first, and of these those that were lost most often.

    Args:
        model: what the first model is called.
        outcomes: of the first model.
        baseline: what the other is called.
        others: its outcomes on the same images.
        data: the `ids` and `classes` of each data set.
        most: images.
    """
    pairs = _comparable(outcomes, others)
    chosen = _most_flipped(pairs, {condition: outcomes[condition].rows for condition in pairs}, most)
    place = {image: number for number, image in enumerate(chosen)}
    found = []
    for condition, (new, old) in pairs.items():
        rows = outcomes[condition].rows
        for row in np.flatnonzero(new.correct != old.correct).tolist():
            if (number := place.get((condition.dataset, int(rows[row])))) is not None:
                image = data[condition.dataset]["ids"][int(rows[row])]
                names = _class_names(new, old, row, data[condition.dataset]["classes"])
                found.append((number, Flip(model, baseline, condition, image, *names)))
    return tuple(flip for _, flip in sorted(found, key=lambda pair: pair[0]))


def _comparable(outcomes: Outcomes, others: Outcomes) -> dict[Condition, tuple[Predictions, Predictions]]:
    """What both models said of the images under every condition that both were shown as a whole, where images are right or wrong."""
    return dict(_pairs(outcomes, others))


def _pairs(outcomes: Outcomes, others: Outcomes) -> Iterator[tuple[Condition, tuple[Predictions, Predictions]]]:
    for condition, outcome in outcomes.items():
        other = others.get(condition)
        if isinstance(condition.perturbation, Frame | Diagnosed) or other is None or not (outcome.complete and other.complete):
            continue
        new, old = outcome.predictions, other.predictions
        if new is None or old is None or not len(new) or new.labels[0] < 0 or not np.array_equal(outcome.rows, other.rows):
            continue
        yield condition, (new, old)


def _most_flipped(
    pairs: Mapping[Condition, tuple[Predictions, Predictions]], rows: Mapping[Condition, np.ndarray], most: int
) -> list[tuple[str, int]]:
    """The images, by data set and row, that flipped under most conditions."""
    found: list[tuple[int, int, str, int]] = []
    for dataset in dict.fromkeys(condition.dataset for condition in pairs):
        own = {condition: pair for condition, pair in pairs.items() if condition.dataset == dataset}
        flipped = [rows[condition][new.correct != old.correct] for condition, (new, old) in own.items()]
        lost = [rows[condition][old.correct & ~new.correct] for condition, (new, old) in own.items()]
        images, times = np.unique(np.concatenate(flipped), return_counts=True)
        losses = np.bincount(np.searchsorted(images, np.concatenate(lost)), minlength=len(images))
        order = np.lexsort((images, -losses, -times))[:most]
        found += [(-int(times[place]), -int(losses[place]), dataset, int(images[place])) for place in order]
    return [(dataset, row) for _, _, dataset, row in sorted(found)[:most]]


def _class_names(new: Predictions, old: Predictions, row: int, classes: Sequence[str]) -> tuple[str, str, str]:
    """Label, prediction and the other's prediction; where several labels may be right, that of the model that is right."""
    right = new if new.correct[row] else old
    numbers = (int(right.labels[row]), int(new.prediction[row]), int(old.prediction[row]))
    label, prediction, other = (classes[number] if number < len(classes) else str(number) for number in numbers)
    return label, prediction, other
