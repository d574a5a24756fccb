"""Some images of a data set, with all that is known of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL.Image import Image

from robustsuite.records import Dataset


def subset(dataset: Dataset, rows: Sequence[int]) -> Dataset:
    """The images with these numbers, in this order; source and classes stay."""
    place = {row: number for number, row in enumerate(rows)}
    return replace(
        dataset,
        ids=[dataset.ids[row] for row in rows],
        labels=dataset.labels[np.array(rows, dtype=np.int64)],
        read=_Chosen(dataset, tuple(rows)),
        calibration=tuple(place[row] for row in dataset.calibration if row in place),
        accepted=None if dataset.accepted is None else [dataset.accepted[row] for row in rows],
        rivals=None if dataset.rivals is None else dataset.rivals[np.array(rows, dtype=np.int64)],
        groups={attribute: [values[row] for row in rows] for attribute, values in dataset.groups.items()},
    )


@dataclass(frozen=True)
class _Chosen:
    """Reads some of a data set's images; can be sent to another process."""

    dataset: Dataset
    rows: tuple[int, ...]

    def __call__(self, index: int) -> Image:
        return self.dataset.read(self.rows[index])
