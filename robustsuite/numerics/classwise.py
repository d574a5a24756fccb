"""Every class's own probabilities, and how far they are from its own images, bin by bin."""

from collections.abc import Iterator

import numpy as np

from robustsuite.numerics.binning import equal_width
from robustsuite.predictions import Predictions

CLASSES = 16  # at a time: their float32 logits fill one line of a processor's cache
ROWS = 1024  # at a time, so that the logits being turned around stay in that cache
NUMBERS = 2**17  # of float64 at a time in the softmax's sums: 1 MiB
FEW = 2048  # values that are sorted sooner than counted
COARSE = 46  # bits of a float64 that are dropped to count it: its exponent stays, and six bits of its mantissa


def every_class(predictions: Predictions) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of each class in turn: its probability on every image, float64 `[images]`, and on the images that are of the class.

    The softmax in float64, to the last bit that of `scipy.special.softmax`. A few classes at a time, in about 160 bytes per image
    whatever the number of classes; the first of the two arrays is overwritten later.

    Raises `LookupError` where the predictions were kept without their logits.
    """
    logits, labels = predictions.logits, predictions.labels
    if logits is None:
        raise LookupError("expected predictions with the logits of every class, got them without; keep the logits to measure every class")
    images, classes = logits.shape
    largest, totals = _normalisers(logits)
    own = np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels, minlength=classes))[:-1])
    block = np.empty((min(CLASSES, classes), images))
    for first in range(0, classes, CLASSES):
        few = block[: classes - first]
        for row in range(0, images, ROWS):
            few[:, row : row + ROWS] = logits[row : row + ROWS, first : first + len(few)].T
        few -= largest
        np.exp(few, out=few)
        few /= totals
        for place, values in enumerate(few):
            yield values, values[own[first + place]]


def _normalisers(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of every image the largest logit, and the sum of all exponentials relative to it, float64 `[images]`."""
    largest, totals = np.empty(len(logits)), np.empty(len(logits))
    rows = max(1, NUMBERS // logits.shape[1])
    for row in range(0, len(logits), rows):
        exact = logits[row : row + rows].astype(np.float64)
        largest[row : row + rows] = exact.max(axis=1)
        exact -= largest[row : row + rows, None]
        totals[row : row + rows] = np.exp(exact, out=exact).sum(axis=1)
    return largest, totals


def equal_width_gaps(values: np.ndarray, own: np.ndarray, bins: int, power: int = 1) -> np.ndarray:
    """Of one class in bins of equal width: the sum over images of `([label is the class] - probability) ** power`, float64 `[bins]`.

    Args:
        values: the class's probability on every image, float64 `[images]` in [0, 1].
        own: the same on the images that are of the class.
        bins: how many, `[lo, hi)`, the last one closed.
        power: 1 or 2.
    """
    weights = _power(values, power)
    beyond = values * bins >= 1  # few as a rule: what most images make of most classes lies in the first bin
    sums = np.zeros(bins)
    sums += np.bincount(equal_width(values.compress(beyond), bins), weights=weights.compress(beyond), minlength=bins)  # integer of none
    sums[0] += np.where(beyond, 0, weights).sum()
    return _gaps(sums, equal_width(own, bins), own, power)


def equal_mass_gaps(values: np.ndarray, own: np.ndarray, bins: int, power: int = 1) -> np.ndarray:
    """As `equal_width_gaps`, in bins that hold equally many values, or one more.

    The value at the rank `round(b values / bins)` is the first of bin b, counting from 0. Equal values share a bin, so that the order of
    the images does not matter, and may leave another bin empty.
    """
    if not len(values):
        return np.zeros(bins)
    ranks = np.round(np.arange(1, bins) * (len(values) / bins)).astype(np.int64)
    edges, below = _quantiles(values, np.minimum(ranks, len(values) - 1), power)
    below = np.concatenate([[0.0], below, [_power(values, power).sum()]])
    return _gaps(below[1:] - below[:-1], np.searchsorted(edges, own, side="right"), own, power)


def _gaps(sums: np.ndarray, index: np.ndarray, own: np.ndarray, power: int) -> np.ndarray:
    """From every bin's sum of `probability ** power`, and the bins and probabilities of the class's own images."""
    if power == 1:
        return np.bincount(index, minlength=len(sums)) - sums
    return np.maximum(sums + np.bincount(index, weights=1 - 2 * own, minlength=len(sums)), 0)


def _power(values: np.ndarray, power: int) -> np.ndarray:
    return values if power == 1 else values * values


def _quantiles(values: np.ndarray, ranks: np.ndarray, power: int) -> tuple[np.ndarray, np.ndarray]:
    """The values of these ranks, and for each the sum of `value ** power` over all smaller values; none is negative.

    To sort many values would take longer than all the rest: they are counted by their leading bits, and only those are sorted that
    share the leading bits of a wanted one.
    """
    near, skipped, whole = values, 0, 0.0
    if len(values) > FEW:
        keys = values.view(np.int64) >> COARSE  # ascending with the value, as none is negative
        keys -= keys.min()
        counts, sums = np.bincount(keys), np.bincount(keys, weights=_power(values, power))
        place = np.searchsorted(np.cumsum(counts), ranks, side="right")
        wanted = np.zeros(len(counts), dtype=bool)
        wanted[place] = True
        near = values.compress(wanted[keys])
        skipped, whole = (np.cumsum(np.where(wanted, 0, each))[place] for each in (counts, sums))
    near = np.sort(near)
    edges = near[ranks - skipped]
    below = np.concatenate([[0.0], np.cumsum(_power(near, power))])
    return edges, whole + below[np.searchsorted(near, edges)]


def noise(squares: np.ndarray) -> float:
    """A bound on the sum over bins of the mean size of what chance adds to a bin's sum of gaps, from the sums of squared gaps.

    A sum of independent gaps has a mean size of at most the root of its expected sum of squares. The root of the sum that was
    found is too small for that where an image of the class is rare in the bin: one that comes once in a hundred data sets
    adds 0.01 to the mean of the root, but 0.02 to the mean size, half of it by the small gaps of the ninety-nine others. Hence
    twice the root up to a sum of 1, and above it never less than the root.
    """
    return float(np.sqrt(squares + 3 * np.minimum(squares, 1)).sum())
