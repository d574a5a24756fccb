"""The shards of a run put together: the run that one process would have made, block for block, where none stopped early. No torch."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from robustsuite import assembling, resuming, store, suite_files
from robustsuite.errors import UsageError

OWN = ("shard", "images decoded", "seconds", "started", "device", "batch size")
"""Facts in which shards may differ."""
WORST_FIRST = ("failed", "inconclusive", "passed")


def merge(runs: Sequence[Path], folder: Path) -> None:
    """Write the whole run into `folder`; `assembling.assemble` makes its report.

    A check that some shard decided early keeps that verdict (the worst, should they differ: shards share alpha, so that any of them
    may be taken), unless all its images have been seen after all.

    Args:
        runs: the folder of every shard, in any order.
        folder: where the whole run is written; made where it does not exist.

    Raises:
        UsageError: a folder without a shard, one that was not finished, shards that are missing or given twice, and shards of different
            runs, naming the first difference.
    """
    shards = _shards(runs)
    (_, part, first), *_ = shards
    description = {name: value for name, value in first.items() if name not in ("schema_version", "shard", "decided", "blocks")}
    told = [one["provenance"] for _, _, one in shards]
    description["provenance"] = {
        **{name: value for name, value in first["provenance"].items() if name != "shard"},
        "shards": f"{len(shards)}, merged",
        "seconds": round(sum(one["seconds"] for one in told), 1),
        "images decoded": sum(one["images decoded"] for one in told),
    }
    description["notes"] = list(dict.fromkeys(note for _, _, one in shards for note in one["notes"]))
    writer = store.Writer(folder, part, description | {"finished": False, "decided": []})
    if (runs[0] / assembling.BASELINE).is_dir():
        shutil.copytree(runs[0] / assembling.BASELINE, folder / assembling.BASELINE)
    plan = assembling.plan_of(suite_files.parse(first["suite"]["text"], Path(first["suite"]["path"])), first["selected"])
    numbers = {condition: number for number, condition in enumerate(plan.conditions)}
    found = store.Found()
    for place, (run, name, _) in enumerate(shards):
        for block in store.blocks(run, name, dict(enumerate(plan.conditions))):
            if block.calibration and place:  # every shard was shown these
                continue
            found.add(block)
            writer.add(block, numbers)
    whole = {
        (alias, check.name)
        for alias, checks in plan.checks.items()
        for check in checks
        if all(found.decided(alias, condition) for condition in check.needed)
    }
    writer.describe(description | {"blocks": writer.written, "decided": _decided(shards, whole)})


def _shards(runs: Sequence[Path]) -> list[tuple[Path, str, dict[str, Any]]]:
    """Folder, part and description of each shard, by their numbers."""
    found: dict[int, tuple[Path, str, dict[str, Any]]] = {}
    for run in runs:
        (part, told), *others = store.descriptions(run).items()
        number, count = told.get("shard", (1, 1))
        if others or count == 1:
            raise UsageError(f"expected a shard in {run}, got a whole run; merge runs made with --rs-shard")
        if told["broken"] or not told["finished"]:
            raise UsageError(
                f"expected shard {number} of {count} in {run} to be finished, got one that was cut short; take it up with --rs-resume"
            )
        if number in found:
            raise UsageError(
                f"expected every shard once, got shard {number} of {count} in {found[number][0]} and in {run}; give one of them"
            )
        found[number] = run, part, told
    (first, _, one), *rest = found.values()
    for run, _, told in rest:
        for name, (was, now) in resuming.differences(one, told).items():
            if name not in OWN and was != now:
                raise UsageError(
                    f"expected shards of one run, but in {first} its {name} is {resuming.short(was)}, and in {run} {resuming.short(now)}; "
                    "make them with the same command"
                )
    count = one["shard"][1]
    if wrong := next((told["shard"] for _, _, told in found.values() if told["shard"][1] != count), None):
        raise UsageError(f"expected shards of {count}, got shard {wrong[0]} of {wrong[1]}; make them with the same command")
    if missing := sorted({*range(1, count + 1)} - {*found}):
        raise UsageError(f"expected all {count} shards, got none of number {', '.join(map(str, missing))}; give their folders too")
    return [found[number] for number in sorted(found)]


def _decided(shards: Sequence[tuple[Path, str, Mapping[str, Any]]], whole: set[tuple[str, str]]) -> list[dict[str, Any]]:
    """The early verdicts that hold, the worst of each check."""
    every = sorted((made for _, _, told in shards for made in told["decided"]), key=lambda made: WORST_FIRST.index(made["status"]))
    kept: dict[tuple[str, str], dict[str, Any]] = {}
    for made in every:
        if (made["model"], made["check"]) not in whole:
            kept.setdefault((made["model"], made["check"]), made)
    return list(kept.values())
