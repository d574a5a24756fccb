"""From outcomes to verdicts. Pure: no model, no images, no torch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from robustsuite.catalog import module
from robustsuite.measuring import (
    Outcomes,
    arguments,
    compares_models,
    higher_is_better,
    is_plain,
    measure,
    measured_as,
    metric_of,
    summarised,
    values,
    weights,
)
from robustsuite.numerics import paired
from robustsuite.numerics.intervals import bootstrap, clopper_pearson, studentised_bootstrap
from robustsuite.records import Check, Condition, Corrupted, Decision, Gate, Measurement, Status, Verdict
from robustsuite.stopping import Parts, settled

EXIT_FAILED, EXIT_ERROR, EXIT_INCONCLUSIVE = 1, 6, 7


def judge_all(
    checks: Sequence[Check], model: str, outcomes: Outcomes, decision: Decision, gates: int, baseline: Outcomes | None = None
) -> list[Verdict]:
    """The verdicts on a model's checks together: a fail is corrected for how many gates there are, a pass need not be.

    Holm (1979): as long as fails are found, those gates are taken out, and alpha is shared among the others. A suite passes where
    every gate does, so that a bad model would have to get through its own gate (Berger 1982, intersection-union).

    Args:
        checks: those that were selected.
        model: its alias.
        outcomes: of everything the checks need.
        decision: the target, and alpha.
        gates: how many gates the whole suite has, selected or not.
        baseline: outcomes of the model of an earlier run.
    """
    left, exact = gates, decision.target == "test-set" and decision.stop == "never"
    found: dict[str, Verdict] = {}
    while True:
        # A fail stays as it was found: among the most gates, as it was told while the run was going on.
        due = [check for check in checks if check.name not in found or found[check.name].status != "failed"]
        found |= {check.name: judge(check, model, outcomes, decision, max(left, 1), baseline) for check in due}
        failed = sum(verdict.status == "failed" and verdict.required for verdict in found.values())
        if exact or gates - failed >= left:
            return [found[check.name] for check in checks]
        left = gates - failed


def judge(
    check: Check, model: str, outcomes: Outcomes, decision: Decision, gates: int = 1, baseline: Outcomes | None = None, look: int = 0
) -> Verdict:
    """What becomes of a check once its conditions have been evaluated, or could not be.

    `gates` shares a fail's alpha; `look` counts the looks of a run that may stop early (see `stopping.settled`).
    """
    for condition in check.needed:
        if outcomes[condition].error:
            return _error(check, model, outcomes[condition].error)
    against = check.gate is not None and check.gate.bound == "no_worse"
    if against and baseline is None:
        return _error(check, model, "the check compares with an earlier run: say which one by --baseline RUN")
    if not all(outcomes[condition].complete for condition in check.needed):
        return _cut_short(check, model, outcomes, decision, gates, baseline, look)
    decision = _of_two(decision)
    others = baseline if compares_models(check) else None
    try:
        value = measure(check, outcomes, others)
        if against and baseline is not None:
            value -= measure(check, baseline)
        low = high = value
        fail_low, fail_high = low, high
        if decision.target == "population":
            # A fail has to be surer than a pass where there are many gates.

            def limits(alpha: float) -> tuple[float, float]:
                if check.gate is not None and check.gate.relative_to:
                    return _relative_limits(check, outcomes, alpha)
                if against and baseline is not None:
                    return _difference_limits(check, outcomes, baseline, alpha)
                return _limits(check, outcomes, alpha, others)

            low, high = limits(decision.alpha)
            fail_low, fail_high = (low, high) if gates == 1 else limits(decision.alpha / gates)
        notes = (
            _paired_note(check, outcomes, baseline, decision.alpha) if against and baseline is not None else _note(check, outcomes, others)
        )
    except LookupError as error:
        return _error(check, model, str(error.args[0]))
    samples = outcomes[check.conditions[0]].expected
    if not np.isfinite([value, low, high]).all():
        return _error(check, model, f"expected a finite {check.metric}, got {value}")
    measurement = Measurement(measured_as(check), value, low, high, samples)
    if check.gate is None:
        return _verdict(check, model, "passed", f"measured on {samples} images; no threshold is set{notes}", measurement)
    threshold, at_least = _threshold(check, outcomes), _at_least(check)
    if at_least:
        passed, failed = low >= threshold, fail_high < threshold
    else:
        passed, failed = high <= threshold, fail_low > threshold
    status: Status = "passed" if passed else "failed" if failed else "inconclusive"
    if failed:
        measurement = replace(measurement, low=fail_low, high=fail_high)
    reason = _reason(status, check, measurement, threshold, decision, gates) + notes
    if measured_as(check) != check.metric and any(_in_memory(condition) for condition in check.conditions):
        reason += "; images corrupted in memory, not comparable with values published for the stored benchmark"
    return _verdict(check, model, status, reason, measurement, threshold)


def early(
    check: Check,
    model: str,
    outcomes: Outcomes,
    decision: Decision,
    gates: int,
    baseline: Outcomes | None = None,
    look: int = 0,
    good_parts: Parts | None = None,
) -> Verdict | None:
    """The verdict of a run that may stop before its last image, where the images so far allow one; see `stopping.settled`."""
    gate = check.gate
    if decision.stop != "decided" or gate is None:
        return None
    if gate.bound == "no_worse" and baseline is None:
        return None
    if gate.relative_to and (decision.target == "population" or not outcomes[gate.relative_to].complete):
        return None
    decision = _of_two(decision)
    try:
        threshold, at_least = _threshold(check, outcomes), _at_least(check)
        against = baseline if gate.bound == "no_worse" else None
        found = settled(check, outcomes, decision, threshold, at_least, gates, against, look, good_parts)
        if found is None:
            return None
        # Conditions that show each image alone may lack some: the number is told of what was seen.
        value = measure(check, outcomes) - (_seen_by_both(check, outcomes, against) if against else 0)
    except LookupError:
        return None
    seen = f"{found.seen:,} of {found.pairs:,} {'images' if len(check.conditions) == 1 else 'images under conditions'}, in random order"
    what = "the whole test set's" if decision.target == "test-set" else "the population's"
    limit = f"at least {found.low:.4f}" if at_least == (found.status == "passed") else f"at most {found.high:.4f}"
    chance = decision.alpha if found.status == "passed" else decision.alpha / gates
    reason = (
        f"decided after {seen}: {what} value is {limit}, except with probability {chance:.2g}; {_asked(gate, at_least, threshold)} "
        "was asked for"
    )
    measurement = Measurement(measured_as(check), value, found.low, found.high, found.seen)
    return _verdict(check, model, found.status, reason, measurement, threshold)


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
        or not is_plain(check)
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
    highest, value, lowest = (summarised(check, dict(zip(check.conditions, each, strict=True))) for each in (best, sofar, worst))
    if lowest < gate.threshold <= highest:
        return None
    status, if_others, limit = ("passed", "wrong", lowest) if lowest >= gate.threshold else ("failed", "right", highest)
    seen, expected = len(parts[0].rows), parts[0].expected
    would = "would meet" if status == "passed" else "would miss"
    reason = f"certain after {seen} of {expected} images: even if all others were {if_others}, {limit:.4f} {would} the threshold"
    measurement = Measurement("accuracy", value, lowest, highest, seen)
    return _verdict(check, model, status, reason, measurement, gate.threshold)


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


def _of_two(decision: Decision) -> Decision:
    """A population is judged twice where a run may stop early, on the way and once more at the end: each has half of alpha."""
    twice = decision.stop == "decided" and decision.target == "population"
    return replace(decision, alpha=decision.alpha / 2) if twice else decision


def _cut_short(
    check: Check, model: str, outcomes: Outcomes, decision: Decision, gates: int, baseline: Outcomes | None, look: int
) -> Verdict:
    """Of a run that has not shown every image: decided by then, or an error."""
    condition = next(condition for condition in check.needed if not outcomes[condition].complete)
    outcome = outcomes[condition]
    if found := early(check, model, outcomes, decision, gates, baseline, look):
        return found
    verdict = certain(check, model, outcomes, decision)
    # A pass of a run that was not meant to stop there is not believed: an ERROR is never a PASS.
    if verdict is not None and (verdict.status == "failed" or decision.stop == "decided"):
        return verdict
    share = f"{len(outcome.rows)} of {outcome.expected} images" if outcome.expected > 0 else "no images"
    return _error(check, model, f"the run was cut short: {share} were judged under {condition}; run the suite again")


def _error(check: Check, model: str, why: str) -> Verdict:
    fixed = check.gate.threshold if check.gate and not check.gate.relative_to and check.gate.bound != "no_worse" else None
    return _verdict(check, model, "error", why, None, fixed)


def skipped(check: Check, model: str, why: str) -> Verdict:
    """The verdict on a check that could not be tried."""
    return replace(_error(check, model, why), status="skipped")


def of_shard(check: Check, model: str, outcomes: Outcomes, decision: Decision, shard: Sequence[int]) -> Verdict:
    """The verdict that one shard of a run allows: none before all are merged, but that the check cannot be evaluated."""
    if any(outcomes[condition].error for condition in check.needed):
        return judge(check, model, outcomes, decision)
    why = f"shard {shard[0]} of {shard[1]}: judged when all shards are merged, with robustsuite merge"
    return replace(skipped(check, model, why), required=False)


def _verdict(
    check: Check, model: str, status: Status, reason: str, measurement: Measurement | None, threshold: float | None = None
) -> Verdict:
    return Verdict(
        check.name, model, status, reason, measurement, str(check.gate or ""), threshold, measured_as(check), required=check.required
    )


def _in_memory(condition: Condition) -> bool:
    """Whether the images lack the compression with which the benchmark's files were distributed."""
    return isinstance(condition.perturbation, Corrupted) and not condition.perturbation.as_published


