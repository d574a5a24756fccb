"""One run: the straight line from a suite to a report, pulled along one block at a time."""

import hashlib
import platform
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch

from robustsuite import assembling, comparing, judging, leasing, resuming, reusing
from robustsuite.catalog import constant
from robustsuite.classifying import device_named
from robustsuite.errors import UsageError
from robustsuite.evaluation import Done, evaluate
from robustsuite.measuring import metric_of
from robustsuite.numerics.random import key_of
from robustsuite.predictions import Block
from robustsuite.records import Check, Condition, Corrupted, Dataset, Decision, Model, Plan, Settings, Suite, Verdict
from robustsuite.showing import splits
from robustsuite.stopping import Parts
from robustsuite.store import Found, Writer, blocks, described_groups, groups_in, read
from robustsuite.unreadable import without_unreadable

PICTURED = 4  # images shown in a report, of different classes where there are as many


class Run:
    """A suite on some models. `advance` until it says no; ask for a `verdict` whenever you like; then `assemble` the folder.

    Args:
        suite: what is demanded.
        selected: the checks wanted of each model, by alias; nothing else is computed.
        models: one for each alias.
        datasets: one for each of the suite's names.
        settings: how to compute.
        folder: where the run is written.
        part: the name of this part, where several processes write into the folder.
        baseline: the folder of an earlier run, for checks that compare with it.
        reuse: runs, or folders of runs, from which what is the same is taken over instead of being shown again.
        cluster: where actors of Ray show the images; by default this process does.
        folders: of the data sets, by the suite's names; actors open them by themselves.
        resume: take up the run that the folder holds, where it stopped.

    Raises:
        UsageError: images or a baseline that cannot be used; a run to be taken up that was another one, naming the first difference.
    """

    def __init__(
        self,
        suite: Suite,
        selected: Mapping[str, Sequence[Check]],
        models: Sequence[Model],
        datasets: Mapping[str, Dataset],
        settings: Settings,
        folder: Path,
        part: str = "0",
        baseline: Path | None = None,
        resume: bool = False,
        reuse: Sequence[Path] = (),
        cluster: leasing.Cluster | None = None,
        folders: Mapping[str, Path] | None = None,
    ):
        if suite.decision.stop == "decided":  # what the first images say of all others, they say only in random order
            settings = replace(settings, shuffle=True)
        absent = _absent(suite, selected, datasets)
        selected = {alias: [check for check in checks if (alias, check.name) not in absent] for alias, checks in selected.items()}
        names = {alias: [check.name for check in checks] for alias, checks in selected.items()}
        self.suite, self.models, self.datasets, self.settings = suite, models, datasets, settings
        left_out: list[str] = []
        # A verdict of any shard is that of the whole: together they may err no more often than one run.
        self.alone = replace(suite.decision, alpha=suite.decision.alpha / settings.shard[1])
        self.plan = assembling.plan_of(suite, names)
        self.plan = replace(self.plan, sampled=_sampled(self.plan, suite.decision))
        if settings.unreadable:
            if cluster:  # whose workers open the data themselves
                raise UsageError("expected --rs-unreadable error beside --rs-executor ray, got exclude; leave one of them out")
            self.datasets, left_out = self._readable()
            datasets = self.datasets
        shares = {name: 0.0 if demand.calibration == "own" else demand.calibration for name, demand in suite.data.items()}
        self.splits = {name: splits(datasets[name], shares[name]) for name in suite.data if self._uses(name)}
        for name, parts in self.splits.items():
            if repeated := next((one for one, times in Counter(datasets[name].ids).items() if times > 1), None):
                raise UsageError(f"data {name!r}: expected an id of its own for every image, got {repeated!r} twice; rename one")
            if not len(parts["judged"]):
                raise UsageError(f"data {name!r}: expected images to judge, got none after {len(parts['calibration'])} were set aside")
        pictured = {name: _pictured(datasets[name], parts["judged"]) for name, parts in self.splits.items()}
        described = {name: self._data(name) for name in self.splits}
        self.found = Found(groups_in(described))
        self.numbers = {condition: number for number, condition in enumerate(self.plan.conditions)}
        self.begun, self.images_done, self.finished = time.monotonic(), 0, False
        self.absent = absent  # (model, check), whose data was not given
        self.decided: dict[tuple[str, str], Verdict] = {}  # (model, check), before the last image
        self.dropped: set[tuple[str, Condition]] = set()  # (model, condition), needed no longer
        self.gates, self.looks = judging.gates_of(suite.checks), _Looks()
        self.good_parts: dict[tuple[str, str], Parts] = {}  # of checks on the worst of several, by model and check
        self.together: dict[str, dict[str, Verdict]] = {}  # by model and check, once everything is in
        data = {name: self._fingerprint(name) for name in self.splits}
        prepared = {model.alias: str(suite.preprocessing or model.preprocessing or "as stored") for model in models}
        protocol = comparing.protocol(suite.name, data, prepared, settings.seed, self.plan.conditions)
        self.description: dict[str, Any] = {
            "suite": {"path": suite.path, "text": suite.text},
            "decision": asdict(suite.decision),
            "finished": False,
            "broken": "",
            "selected": names,
            "conditions": [str(condition) for condition in self.plan.conditions],
            "data": described,
            "notes": left_out,
            "decided": [],
            "skipped": [asdict(verdict) for verdict in absent.values()],
            "protocol": protocol,
            "code": {model.alias: code for model in models if (code := _code(model.reference))},
            "shard": [*settings.shard],
            "provenance": _provenance(suite, models, datasets, settings, self.splits),
        }
        told = "\n".join(f"{name}: {value}" for name, value in protocol.items())
        self.description["provenance"]["protocol"] = f"sha256 {hashlib.sha256(told.encode()).hexdigest()[:16]} of {len(protocol)} facts"
        if baseline is not None:
            comparing.adopt(baseline, folder, protocol, self.plan.checks)
            self.description["provenance"]["baseline"] = str(baseline)
        self.baseline = assembling.baseline(folder)
        done, self.calibrated = Done(), {}
        before = resuming.earlier(folder, part, self.description) if resume else None
        self.description |= before or {}
        self.writer = Writer(folder, part, self.description)
        if before:
            self._take_up(folder, part, done)
        elif reuse:
            self._take_over([run for one in reuse for run in reusing.runs_in(one)])
        common = self.plan, models, datasets, shares, settings, suite.preprocessing, pictured, self.dropped, done
        self.blocks = leasing.evaluate(cluster, suite, folders or {}, *common) if cluster else evaluate(*common)

    def _take_up(self, folder: Path, part: str, done: Done) -> None:
        """Go through what was written as if it were found out now, and note in `done` what that was."""
        self.finished = self.description["finished"]
        conditions = dict(enumerate(self.plan.conditions))
        read(folder, part, conditions, self.description["data"])  # raises for records that no run wrote
        for block in blocks(folder, part, conditions):
            self.writer.written += 1
            self._tell(block)
            self._take_in(block)
            done.add(block, self.plan.sampled)
            for one in block.calibration:
                self.calibrated.setdefault((one.model, one.dataset), set()).update(one.rows.tolist())

        self.dropped |= {pair for pair in self._pairs if self.found.decided(*pair)}

    @property
    def _pairs(self) -> list[tuple[str, Condition]]:
        return [(alias, condition) for condition, aliases in self.plan.shown.items() for alias in aliases]

    def _take_over(self, runs: Sequence[Path]) -> None:
        """Write what earlier runs have found out already as if it were found out now."""
        found = reusing.known(runs, self.description, self.plan, self.settings.keep == "logits")
        if found:
            self.description["notes"].append(reusing.sentence(found, self.plan))
            self.writer.describe(self.description)
        self.dropped |= {*found}
        for block in reusing.blocks_of(found, self.plan):
            self._take_in(block)
            self.writer.add(block, self.numbers)

    def _take_in(self, block: Block) -> None:
        self.images_done += block.images
        self.found.add(block)
        if self.suite.decision.stop == "decided":
            self._stop_what_is_decided()

    def _new(self, block: Block) -> Block:
        """The block without calibration images that a run which was taken up again has had before."""
        kept = [one for one in block.calibration if one.rows[0] not in self.calibrated.get((one.model, one.dataset), ())]
        return block if len(kept) == len(block.calibration) else replace(block, calibration=tuple(kept), images=0)

    @property
    def images_expected(self) -> int:
        """Images that will have gone by at the end, calibration and (about, of a shard) judged ones."""
        calibration = sum(len(self.splits[name]["calibration"]) for name in self.plan.calibrated)
        judged = {condition.dataset for condition in self.plan.conditions}
        again = {condition.dataset for condition in self.plan.sampled}  # once more for what is sampled
        return calibration + sum(len(self.splits[name]["judged"]) for name in [*judged, *again]) // self.settings.shard[1]

    def advance(self) -> bool:
        """Do the next block and write it down; False once there is none left."""
        if self.finished:
            return False
        block = next(self.blocks, None)
        if block is None:
            if self.suite.decision.stop == "decided":
                self._stop_what_is_decided(last=True)
            self.finished = self.description["finished"] = True
            self.description["blocks"] = self.writer.written
            self.description["notes"] += self._share()
            self.description["provenance"] |= {"seconds": round(time.monotonic() - self.begun, 1), "images decoded": self.images_done}
            self.writer.describe(self.description)
            return False
        block = self._new(block)
        self._take_in(block)
        if self._tell(block):
            self.writer.describe(self.description)
        self.writer.add(block, self.numbers)
        return True

    def _tell(self, block: Block) -> bool:
        """Put what a block says to the reader into the description; whether that is news."""
        fresh = [note for note in block.notes if note not in self.description["notes"]]
        facts = {name: fact for name, fact in block.facts.items() if self.description["provenance"].get(name) != fact}
        self.description["notes"] += fresh
        self.description["provenance"] |= facts
        return bool(fresh or facts)

    def _share(self) -> list[str]:
        """A sentence on how much was shown, where a run may stop early."""
        if self.suite.decision.stop != "decided":
            return []
        shown = sum(self.found.seen(*pair) for pair in self._pairs)
        whole = sum(len(self.splits[condition.dataset]["judged"]) for _, condition in self._pairs)
        return [f"stopped when decided: {shown:,} of {whole:,} images under conditions were shown ({shown / whole:.1%})"]

    def verdict(self, check: Check, alias: str) -> Verdict | None:
        """The verdict, or None while images are still to come that could change it."""
        if early := self.absent.get((alias, check.name)) or self.decided.get((alias, check.name)):
            return early
        if self.finished:
            return self._all_together(alias)[check.name]
        if self.settings.shard[1] > 1 or not all(self.found.decided(alias, condition) for condition in check.needed):
            return None
        outcomes = {condition: self.found.outcome(alias, condition) for condition in check.needed}
        verdict = judging.judge(check, alias, outcomes, self.suite.decision, max(self.gates, 1), self.baseline.get(alias))
        # Fails of other gates may yet make this one a fail.
        return None if verdict.status == "inconclusive" else verdict

    def _all_together(self, alias: str) -> dict[str, Verdict]:
        """The verdicts on a model once nothing more will come."""
        if alias not in self.together:
            later = [check for check in self.plan.checks[alias] if (alias, check.name) not in self.decided]
            needed = {condition for check in later for condition in check.needed}
            outcomes = {condition: self.found.outcome(alias, condition, self.description["broken"]) for condition in needed}
            if self.settings.shard[1] > 1:
                made = [judging.of_shard(check, alias, outcomes, self.suite.decision, self.settings.shard) for check in later]
            else:
                made = judging.judge_all(later, alias, outcomes, self.suite.decision, self.gates, self.baseline.get(alias))
            self.together[alias] = {verdict.check: verdict for verdict in made}
        return self.together[alias]

    def certain_failure(self, check: Check, alias: str) -> Verdict | None:
        """The verdict, where the check has failed whatever is still to come; else None."""
        outcomes = {condition: self.found.outcome(alias, condition) for condition in check.needed}
        verdict = judging.certain(check, alias, outcomes, self.suite.decision)
        return verdict if verdict and verdict.status == "failed" else None

    def _early(self, check: Check, alias: str, last: bool) -> Verdict | None:
        """The verdict that the images seen so far allow, looked for whenever there are some more of them."""
        seen = sum(self.found.seen(alias, condition) for condition in check.conditions)
        due, look = (True, 0) if last else self.looks.due((alias, check.name), seen)
        if not due or (last and all(self.found.decided(alias, condition) for condition in check.needed)):
            return None
        outcomes = {condition: self.found.outcome(alias, condition) for condition in check.needed}
        baseline = self.baseline.get(alias)
        good = self.good_parts.setdefault((alias, check.name), set())
        found = judging.early(check, alias, outcomes, self.alone, max(self.gates, 1), baseline, look, good)
        return found or judging.certain(check, alias, outcomes, self.suite.decision)

    def _good_already(self, alias: str, check: Check, condition: Condition) -> bool:
        """Whether the condition can no longer be why the worst of several is bad."""
        return any(condition in part for part in self.good_parts.get((alias, check.name), ()))

    def _stop_what_is_decided(self, last: bool = False) -> None:
        """Take out of the plan what no undecided check needs. A check without a gate is decided by its last image."""
        before = len(self.decided)
        for alias, checks in self.plan.checks.items():
            for check in checks:
                if (alias, check.name) not in self.decided and (verdict := self._early(check, alias, last)):
                    self.decided[alias, check.name] = verdict
            undecided = [check for check in checks if (alias, check.name) not in self.decided]
            needed = {one for check in undecided for one in check.needed if not self._good_already(alias, check, one)}
            self.dropped |= {(alias, condition) for condition in self.plan.conditions if condition not in needed}
        if len(self.decided) > before:
            self.description["decided"] = [asdict(verdict) for verdict in self.decided.values()]
            self.writer.describe(self.description)

    def give_up(self, error: Exception) -> None:
        """Write down that the engine itself broke, so that a report can say so."""
        lines = str(error).strip().splitlines()
        self.description["broken"] = f"the run broke with {type(error).__name__}: {lines[0] if lines else ''}"
        self.finished = True
        with suppress(UsageError):  # on a full disk: what was written stays, and the verdicts of this process say so
            self.writer.describe(self.description)

    def close(self) -> None:
        """Stop computing, and give the models back as they were."""
        self.blocks.close()

    def _readable(self) -> tuple[dict[str, Dataset], list[str]]:
        """The data sets without the few images that cannot be read and may be left out, and a sentence on each that has such."""
        found = {
            name: without_unreadable(dataset, name, self.settings.unreadable, self.settings.workers)
            for name, dataset in self.datasets.items()
            if self._uses(name)
        }
        return {**self.datasets, **{name: readable for name, (readable, _) in found.items()}}, [told for _, told in found.values() if told]

    def _uses(self, name: str) -> bool:
        return name in self.plan.calibrated or any(condition.dataset == name for condition in self.plan.conditions)

    def _fingerprint(self, name: str) -> str:
        """Which images are judged: a hash of ids and labels, and of which of them are set aside."""
        parts = self.splits[name]
        aside = hashlib.sha256(np.ascontiguousarray(parts["calibration"], dtype="<i8").tobytes()).hexdigest()[:8]
        told = f"ids and labels sha256 {_manifest(self.datasets[name])}, set aside {aside}{_meaning(self.datasets[name])}"
        return f"{len(parts['judged'])} images judged ({told})"

    def _data(self, name: str) -> dict[str, Any]:
        dataset, parts = self.datasets[name], self.splits[name]
        counts = {split: len(rows) for split, rows in parts.items()}
        told = {"dataset": dataset.name, "ids": list(dataset.ids), "classes": list(dataset.classes), **counts}
        told |= {"several_right": True} if dataset.accepted is not None else {}
        return told | ({"groups": described_groups(dataset.groups)} if dataset.groups else {})


