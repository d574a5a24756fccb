"""The data path: each image is decoded once, prepared once for every distinct preprocessing, and batched."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch.utils.data import DataLoader

from robustsuite.datasets._files import LARGEST
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
        name = self.dataset.ids[row]
        try:
            image = self.dataset.read(row)
            return row, [prepared(image, preparation, name) for preparation in self.preparations]
        except EvaluationError as error:
            return str(error)
        except Exception as error:  # of a reader that is not ours, or where memory ran out
            return f"expected a readable image, got {name} ({type(error).__name__}: {error}); replace or remove it"


def prepared(image: Image, preparation: Preprocessing, name: str) -> np.ndarray:
    """`prepare`; `name` is the image's, for errors.

    Raises `EvaluationError` for an image so narrow that nothing would be left of it, or that it would be resized beyond any memory.
    """
    shorter, longer = sorted(image.size)
    if preparation.central_fraction:
        shorter = longer = round(shorter * preparation.central_fraction)
    if not shorter or (preparation.resize and preparation.resize**2 * longer > LARGEST * shorter):
        raise EvaluationError(
            f"expected an image that can be prepared as asked ({preparation}), got {image.width}x{image.height} pixels ({name}); "
            "crop or remove it"
        )
    return prepare(image, preparation)


def workers_for(images: int, asked: int | None) -> int:
    """How many processes decode: as asked, or one for each core but one, none where there are few images."""
    if asked is not None:
        return asked
    return 0 if images < FEW else min(max((os.cpu_count() or 1) - 1, 1), 8)


def batches(dataset: Dataset, rows: np.ndarray, preparations: Sequence[Preprocessing], size: int, workers: int) -> Iterator[Batch]:
    """The images `rows` in that order, `size` at a time.

    Raises `EvaluationError` for an image that cannot be read, and for images of different sizes in one batch.
    """
    for items in _read(_Reader(dataset, rows, preparations), size, workers):
        for item in items:
            if isinstance(item, str):
                raise EvaluationError(item)
        numbers = np.array([row for row, _ in items])
        levels = {
            preparation: _stack([arrays[place] for _, arrays in items], [dataset.ids[int(row)] for row in numbers])
            for place, preparation in enumerate(preparations)
        }
        yield Batch(numbers, torch.from_numpy(dataset.labels[numbers]).long(), levels)


def problems(dataset: Dataset, asked: int | None) -> dict[int, str]:
    """Why images cannot be read, by their numbers, in as many processes as asked for; every image is decoded once."""
    rows = np.arange(len(dataset.ids))
    items = (item for batch in _read(_Reader(dataset, rows, ()), FEW, workers_for(len(rows), asked)) for item in batch)
    return {row: item for row, item in enumerate(items) if isinstance(item, str)}


def _read(reader: _Reader, size: int, workers: int) -> Iterator[list[Any]]:
    """What the reader gives, `size` images at a time.

    Raises `EvaluationError` where a process was killed: by the system for its memory, or by an image.
    """
    loader = DataLoader(
        reader,  # pyright: ignore[reportArgumentType]
        batch_size=size,
        num_workers=workers,
        collate_fn=list,
        prefetch_factor=4 if workers else None,
        generator=torch.Generator(),  # its own: the loader would otherwise draw from the global one
    )
    try:
        yield from loader
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise EvaluationError(
            f"expected processes that decode the images of {reader.dataset.name!r} to live, got one that died "
            f"({str(error).splitlines()[0]}); use --rs-workers 0 to see why, or fewer for less memory"
        ) from error


def _stack(arrays: list[np.ndarray], ids: Sequence[str]) -> Levels:
    first = arrays[0].shape
    for array, name in zip(arrays, ids, strict=True):
        if array.shape != first:
            raise EvaluationError(
                f"expected images of one size, got {first[2]}x{first[1]} ({ids[0]}) and {array.shape[2]}x{array.shape[1]} ({name}); "
                "say how to bring them to one size with [preprocessing] in the suite, such as resize = 256, crop = 224"
            )
    return torch.from_numpy(np.stack(arrays))
