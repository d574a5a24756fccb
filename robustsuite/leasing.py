"""Batches given out to actors of Ray, on this machine or a cluster, and taken in again in the order in which one process shows them.

The blocks are those that one process makes: a batch is shown alike by whoever shows it, and what was decided or broken in the meantime is
taken out of it. An actor that dies, or whose node is lost, has its batch given to another one.
"""

import importlib
import os
import time
from collections import Counter, deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from robustsuite import loading
from robustsuite.classifying import device_named, evaluation_mode
from robustsuite.errors import UsageError
from robustsuite.evaluation import Done, Evaluation, Lease, conditions_of
from robustsuite.predictions import Block, Outcome
from robustsuite.records import Attacked, Condition, Dataset, Model, Plan, Preprocessing, Settings, Suite
from robustsuite.showing import Showing

TRIES = 3
"""How many actors may die of one batch before its conditions are given up."""
AHEAD = 2
"""Batches given out to an actor at a time: it starts on the next one while the last one travels."""


PATIENCE = 600
"""Seconds to wait for an actor where none is alive."""
PAUSE = 0.5
COPY = "pixel for pixel"


class Died(Exception):
    """Several actors died of one batch."""


@dataclass(frozen=True)
class Cluster:
    """Where the actors are: an address that Ray knows (`auto`, `ray://host:10001`), or this machine where it is empty.

    `actors` is how many there are: by default one for each GPU, or where there is none one for each core.
    """

    address: str = ""
    actors: int | None = None


@dataclass(frozen=True)
class Errand:
    """What an actor needs to know to show any batch: everything by name, for models and images are loaded where they are used."""

    suite: Suite
    references: Mapping[str, str]
    folders: Mapping[str, Path]
    plan: Plan
    shares: Mapping[str, float]
    settings: Settings
    preprocessing: Preprocessing | None
    pictured: Mapping[str, Sequence[int]]
    folder: Path = field(default_factory=Path.cwd)


class Shower:
    """What an actor does. Models and images are loaded, and the calibration images shown, when it is first asked for a batch."""

    def __init__(self, errand: Errand, threads: int):
        os.chdir(errand.folder)  # to which the names of files may be relative
        torch.set_num_threads(threads)
        self.errand, self.open, self.evaluation = errand, ExitStack(), None

    def ready(self) -> None:
        """Answers once the actor is alive."""

    def begin(self) -> list[Block]:
        """Load, and show the calibration images; what that found out, which is the same for all actors."""
        given = self.errand
        models = [loading.load_model(reference, alias) for alias, reference in given.references.items()]
        datasets = loading.load_datasets(given.suite, given.folders)
        device = device_named(given.settings.device)
        self.open.close()
        notes = self.open.enter_context(evaluation_mode(models, device))
        common = given.shares, given.settings, given.preprocessing, given.pictured
        self.evaluation = Evaluation(given.plan, models, datasets, *common, frozenset(), Done(), device)
        blocks = [Block("", 0, notes=tuple(notes))]
        for name in given.plan.calibrated:
            blocks += self.evaluation.calibrate(name)
        return blocks

    def show(self, lease: Lease) -> Block:
        """The block of a batch."""
        if self.evaluation is None:
            self.begin()
        assert self.evaluation is not None
        return self.evaluation.show(lease)


