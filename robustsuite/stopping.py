"""When the images seen so far decide a gate: sequential tests, valid however often one looks, for images in random order.

The evidence is an e-value against the other verdict. A gate is passed once the evidence against "it should fail" reaches 1 / alpha, and
failed once that against "it should pass" reaches gates / alpha, so that all gates of a suite together seldom fail by chance alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isfinite, log, pi

import numpy as np

from robustsuite.measuring import Outcomes, metric_of, summarised, values, weights
from robustsuite.numerics import betting, without_replacement
from robustsuite.records import Check, Condition, Decision, Status


@dataclass(frozen=True)
class Settled:
    """A verdict before the last image: limits on the number, and how many of how many (image, condition) pairs it took."""

    status: Status
    low: float
    high: float
    seen: int
    pairs: int


@dataclass(frozen=True)
class _Draws:
    """Numbers in [0, 1], float64 `[seen]`, drawn in random order; their mean over all `total` is the check's, but for scale and offset."""

    numbers: np.ndarray
    total: int
    offset: float
    scale: float
    coins: bool

    def evidence(self, limit: float, decision: Decision) -> tuple[float, float]:
        """Logs of e-values against a mean below `limit`, and against one above; each holds at the limit itself for the second."""
        limit, total = (limit - self.offset) / self.scale, self.total if decision.target == "test-set" else None
        if self.coins and total is not None:
            successes, seen, least = round(float(self.numbers.sum())), len(self.numbers), ceil(limit * total - 1e-9)
            more = without_replacement.log_evidence(successes, seen, total, least - 1)
            return more, without_replacement.log_evidence(seen - successes, seen, total, total - least)
        if not 0 < limit < 1:
            return (np.inf, -np.inf) if limit <= 0 else (-np.inf, np.inf)
        found = (betting.log_evidence_of_more, betting.log_evidence_of_less)
        more, less = (float(evidence(self.numbers, limit, total)[-1]) for evidence in found)
        return more, less

    def limits(self, alpha: float, decision: Decision) -> tuple[float, float]:
        """On the check's number, each wrong with probability at most `alpha`."""
        total = self.total if decision.target == "test-set" else None
        if self.coins and total is not None:
            counts = without_replacement.limits(round(float(self.numbers.sum())), len(self.numbers), total, alpha)
            low, high = (count / total for count in counts)
        else:
            low, high = betting.limits(self.numbers, alpha, total)
        return self.offset + self.scale * low, self.offset + self.scale * high


def settled(
    check: Check,
    outcomes: Outcomes,
    decision: Decision,
    threshold: float,
    at_least: bool,
    gates: int = 1,
    baseline: Outcomes | None = None,
    look: int = 0,
) -> Settled | None:
    """The verdict that the images seen so far allow, or None.

    Args:
        check: on accuracies and other means over images of bounded numbers; on other metrics, where `look` is given.
        outcomes: of the check's conditions, with `arrival`.
        decision: the target and alpha.
        threshold: that the number is held against.
        at_least: whether the number has to be at least, or at most, that.
        gates: how many gates a fail's alpha is shared among.
        baseline: outcomes of another model on the same images, all of them, whose number is subtracted.
        look: the number of this look, from 1, for metrics whose limits hold for one look: alpha is shared among all looks to come.
    """
    alpha = decision.alpha
    draws = _draws(check, outcomes, baseline)
    if draws is not None and len(draws.numbers):
        more, less = draws.evidence(threshold, decision)
        good, bad = (more, less) if at_least else (less, more)
        status: Status | None = "passed" if good >= log(1 / alpha) else "failed" if bad >= log(gates / alpha) else None
        if status is None:
            return None
        low, high = draws.limits(alpha if status == "passed" else alpha / gates, decision)
        return Settled(status, low, high, len(draws.numbers), draws.total)
    if baseline is not None:
        return None
    for divisor, wanted in ((1, "passed"), (gates, "failed")):
        pair = _summarised_limits(check, outcomes, decision, alpha / divisor, look)
        if pair is None:
            return None
        low, high = pair
        good, bad = (low >= threshold, high < threshold) if at_least else (high <= threshold, low > threshold)
        if (good and wanted == "passed") or (bad and wanted == "failed"):
            seen = sum(len(outcomes[condition].rows) for condition in check.conditions)
            return Settled("passed" if good else "failed", low, high, seen, sum(outcomes[one].expected for one in check.conditions))
    return None


