"""What detectors read: features and heads that must be there, and scores by rows, in memory that does not grow with the images."""

from collections.abc import Callable

import numpy as np

from robustsuite.errors import UsageError
from robustsuite.predictions import Evidence, Head

ROWS = 1024  # images at a time: a float64 copy of 1,000 logits of all of 50,000 images would be 400 MB


def by_rows(score: Callable[..., np.ndarray], *arrays: np.ndarray, rows: int = ROWS) -> np.ndarray:
    """`score` of `rows` rows of every array at a time, given in float64; float64 `[images]`."""
    found = np.empty(len(arrays[0]))
    for begin in range(0, len(found), rows):
        block = slice(begin, begin + rows)
        found[block] = score(*(array[block].astype(np.float64) for array in arrays))
    return found


def features_of(evidence: Evidence, detector: str) -> np.ndarray:
    """The features, `[images, width]`. Raises `LookupError` where there are none."""
    if evidence.features is None:
        raise LookupError(f"the detector {detector} reads features, the input of the model's last linear layer; expected them, got None")
    return evidence.features


def head_of(head: Head | None, detector: str) -> tuple[np.ndarray, np.ndarray]:
    """Weight `[classes, width]` and bias `[classes]` of the model's last linear layer, float64. Raises `LookupError` without one."""
    if head is None:
        raise LookupError(f"the detector {detector} reads the model's last linear layer; expected its weight and bias, got None")
    return head.weight.astype(np.float64), head.bias.astype(np.float64)


def fitted_on(familiar: Evidence, detector: str) -> None:
    """Raises `UsageError` where there is no image to fit the detector on."""
    if not len(familiar):
        raise UsageError(f"expected familiar images to fit the detector {detector} on, got none; set some aside for calibration")
