"""A stored run judged by another suite: new thresholds, metrics or recalibrations, without the model or the images.

Without torch too, unless something is to be fitted.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from robustsuite import assembling, planning, store, suite_files
from robustsuite.errors import UsageError
from robustsuite.predictions import Block, CalibrationLogits, Evidence, Outcome
from robustsuite.records import Condition, Conformed, Detection, Plan, Suite

if TYPE_CHECKING:
    from robustsuite.fitting import Fits


def rejudge(run: Path, suite: Suite, folder: Path, data: Mapping[str, str] | None = None) -> None:
    """Write a run of `suite` into `folder` from the records of an earlier `run`; `assembling.assemble` makes its report.

    What the earlier run did not keep is an ERROR of the checks that need it. Recalibrations, prediction sets and detectors that
    it did not fit are fitted now, where it kept every logit (`keep = "logits"`).

    Args:
        run: the folder of the earlier run.
        suite: what is demanded now.
        folder: where the new run is written; made where it does not exist.
        data: the earlier run's names of data sets by the suite's, where they differ and there are several.

    Raises:
        UsageError: no readable run, data that cannot be matched, or images that were prepared in another way.
    """
    for part, description in assembling.parts(run).items():
        was = suite_files.parse(description["suite"]["text"], Path(description["suite"]["path"]))
        if was.preprocessing != suite.preprocessing:
            raise UsageError(
                f"expected images prepared as suite {suite.name!r} says ({suite.preprocessing or 'as each model does'}), got a run whose "
                f"images were prepared otherwise ({was.preprocessing or 'as each model does'}); run the suite on the model"
            )
        names = _matched(suite, description["data"], data or {})
        before = assembling.plan_of(was, description["selected"])
        found = store.read(run, part, dict(enumerate(before.conditions)), description["data"])
        plan = planning.plan(suite, dict.fromkeys(before.checks, suite.checks))
        kept = {
            name: {**description["data"][theirs], "seed": description["provenance"]["seed"]}
            for name, theirs in names.items()
            if theirs in description["data"]
        }
        logits = {(one.model, one.dataset): one for one in found.calibration()}
        writer = store.Writer(folder, part, _description(suite, plan, description, names, run))
        numbers = {condition: number for number, condition in enumerate(plan.conditions)}
        fits: dict[tuple[str, str], Callable[[], Fits]] = {}
        for name in plan.calibrated:
            shown = [replace(logits[alias, names[name]], dataset=name) for alias in plan.checks if (alias, names[name]) in logits]
            fits |= {(one.model, name): cache(partial(_fits, plan, one, kept[name])) for one in shown}
            writer.add(Block(name, 0, calibration=tuple(shown)), numbers)
        for condition in plan.conditions:
            theirs = replace(condition, dataset=names[condition.dataset])
            source = condition.dataset if condition.dataset in plan.calibrated else next(iter(plan.calibrated), "")
            outcomes = tuple(
                _as_needed(found.outcome(alias, theirs, description["broken"]), condition, plan, fits.get((alias, source)), kept)
                for alias in plan.shown[condition]
            )
            pictures = tuple(replace(one, condition=condition) for one in found.pictures if one.condition == theirs)
            writer.add(Block(condition.dataset, 0, outcomes, pictures=pictures), numbers)


def aliases_in(run: Path) -> list[str]:
    """The models of a stored run. Raises `UsageError` for a folder that holds none."""
    return list(dict.fromkeys(alias for description in assembling.parts(run).values() for alias in description["selected"]))


def _matched(suite: Suite, data: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """The run's names of the suite's data sets."""
    for name, theirs in given.items():
        if name not in suite.data or theirs not in data:
            raise UsageError(
                f"expected --data NAME=DATA with NAME among {', '.join(suite.data)} and DATA among those of the run ({', '.join(data)}), "
                f"got {name}={theirs}"
            )
    names = {name: name for name in suite.data if name in data} | dict(given)
    left, free = [name for name in suite.data if name not in names], [name for name in data if name not in names.values()]
    if len(left) == 1 and len(free) == 1:
        names[left[0]] = free[0]
    elif left and not names:
        raise UsageError(
            f"expected data that the run knows ({', '.join(data)}), got a suite of {', '.join(left)}; "
            "say which is which with --data NAME=DATA"
        )
    return names | {name: name for name in left if name not in names}


def _description(suite: Suite, plan: Plan, was: Mapping[str, Any], names: Mapping[str, str], run: Path) -> dict[str, Any]:
    told = {
        name: fact
        for name, fact in was["provenance"].items()
        if name not in ("suite file", *(f"data {theirs}" for theirs in names.values()))
    }
    return {
        "suite": {"path": suite.path, "text": suite.text},
        "decision": asdict(suite.decision),
        "finished": was["finished"],
        "broken": was["broken"],
        "selected": {alias: [check.name for check in checks] for alias, checks in plan.checks.items()},
        "conditions": [str(condition) for condition in plan.conditions],
        "data": {name: was["data"][theirs] for name, theirs in names.items() if theirs in was["data"]},
        "notes": was["notes"],
        "provenance": {
            "judged from": f"the records of {run}, suite {Path(was['suite']['path']).stem}",
            **{f"data {name}": f"{was['provenance'].get(f'data {theirs}', theirs)}" for name, theirs in names.items()},
            **told,
        },
    }


def _fits(plan: Plan, calibration: CalibrationLogits, kept: Mapping[str, Any]) -> "Fits":
    from robustsuite.fitting import detectors_of_logits, fitted

    return fitted(plan, calibration, _draws(kept, calibration.rows), detectors_of_logits(plan, calibration))


def _draws(kept: Mapping[str, Any], rows: np.ndarray) -> np.ndarray:
    from robustsuite.fitting import draws_of
    from robustsuite.numerics.random import image_keys

    return draws_of(image_keys(kept["ids"])[rows], int(kept["seed"]))


def _as_needed(
    was: Outcome, condition: Condition, plan: Plan, fit: "Callable[[], Fits] | None", kept: Mapping[str, Mapping[str, Any]]
) -> Outcome:
    """The outcome with what can be made of its logits; an error where the run never showed the condition."""
    outcome = replace(was, condition=condition)
    if outcome.error or outcome.expected < 0:
        return replace(outcome, error=outcome.error or f"the earlier run did not show {condition}: run the suite on the model")
    if not outcome.complete:
        # The earlier run stopped showing it once its own checks were decided: what was seen is no random draw for other checks.
        outcome = replace(outcome, arrival=None)
    predictions = outcome.predictions
    if predictions is None:
        return outcome
    if fit is None or predictions.logits is None:
        return outcome
    fits, logits, labels = fit(), predictions.logits, predictions.labels.astype(np.int64)
    wanted = [one for one, conditions in plan.via.items() if condition in conditions]
    sets = [one for one in wanted if isinstance(one, Conformed) and f"size {one}" not in outcome.measured]
    measured = dict(outcome.measured) | fits.sets(sets, logits, labels, _draws(kept[condition.dataset], outcome.rows))
    for one in wanted:
        if isinstance(one, Detection) and one in fits.detectors and f"score {one}" not in measured:
            measured[f"score {one}"] = fits.detectors[one](Evidence(logits))
    whole, there = condition in plan.logits, outcome.recalibrated
    missing = {name: fit for name, fit in fits.recalibrations.items() if name not in there or (whole and there[name].logits is None)}
    recalibrated = replace(fits, recalibrations=missing).recalibrated(logits, labels, whole)
    return replace(outcome, measured=measured, recalibrated={**outcome.recalibrated, **recalibrated})
