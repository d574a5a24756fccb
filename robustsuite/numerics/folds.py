"""Cross-fitting: every image mapped by a map that was fitted without it (Chernozhukov et al. 2018; for calibration, Platt 1999)."""

from collections.abc import Callable
from hashlib import blake2b

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from robustsuite.errors import UsageError

Map = Callable[[np.ndarray], np.ndarray]
Fit = Callable[[np.ndarray, np.ndarray], Map]


def fold_of(logits: Float[np.ndarray, "images classes"], folds: int) -> Int64[np.ndarray, " images"]:
    """The fold of each image, 0 to `folds - 1`: the hash of its logits as float32.

    So it depends neither on the order nor on the number of the images, nor on any label, and equal images share a fold.
    """
    rows = np.ascontiguousarray(logits, dtype="<f4") + np.float32(0)  # which makes -0.0 the same as 0.0
    return np.array([int.from_bytes(blake2b(row.tobytes(), digest_size=8).digest(), "little") % folds for row in rows], dtype=np.int64)


def cross_fitted(
    fit: Fit, logits: Float[np.ndarray, "images classes"], labels: Int[np.ndarray, " images"], folds: int = 5
) -> Float64[np.ndarray, "images classes"]:
    """Recalibrated logits of images that are at once fitted on and judged.

    Args:
        fit: from logits and labels to a map of logits, such as `temperature`; it must bear any number of images, even none.
        logits: of all images.
        labels: their classes.
        folds: at least 2; each is mapped by what was fitted on all the others.

    Returns:
        In the order of `logits`. An image's own label has no part in its own row.

    Raises:
        UsageError: fewer than 2 folds.
    """
    if folds < 2:
        raise UsageError(f"expected at least 2 folds, so that an image is mapped by what was fitted without it, got {folds}")
    fold = fold_of(logits, folds)
    found = np.empty(logits.shape)
    for number in np.unique(fold):
        inside = fold == number
        found[inside] = fit(logits[~inside], labels[~inside])(logits[inside])
    return found
