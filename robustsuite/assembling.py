"""From a run's folder to its report, without the model, the images or torch. Every report is made this way, the first one too."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from robustsuite import differing, judging, label_quality, measuring, planning, store, suite_files, tabulating
from robustsuite.doubting import doubts
from robustsuite.errors import UsageError
from robustsuite.label_quality import Estimate
from robustsuite.measuring import Outcomes
from robustsuite.predictions import CalibrationLogits, Outcome
from robustsuite.records import (
    Check,
    Condition,
    ConditionResult,
    Decision,
    Difference,
    Example,
    Flip,
    Measurement,
    Plan,
    Report,
    Suite,
    Verdict,
)

THUMBNAIL = 112  # pixels of the longer side; smaller images are kept as they are
HEAT = 28  # the same of what a model looked at, which is as coarse as its feature map anyway


def plan_of(suite: Suite, selected: Mapping[str, Sequence[str]]) -> Plan:
    """The plan for the named checks of each model."""
    return planning.plan(suite, {alias: [check for check in suite.checks if check.name in names] for alias, names in selected.items()})


def assemble(folder: Path) -> Report:
    """The report of a run. Raises `UsageError` for a folder that holds none, or one that this version cannot read."""
    verdicts: list[Verdict] = []
    outcomes: list[Outcome] = []
    logits: list[CalibrationLogits] = []
    examples: list[Example] = []
    notes: list[str] = []
    estimates: list[Estimate] = []
    without: list[Verdict] = []
    differences: list[Difference] = []
    earlier: list[ConditionResult] = []
    flips: list[Flip] = []
    suite, facts, data = None, {}, {}
    for part, description in parts(folder).items():
        suite = suite_files.parse(description["suite"]["text"], Path(description["suite"]["path"]))
        suite = _as_run(suite, description)
        plan = plan_of(suite, description["selected"])
        if [str(condition) for condition in plan.conditions] != description["conditions"]:
            raise UsageError(f"{folder} was written by a robustsuite whose catalog gave the suite other conditions; run the suite again")
        found = store.read(folder, part, dict(enumerate(plan.conditions)), description["data"])
        own = {
            alias: {condition: found.outcome(alias, condition, description["broken"]) for condition in plan.conditions}
            for alias in plan.checks
        }
        before, gates = baseline(folder), judging.gates_of(suite.checks)
        early = {(made["model"], made["check"]): _verdict(made) for made in description.get("decided", ())}
        for alias, checks in plan.checks.items():
            later = [check for check in checks if (alias, check.name) not in early]
            shard = description.get("shard", (1, 1))
            if shard[1] > 1:
                verdicts += [
                    early.get((alias, one.name)) or judging.of_shard(one, alias, own[alias], suite.decision, shard) for one in checks
                ]
                continue
            made = judging.judge_all(later, alias, own[alias], suite.decision, gates, before.get(alias))
            suspected, said = label_quality.estimates(_clean(suite, plan, alias, own[alias]), description["data"])
            without += _judged_without(suspected, later, own[alias], suite, before.get(alias))
            estimates, notes = [*estimates, *suspected], [*notes, *said]
            found_later = {verdict.check: verdict for verdict in made}
            verdicts += [early.get((alias, check.name)) or found_later[check.name] for check in checks]
        verdicts += [_verdict(made) for made in description.get("skipped", ())]
        changes, numbers, flipped = _since_baseline(folder, suite, plan, own, before, description)
        differences, earlier, flips = [*differences, *changes], [*earlier, *numbers], [*flips, *flipped]
        outcomes += [own[alias][condition] for alias in plan.checks for condition in plan.conditions if alias in plan.shown[condition]]
        logits += found.calibration()
        examples += _examples(found, plan, own, description["data"])
        notes += description["notes"]
        facts, data = facts | description["provenance"], data | description["data"]
    assert suite is not None
    metrics = tabulating.reported(suite.checks)
    results = tabulating.results(outcomes, metrics)
    return Report(
        suite=suite.name,
        title=suite.title,
        models=tuple(dict.fromkeys(verdict.model for verdict in verdicts)),
        verdicts=tuple(verdicts),
        results=results,
        calibrations=tabulating.calibrations(outcomes, logits, metrics),
        selections=tabulating.selections(outcomes),
        groups=tabulating.groups(outcomes, metrics),
        suspects=label_quality.told(estimates, data),
        suspect_counts=label_quality.counts(estimates),
        verdicts_without_suspects=tuple(without),
        placements=tabulating.placements(results, tabulating.comparable(suite.data, data, facts)),
        classes=tabulating.classes(outcomes, data),
        confusions=tabulating.confusions(outcomes, data),
        differences=tuple(differences),
        baseline_results=tuple(earlier),
        flips=tuple(flips),
        examples=tuple(examples),
        provenance=facts | _left_out(suite, verdicts),
        notes=tuple(dict.fromkeys([*doubts(outcomes), *notes])),
        decision=suite.decision,
        description=suite.description,
        higher_is_better=measuring.directions(),
    )


def _left_out(suite: Suite, verdicts: Sequence[Verdict]) -> dict[str, list[str]]:
    """Which checks of the suite were selected for no model, and which for some only, as a fact of the report's provenance."""
    judged = {(verdict.check, verdict.model) for verdict in verdicts}
    aliases = dict.fromkeys(verdict.model for verdict in verdicts)
    left = []
    for check in suite.checks:
        without = [alias for alias in aliases if (check.name, alias) not in judged]
        left += [check.name] if len(without) == len(aliases) else [f"{check.name} on {alias}" for alias in without]
    return {"not selected": left} if left else {}