def evaluate(
    cluster: Cluster,
    suite: Suite,
    folders: Mapping[str, Path],
    plan: Plan,
    models: Sequence[Model],
    datasets: Mapping[str, Dataset],
    shares: Mapping[str, float],
    settings: Settings,
    preprocessing: Preprocessing | None,
    pictured: Mapping[str, Sequence[int]],
    dropped: AbstractSet[tuple[str, Condition]],
    done: Done,
) -> Generator[Block, None, None]:
    """What `evaluation.evaluate` yields, shown by actors. See there; models are loaded by their references, data from `folders`.

    Raises `UsageError` where Ray is not installed or the cluster cannot be reached.
    """
    errand = Errand(suite, {model.alias: model.reference for model in models}, folders, plan, shares, settings, preprocessing, pictured)
    preparations = {model.alias: preprocessing or model.preprocessing or Preprocessing() for model in models}
    attacked = any(isinstance(condition.perturbation, Attacked) for condition in plan.conditions)
    showing = Showing(datasets, shares, settings, preparations, device_named(settings.device), attacked)
    pool = _Pool(cluster, errand)
    try:
        blocks = pool.begin()
        yield from blocks
        failed = dict(done.failed)
        for block in blocks:
            failed |= _failures(block)
        for name in dict.fromkeys(condition.dataset for condition in plan.conditions):
            yield from _Judging(name, plan, showing, pool, dropped, failed, done).blocks()
    finally:
        pool.close()


def _failures(block: Block) -> dict[tuple[str, str], str]:
    return {(one.model, str(one.condition)): one.error for one in block.outcomes if one.error}


