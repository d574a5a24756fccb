"""Which images are shown, in which order and preparation: a data set as batches on a device, and what its images are called."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

from robustsuite import decoding
from robustsuite.label_spaces import likeliest
from robustsuite.numerics.random import image_keys, key_of
from robustsuite.records import Condition, Dataset, Preprocessing, Settings, Split
from robustsuite.roles import Labels, Levels, Logits

AUTO_BATCH = {"cpu": 64, "cuda": 256}
FEW_OF_EACH = 4  # images of each condition in a batch of sampled pairs
POOL = 4
"""Batches that are decoded together where there are attacks: images wait there for the places of those that fall."""


def splits(dataset: Dataset, share: float) -> dict[Split, np.ndarray]:
    """The numbers of the calibration images and of the judged ones; no image is in both.

    A data set that sets images aside itself is left to do so; otherwise an image is set aside when the hash of its id falls
    into the first `share` of all hashes: the choice does not depend on the order or the number of the other images.
    """
    aside = np.zeros(len(dataset.ids), dtype=bool)
    if len(dataset.calibration):
        aside[list(dataset.calibration)] = True
    elif share:
        hashes = np.array([key_of("calibration", name) for name in dataset.ids], dtype=np.int64).view(np.uint64)
        aside = hashes < np.uint64(int(share * (1 << 64)))
    return {"calibration": np.flatnonzero(aside), "judged": np.flatnonzero(~aside)}


@dataclass
class Shown:
    """One preparation of one batch, on the device. `arrival` are the images' places in the random order, where there is one."""

    rows: np.ndarray
    labels: Labels
    levels: Levels
    keys: Tensor
    arrival: np.ndarray | None = None

    def take(self, places: np.ndarray) -> "Shown":
        """Some of the images."""
        arrival = None if self.arrival is None else self.arrival[places]
        return Shown(self.rows[places], self.labels[places], self.levels[places], self.keys[places], arrival)


Prepared = Mapping[Preprocessing, Shown]
"""One batch in each preparation that some model needs."""