def _draws(check: Check, outcomes: Outcomes, baseline: Outcomes | None) -> _Draws | None:
    """The check's number as a mean over images, or over (image, condition) pairs; None where it is no such mean."""
    module, linear = metric_of(check), weights(check, check.conditions)
    bounds = getattr(module, "RANGE", (0.0, float("inf")))
    if linear is None or check.via or not hasattr(module, "per_image") or not all(map(isfinite, bounds)):
        return None
    share, constant = linear
    parts = [outcomes[condition] for condition in check.conditions]
    if any(part.error or part.arrival is None or not len(part.rows) for part in parts):
        return None
    numbers = list(values(check, outcomes, "per_image").values())
    ends = np.outer(share, bounds)
    if baseline is not None:
        constant = 0.0
        theirs = values(check, baseline, "per_image").values()
        places = [np.searchsorted(baseline[one].rows, part.rows) for one, part in zip(check.conditions, parts, strict=True)]
        numbers = [new - old[place] for new, old, place in zip(numbers, theirs, places, strict=True)]
        ends = np.outer(np.abs(share), (bounds[0] - bounds[1], bounds[1] - bounds[0]))
    images, conditions = parts[0].expected, len(parts)
    together = all(np.array_equal(part.rows, parts[0].rows) for part in parts[1:])
    if together:
        lowest, highest = ends.min(axis=1).sum() + constant, ends.max(axis=1).sum() + constant
        drawn, order, total = share @ np.stack(numbers) + constant, parts[0].arrival, images
    else:  # every pair alone, in random order
        lowest, highest = conditions * ends.min() + constant, conditions * ends.max() + constant
        drawn = np.concatenate([conditions * own * part for own, part in zip(share, numbers, strict=True)]) + constant
        order, total = np.concatenate([part.arrival for part in parts if part.arrival is not None]), images * conditions
    assert order is not None
    scale = float(highest - lowest)
    coins = baseline is None and check.metric == "accuracy" and len(np.unique(share)) == 1 and (conditions == 1 or not together)
    return _Draws(np.clip((drawn[np.argsort(order)] - lowest) / scale, 0, 1), total, float(lowest), scale, coins)


def _summarised_limits(check: Check, outcomes: Outcomes, decision: Decision, alpha: float, look: int) -> tuple[float, float] | None:
    """Limits on each condition's value, all right at once, summarised: the more each value, the more (or the less) every summary."""
    limits: Mapping[Condition, tuple[float, float]]
    conditions: Sequence[Condition] = check.conditions
    parts = [outcomes[condition] for condition in conditions]
    if check.via or any(part.error or part.predictions is None or part.arrival is None or not len(part.rows) for part in parts):
        return None
    if check.metric == "accuracy" and decision.target == "test-set" and not check.recalibration:
        counts = {one: (int(part.predictions.correct.sum()), part) for one, part in zip(conditions, parts, strict=True) if part.predictions}
        found = {
            one: without_replacement.limits(right, len(part.rows), part.expected, alpha / len(conditions))
            for one, (right, part) in counts.items()
        }
        limits = {one: (low / outcomes[one].expected, high / outcomes[one].expected) for one, (low, high) in found.items()}
    elif hasattr(metric_of(check), "interval") and decision.target == "population" and look:
        limits = values(check, outcomes, "interval", alpha=alpha / len(conditions) * 6 / (pi * look) ** 2)
    else:
        return None
    ends = [summarised(check, {condition: pair[side] for condition, pair in limits.items()}) for side in (0, 1)]
    return min(ends), max(ends)
