"""Stored runs beside each other, or one as the baseline of a new one: only where all were measured in the same way."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from robustsuite import assembling, catalog, differing, store, suite_files
from robustsuite.errors import UsageError
from robustsuite.measuring import Outcomes, compares_models
from robustsuite.records import Attacked, Check, Comparison, Condition, Corrupted, Diagnosed, Frame, Report, Suite
from robustsuite.reporting.comparison import to_html

ROOMS = {Corrupted: "corruption", Attacked: "attack", Frame: "sequence", Diagnosed: "diagnostic"}


def protocol(
    suite: str, data: Mapping[str, str], preprocessing: Mapping[str, str], seed: int, conditions: Sequence[Condition]
) -> dict[str, str]:
    """What two runs must share for their numbers to be compared, by what it is called.

    Args:
        suite: its name.
        data: a hash of the ids, labels and split of each data set.
        preprocessing: of each model, by alias.
        seed: of every random draw.
        conditions: everything shown; each with the version of what makes it (`VERSION` in its file, 1 where there is none).
    """
    return {
        "suite": suite,
        "seed": str(seed),
        **{f"data {name}": found for name, found in data.items()},
        **{f"preprocessing of {alias}": found for alias, found in preprocessing.items()},
        **{f"condition {condition}": f"version {_version(condition)}" for condition in conditions},
    }


def _version(condition: Condition) -> int:
    shown = condition.perturbation
    if shown is None:
        return 1
    kind = ROOMS[type(shown)]
    return catalog.constant(f"{kind}s", str(getattr(shown, kind)).partition(":")[0], "VERSION", 1)


def adopt(baseline: Path, folder: Path, own: Mapping[str, str], checks: Mapping[str, Sequence[Check]]) -> None:
    """Keep the records of the baseline within the new run's folder, so that its verdicts can be made again without the old one.

    Args:
        baseline: the folder of the earlier run.
        folder: that of the new run.
        own: the new run's `protocol`.
        checks: those of each model, by alias.

    Raises:
        UsageError: no readable run, no check that compares, another model, or another protocol, naming the first difference.
    """
    wanted = {alias: [check for check in several if _compares(check)] for alias, several in checks.items()}
    if not any(wanted.values()):
        raise UsageError(
            "expected a check with no_worse_than_baseline (or a metric such as churn) beside --baseline, got none; "
            "add no_worse_than_baseline = 0.005 to one"
        )
    descriptions = assembling.parts(baseline)
    theirs: dict[str, str] = {}
    for description in descriptions.values():
        theirs |= description.get("protocol", {})
    known = [alias for description in descriptions.values() for alias in description["selected"]]
    needed = {str(condition) for several in wanted.values() for check in several for condition in check.conditions}
    for alias in (alias for alias, several in wanted.items() if several):
        if alias not in known:
            raise UsageError(
                f"--baseline {baseline}: expected a run of model {alias!r}, got one of {', '.join(known)}; "
                f"name the new model as it is named there, with --model {known[0]}=REFERENCE"
            )
    data = {condition.partition("/")[0] for condition in needed}
    for name, value in own.items():
        kind, _, what = name.partition(" ")
        if (kind == "condition" and what not in needed) or (kind == "data" and what not in data):
            continue
        if theirs.get(name) != value:
            had = theirs.get(name, "none")
            raise UsageError(
                f"--baseline {baseline}: expected a run measured in the same way, but its {name} is {had}, and here it is {value}; "
                "make the baseline again with this suite"
            )
    _keep(baseline, folder / assembling.BASELINE, descriptions)
    found = assembling.outcomes_of(folder / assembling.BASELINE)
    for alias, several in wanted.items():
        for condition in (condition for check in several for condition in check.conditions):
            if not found[alias][condition].complete:
                shutil.rmtree(folder / assembling.BASELINE)
                raise UsageError(f"--baseline {baseline}: expected every image judged under {condition}, got a run that was cut short")


def _compares(check: Check) -> bool:
    return compares_models(check) or (check.gate is not None and check.gate.bound == "no_worse")


def _keep(baseline: Path, place: Path, descriptions: Mapping[str, Any]) -> None:
    """Link the records, or copy them where they lie on another disk. Several workers may be at it at once."""
    if place.is_dir():
        return
    making = place.with_name(f".{place.name}.{os.getpid()}")
    for part in descriptions:
        shutil.copytree(baseline / f"blocks-{part}", making / f"blocks-{part}", copy_function=_link)
        _link(str(baseline / f"run-{part}.json"), str(making / f"run-{part}.json"))
    try:
        making.rename(place)
    except OSError:  # another worker was faster
        shutil.rmtree(making)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


# --------------------------------------------------------------------------------------------------- runs side by side


@dataclass(frozen=True)
class _Stored:
    """A run that has been read: its report, and by model what was asked of it and what became of that."""

    letter: str
    folder: Path
    suite: Suite
    report: Report
    checks: Mapping[str, Mapping[str, Check]]
    outcomes: Mapping[str, Outcomes]
    protocol: Mapping[str, str]
    data: Mapping[str, Any]
    unfinished: str

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(self.checks)


_Side = tuple[_Stored, str]
"""A model of a run, by its alias."""


def compare(folders: Sequence[Path]) -> Comparison:
    """What the models of stored runs do otherwise than those of the first, image by image, from the records alone.

    Models are matched by name; where each run has one model, these are. The models of a single run are held against its first.

    Args:
        folders: of the runs; the first is the reference.

    Raises:
        UsageError: no readable run, models that cannot be matched, or runs that were not measured in the same way, naming the first
            difference.
    """
    if not folders:
        raise UsageError("expected at least one run to compare, got none; give the folder of a run")
    runs = [_stored(folder, _letter(number)) for number, folder in enumerate(folders)]
    first, others = runs[0], runs[1:]
    pairs = [pair for other in others for pair in _matched(first, other)] if others else _within(first)
    notes = [note for run in runs for note in _told_of(run, pairs)]
    for other in others:
        notes += _alike(first, other)
    notes += [note for own, reference in pairs for note in _prepared_alike(reference, own)]
    names = _names(pairs)
    alpha = first.report.decision.alpha
    differences, conditions, flips = [], [], []
    for own, reference in pairs:
        checks, said = _shared(reference, own, names)
        notes += said
        sides = names[_key(own)], _outcomes(own), names[_key(reference)], _outcomes(reference)
        differences += differing.differences(checks, *sides, alpha)
        conditions += differing.by_condition(*sides)
        flips += differing.flips(*sides, own[0].data)
    late = next((run.folder for run in runs if run.unfinished), None)
    if late and not any(one.value is not None for one in differences):
        raise UsageError(f"{late}: expected a check whose conditions every run saw whole, got none; take the run up with --rs-resume")
    return Comparison(
        suite=first.report.suite,
        title=first.report.title,
        sources={name: str(run.folder) for (run, _), name in _sides(pairs, names)},
        verdicts=tuple(
            replace(verdict, model=name)
            for (run, alias), name in _sides(pairs, names)
            for verdict in run.report.verdicts
            if verdict.model == alias
        ),
        differences=tuple(differences),
        conditions=tuple(conditions),
        flips=tuple(flips),
        alpha=alpha,
        higher_is_better=first.report.higher_is_better,
        provenance=_provenance(first, _sides(pairs, names)),
        notes=tuple(dict.fromkeys(notes)),
    )


def write(comparison: Comparison, reports: Path) -> Path:
    """Write the page of a comparison into a folder, under a new name. Raises `UsageError` where it cannot be written."""
    stem = f"compare-{comparison.suite}-{datetime.now():%Y%m%d-%H%M%S}"
    try:
        reports.mkdir(parents=True, exist_ok=True)
        names = (f"{stem}{suffix}.html" for suffix in ("", *(f"-{number}" for number in range(2, 1000))))
        path = next(reports / name for name in names if not (reports / name).exists())
        store.write_whole(path, to_html(comparison).encode())
    except OSError as error:
        raise UsageError(
            f"expected a folder for reports that can be written to, got {reports} ({error.strerror}); use --reports DIR"
        ) from error
    return path


def _letter(number: int) -> str:
    return ascii_uppercase[number] if number < len(ascii_uppercase) else str(number + 1)


def _stored(folder: Path, letter: str) -> _Stored:
    """Read a run. Raises `UsageError` for anything but the folder of a whole one."""
    if folder.is_file():
        raise UsageError(f"expected a run's folder, got the file {folder}; give the folder that a run wrote it into ({folder.parent})")
    if not folder.is_dir():
        raise UsageError(f"expected a run's folder, got {folder}, which does not exist; check the path")
    parts = assembling.parts(folder)
    for description in parts.values():
        if not description.get("protocol"):
            raise UsageError(
                f"{folder}: expected records that say how they were measured, got those of robustsuite judge or of an older version; "
                "compare the runs that they were made from, or run the suite again"
            )
        if (shard := description.get("shard", (1, 1)))[1] > 1:
            raise UsageError(
                f"{folder}: expected a whole run, got shard {shard[0]} of {shard[1]}; put them together with robustsuite merge"
            )
    suite, checks, data = None, {}, {}
    for description in parts.values():
        suite = suite_files.parse(description["suite"]["text"], Path(description["suite"]["path"]))
        data |= description["data"]
        for alias, names in description["selected"].items():
            checks.setdefault(alias, {}).update({check.name: check for check in suite.checks if check.name in names})
    assert suite is not None
    report, outcomes = assembling.assemble(folder), assembling.outcomes_of(folder)
    unfinished = next((one["broken"] or "it did not finish" for one in parts.values() if one["broken"] or not one["finished"]), "")
    return _Stored(letter, folder, suite, report, checks, outcomes, assembling.protocol_of(parts), data, unfinished)


def _outcomes(side: _Side) -> Outcomes:
    return side[0].outcomes[side[1]]


# ------------------------------------------------------------------------------------------ which models, what they are called


def _within(run: _Stored) -> list[tuple[_Side, _Side]]:
    """Every further model of a run beside its first one."""
    reference, *others = run.models
    if not others:
        raise UsageError(
            f"{run.folder}: expected a second run, or a run of several models, got one of {reference!r} alone; give another run"
        )
    return [((run, alias), (run, reference)) for alias in others]


def _matched(first: _Stored, other: _Stored) -> list[tuple[_Side, _Side]]:
    """The models of two runs that are to be held against each other: the other one's, and the first one's."""
    both = [alias for alias in first.models if alias in other.models]
    if not both and len(first.models) == len(other.models) == 1:
        return [((other, other.models[0]), (first, first.models[0]))]
    if not both:
        raise UsageError(
            f"{other.folder}: expected a model of the run that it is held against ({', '.join(first.models)}), or one model in each, got "
            f"{', '.join(other.models)}; give models the same names, with --model NAME=REFERENCE"
        )
    return [((other, alias), (first, alias)) for alias in both]


def _key(side: _Side) -> tuple[str, str]:
    return side[0].letter, side[1]


def _names(pairs: Sequence[tuple[_Side, _Side]]) -> dict[tuple[str, str], str]:
    """What each model is called: its alias, with the letter of its run before it where two have the same. References come first."""
    keys = list(dict.fromkeys([*(_key(reference) for _, reference in pairs), *(_key(own) for own, _ in pairs)]))
    aliases = [alias for _, alias in keys]
    return {key: key[1] if aliases.count(key[1]) == 1 else f"{key[0]}: {key[1]}" for key in keys}


def _sides(pairs: Sequence[tuple[_Side, _Side]], names: Mapping[tuple[str, str], str]) -> list[tuple[_Side, str]]:
    """Every model once, in the order of the names."""
    known = {_key(side): side for pair in pairs for side in pair}
    return [(known[key], name) for key, name in names.items()]


# ------------------------------------------------------------------------------------------------------- measured alike


def _alike(first: _Stored, other: _Stored) -> Iterator[str]:
    """Sentences on what may differ. Raises `UsageError` for runs that were measured in another way, naming the first difference."""
    for name in ("suite", "seed", *(name for name in first.protocol if name.startswith(("data ", "condition ")))):
        had, here = first.protocol.get(name), other.protocol.get(name)
        if had != here and (name in ("suite", "seed") or here is not None):
            raise _unlike(first, other, name, here, had)
    for name, was in first.report.provenance.items():
        if name.startswith("images of ") and (now := other.report.provenance.get(name, was)) != was:
            yield f"{name.removeprefix('images of ')}: {first.letter} saw {was}, {other.letter} {now}"
    decisions = first.report.decision, other.report.decision
    for name in ("target", "alpha", "stop"):
        was, now = (getattr(decision, name) for decision in decisions)
        if was != now:
            yield f"verdicts were reached in other ways: {name} is {was} in {first.letter}, and {now} in {other.letter}"


def _unlike(first: _Stored, other: _Stored, what: str, here: Any, there: Any) -> UsageError:
    return UsageError(
        f"{other.folder}: expected a run measured in the same way as {first.folder}, but its {what} is {here}, and there it is {there}; "
        "run both by the same suite, on the same images, with the same seed"
    )


def _prepared_alike(reference: _Side, own: _Side) -> Iterator[str]:
    """A sentence where two models saw the images at other sizes, which only a suite that lets each bring its own may cause."""
    (first, there), (other, here) = reference, own
    was, now = first.protocol.get(f"preprocessing of {there}"), other.protocol.get(f"preprocessing of {here}")
    if was == now:
        return
    if first.suite.preprocessing is not None or other.suite.preprocessing is not None:
        raise _unlike(first, other, f"preprocessing of {here}", now, was)
    yield f"each model brought its own preprocessing: {there} {was}, {here} {now}"


def _shared(reference: _Side, own: _Side, names: Mapping[tuple[str, str], str]) -> tuple[list[Check], list[str]]:
    """The checks that both models have, and a sentence on those that only one has. Raises `UsageError` for checks of other things."""
    (first, there), (other, here) = reference, own
    theirs, mine = first.checks[there], other.checks[here]
    for name in theirs:
        if name in mine and (found := _otherwise(theirs[name], mine[name])):
            raise _unlike(first, other, f"{found[0]} of check {name!r}", found[2], found[1])
    shared = [check for name, check in theirs.items() if name in mine]
    alone = (reference, [name for name in theirs if name not in mine]), (own, [name for name in mine if name not in theirs])
    notes = [f"not compared, since only {names[_key(side)]} has them: {', '.join(several)}" for side, several in alone if several]
    if not shared:
        raise UsageError(
            f"{other.folder}: expected a check that {first.folder} has too, got {', '.join(mine) or 'none'}; run both by the same suite"
        )
    return shared, notes


def _otherwise(one: Check, other: Check) -> tuple[str, str, str] | None:
    """The first way in which two checks do not measure the same; what their gates demand may differ."""
    for name in (field.name for field in fields(Check) if field.name not in ("name", "gate", "required", "line")):
        was, now = getattr(one, name), getattr(other, name)
        if was != now and name == "conditions":
            places = [(str(old), str(new)) for old, new in zip(was, now, strict=False) if old != new]
            return "condition", *(places[0] if places else (f"one of {len(was)}", f"one of {len(now)}"))
        if was != now:
            return name, str(was), str(now)
    return None


def _told_of(run: _Stored, pairs: Sequence[tuple[_Side, _Side]]) -> Iterator[str]:
    """A sentence on a run that was killed or broke, and on models that are held against none."""
    if run.unfinished:
        yield f"{run.folder}: {run.unfinished}; compared is what both models were shown as a whole"
    paired = {_key(side) for pair in pairs for side in pair}
    if left := [alias for alias in run.models if (run.letter, alias) not in paired]:
        yield f"not compared, since only {run.folder} has them: {', '.join(left)}"


def _provenance(first: _Stored, sides: Sequence[tuple[_Side, str]]) -> dict[str, Any]:
    """What the runs share, and where each model is from."""
    shared = {name: fact for name, fact in first.protocol.items() if not name.startswith(("condition ", "preprocessing "))}
    told = {
        f"{name}": {
            "run": str(run.folder),
            "model": run.report.provenance.get(f"model {alias}", alias),
            **{fact: run.report.provenance[fact] for fact in ("started", "device", "software") if fact in run.report.provenance},
        }
        for (run, alias), name in sides
    }
    return {**shared, "conditions": f"{sum(name.startswith('condition ') for name in first.protocol)}, of the same versions", **told}