class _Looks:
    """When to look whether a check is decided: each time a twentieth more has been seen; numbered each time it has doubled."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, str], int] = {}
        self.numbered: dict[tuple[str, str], tuple[int, int]] = {}

    def due(self, check: tuple[str, str], seen: int) -> tuple[bool, int]:
        """Whether to look, and the number of the look for limits that hold for one look each; 0 where it is none of those."""
        if seen < 1.05 * self.seen.get(check, 0) or seen == self.seen.get(check, 0):
            return False, 0
        self.seen[check] = seen
        at, number = self.numbered.get(check, (32, 0))
        if seen < 2 * at:
            return True, 0
        self.numbered[check] = seen, number + 1
        return True, number + 1


FEWEST_SAMPLED = 8  # conditions in a check whose (image, condition) pairs are shown in random order


def _absent(suite: Suite, selected: Mapping[str, Sequence[Check]], datasets: Mapping[str, Dataset]) -> dict[tuple[str, str], Verdict]:
    """The verdicts on checks whose data was not given: skipped, which is no pass."""
    found = {}
    fitted = next((name for name, demand in suite.data.items() if demand.calibration), "")
    for alias, checks in selected.items():
        for check in checks:
            needed = [one.dataset for one in check.needed]
            if (check.recalibration or check.via) and fitted and not any(suite.data[name].calibration for name in needed):
                needed.append(fitted)
            if missing := next((name for name in needed if name not in datasets), ""):
                place = suite.data[missing].folder or missing
                found[alias, check.name] = judging.skipped(check, alias, f"no images were given for it: add --data {place}=FOLDER")
    return found


def _sampled(plan: Plan, decision: Decision) -> tuple[Condition, ...]:
    """The conditions that are needed only by means over many conditions, which a few pairs of image and condition decide."""
    if decision.stop != "decided" or decision.target != "test-set":
        return ()
    every = [check for checks in plan.checks.values() for check in checks]
    whole = {
        condition
        for check in every
        for condition in check.needed
        if not (
            check.gate
            and not check.via
            and len(check.conditions) >= FEWEST_SAMPLED
            and condition in check.conditions
            and all(isinstance(one.perturbation, Corrupted) for one in check.conditions)
            and (check.metric == "accuracy" or (constant("summaries", check.summary, "LINEAR", False) and _bounded(check)))
        )
    }
    while mixed := {one for check in every if whole & {*check.conditions} for one in check.conditions} - whole:
        whole |= mixed  # a mean over pairs of which some come more often than others would be another mean
    return tuple(one for one in plan.conditions if isinstance(one.perturbation, Corrupted) and one not in whole)


def _bounded(check: Check) -> bool:
    """Whether the metric is a mean over images of numbers that cannot be large."""
    return hasattr(metric_of(check), "per_image") and isfinite(metric_of(check).RANGE[1])


def _pictured(dataset: Dataset, judged: np.ndarray) -> list[int]:
    """A few judged images, drawn by the hash of their ids, of different classes first."""
    drawn = sorted(judged.tolist(), key=lambda row: key_of("picture", dataset.ids[row]))
    first_of_class = list({int(dataset.labels[row]): row for row in reversed(drawn)}.values())[::-1]
    return sorted([*first_of_class, *drawn][:PICTURED])


def _provenance(
    suite: Suite, models: Sequence[Model], datasets: Mapping[str, Dataset], settings: Settings, parts: Mapping[str, Any]
) -> dict[str, Any]:
    """What a reader needs to get the same numbers again."""
    device = device_named(settings.device)
    return {
        "suite file": f"{suite.path} (sha256 {hashlib.sha256(suite.text.encode()).hexdigest()[:16]})",
        **{f"model {model.alias}": f"{model.reference}{_weights(model.classifier)}" for model in models},
        **{
            f"preprocessing of {model.alias}": str(suite.preprocessing or model.preprocessing or "as stored")
            + ("" if suite.preprocessing else " (the model's own)")
            for model in models
        },
        **{f"normalisation of {model.alias}": _normalisation(model.classifier) for model in models},
        **{
            f"data {name}": f"{datasets[name].source or datasets[name].name}: {len(split['judged'])} images judged, "
            f"{len(split['calibration'])} set aside for calibration (ids and labels sha256 {_manifest(datasets[name])}"
            f"{_meaning(datasets[name])})"
            for name, split in parts.items()
        },
        "seed": settings.seed,
        "order": "shuffled" if settings.shuffle else "as stored",
        **({"shard": "{} of {}".format(*settings.shard)} if settings.shard[1] > 1 else {}),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads",
        "batch size": settings.batch_size or "auto",
        "mixed precision": settings.amp,
        **({"pictures explained by": settings.explain} if settings.explain != "none" else {}),
        "software": f"robustsuite {version('robustsuite')}, torch {torch.__version__}, numpy {np.__version__}, "
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}",
        "started": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
    }


def _normalisation(classifier: Any) -> str:
    """By what the model shifts and scales images in [0, 1], where a loader put that before it (timm's and torchvision's do)."""
    mean, std = getattr(classifier, "mean", None), getattr(classifier, "std", None)
    if not (isinstance(mean, torch.Tensor) and isinstance(std, torch.Tensor)):
        return "inside the model"
    return " and ".join(f"{name} {', '.join(f'{x:g}' for x in part.flatten().tolist())}" for name, part in (("mean", mean), ("std", std)))


def _code(reference: str) -> str:
    """What a model's code is known by: the hash of its file, or its name in a package; empty where it is not known."""
    if reference == "given":
        return ""
    path = Path(reference.rpartition(":")[0] if ".py:" in reference else reference).expanduser()
    return f"sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}" if path.is_file() else reference


def _weights(classifier: Any) -> str:
    """Number and hash of a module's weights, for the report."""
    if not isinstance(classifier, torch.nn.Module):
        return ""
    digest, count = hashlib.sha256(), 0
    for name, tensor in classifier.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        count += tensor.numel()
    return f" ({count:,} weights, sha256 {digest.hexdigest()[:16]})"


def _manifest(dataset: Dataset) -> str:
    digest = hashlib.sha256()
    for name, label in zip(dataset.ids, dataset.labels.tolist(), strict=True):
        digest.update(f"{name}\t{label}\n".encode())
    if dataset.accepted is not None:
        digest.update(repr([*map(tuple, dataset.accepted)]).encode())
    return digest.hexdigest()[:16]


def _meaning(dataset: Dataset) -> str:
    """What a model's outputs mean in the data set, where they are not simply its classes; and whether images are shown as stored."""
    parts = [", never resized"] if dataset.as_stored else []
    if dataset.space is not None and [*dataset.space.outputs] != [(output,) for output in range(len(dataset.classes))]:
        digest = hashlib.sha256(repr([*map(tuple, dataset.space.outputs)]).encode()).hexdigest()[:8]
        parts.append(f", {dataset.space} (sha256 {digest})")
    return "".join(parts)
