"""The only loop: images go by once, and every model sees them under every condition. The only place that knows devices.

Batch-major: a batch is decoded once, prepared once for each distinct preprocessing, and corrupted once for all models.
What comes out are small blocks of per-image records, to be written as they come.
"""

from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from robustsuite import attacking, corrupting, detecting, explaining
from robustsuite.catalog import find
from robustsuite.classifying import Subject, device_named, evaluation_mode
from robustsuite.errors import EvaluationError, UsageError
from robustsuite.fitting import Fits, Score, draws_of, fitted
from robustsuite.label_spaces import Answers, answers, stands_for
from robustsuite.numerics.condense import condense
from robustsuite.numerics.levels import to_unit
from robustsuite.numerics.memory import keep_freed_memory
from robustsuite.numerics.random import KeyedNoise, image_keys, keyed
from robustsuite.predictions import Block, CalibrationLogits, Evidence, Head, Outcome, Picture, Predictions
from robustsuite.records import (
    Attacked,
    Condition,
    Conformed,
    Corrupted,
    Dataset,
    Detection,
    Diagnosed,
    Frame,
    Model,
    Plan,
    Preprocessing,
    Settings,
)
from robustsuite.roles import Levels, Logits
from robustsuite.showing import Prepared, Showing, Shown, images_in, pixels

KEPT_PIXELS = 8 * 224 * 224  # shown at a time on a CPU: a larger batch's activations are returned to the system and faulted back in
ASKED_AGAIN = 16  # images that every model is shown twice, to see whether it draws at random
STEADY = 1e-3  # logits that differ by less, relative to the largest, may be rounding
Playing = dict[object, Iterator[tuple[int, Levels]]]
"""The frames still to come, numbered, of each sequence that has begun on a batch: a frame may need those before it."""
Curves = dict[tuple[str, Condition], attacking.AttackResult]
"""Results of a minimal-norm attack that a batch's later conditions, at other radii, will ask for; by model and condition."""


def evaluate(
    plan: Plan,
    models: Sequence[Model],
    datasets: Mapping[str, Dataset],
    shares: Mapping[str, float],
    settings: Settings,
    preprocessing: Preprocessing | None,
    pictured: Mapping[str, Sequence[int]] | None = None,
    dropped: AbstractSet[tuple[str, Condition]] = frozenset(),
    done: "Done | None" = None,
) -> Generator[Block, None, None]:
    """Show every image of the plan to every model, and yield what was found out, a few images at a time.

    A model or condition that cannot be evaluated yields outcomes with an `error` and is left out from then on; an image
    that cannot be read ends its data set. Everything else goes on.

    Args:
        plan: the conditions.
        models: each in any mode, on any device; left as they were.
        datasets: by the names that the plan's conditions use.
        shares: of each data set, how much to set aside for calibration.
        settings: device, batch size, workers, precision, seed, order.
        preprocessing: of every image, or `None` for each model's own.
        pictured: rows of which the pixels are wanted, by data set.
        dropped: models and conditions that need no further image; may grow while the images go by.
        done: what a run that is taken up again has behind it. Calibration images are shown once more.
    """
    device = device_named(settings.device)
    keep_freed_memory()
    with evaluation_mode(models, device) as notes:
        yield Block("", 0, notes=tuple(notes))
        run = Evaluation(plan, models, datasets, shares, settings, preprocessing, pictured or {}, dropped, done or Done(), device)
        for name in plan.calibrated:
            yield from run.calibrate(name)
        for name in dict.fromkeys(condition.dataset for condition in plan.conditions):
            yield from run.judge(name)


@dataclass
class Done:
    """What was done before a run was killed: by data set, how many of its images (in the run's order), and of its sampled pairs.

    `failed` says why a model, by alias, was not shown a condition any more.
    """

    images: Counter[str] = field(default_factory=Counter)
    pairs: Counter[str] = field(default_factory=Counter)
    failed: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, block: Block, sampled: Sequence[Condition]) -> None:
        """Take in a block that was written."""
        self.failed |= {(one.model, str(one.condition)): one.error for one in block.outcomes if one.error}
        shown = [one for one in block.outcomes if len(one.rows)]
        pairs = [int(one.arrival.max()) + 1 for one in shown if one.condition in sampled and one.arrival is not None]
        if pairs:
            self.pairs[block.dataset] = max(pairs)
        elif shown or (block.outcomes and block.images):
            self.images[block.dataset] += block.images


