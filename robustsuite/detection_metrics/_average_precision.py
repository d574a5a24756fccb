"""Average precision and its limits, whichever class is the positive one."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import root_scalar

from robustsuite.detection_metrics._limits import limits


@dataclass(frozen=True)
class _Recalled:
    """Shares of both classes at each positive image's own score, lowest first; equal scores are taken together.

    `recall` and `alarms` are the shares of positives and of negatives that score as high or higher, float64 `[positives]`;
    `odds` is the number of negatives for each positive. So the precision is `recall / (recall + odds alarms)`.
    """

    recall: np.ndarray
    alarms: np.ndarray
    odds: float

    @property
    def precision(self) -> np.ndarray:
        """At each positive image's score, float64 `[positives]`."""
        return self.recall / (self.recall + self.odds * self.alarms)

    @property
    def area(self) -> float:
        """The mean precision."""
        return float(self.precision.mean())


def average_precision(positive: np.ndarray, negative: np.ndarray) -> float:
    """The mean over positive images of the precision at their own score: `sum_t (R_t - R_(t-1)) P_t` over all thresholds t."""
    return _recalled(positive, negative).area


def interval(positive: np.ndarray, negative: np.ndarray, alpha: float) -> tuple[float, float]:
    """Limits on the area of the population with positives and negatives in this proportion.

    The variance is that of the influence of every image (the infinitesimal jackknife, as DeLong's is for the other area), of either
    sample by itself. The area of a sample is too high on average, for an image counts itself as recalled: the centre is corrected
    by the second-order bias. See `_limits` for the rest.
    """
    curve = _recalled(positive, negative)
    recall, alarms, odds, precision = curve.recall, curve.alarms, curve.odds, curve.precision
    value, positives, negatives = curve.area, len(positive), len(negative)
    selected = recall + odds * alarms
    by_recall, by_alarms = odds * alarms / selected**2, -odds * recall / selected**2  # derivatives of the precision
    # An image changes the precision at every positive score that is not above its own.
    ascending = np.sort(positive)
    sums_by_recall, sums_by_alarms = (np.concatenate([[0], part.cumsum()]) / positives for part in (by_recall, by_alarms))
    influence = precision + sums_by_recall[np.searchsorted(ascending, ascending, "right")]
    other_influence = sums_by_alarms[np.searchsorted(ascending, negative, "right")]
    variance = sum(float(part.var(ddof=1)) / len(part) if len(part) > 1 else 0.0 for part in (influence, other_influence))
    bends = -2 * odds * alarms / selected**3, 2 * odds**2 * recall / selected**3  # second derivatives
    bias = float((bends[0] * recall * (1 - recall) + 2 * by_recall * (1 - recall)).mean()) / (2 * positives)
    bias += float((bends[1] * alarms * (1 - alarms)).mean()) / (2 * negatives)
    return limits(value, value - bias, variance, min(positives, negatives), alpha, _missed(curve, negatives, alpha))


def _missed(curve: _Recalled, negatives: int, alpha: float) -> tuple[float, float]:
    """The area with a share of either class that the sample may have missed at the wrong end, or at the right one."""
    recall, alarms, odds = curve.recall, curve.alarms, curve.odds
    unseen, other = 1 - alpha ** (1 / len(recall)), 1 - alpha ** (1 / negatives)
    worst = _worst_share(curve, unseen)
    low = (
        _Recalled(recall, (1 - other) * alarms + other, odds).area,  # negatives above all
        (1 - worst) * _Recalled((1 - worst) * recall, alarms, odds).area + worst / (1 + odds),  # positives below all
    )
    high = (
        _Recalled(recall, (1 - other) * alarms, odds).area,  # negatives below all
        (1 - unseen) * _Recalled((1 - unseen) * recall + unseen, alarms, odds).area + unseen,  # positives above all
    )
    return min(low), max(high)


def _worst_share(curve: _Recalled, unseen: float) -> float:
    """How many positives below all others lower the area most, up to a share of `unseen`; the area is convex in the share.

    All of them, but where most positives already lie below the negatives: the last ones are as precise as chance.
    """

    def slope(share: float) -> float:
        false = curve.odds * curve.alarms
        return float(((false / ((1 - share) * curve.recall + false)) ** 2).mean()) - curve.odds / (1 + curve.odds)

    if slope(unseen) <= 0:
        return unseen
    return 0.0 if slope(0) >= 0 else root_scalar(slope, bracket=(0, unseen)).root


def _recalled(positive: np.ndarray, negative: np.ndarray) -> _Recalled:
    ascending = np.sort(positive)
    recall = (len(positive) - np.searchsorted(ascending, ascending, "left")) / len(positive)
    alarms = (len(negative) - np.searchsorted(np.sort(negative), ascending, "left")) / len(negative)
    return _Recalled(recall, alarms, len(negative) / len(positive))
