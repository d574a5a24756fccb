"""The data path: each image is decoded once, prepared once for every distinct preprocessing, and batched."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import DataLoader

from robustsuite.errors import EvaluationError
from robustsuite.numerics.resampling import prepare
from robustsuite.records import Dataset, Preprocessing
from robustsuite.roles import Labels, Levels

FEW = 512  # images below which starting decoding processes takes longer than decoding


@dataclass(frozen=True)
class Batch:
    """A few images, prepared in each of the ways asked for."""

    rows: np.ndarray
    labels: Labels
    levels: dict[Preprocessing, Levels]


@dataclass(frozen=True)
class _Reader:
    """Reads one image; runs in a worker process. What goes wrong is returned: an exception would lose its type there."""

    dataset: Dataset
    rows: np.ndarray
    preparations: Sequence[Preprocessing]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> tuple[int, list[np.ndarray]] | str:
        row = int(self.rows[position])
        try:
            image = self.dataset.read(row)
        except EvaluationError as error:
            return str(error)
        return row, [prepare(image, preparation) for preparation in self.preparations]


def workers_for(images: int, asked: int | None) -> int:
    """How many processes decode: as asked, or one for each core but one, none where there are few images."""
    if asked is not None:
        return asked
    return 0 if images < FEW else min(max((os.cpu_count() or 1) - 1, 1), 8)


def batches(dataset: Dataset, rows: np.ndarray, preparations: Sequence[Preprocessing], size: int, workers: int) -> Iterator[Batch]:
    """The images `rows` in that order, `size` at a time.

    Raises `EvaluationError` for an image that cannot be read, and for images of different sizes in one batch.
    """
    loader = DataLoader(
        _Reader(dataset, rows, preparations),  # pyright: ignore[reportArgumentType]
        batch_size=size,
        num_workers=workers,
        collate_fn=list,
        prefetch_factor=4 if workers else None,
        generator=torch.Generator(),  # its own: the loader would otherwise draw from the global one
    )
    for items in loader:
        for item in items:
            if isinstance(item, str):
                raise EvaluationError(item)
        numbers = np.array([row for row, _ in items])
        levels = {
            preparation: _stack([arrays[place] for _, arrays in items], [dataset.ids[int(row)] for row in numbers])
            for place, preparation in enumerate(preparations)
        }
        yield Batch(numbers, torch.from_numpy(dataset.labels[numbers]).long(), levels)


def _stack(arrays: list[np.ndarray], ids: Sequence[str]) -> Levels:
    first = arrays[0].shape
    for array, name in zip(arrays, ids, strict=True):
        if array.shape != first:
            raise EvaluationError(
                f"expected images of one size, got {first[2]}x{first[1]} ({ids[0]}) and {array.shape[2]}x{array.shape[1]} ({name}); "
                "say how to bring them to one size with [preprocessing] in the suite, such as resize = 256, crop = 224"
            )
    return torch.from_numpy(np.stack(arrays))
