"""What earlier runs have found out already, and a new one need not show again. No torch.

A condition is taken over where everything that its numbers depend on is the same: the model's weights, code and preprocessing, the images,
their labels and split, the condition with the version of what makes it, the seed, the precision, the kind of device and the software.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from robustsuite import assembling, store, suite_files
from robustsuite.errors import UsageError
from robustsuite.predictions import Block, CalibrationLogits, Outcome, Picture
from robustsuite.records import Condition, Conformed, Plan

Place = tuple[str, Condition]
"""A model, by alias, and a condition."""


@dataclass(frozen=True)
class Known:
    """An outcome that need not be computed, with the pictures that belong to it and the run that it is from."""

    outcome: Outcome
    pictures: tuple[Picture, ...]
    calibration: tuple[CalibrationLogits, ...]
    run: Path


def runs_in(folder: Path) -> list[Path]:
    """The run that the folder is, or the runs in it, the newest first. Raises `UsageError` where there is none."""
    found = [folder] if any(folder.glob("run-*.json")) else sorted({path.parent for path in folder.glob("*/run-*.json")})
    if not found:
        raise UsageError(f"expected a run, or a folder of runs, in {folder}, got none; give the folder that --reports was given")
    return sorted(found, key=lambda run: max(path.stat().st_mtime for path in run.glob("run-*.json")), reverse=True)


def key(description: Mapping[str, Any], alias: str, condition: Condition) -> tuple[str, ...] | None:
    """Everything that the numbers of a model under a condition depend on; `None` where that is not known."""
    facts, protocol = description["provenance"], description.get("protocol", {})
    model, code = str(facts.get(f"model {alias}", "")), description.get("code", {}).get(alias)
    perturbation = str(condition).partition("/")[2]
    needed = (
        protocol.get(f"data {condition.dataset}"),
        protocol.get(f"preprocessing of {alias}"),
        protocol.get(f"condition {condition}"),
        protocol.get("seed"),
        facts.get("software"),
        facts.get("mixed precision"),
        facts.get(f"normalisation of {alias}"),
    )
    if code is None or "sha256" not in model or None in needed:
        return None
    return model, code, perturbation, str(facts.get("device", "")).partition(",")[0], *map(str, needed)


def known(runs: Iterable[Path], description: Mapping[str, Any], plan: Plan, every_logit: bool) -> dict[Place, Known]:
    """The outcomes of a plan that some earlier run has whole, and with all that the plan's checks ask of it.

    Args:
        runs: folders of runs, the first one first.
        description: of the new run.
        plan: of the new run.
        every_logit: whether all logits are to be kept.
    """
    wanted = {(alias, one): key(description, alias, one) for one in plan.conditions for alias in plan.shown[one]}
    found: dict[Place, Known] = {}
    for run in runs:
        for part, told in assembling.parts(run).items():
            left = {value: place for place, value in wanted.items() if value is not None and place not in found}
            before = assembling.plan_of(suite_files.parse(told["suite"]["text"], Path(told["suite"]["path"])), told["selected"])
            if told.get("shard") not in (None, [1, 1]) or [str(one) for one in before.conditions] != told["conditions"]:
                continue
            there = {(alias, one): key(told, alias, one) for one in before.conditions for alias in before.shown[one]}
            matching = {place: left[value] for place, value in there.items() if value is not None and value in left}
            if not matching:
                continue
            kept = store.read(run, part, dict(enumerate(before.conditions)), told["data"])
            for (alias, condition), (own, now) in matching.items():
                outcome = kept.outcome(alias, condition)
                if outcome.complete and not outcome.error and _enough(outcome, now, plan, every_logit):
                    pictures = tuple(
                        replace(one, condition=now, model=own if one.model else "")
                        for one in kept.pictures
                        if one.condition == condition and one.model in ("", alias)
                    )
                    logits = tuple(replace(one, model=own) for one in kept.calibration() if one.model == alias)
                    found[own, now] = Known(replace(outcome, model=own, condition=now, arrival=None), pictures, logits, run)
    return found


def blocks_of(found: Mapping[Place, Known], plan: Plan) -> list[Block]:
    """What is known as a run writes it. Calibration logits are among it where no condition of the model is left to be shown."""
    blocks, pictured = [], set()
    whole = {alias for alias in plan.checks if all((alias, one) in found for one in plan.conditions if alias in plan.shown[one])}
    for alias in plan.checks:
        kept = next((one.calibration for place, one in found.items() if place[0] == alias), ())
        if alias in whole and kept:
            blocks.append(Block(kept[0].dataset, 0, calibration=tuple(one for one in kept if one.dataset in plan.calibrated)))
    for (_, condition), one in found.items():
        pictures = tuple(picture for picture in one.pictures if (picture.row, picture.condition, picture.model) not in pictured)
        pictured |= {(picture.row, picture.condition, picture.model) for picture in pictures}
        blocks.append(Block(condition.dataset, 0, (one.outcome,), pictures=pictures if condition in plan.pictured else ()))
    return blocks


def sentence(found: Mapping[Place, Known], plan: Plan) -> str:
    """What was taken over, and from where."""
    pairs = sum(len(plan.shown[condition]) for condition in plan.conditions)
    names = ", ".join(dict.fromkeys(one.run.name for one in found.values()))
    return f"{len(found):,} of {pairs:,} conditions were not shown again: their numbers are from {names}"


def _enough(outcome: Outcome, condition: Condition, plan: Plan, every_logit: bool) -> bool:
    """Whether an outcome holds all that the plan's checks ask of the condition."""
    asked: Sequence[Any] = [one for one, conditions in plan.via.items() if condition in conditions]
    if any((f"size {one}" if isinstance(one, Conformed) else f"score {one}") not in outcome.measured for one in asked):
        return False
    if outcome.predictions is None:
        return not plan.recalibrations
    logits = [outcome.predictions, *(outcome.recalibrated.get(name) for name in plan.recalibrations)]
    if any(one is None for one in logits):
        return False
    return not (every_logit or condition in plan.logits) or all(
        one.logits is not None for one in logits[: 1 if every_logit else None] if one
    )