def _at_least(check: Check) -> bool:
    """Whether the number must be large."""
    assert check.gate is not None
    return higher_is_better(check) if check.gate.bound == "no_worse" else check.gate.bound == "at_least"


def _threshold(check: Check, outcomes: Outcomes) -> float:
    gate = check.gate
    assert gate is not None
    if gate.bound == "no_worse":
        return -gate.threshold if higher_is_better(check) else gate.threshold
    if gate.relative_to is None:
        return gate.threshold
    alone = replace(check, conditions=(gate.relative_to,), summary="mean")
    return measure(alone, outcomes) + gate.threshold


def _limits(check: Check, outcomes: Outcomes, alpha: float, others: Outcomes | None = None) -> tuple[float, float]:
    """Limits for the population the images came from, each wrong with probability at most (or, bootstrapped, about) alpha."""
    if hasattr(metric_of(check), "interval"):
        limits = values(check, outcomes, "interval", others, alpha=alpha / len(arguments(check, outcomes, others)))
        return _summarised_limits(check, limits)
    if check.by:  # groups are of different images
        columns = values(check, outcomes, "per_image")
        return _summarised_limits(check, {part: _mean_limits(check, column, alpha / len(columns)) for part, column in columns.items()})
    if measured_as(check) == check.metric and len(check.conditions) == 1:
        (right,) = values(check, outcomes, "per_image").values()
        return _mean_limits(check, right, alpha)
    # Images are resampled, each with all of its conditions: the conditions show the same images, and are not independent.
    columns = values(check, outcomes, "per_image")
    stacked, linear = np.stack(list(columns.values()), axis=1), weights(check, list(columns))
    if linear is not None:
        return studentised_bootstrap(stacked @ linear[0] + linear[1], alpha, seed=0)
    return bootstrap(stacked, lambda means: summarised(check, dict(zip(columns, means.tolist(), strict=True))), alpha, seed=0)