def _clean(suite: Suite, plan: Plan, alias: str, own: Mapping[Condition, Outcome]) -> list[Outcome]:
    """What a model said of the clean images whose labels the suite asks to be examined."""
    asked = [Condition(name) for name, demand in suite.data.items() if demand.label_errors]
    return [own[condition] for condition in asked if alias in plan.shown.get(condition, ())]


def _judged_without(
    suspected: Sequence[Estimate], checks: Sequence[Check], own: Mapping[Condition, Outcome], suite: Suite, before: Outcomes | None
) -> list[Verdict]:
    """The verdicts on the checks that lose images with the suspect ones. None stops early: all images of their conditions were judged."""
    found = [one for one in suspected if len(one.places)]
    if not found:
        return []
    names, alias = {one.clean.condition.dataset for one in found}, found[0].clean.model
    whole = [check for check in checks if all(own[condition].complete for condition in check.needed)]
    left = label_quality.without(own, found)
    theirs = None if before is None else label_quality.without(before, found)
    made = judging.judge_all(whole, alias, left, suite.decision, judging.gates_of(suite.checks), theirs)
    pairs = zip(whole, made, strict=True)
    return [verdict for check, verdict in pairs if any(condition.dataset in names for condition in check.needed)]


BASELINE = "baseline"
"""The folder of a run that holds the records of the earlier one it was compared with."""


EARLIER = "the baseline"
"""What the earlier run is called where numbers are told beside its own."""

FLIPS = 200
"""Flips that a report tells of each model."""


def _since_baseline(
    folder: Path,
    suite: Suite,
    plan: Plan,
    own: Mapping[str, Mapping[Condition, Outcome]],
    before: Mapping[str, Outcomes],
    description: Mapping[str, Any],
) -> tuple[list[Difference], list[ConditionResult], list[Flip]]:
    """What became of every check and image since the baseline, of the models that both runs know; and the baseline's own accuracies."""
    differences: list[Difference] = []
    earlier: list[ConditionResult] = []
    flips: list[Flip] = []
    mine, theirs = description.get("protocol", {}), protocol_of(parts(folder / BASELINE)) if before else {}
    for alias, checks in plan.checks.items():
        others = {
            condition: outcome
            for condition, outcome in before.get(alias, {}).items()
            if all(mine.get(fact) == theirs.get(fact) for fact in (f"condition {condition}", f"data {condition.dataset}"))
        }
        if others:
            differences += differing.differences(checks, alias, own[alias], EARLIER, others, suite.decision.alpha)
            named = {str(condition): condition for condition in others}
            earlier += [
                ConditionResult(alias, named[one.check], one.images, {one.metric: one.baseline_value})
                for one in differing.by_condition(alias, own[alias], EARLIER, others)
                if one.baseline_value is not None
            ]
            flips += differing.flips(alias, own[alias], EARLIER, others, description["data"])[:FLIPS]
    return differences, earlier, flips