class Showing:
    """The data sets of a run, as its models are shown them."""

    def __init__(
        self,
        datasets: Mapping[str, Dataset],
        shares: Mapping[str, float],
        settings: Settings,
        preparations: Mapping[str, Preprocessing],
        device: torch.device,
        pooled: bool,
    ):
        """Decide the order; nothing is read.

        Args:
            datasets: by the suite's names for them.
            shares: of each, how much to set aside for calibration.
            settings: batch size, workers, seed, order, shard.
            preparations: of each model, by alias.
            device: where batches are wanted.
            pooled: whether attacks want several batches at a time.
        """
        self.datasets, self.settings, self.preparations, self.device = datasets, settings, preparations, device
        self.splits = {name: splits(dataset, shares.get(name, 0.0)) for name, dataset in datasets.items()}
        self.size = settings.batch_size or AUTO_BATCH[device.type]
        self.together = self.size * (POOL if pooled else 1)
        # Made once for all batches: with many images each takes as long as a batch does.
        self.keys: dict[str, Tensor] = {}
        self.orders: dict[tuple[str, str], np.ndarray] = {}

    def ways(self, name: str) -> Mapping[str, Preprocessing]:
        """How each model, by alias, is shown the images of a data set: some benchmarks define their images as they are stored."""
        return dict.fromkeys(self.preparations, Preprocessing()) if self.datasets[name].as_stored else self.preparations

    def share(self, count: int) -> tuple[int, int]:
        """The places, of `count`, that are this shard's: whole batches where there are enough, as one run would show them."""
        shard, shards = self.settings.shard
        unit = self.together if count > (shards - 1) * self.together else 1
        units = -(-count // unit)
        begin, end = (min(units * part // shards * unit, count) for part in (shard - 1, shard))
        return begin, end

    def calibration(self, name: str) -> Iterator[Prepared]:
        """The images set aside, in the run's order. Every shard is shown them all."""
        rows = self._ordered(name, "calibration")
        yield from self.read(name, rows, np.arange(len(rows)), self.together)

    def judged(self, name: str, done: int = 0) -> Iterator[Prepared]:
        """This shard's judged images, in the run's order, but for those that are `done`."""
        begin, end = self.share(len(self.splits[name]["judged"]))
        yield from self.judged_at(name, np.arange(begin + done, end))

    def judged_at(self, name: str, places: np.ndarray) -> Iterator[Prepared]:
        """The judged images at these places of the run's order."""
        yield from self.read(name, self._ordered(name, "judged")[places], places, self.together)

    def read(self, name: str, rows: np.ndarray, places: np.ndarray, size: int) -> Iterator[Prepared]:
        """Images in the order given, which are at these places of the random order if there is one."""
        dataset, begin = self.datasets[name], 0
        if name not in self.keys:
            self.keys[name] = image_keys(dataset.ids)
        keys = self.keys[name]
        workers = decoding.workers_for(len(rows), self.settings.workers)
        for batch in decoding.batches(dataset, rows, list(dict.fromkeys(self.ways(name).values())), size, workers):
            labels, own = batch.labels.to(self.device), keys[batch.rows].to(self.device)
            arrival = places[begin : begin + len(batch.rows)] if self.settings.shuffle else None
            begin += len(batch.rows)
            yield {way: Shown(batch.rows, labels, levels.to(self.device), own, arrival) for way, levels in batch.levels.items()}

    def pairs(self, name: str, conditions: int) -> np.ndarray:
        """Every pair of a judged image and a condition once, in random order: the image's place times `conditions`, plus the other's."""
        if ("pairs", name) not in self.orders:
            count = len(self.splits[name]["judged"]) * conditions
            self.orders["pairs", name] = self._random("pairs", name).permutation(count)
        return self.orders["pairs", name]

    def left(
        self, name: str, conditions: Sequence[Condition], wanted: AbstractSet[Condition], place: int
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """The order of the pairs; this shard's places from `place` on whose condition is still wanted; how many to show at a time."""
        count = len(conditions)
        order = self.pairs(name, count)
        begin, end = self.share(len(order))
        place, order = max(begin, place), order[:end]
        held = np.isin(np.arange(count), [number for number, condition in enumerate(conditions) if condition in wanted])
        return order, place + np.flatnonzero(held[order[place:] % count]), max(self.size, FEW_OF_EACH * len(wanted))

    def ids(self, name: str, shown: Shown) -> list[str]:
        """The names of the images."""
        ids = self.datasets[name].ids
        return [ids[int(row)] for row in shown.rows]

    def accepted(self, name: str, shown: Shown) -> list[tuple[int, ...]] | None:
        """The right classes of each of the images, where there may be several."""
        every = self.datasets[name].accepted
        return None if every is None else [every[row] for row in shown.rows.tolist()]

    def labelled(self, name: str, shown: Shown, logits: Logits) -> Shown:
        """The images with the likeliest of their labels, where several are right."""
        accepted = self.accepted(name, shown)
        return shown if accepted is None else replace(shown, labels=likeliest(logits, shown.labels, accepted))

    def _ordered(self, name: str, split: Split) -> np.ndarray:
        if (split, name) not in self.orders:
            rows = self.splits[name][split]
            self.orders[split, name] = self._random("order", name).permutation(rows) if self.settings.shuffle else rows
        return self.orders[split, name]

    def _random(self, what: str, name: str) -> np.random.Generator:
        return np.random.default_rng(abs(key_of(what, self.settings.seed, name)))


def pixels(prepared: Prepared) -> Iterator[tuple[int, bytes]]:
    """The number of each image of a batch, and a hash of its pixels."""
    shown = next(iter(prepared.values()))
    for row, levels in zip(shown.rows.tolist(), shown.levels.cpu().numpy(), strict=True):
        yield row, blake2b(levels.tobytes(), digest_size=16).digest()


def images_in(prepared: Prepared) -> int:
    """How many images a batch holds."""
    return len(next(iter(prepared.values())).rows)
