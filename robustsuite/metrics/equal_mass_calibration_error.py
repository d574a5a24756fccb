"""Expected calibration error of the predicted class in bins of equally many images (Nguyen & O'Connor 2015; Nixon et al. 2019).

arXiv:1508.05154 and arXiv:1904.01685.
"""

import itertools
from math import log, sqrt

import numpy as np

from robustsuite.numerics.intervals import largest_mean_high, largest_mean_low
from robustsuite.predictions import Predictions

HIGHER_IS_BETTER = False
RANGE = (0.0, 1.0)


def equal_mass_calibration_error(predictions: Predictions, bins: int = 15) -> float:
    """`sum_b |sum_{i in b} (correct_i - confidence_i)| / images`, in [0, 1]; 0 is best.

    Every bin holds exactly `images / bins` images in the order of their confidence: an image on a border counts for both bins
    in parts, and so do equally confident ones (in float32, where many may say exactly 1), each in the same parts. So neither the
    order of the images nor their number matters to the borders. Other libraries round borders to images, each in its own way; where the
    bins divide the images and no confidences are equal, all agree. Plug-in estimate, further above 0 on a calibrated model than with
    bins of equal width.
    """
    places, gaps = _accumulated(predictions)
    borders = np.interp(np.linspace(0, len(predictions), bins + 1), places, gaps)
    return min(float(np.abs(np.diff(borders)).sum() / len(predictions)), 1.0)


def interval(predictions: Predictions, alpha: float, bins: int = 15) -> tuple[float, float]:
    """Bounds on the error in the bins of equal probability of the distribution, each wrong with probability at most `alpha`.

    For any number of images. Half of `alpha` says how many images may lie below the distribution's borders (Dvoretzky, Kiefer &
    Wolfowitz 1956 with Massart's constant): the largest and smallest errors of all borders within. The other half is for the
    errors in fixed bins (`numerics.intervals.largest_mean_high`; low with a union bound over the signs of the bins).
    Bounded differences would not do: one image moves every border, and the value by up to 2 bins / images.
    """
    images = len(predictions)
    places, gaps = _accumulated(predictions)
    shift = sqrt(images * log(4 / alpha) / 2)
    least, most = np.zeros(bins + 1), np.zeros(bins + 1)
    for border in range(1, bins):
        ends = np.clip(border * images / bins + np.array([-shift, shift]), 0, images)
        inside = gaps[(places > ends[0]) & (places < ends[1])]
        reached = np.append(inside, np.interp(ends, places, gaps))
        least[border], most[border] = reached.min(), reached.max()
    least[bins] = most[bins] = gaps[-1]
    squares = float(((predictions.correct - predictions.confidence) ** 2).sum())
    value = equal_mass_calibration_error(predictions, bins)
    low = largest_mean_low(np.array([_shortest(least, most)]), squares, images, alpha / 2**bins)
    high = largest_mean_high(min(_longest(least, most) / images, 1.0), squares, images, alpha / 2)
    return min(low, value), max(high, value)


def _accumulated(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """How many images are at most so confident, and the sum of their gaps; straight lines between, over the equally confident."""
    confidence = predictions.confidence
    order = np.argsort(confidence)
    rounded = confidence[order].astype(np.float32)
    last = np.append(np.flatnonzero(np.diff(rounded)), len(order) - 1)
    gaps = np.cumsum((predictions.correct - confidence)[order])
    return np.append(0, last + 1), np.append(0.0, gaps[last])


def _longest(least: np.ndarray, most: np.ndarray) -> float:
    """The largest sum of steps between neighbours, if each may lie anywhere from `least` to `most`: at an end, for it is convex."""
    ends, longest = np.stack([least, most], axis=1), np.zeros(2)
    for before, after in itertools.pairwise(ends):
        longest = (longest[:, None] + np.abs(after - before[:, None])).max(axis=0)
    return float(longest.max())


def _shortest(least: np.ndarray, most: np.ndarray) -> float:
    """The smallest sum of steps between neighbours: nobody moves before he must, and then no further than he must."""
    low, high, total = least[0], most[0], 0.0
    for begin, end in zip(least[1:], most[1:], strict=True):
        step = max(begin - high, low - end, 0.0)
        total += step
        if step:
            low = high = begin if begin > high else end
        else:
            low, high = max(low, begin), min(high, end)
    return total