class _Judging:
    """One data set: its batches in order, given out some time before they are taken in."""

    def __init__(
        self,
        name: str,
        plan: Plan,
        showing: Showing,
        pool: "_Pool",
        dropped: AbstractSet[tuple[str, Condition]],
        failed: dict[tuple[str, str], str],
        done: Done,
    ):
        self.name, self.plan, self.showing, self.pool = name, plan, showing, pool
        self.dropped, self.failed, self.done = dropped, failed, done
        self.copied = ""  # how the note begins that says which judged image is a copy of a calibration image

    def blocks(self) -> Iterator[Block]:
        """What one process would have yielded."""
        conditions, sampled = conditions_of(self.plan, self.name)
        begin, end = self.showing.share(len(self.showing.splits[self.name]["judged"]))
        places = np.arange(begin + self.done.images[self.name], end)
        size = self.showing.together
        batches = deque((places[at : at + size], False, 0) for at in range(0, len(places), size))
        if self.wanted(conditions):
            yield from self.taken_in(batches, conditions, begins=not (self.done.images or self.done.pairs))
        place, count = self.done.pairs[self.name], len(sampled)
        while wanted := self.wanted(sampled):
            _, left, size = self.showing.left(self.name, sampled, wanted, place)
            if not len(left):
                return
            batches, before = deque(), place
            for at in range(0, len(left), size):
                pairs = left[at : at + size]
                after = int(pairs[-1]) + 1
                batches.append((pairs, True, after // count - before // count))
                before = after
            ends = [int(pairs[-1]) + 1 for pairs, *_ in batches]
            for place, block in zip(ends, self.taken_in(batches, sampled), strict=False):  # noqa: B007 - where to go on
                yield block
                if self.wanted(sampled) != wanted:
                    break
            else:
                return

    def taken_in(self, batches: deque[Any], conditions: Sequence[Condition], begins: bool = False) -> Iterator[Block]:
        """The blocks of some batches, in their order, for as long as some condition is wanted."""
        out: deque[tuple[Any, Lease]] = deque()
        try:
            while batches or out:
                while batches and len(out) < AHEAD * self.pool.size:
                    places, paired, images = batches.popleft()
                    lease = Lease(self.name, places, paired, begins, images, frozenset(self.dropped), dict(self.failed))
                    out.append((self.pool.give(lease), lease))
                    begins = False
                ticket, lease = out.popleft()
                if not lease.paired and self.differs(lease, conditions):
                    # What passes an attack is charged with depends on what else is shown: so it is shown again.
                    self.pool.forget(ticket)
                    ticket = self.pool.give(replace(lease, dropped=frozenset(self.dropped), failed=dict(self.failed)))
                try:
                    block = self.kept(self.pool.take(ticket), conditions)
                except Died as error:
                    block = self.given_up(conditions, str(error))
                self.failed |= _failures(block)
                yield block
                if not self.wanted(conditions):
                    return
        finally:
            for ticket, _ in out:
                self.pool.forget(ticket)

    def wanted(self, conditions: Sequence[Condition]) -> set[Condition]:
        """Those of the conditions that some model is still to be shown."""
        return {one for one in conditions if any(self.wants(alias, one) for alias in self.plan.shown[one])}

    def wants(self, alias: str, condition: Condition) -> bool:
        """Whether the model is still to be shown the condition."""
        return (alias, condition) not in self.dropped and (alias, str(condition)) not in self.failed

    def differs(self, lease: Lease, conditions: Sequence[Condition]) -> bool:
        """Whether anything has been decided or given up since the batch was given out, where there are attacks."""
        if not any(isinstance(one.perturbation, Attacked) for one in conditions):
            return False
        since = [(alias, one) for one in conditions for alias in self.plan.shown[one] if not self.wants(alias, one)]
        return any(pair not in lease.dropped and (pair[0], str(pair[1])) not in lease.failed for pair in since)

    def kept(self, block: Block, conditions: Sequence[Condition]) -> Block:
        """The block without what was decided or given up since its batch was given out."""
        outcomes = tuple(one for one in block.outcomes if self.wants(one.model, one.condition))
        notes = tuple(note for note in block.notes if not self.copied or not note.startswith(self.copied))
        self.copied = self.copied or next((one.partition(" image ")[0] for one in notes if COPY in one), "")
        wanted = self.wanted(conditions)
        pictures = tuple(one for one in block.pictures if (self.wants(one.model, one.condition) if one.model else one.condition in wanted))
        return replace(block, outcomes=outcomes, pictures=pictures, notes=notes)

    def given_up(self, conditions: Sequence[Condition], why: str) -> Block:
        """A block that says of everything that was wanted why there is none."""
        expected = len(self.showing.splits[self.name]["judged"])
        pairs = [(alias, one) for one in conditions for alias in self.plan.shown[one] if self.wants(alias, one)]
        nothing = np.zeros(0, np.int64)
        return Block(self.name, 0, tuple(Outcome(alias, one, nothing, None, expected, error=why) for alias, one in pairs))


class _Pool:
    """The actors, and the batches that they have been given."""

    def __init__(self, cluster: Cluster, errand: Errand):
        try:
            self.ray: Any = importlib.import_module("ray")
        except ImportError:
            raise UsageError("expected Ray for --rs-executor ray, which is not installed; pip install 'robustsuite[ray]'") from None
        self.ours = not self.ray.is_initialized()
        if self.ours:
            own = {"address": cluster.address} if cluster.address else {"address": "local", "include_dashboard": False}
            try:
                self.ray.init(**own, log_to_driver=False, configure_logging=False)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise UsageError(f"expected a Ray cluster at {cluster.address or 'this machine'}, got none ({error}); start one") from error
        found = self.ray.cluster_resources()
        on_gpu = torch.device(errand.settings.device if errand.settings.device != "auto" else "cuda" if found.get("GPU") else "cpu").type
        gpus = 1 if on_gpu == "cuda" else 0
        self.size = cluster.actors or max(int(found.get("GPU", 0)) if gpus else int(found.get("CPU", 1)), 1)
        threads = int(os.environ.get("OMP_NUM_THREADS") or 1)
        kind = self.ray.remote(num_gpus=gpus, num_cpus=0 if gpus else 1, max_restarts=-1, max_task_retries=0)(Shower)
        self.actors = [kind.remote(errand, threads) for _ in range(self.size)]
        self.waiting: deque[int] = deque()  # tickets that no actor has yet
        self.leases: dict[int, Lease] = {}
        self.tries: Counter[int] = Counter()
        self.running: dict[Any, tuple[int, int]] = {}  # what Ray calls a batch -> ticket, actor
        self.coming: dict[Any, int] = {self._call(number, "ready"): number for number in range(self.size)}
        self.held: Counter[int] = Counter()  # batches of each actor
        self.alive: set[int] = set()
        self.done: dict[int, Block | Exception] = {}
        self.issued = 0

    def _call(self, actor: int, method: str, *given: Any) -> Any:
        return getattr(self.actors[actor], method).remote(*given)

    def begin(self) -> list[Block]:
        """What loading and the calibration images found out, by whichever actor can say."""
        for _ in range(TRIES):
            while not self.alive:
                self._wait()
            actor = min(self.alive)
            try:
                return self.ray.get(self._call(actor, "begin"))
            except self.ray.exceptions.RayTaskError as error:
                raise error.cause if isinstance(error.cause, Exception) else error from None
            except self.ray.exceptions.RayError:
                self._lost(actor)
        raise UsageError(f"expected an actor that can load models and data, but {TRIES} died of it; look at Ray's own logs")

    def give(self, lease: Lease) -> int:
        """A ticket for a batch."""
        self.issued += 1
        self.leases[self.issued] = lease
        self.waiting.append(self.issued)
        self._assign()
        return self.issued

    def forget(self, ticket: int) -> None:
        """A batch that is not wanted any more; an actor that is at it finishes for nothing."""
        self.leases.pop(ticket, None)
        self.done.pop(ticket, None)

    def take(self, ticket: int) -> Block:
        """The block of a batch, once it is there."""
        while ticket not in self.done:
            self._wait()
        found = self.done.pop(ticket)
        del self.leases[ticket]
        if isinstance(found, Exception):
            raise found
        return found

    def close(self) -> None:
        """Let go of the actors, and of Ray where it was started here."""
        for actor in self.actors:
            self.ray.kill(actor)
        if self.ours:
            self.ray.shutdown()

    def _assign(self) -> None:
        for actor in sorted(self.alive, key=lambda number: (self.held[number], number)):
            while self.waiting and self.held[actor] < AHEAD:
                ticket = self.waiting.popleft()
                if ticket in self.leases:
                    self.running[self._call(actor, "show", self.leases[ticket])] = ticket, actor
                    self.held[actor] += 1

    def _wait(self) -> None:
        """Until an actor has come to life, finished a batch or died."""
        found, _ = self.ray.wait([*self.running, *self.coming], num_returns=1, timeout=None if self.running else PATIENCE)
        if not found:
            raise UsageError(f"expected an actor of Ray to come to life within {PATIENCE} s, got none; look at the cluster with ray status")
        (ready,) = found
        if ready in self.coming:
            actor = self.coming.pop(ready)
            try:
                self.ray.get(ready)
                self.alive.add(actor)
            except self.ray.exceptions.RayError:
                time.sleep(PAUSE)
                self.coming[self._call(actor, "ready")] = actor
        else:
            ticket, actor = self.running.pop(ready)
            self.held[actor] -= 1
            try:
                self.done[ticket] = self.ray.get(ready)
            except self.ray.exceptions.RayTaskError as error:  # the engine itself broke, and would break anywhere
                self.done[ticket] = error.cause if isinstance(error.cause, Exception) else error
            except self.ray.exceptions.RayError:
                self._again(ticket)
                self._lost(actor)
        self._assign()

    def _again(self, ticket: int) -> None:
        """Give a batch out once more whose actor has died, unless others died of it too."""
        if ticket not in self.leases:
            return
        self.tries[ticket] += 1
        if self.tries[ticket] < TRIES:
            self.waiting.appendleft(ticket)
        else:
            self.done[ticket] = Died(f"{TRIES} actors died when they were shown the same {len(self.leases[ticket].places)} images")

    def _lost(self, actor: int) -> None:
        """Wait for a dead actor to come back, which it may do on another node."""
        if actor in self.alive:
            self.alive.discard(actor)
            self.coming[self._call(actor, "ready")] = actor