def protocol_of(descriptions: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """How the parts of a run were measured, each fact by what it is called; see `comparing.protocol`."""
    return {name: fact for description in descriptions.values() for name, fact in description.get("protocol", {}).items()}


def outcomes_of(folder: Path) -> dict[str, dict[Condition, Outcome]]:
    """Every outcome of a stored run, by model and condition. Raises `UsageError` for a folder that holds none."""
    found: dict[str, dict[Condition, Outcome]] = {}
    for part, description in parts(folder).items():
        suite = suite_files.parse(description["suite"]["text"], Path(description["suite"]["path"]))
        plan = plan_of(suite, description["selected"])
        kept = store.read(folder, part, dict(enumerate(plan.conditions)), description["data"])
        for alias in plan.checks:
            found[alias] = {one: kept.outcome(alias, one, description["broken"]) for one in plan.conditions}
    return found


def baseline(folder: Path) -> dict[str, dict[Condition, Outcome]]:
    """The outcomes that a run is compared with; none where it is compared with nothing."""
    return outcomes_of(folder / BASELINE) if (folder / BASELINE).is_dir() else {}


def _verdict(made: Mapping[str, Any]) -> Verdict:
    """A verdict from the numbers that a run wrote down when it made it."""
    return Verdict(**{**made, "measurement": Measurement(**made["measurement"]) if made["measurement"] else None})


def parts(folder: Path) -> dict[str, dict[str, Any]]:
    """The descriptions of a run's parts, less those that a worker left unfinished and another one did again."""
    found = store.descriptions(folder)
    done = {alias for description in found.values() if description["finished"] for alias in description["selected"]}
    return {part: one for part, one in found.items() if one["finished"] or not done.issuperset(one["selected"])}


def _as_run(suite: Suite, description: Mapping[str, Any]) -> Suite:
    """The suite with what the command line changed in it."""
    return replace(suite, decision=Decision(**description["decision"]))


def _examples(found: store.Found, plan: Plan, outcomes: Mapping[str, Mapping[Any, Outcome]], data: Mapping[str, Any]) -> list[Example]:
    examples = []
    own_pictures = {(picture.row, picture.condition, picture.model) for picture in found.pictures}
    for picture in sorted(found.pictures, key=lambda picture: (picture.row, plan.conditions.index(picture.condition))):
        images = data[picture.condition.dataset]
        content = _encoded(picture.pixels)
        for alias in [picture.model] if picture.model else plan.shown[picture.condition]:
            outcome = outcomes.get(alias, {}).get(picture.condition)
            if outcome is None or outcome.predictions is None:
                continue
            if not picture.model and (picture.row, picture.condition, alias) in own_pictures:
                continue
            place = np.flatnonzero(outcome.rows == picture.row)
            if not len(place):
                continue
            own = outcome.predictions.take(place)
            examples.append(
                Example(
                    picture.condition.dataset,
                    images["ids"][picture.row],
                    images["classes"][int(own.labels[0])] if own.labels[0] >= 0 else "",
                    alias,
                    str(picture.condition.perturbation or "clean"),
                    images["classes"][int(own.prediction[0])] if images["classes"] else str(own.prediction[0]),
                    float(own.confidence[0]),
                    bool(own.correct[0]),
                    content,
                    b"" if picture.heat is None else _heat(picture.heat),
                )
            )
    return examples


def _heat(heat: np.ndarray) -> bytes:
    """What a model looked at as a small grey PNG of sixteen shades."""
    image = Image.fromarray(heat)
    image.thumbnail((HEAT, HEAT))
    file = BytesIO()
    image.quantize(16).save(file, "PNG", optimize=True)
    return file.getvalue()


def _encoded(pixels: np.ndarray) -> bytes:
    """A small picture as bytes: PNG, or JPEG where it had to be made smaller anyway."""
    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    file = BytesIO()
    if max(image.size) <= THUMBNAIL:
        image.save(file, "PNG", optimize=True)
    else:
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        image.save(file, "JPEG", quality=80)
    return file.getvalue()