def conditions_of(plan: Plan, name: str) -> tuple[list[Condition], list[Condition]]:
    """The conditions on a data set: those that are shown batch by batch, and those that are sampled."""
    every = [condition for condition in plan.conditions if condition.dataset == name]
    return [one for one in every if one not in plan.sampled], [one for one in every if one in plan.sampled]


@dataclass
class _Seen:
    """What the detectors have seen of the calibration images so far."""

    labels: list[np.ndarray] = field(default_factory=list)
    evidence: dict[Detection, list[Evidence]] = field(default_factory=dict)
    head: Head | None = None


@dataclass(frozen=True)
class Lease:
    """One batch, to be shown by whoever is free.

    Attributes:
        dataset: of the images.
        places: of the images in the run's order; where `paired`, of (image, condition) pairs in the order of pairs.
        paired: whether each image is shown under one condition only.
        begins: whether no batch of the data set comes before it.
        images: how many images count as done with it.
        dropped: models and conditions that are not to be shown any more.
        failed: models and conditions that are not, with the reason.
    """

    dataset: str
    places: np.ndarray
    paired: bool
    begins: bool
    images: int
    dropped: AbstractSet[tuple[str, Condition]]
    failed: Mapping[tuple[str, str], str]


class Evaluation:
    """Models, images and what was fitted, on one device: what shows batches, in order (`judge`) or as they are given out (`show`)."""

    def __init__(
        self,
        plan: Plan,
        models: Sequence[Model],
        datasets: Mapping[str, Dataset],
        shares: Mapping[str, float],
        settings: Settings,
        preprocessing: Preprocessing | None,
        pictured: Mapping[str, Sequence[int]],
        dropped: AbstractSet[tuple[str, Condition]],
        done: Done,
        device: torch.device,
    ):
        self.plan, self.models, self.datasets = plan, models, datasets
        self.settings, self.device, self.pictured, self.dropped = settings, device, pictured, dropped
        preparations = {model.alias: preprocessing or model.preprocessing or Preprocessing() for model in models}
        attacked = any(isinstance(condition.perturbation, Attacked) for condition in plan.conditions)
        self.showing = Showing(datasets, shares, settings, preparations, device, attacked)
        self.problems: dict[tuple[str, Detection], str] = {}  # why a detector could not be fitted
        self.copied: set[str] = set()  # the data sets of which a judged image is known to be in the calibration split too
        # The models that have been shown the same images twice.
        self.asked: set[str] = {model.alias for model in models} if done.images or done.pairs else set()
        self.done, self.failed = done, dict(done.failed)  # (model, condition) -> why
        self.unexplained: set[str] = set()  # the models of which nobody can tell what they looked at
        self.aside: dict[tuple[str, bytes], int] = {}  # (data set, pixels) -> the calibration image that has them
        self.fits: dict[tuple[str, str], Fits] = {}  # (model, data set) -> what was fitted on its calibration images

    def familiar(self, name: str) -> str:
        """The data set whose classes the images are taken for: its own, but for images that a detector is to tell from another's."""
        checks = (check for several in self.plan.checks.values() for check in several if isinstance(check.via, Detection))
        names = ([condition.dataset for condition in check.conditions] for check in checks)
        return next((inside for inside, *outside in names if name in outside), name)

    def subjects(self, name: str) -> dict[str, Subject]:
        """A fresh wrapper of every model for the classes of this data set, where the model knows them."""
        known = name not in self.plan.unfamiliar
        classes, space = (self.datasets[name].classes or None) if known else None, self.datasets[self.familiar(name)].space
        timeout = self.settings.timeout
        return {
            model.alias: Subject(model, classes, self.device, self.settings.amp, self.showing.size, space, timeout) for model in self.models
        }

    def calibrate(self, name: str) -> Iterator[Block]:
        """Show the calibration images clean, keep the logits, and fit the plan's recalibrations on them."""
        models = [model for model in self.models if any(self.wants(model.alias, one) for one in self.shown_to(model.alias))]
        if not models:  # everything is known from earlier runs
            return
        subjects = self.subjects(name)
        kept: dict[str, list[CalibrationLogits]] = {model.alias: [] for model in models}
        seen: dict[str, _Seen] = {model.alias: _Seen() for model in models}
        try:
            for prepared in self.showing.calibration(name):
                self.aside |= {(name, found): row for row, found in pixels(prepared)}
                parts = []
                for model in models:
                    shown = prepared[self.showing.ways(name)[model.alias]]
                    try:
                        logits = self.answers(subjects[model.alias], shown.levels, self.showing.ids(name, shown)).logits
                    except EvaluationError:  # said again, for each of its conditions, when the judged images come
                        continue
                    shown = self.showing.labelled(name, shown, logits)
                    self.observe(subjects[model.alias], shown, logits, seen[model.alias])
                    parts.append(CalibrationLogits(model.alias, name, shown.rows, shown.labels.cpu().numpy(), logits.cpu().numpy()))
                    kept[model.alias].append(parts[-1])
                yield Block(name, images_in(prepared), calibration=tuple(parts))
        except EvaluationError as error:
            yield self.fail_all(name, str(error))
            return
        whole = len(self.showing.splits[name]["calibration"])
        for alias, parts in kept.items():
            if sum(len(part.rows) for part in parts) == whole > 0:
                joined = CalibrationLogits.join(parts)
                draws = draws_of(image_keys(self.datasets[name].ids)[joined.rows], self.settings.seed)
                self.fits[alias, name] = fitted(self.plan, joined, draws, self.detectors(alias, seen[alias]))
        if self.problems:
            yield Block(name, 0, notes=tuple(self.problems.values()))

    def observe(self, subject: Subject, shown: Shown, logits: Logits, seen: "_Seen") -> None:
        """Gather what the plan's detectors see of a batch."""
        seen.labels.append(shown.labels.cpu().numpy())
        for one in self.plan.via:
            if isinstance(one, Detection) and (subject.model.alias, one) not in self.problems:
                try:
                    for evidence, head in self.evidence(one, subject, shown.levels, logits):
                        seen.evidence.setdefault(one, []).append(evidence)
                        seen.head = head or seen.head
                except EvaluationError as error:
                    self.problems[subject.model.alias, one] = f"detector {one} on {subject.model.alias}: {error}"

    def evidence(self, one: Detection, subject: Subject, levels: Levels, logits: Logits) -> list[tuple[Evidence, Head | None]]:
        """What a detector sees, piece by piece."""

        def piece(rows: slice) -> tuple[Evidence, Head | None]:
            return detecting.observed(one, subject, subject.model.classifier, to_unit(levels[rows]), logits[rows])

        return subject.in_pieces(len(levels), piece)

    def detectors(self, alias: str, seen: "_Seen") -> dict[Detection, Score]:
        """The plan's detectors, fitted."""
        fitted, labels = {}, np.concatenate(seen.labels)
        for one, parts in seen.evidence.items():
            try:
                familiar = detecting.joined(parts)
                fitted[one] = find("detectors", one.detector)(familiar, labels, seen.head, **dict(one.options))
            except (EvaluationError, UsageError, LookupError) as error:
                self.problems[alias, one] = f"detector {one} on {alias}: {error}"
        return fitted

    def fitted(self, name: str) -> dict[str, Fits]:
        """What was fitted for the images of a data set, by model."""
        familiar = self.familiar(name)
        source = familiar if familiar in self.plan.calibrated else next(iter(self.plan.calibrated), "")
        return {model.alias: self.fits.get((model.alias, source), Fits()) for model in self.models}

    def judge(self, name: str) -> Iterator[Block]:
        """Show the judged images under every condition of the plan; those that are sampled last."""
        conditions, sampled = conditions_of(self.plan, name)
        subjects, fits = self.subjects(name), self.fitted(name)
        try:
            if self.wanted(conditions):
                for prepared in self.showing.judged(name, self.done.images[name]):
                    yield self.block(name, conditions, prepared, subjects, fits)
                    if not self.wanted(conditions):
                        break
            yield from self.sample(name, sampled, subjects, fits)
        except EvaluationError as error:
            yield self.fail_all(name, str(error))

    def show(self, lease: Lease) -> Block:
        """One batch that was given out. The block is the same whatever was shown before."""
        name = lease.dataset
        self.dropped, self.failed, self.copied = lease.dropped, dict(lease.failed), set()
        self.asked = set() if lease.begins else {model.alias for model in self.models}
        conditions, sampled = conditions_of(self.plan, name)
        subjects, fits = self.subjects(name), self.fitted(name)
        try:
            if not lease.paired:
                (prepared,) = self.showing.judged_at(name, lease.places)
                return self.block(name, conditions, prepared, subjects, fits)
            order, count = self.showing.pairs(name, len(sampled))[lease.places], len(sampled)
            (prepared,) = self.showing.read(name, self.showing.splits[name]["judged"][order // count], lease.places, len(order))
            return self.pairs(name, sampled, order % count, prepared, subjects, fits, lease.images)
        except EvaluationError as error:
            return self.fail_all(name, str(error))

    def sample(
        self, name: str, conditions: Sequence[Condition], subjects: Mapping[str, Subject], fits: Mapping[str, Fits]
    ) -> Iterator[Block]:
        """Show every image under every one of the conditions, but one (image, condition) pair at a time, all in random order.

        Pairs of conditions that are wanted no longer are left out; what is left of the others is still in random order.
        """
        rows, count, place = self.showing.splits[name]["judged"], len(conditions), self.done.pairs[name]
        while wanted := self.wanted(conditions):
            order, left, size = self.showing.left(name, conditions, wanted, place)
            if not len(left):
                return
            done = 0
            for prepared in self.showing.read(name, rows[order[left] // count], left, size):
                images = images_in(prepared)
                pairs = left[done : done + images]
                done += images
                images_before, place = place // count, int(pairs[-1]) + 1
                yield self.pairs(name, conditions, order[pairs] % count, prepared, subjects, fits, place // count - images_before)
                if self.wanted(conditions) != wanted:
                    break

    def pairs(
        self,
        name: str,
        conditions: Sequence[Condition],
        chosen: np.ndarray,
        prepared: Prepared,
        subjects: Mapping[str, Subject],
        fits: Mapping[str, Fits],
        images: int,
    ) -> Block:
        """One batch of which each image is under the condition chosen for it, for every model."""
        outcomes: list[Outcome] = []
        for way, shown in prepared.items():
            models = [model for model in self.models if self.showing.ways(name)[model.alias] == way]
            parts: dict[Condition, tuple[Shown, Levels]] = {}
            for number in np.unique(chosen).tolist():
                condition, some = conditions[number], shown.take(np.flatnonzero(chosen == number))
                try:
                    if models:
                        parts[condition] = some, self.perturb(some, condition, subjects[models[0].alias], {})
                except Exception as error:
                    outcomes += [self.fail(model.alias, condition, f"{condition} could not be made: {_told(error)}") for model in models]
            for model in models:
                own = {condition: part for condition, part in parts.items() if self.wants(model.alias, condition)}
                if not own:
                    continue
                levels, subject = torch.cat([levels for _, levels in own.values()]), subjects[model.alias]
                subject.width = min(subject.width, self.at_once(levels))
                try:
                    found, sizes = self.answers(subject, levels), [len(some.rows) for some, _ in own.values()]
                    firsts = [None] * len(own) if found.first is None else found.first.split(sizes)
                    outcomes += [
                        self.outcome(model.alias, some, condition, Answers(each, first), fits[model.alias])
                        for (condition, (some, _)), each, first in zip(own.items(), found.logits.split(sizes), firsts, strict=True)
                    ]
                except Exception as error:
                    outcomes += [self.fail(model.alias, condition, _told(error)) for condition in own]
        return Block(name, images, tuple(outcomes), facts=_facts(name, prepared, conditions))

    def block(
        self,
        name: str,
        conditions: Sequence[Condition],
        prepared: Prepared,
        subjects: Mapping[str, Subject],
        fits: Mapping[str, Fits],
    ) -> Block:
        """One batch under every condition, for every model."""
        outcomes: list[Outcome] = []
        pictures: list[Picture] = []
        notes: list[str] = []
        clean: dict[str, Logits] = {}
        playing: Playing = {}
        curves: Curves = {}
        for condition in conditions:
            for way, shown in prepared.items():
                models = [
                    model for model in self.models if self.showing.ways(name)[model.alias] == way and self.wants(model.alias, condition)
                ]
                if not models:
                    continue
                wanted = np.isin(shown.rows, self.pictured.get(name, ()) if condition in self.plan.pictured else ())
                try:
                    levels = self.perturb(shown, condition, subjects[models[0].alias], playing)
                except Exception as error:
                    outcomes += [self.fail(model.alias, condition, f"{condition} could not be made: {_told(error)}") for model in models]
                    continue
                if not isinstance(condition.perturbation, Attacked) and self.settings.explain == "none":
                    pictures += _pictures(shown.rows, wanted, condition, levels)
                for model in models:
                    subject = subjects[model.alias]
                    subject.width = min(subject.width, self.at_once(levels))
                    try:
                        if isinstance(condition.perturbation, Attacked):
                            outcome, adversarial = self.attack(subject, shown, condition, conditions, clean.get(model.alias), curves)
                            found = _pictures(shown.rows, wanted, condition, adversarial, model.alias)
                            pictures += self.explained(subject, found, adversarial, outcome, wanted, notes)
                        elif isinstance(condition.perturbation, Diagnosed):
                            outcome = self.diagnose(subject, shown, condition, clean.get(model.alias))
                        else:
                            found = self.answers(subject, levels, self.showing.ids(name, shown))
                            logits = found.logits
                            if condition.perturbation is None:
                                clean[model.alias] = logits
                                notes += self.asked_again(subject, levels, logits)
                            scores = self.scores(subject, condition, levels, logits, fits[model.alias])
                            outcome = self.outcome(model.alias, shown, condition, found, fits[model.alias], scores=scores)
                            if self.settings.explain != "none":
                                seen = _pictures(shown.rows, wanted, condition, levels, model.alias)
                                pictures += self.explained(subject, seen, levels, outcome, wanted, notes)
                    except Exception as error:
                        outcome = self.fail(model.alias, condition, _told(error))
                    outcomes.append(outcome)
        images = images_in(prepared)
        notes += self.copies(name, prepared)
        return Block(name, images, tuple(outcomes), pictures=tuple(pictures), notes=tuple(notes), facts=_facts(name, prepared, conditions))

    def explained(
        self, subject: Subject, pictures: list[Picture], shown: Tensor, outcome: Outcome, wanted: np.ndarray, notes: list[str]
    ) -> list[Picture]:
        """The pictures with what the model looked at, where that is asked for and can be told; else as they are, and why in `notes`."""
        alias, method = subject.model.alias, self.settings.explain
        if method == "none" or not pictures or outcome.predictions is None or alias in self.unexplained:
            return pictures
        places = np.flatnonzero(wanted)
        images = shown[places] if shown.is_floating_point() else to_unit(shown[places])
        classes = torch.from_numpy(outcome.predictions.prediction[places].astype(np.int64)).to(images.device)

        def logits(outputs: Tensor) -> Logits:
            return answers(subject.space, outputs.float()).logits

        def piece(rows: slice) -> np.ndarray:
            return explaining.heat(subject.model.classifier, images[rows], classes[rows], method, logits)

        try:
            heats = np.concatenate(subject.in_pieces(len(images), piece))
        except Exception as error:  # nobody is judged by it
            self.unexplained.add(alias)
            notes.append(f"what model {alias!r} looked at is not told: {_told(error)}")
            return pictures
        return [replace(picture, heat=heat) for picture, heat in zip(pictures, heats, strict=True)]

    def copies(self, name: str, prepared: Prepared) -> list[str]:
        """A sentence about the first judged image that is, pixel for pixel, one of those set aside for calibration."""
        if name in self.copied or name not in self.plan.calibrated:
            return []
        row, other = next(((row, self.aside[name, own]) for row, own in pixels(prepared) if (name, own) in self.aside), (-1, -1))
        if row < 0:
            return []
        self.copied.add(name)
        ids = self.datasets[name].ids
        return [
            f"data {name!r}: the judged image {ids[row]} is, pixel for pixel, the calibration image {ids[other]}: what is fitted on the "
            "calibration images looks better than it is; remove the copies"
        ]

    def asked_again(self, subject: Subject, levels: Levels, logits: Logits) -> list[str]:
        """A sentence about a model that answers otherwise when it is shown the same images again; asked once."""
        alias = subject.model.alias
        if alias in self.asked:
            return []
        self.asked.add(alias)
        again = self.classify(subject, levels[:ASKED_AGAIN])
        first = logits[: len(again)]
        if float((again - first).abs().max()) <= STEADY * (1 + float(first.abs().max())):
            return []
        changed = int((again.argmax(dim=1) != first.argmax(dim=1)).sum())
        return [
            f"model {alias!r} answered otherwise when shown the same {len(again)} images again ({changed} predictions changed): it "
            "draws at random, one answer says little, and an attack should average its gradients over many draws"
        ]

    def at_once(self, levels: Levels) -> int:
        """How many images to show to a model at a time, where the user did not say."""
        if self.settings.batch_size or self.device.type != "cpu":
            return self.showing.size
        return max(1, KEPT_PIXELS // (levels.shape[-2] * levels.shape[-1]))

    def perturb(self, shown: Shown, condition: Condition, subject: Subject, playing: Playing) -> Levels:
        """The pixels of a condition; an attack starts from the clean ones."""
        match condition.perturbation:
            case Corrupted() as corrupted:
                seed = self.settings.seed
                pieces = subject.in_pieces(
                    len(shown.levels), lambda piece: corrupting.corrupt(shown.levels[piece], corrupted, shown.keys[piece], seed)
                )
                return torch.cat(pieces)
            case Frame(sequence, profile, wanted):
                frames = corrupting.frames(shown.levels, sequence, shown.keys, self.settings.seed, profile)
                place = sequence, profile, id(shown)
                return next(levels for number, levels in playing.setdefault(place, enumerate(frames)) if number == wanted)
        return shown.levels

    def answers(self, subject: Subject, levels: Levels, ids: Sequence[str] = ()) -> Answers:
        """What a model says of stored levels, without a gradient; `ids` name them in errors."""
        with torch.inference_mode():
            pieces = subject.in_pieces(len(levels), lambda piece: subject.answers(to_unit(levels[piece]), ids[piece]))
        firsts = [piece.first for piece in pieces if piece.first is not None]
        return Answers(torch.cat([piece.logits for piece in pieces]).clone(), torch.cat(firsts).clone() if firsts else None)

    def classify(self, subject: Subject, levels: Levels) -> Logits:
        """The logits of `answers`."""
        return self.answers(subject, levels).logits

    def attack(
        self, subject: Subject, shown: Shown, condition: Condition, conditions: Sequence[Condition], clean: Logits | None, curves: Curves
    ) -> tuple[Outcome, Tensor]:
        """The outcome of an attacked condition, and the adversarial images.

        A minimal-norm attack is run once for all the radii that the conditions name; the others are found in `curves`.
        """
        alias = subject.model.alias
        if not self.datasets[condition.dataset].classes:
            raise EvaluationError(f"expected images with labels to attack, got none in {condition.dataset!r}; attack other data")
        if self.datasets[condition.dataset].accepted is not None:
            raise EvaluationError(
                f"expected one right class for each image to attack, got several in {condition.dataset!r}; attack other data"
            )
        if (alias, condition) not in curves:
            radii = [one for one in conditions if _same_run(one, condition) and self.wants(alias, one)]
            attacked = [one.perturbation for one in radii if isinstance(one.perturbation, Attacked)]
            images, seed = to_unit(shown.levels), self.settings.seed
            found = subject.whole(lambda width: attacking.curve(subject, images, shown.labels, attacked, shown.keys, seed, clean, width))
            curves.update({(alias, one): result for one, result in zip(radii, found, strict=True)})
        result = curves.pop((alias, condition))
        outcome = self.outcome(alias, shown, condition, Answers(result.logits), Fits(), result.distance)
        return Outcome(**{**vars(outcome), "counts": dict(result.counts)}), result.adversarial

    def outcome(
        self,
        alias: str,
        shown: Shown,
        condition: Condition,
        answers: Answers,
        fits: Fits,
        distance: Tensor | None = None,
        scores: dict[str, np.ndarray] | None = None,
    ) -> Outcome:
        """The part of an outcome that one batch contributes."""
        logits, whole = answers.logits, condition in self.plan.logits
        if condition.dataset in self.plan.unfamiliar:
            return Outcome(alias, condition, shown.rows, None, self.expected(condition), measured=scores or {}, arrival=shown.arrival)
        labels = self.showing.labelled(condition.dataset, shown, logits).labels
        predictions = self.further(condition.dataset, shown, condense(logits, labels.clamp(min=0)), answers)
        numbers, own = logits.cpu().numpy(), labels.cpu().numpy()
        sets = [one for one, wanted in self.plan.via.items() if isinstance(one, Conformed) and condition in wanted]
        draws = draws_of(shown.keys, self.settings.seed) if sets else np.zeros(0)
        return Outcome(
            alias,
            condition,
            shown.rows,
            replace(predictions, logits=logits.float().cpu().numpy()) if whole or self.settings.keep == "logits" else predictions,
            self.expected(condition),
            fits.recalibrated(numbers, own, whole) if self.datasets[condition.dataset].classes else {},
            None if distance is None else distance.float().cpu().numpy(),
            measured=fits.sets(sets, numbers, own, draws) | (scores or {}),
            arrival=shown.arrival,
        )

    def further(self, name: str, shown: Shown, predictions: Predictions, answers: Answers) -> Predictions:
        """The predictions with what only some data sets have: other classes than the model's, or images of two cues."""
        dataset, more = self.datasets[name], {}
        if not dataset.classes:
            return replace(predictions, labels=np.full_like(predictions.labels, -1))
        if dataset.space is not None and answers.first is not None:
            first, labels = answers.first.cpu().numpy(), shown.labels.cpu().numpy()
            more["right_unmasked"] = stands_for(dataset.space, first, labels, self.showing.accepted(name, shown))
        if dataset.rivals is not None:
            more["rivals"] = dataset.rivals[shown.rows].astype(predictions.labels.dtype)
        return replace(predictions, **more)

    def scores(self, subject: Subject, condition: Condition, levels: Levels, logits: Logits, fits: Fits) -> dict[str, np.ndarray]:
        """The scores of the plan's detectors; see `Outcome.measured`."""
        found = {}
        for one, score in fits.detectors.items():
            if condition in self.plan.via[one]:
                parts = [evidence for evidence, _ in self.evidence(one, subject, levels, logits)]
                found[f"score {one}"] = score(detecting.joined(parts))
        return found

    def diagnose(self, subject: Subject, shown: Shown, condition: Condition, clean: Logits | None) -> Outcome:
        """The outcome of a diagnostic: its numbers of every image."""
        assert isinstance(condition.perturbation, Diagnosed)
        diagnostic, options = condition.perturbation.diagnostic, dict(condition.perturbation.options)
        noise = keyed(shown.keys, self.settings.seed, str(condition.perturbation))
        logits = self.classify(subject, shown.levels) if clean is None else clean
        shown = self.showing.labelled(condition.dataset, shown, logits)

        def piece(rows: slice) -> Mapping[str, Tensor]:
            images, noises = to_unit(shown.levels[rows]), KeyedNoise(noise.keys[rows])
            return find("diagnostics", diagnostic)(subject, images, shown.labels[rows], logits[rows], noises, **options)

        parts = subject.in_pieces(len(shown.rows), piece)
        numbers = {name: torch.cat([part[name] for part in parts]).float().cpu().numpy() for name in parts[0]}
        expected = self.expected(condition)
        return Outcome(subject.model.alias, condition, shown.rows, None, expected, measured=numbers, arrival=shown.arrival)

    def wants(self, alias: str, condition: Condition) -> bool:
        """Whether the model is to be shown the condition, has not failed under it, and is still to be judged by it."""
        shown = alias in self.plan.shown[condition] and (alias, str(condition)) not in self.failed
        return shown and (alias, condition) not in self.dropped

    def shown_to(self, alias: str) -> list[Condition]:
        """The conditions of the plan that are for a model."""
        return [condition for condition in self.plan.conditions if alias in self.plan.shown[condition]]

    def wanted(self, conditions: Sequence[Condition]) -> set[Condition]:
        """Those of the conditions that some model is still to be shown."""
        return {condition for condition in conditions if any(self.wants(model.alias, condition) for model in self.models)}

    def expected(self, condition: Condition) -> int:
        """How many judged images the condition will be shown on."""
        return len(self.showing.splits[condition.dataset]["judged"])

    def fail(self, alias: str, condition: Condition, why: str) -> Outcome:
        """An outcome that says why there is none; the model does not meet the condition again."""
        self.failed[alias, str(condition)] = why
        return Outcome(alias, condition, np.zeros(0, np.int64), None, self.expected(condition), error=why)

    def fail_all(self, name: str, why: str) -> Block:
        """The same for every model and every condition of a data set."""
        conditions = [condition for condition in self.plan.conditions if condition.dataset == name]
        return Block(name, 0, tuple(self.fail(alias, condition, why) for condition in conditions for alias in self.plan.shown[condition]))


def _same_run(one: Condition, other: Condition) -> bool:
    """Whether a single run of a minimal-norm attack answers both conditions; a condition is always in its own run."""
    match one.perturbation, other.perturbation:
        case Attacked(attack, threat, options), Attacked(same, also, likewise):
            return one == other or (attacking.is_minimal(attack) and (attack, threat.norm, options) == (same, also.norm, likewise))
    return False


def _facts(name: str, prepared: Prepared, conditions: Sequence[Condition]) -> dict[str, str]:
    """The size of the images, the constants that corruptions use at that size, and how corrupted images are rendered."""
    sizes = [shown.levels.shape[-2:] for shown in prepared.values()]
    told = [f"{width}x{height} pixels (corruption constants: {corrupting.profile_for(height, width)})" for height, width in sizes]
    facts = {f"images of {name}": ", ".join(dict.fromkeys(told))}
    corrupted = [condition.perturbation for condition in conditions if isinstance(condition.perturbation, Corrupted)]
    if corrupted:
        published = f"as published: saved as JPEG of quality {corrupting.PUBLISHED_QUALITY}"
        facts[f"corrupted images of {name}"] = published if corrupted[0].as_published else "in memory"
    return facts


def _told(error: Exception) -> str:
    """The error as a sentence: ours are sentences already, of any other the type and the first line."""
    if isinstance(error, EvaluationError):
        return str(error)
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


def _pictures(rows: np.ndarray, wanted: np.ndarray, condition: Condition, images: Tensor, alias: str = "") -> list[Picture]:
    places = np.flatnonzero(wanted)
    if images.is_floating_point():
        images = images[places].mul(255).round().to(torch.uint8)
        return [Picture(int(rows[place]), condition, pixels.cpu().numpy(), alias) for place, pixels in zip(places, images, strict=True)]
    return [Picture(int(rows[place]), condition, images[place].cpu().numpy(), alias) for place in places]