def _relative_limits(check: Check, outcomes: Outcomes, alpha: float) -> tuple[float, float]:
    """As `_limits`, but wide enough that what is said of the distance to the condition that the gate refers to holds too.

    Paired, image by image, where both show the same images.
    """
    assert check.gate is not None and check.gate.relative_to is not None
    reference = check.gate.relative_to
    alone = replace(check, conditions=(reference,), summary="mean", gate=None)
    other, shown = measure(alone, outcomes), outcomes[reference]
    if not check.by and all(one.dataset == reference.dataset and len(outcomes[one].rows) == len(shown.rows) for one in check.conditions):
        low, high = _difference_limits(check, outcomes, dict.fromkeys(check.conditions, shown), alpha)
        return low + other, high + other
    (low, high), (least, most) = _limits(check, outcomes, alpha / 2), _limits(alone, outcomes, alpha / 2)
    return low - (most - other), high + (other - least)


def _mean_limits(check: Check, column: np.ndarray, alpha: float) -> tuple[float, float]:
    """Of the metric's numbers of single images: exact where they are always zeros and ones."""
    if getattr(metric_of(check), "COINS", False):
        return clopper_pearson(int(column.sum()), len(column), alpha)
    return studentised_bootstrap(column, alpha, seed=0)


def _summarised_limits(check: Check, limits: Mapping[Condition, tuple[float, float]]) -> tuple[float, float]:
    """From limits on each value, all right at once: summaries rise with each value, but for those that say otherwise (`limits`)."""
    if own := getattr(module("summaries", check.summary), "limits", None):
        return own(limits)
    low, high = (summarised(check, {condition: pair[side] for condition, pair in limits.items()}) for side in (0, 1))
    return low, high


def _difference_limits(check: Check, outcomes: Outcomes, baseline: Outcomes, alpha: float) -> tuple[float, float]:
    """Limits on this model's number less the baseline's, for the population; paired, image by image, where the metric allows it."""
    metric, linear = metric_of(check), weights(check, check.conditions)
    if hasattr(metric, "interval") or check.by:
        (low, high), (least, most) = (_limits(check, each, alpha / 2) for each in (outcomes, baseline))
        return low - most, high - least
    new, old = (np.stack(list(values(check, each, "per_image").values()), axis=1) for each in (outcomes, baseline))
    bounds = getattr(metric, "RANGE", (0.0, float("inf")))
    if linear is not None and np.isfinite(bounds).all():
        scale = float(np.abs(linear[0]).sum() * (bounds[1] - bounds[0]))
        low, high = paired.limits((new - old) @ linear[0] / scale, alpha)
        return scale * low, scale * high
    if linear is not None:
        return studentised_bootstrap((new - old) @ linear[0], alpha, seed=0)
    columns = list(values(check, outcomes, "per_image"))

    def difference(means: np.ndarray) -> float:
        ours, theirs = (summarised(check, dict(zip(columns, half.tolist(), strict=True))) for half in np.split(means, 2))
        return ours - theirs

    return bootstrap(np.concatenate([new, old], axis=1), difference, alpha, seed=0)


def _seen_by_both(check: Check, outcomes: Outcomes, baseline: Outcomes) -> float:
    """The baseline's number on the images that this model has been shown."""
    found = {}
    for condition in check.conditions:
        theirs, rows = baseline[condition], outcomes[condition].rows
        place = np.searchsorted(theirs.rows, rows)
        found[condition] = theirs.take(place)
    return measure(check, found)


def _paired_note(check: Check, outcomes: Outcomes, baseline: Outcomes, alpha: float) -> str:
    """For one accuracy: how many images changed sides, the exact p-value, and what could have been found at all."""
    if check.metric != "accuracy" or len(check.conditions) > 1 or check.by:
        return ""
    (new,), (old,) = (list(values(check, each, "per_image").values()) for each in (outcomes, baseline))
    worse, better = int((old > new).sum()), int((new > old).sum())
    drop = paired.detectable(len(new), (worse + better) / len(new), alpha)
    found = f"a drop of {drop:.4f} would be found four times in five" if np.isfinite(drop) else "too few to find any drop"
    return f"; {worse} images got worse and {better} better (exact McNemar p = {paired.mcnemar(worse, better):.2g}; {found})"


def _note(check: Check, outcomes: Outcomes, others: Outcomes | None) -> str:
    """What the metric says of the one value that the check is about."""
    if not hasattr(metric_of(check), "note") or len(arguments(check, outcomes, others)) > 1:
        return ""
    (note,) = values(check, outcomes, "note", others).values()
    return f"; {note}"


def _asked(gate: Gate, at_least: bool, threshold: float) -> str:
    if gate.bound == "no_worse":
        return f"no more than {gate.threshold:.4f} worse than the baseline"
    asked = f"{'at least' if at_least else 'at most'} {threshold:.4f}"
    return asked + (f" ({gate.relative_to} {gate.threshold:+g})" if gate.relative_to else "")


def _reason(status: str, check: Check, measurement: Measurement, threshold: float, decision: Decision, gates: int) -> str:
    assert check.gate is not None
    value, images = f"{measurement.value:.4f}", measurement.samples
    asked = _asked(check.gate, _at_least(check), threshold)
    if decision.target == "test-set":
        return f"{value} on exactly these {images} images, {asked} was asked for"
    chance = decision.alpha / gates if status == "failed" else decision.alpha
    limits = f"between {measurement.low:.4f} and {measurement.high:.4f}, each limit wrong with probability at most {chance:.2g}"
    if status == "inconclusive":
        return f"the population's value lies {limits}: {images} images cannot tell whether it is {asked}"
    return f"the population's value lies {limits}, {asked} was asked for ({images} images)"


def gates_of(checks: Iterable[Check]) -> int:
    """How many of a suite's checks have a gate and are required: what a fail is corrected for."""
    return sum(check.gate is not None and check.required for check in checks)
