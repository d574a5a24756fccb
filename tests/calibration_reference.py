"""The top-label calibration and selection metrics written out slowly: float64, from all probabilities, nothing shared with the package."""

from collections.abc import Sequence
from math import exp, lgamma, log, sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr


def answers(probabilities: np.ndarray, labels: np.ndarray) -> list[tuple[float, int]]:
    """The confidence of every image, and 1 where it is right."""
    return [(float(row.max()), int(row.argmax() == label)) for row, label in zip(probabilities, labels, strict=True)]


def equal_width_bins(probabilities: np.ndarray, labels: np.ndarray, bins: int) -> list[list[tuple[float, int]]]:
    """The answers of every bin that holds any: [lo, hi), the last one closed."""
    found: list[list[tuple[float, int]]] = [[] for _ in range(bins)]
    for confidence, right in answers(probabilities, labels):
        found[next(number for number in range(bins) if confidence < (number + 1) / bins or number == bins - 1)].append((confidence, right))
    return [inside for inside in found if inside]


def mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)


def accuracy_and_confidence(inside: list[tuple[float, int]]) -> tuple[float, float]:
    return mean([right for _, right in inside]), mean([confidence for confidence, _ in inside])


# ------------------------------------------------------------------------------------------------------ equal width


def reference_brier_reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    total = 0.0
    for inside in equal_width_bins(probabilities, labels, bins):
        accuracy, confidence = accuracy_and_confidence(inside)
        total += len(inside) * (confidence - accuracy) ** 2
    return total / len(labels)


def reference_root_mean_square_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    return sqrt(reference_brier_reliability(probabilities, labels, bins))


def reference_brier_resolution(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    overall = mean([right for _, right in answers(probabilities, labels)])
    total = 0.0
    for inside in equal_width_bins(probabilities, labels, bins):
        total += len(inside) * (accuracy_and_confidence(inside)[0] - overall) ** 2
    return total / len(labels)


def reference_debiased_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    total = 0.0
    for inside in equal_width_bins(probabilities, labels, bins):
        if len(inside) > 1:
            accuracy, confidence = accuracy_and_confidence(inside)
            total += len(inside) * ((accuracy - confidence) ** 2 - accuracy * (1 - accuracy) / (len(inside) - 1))
    return sqrt(max(total / len(labels), 0.0))


def reference_maximum_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    gaps = []
    for inside in equal_width_bins(probabilities, labels, bins):
        accuracy, confidence = accuracy_and_confidence(inside)
        gaps.append(abs(accuracy - confidence))
    return max(gaps)


def reference_confidence_accuracy_gap(probabilities: np.ndarray, labels: np.ndarray) -> float:
    accuracy, confidence = accuracy_and_confidence(answers(probabilities, labels))
    return abs(accuracy - confidence)


# ------------------------------------------------------------------------------------------------------- other bins


def equally_confident(probabilities: np.ndarray, labels: np.ndarray) -> list[list[tuple[float, int]]]:
    """Answers that float32 cannot tell apart by their confidence, the most confident first."""
    groups: dict[float, list[tuple[float, int]]] = {}
    for confidence, right in answers(probabilities, labels):
        groups.setdefault(float(np.float32(confidence)), []).append((confidence, right))
    return [groups[confidence] for confidence in sorted(groups, reverse=True)]


def reference_equal_mass_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    # Every image is cut into as many slices as there are bins, so that the slices fill the bins evenly.
    slices: list[float] = []
    for group in reversed(equally_confident(probabilities, labels)):
        slices += [sum(right - confidence for confidence, right in group) / (len(group) * bins)] * (len(group) * bins)
    images = len(labels)
    return sum(abs(sum(slices[number * images : (number + 1) * images])) for number in range(bins)) / images


def smoothed_size(confidence: np.ndarray, gaps: np.ndarray, bandwidth: float, steps: int = 1000) -> float:
    """The integral of |smoothed gaps|: mirror images of every gap as far as they reach, and every change of sign bisected."""
    reach = int(8 * bandwidth / 2) + 1
    centres = np.concatenate([sign * confidence + 2 * turn for turn in range(-reach, reach + 1) for sign in (1, -1)])
    weights = np.tile(gaps, 2 * (2 * reach + 1)) / len(gaps)

    def curve(places: np.ndarray) -> np.ndarray:
        return np.exp(-(((places[:, None] - centres) / bandwidth) ** 2) / 2) @ weights

    places = np.linspace(0, 1, steps + 1)
    above = curve(places) > 0
    low, high = (places[np.flatnonzero(above[1:] != above[:-1]) + side] for side in (0, 1))
    upward = curve(high) > 0
    for _ in range(40):
        middle = (low + high) / 2
        beyond = (curve(middle) > 0) == upward
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    ends = np.sort(np.concatenate([places, low]))
    return float(np.abs(np.diff(ndtr((ends[:, None] - centres) / bandwidth) @ weights)).sum())


def reference_smooth_calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    shown = answers(probabilities, labels)
    confidence, gaps = np.array([each for each, _ in shown]), np.array([right - each for each, right in shown])
    if smoothed_size(confidence, gaps, 1.0) >= 1:
        return 1.0
    if smoothed_size(confidence, gaps, 0.0005, steps=5000) <= 0.0005:
        return smoothed_size(confidence, gaps, 0.0005, steps=5000)
    return float(brentq(lambda width: smoothed_size(confidence, gaps, width) - width, 0.0005, 1.0, xtol=1e-10))


def reference_kernel_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bandwidth: float = 0.001) -> float:
    edge = 2.0**-24
    shown = [(min(max(confidence, edge), 1 - edge), right) for confidence, right in answers(probabilities, labels)]
    normaliser = [lgamma(other / bandwidth + 1) + lgamma((1 - other) / bandwidth + 1) - lgamma(1 / bandwidth + 2) for other, _ in shown]
    total = 0.0
    for own, (confidence, right) in enumerate(shown):
        toward_1, toward_0 = log(confidence) / bandwidth, log(1 - confidence) / bandwidth
        logs = [other * toward_1 + (1 - other) * toward_0 - normaliser[number] for number, (other, _) in enumerate(shown) if number != own]
        rights = [other_right for number, (_, other_right) in enumerate(shown) if number != own]
        weights = [exp(each - max(logs)) for each in logs]
        accuracy = sum(weight * each for weight, each in zip(weights, rights, strict=True)) / sum(weights) if logs else right
        total += abs(accuracy - answers(probabilities[[own]], labels[[own]])[0][0])
    return total / len(shown)


# -------------------------------------------------------------------------------------------------------- selection


def risks(probabilities: np.ndarray, labels: np.ndarray) -> list[float]:
    """The error rate expected of the j most confident, j = 1, 2, ..., over all orders of those that tie."""
    found, wrong, seen = [], 0.0, 0
    for group in equally_confident(probabilities, labels):
        share = sum(1 - right for _, right in group) / len(group)
        for _ in group:
            wrong, seen = wrong + share, seen + 1
            found.append(wrong / seen)
    return found


def reference_area_under_risk_coverage(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return mean(risks(probabilities, labels))


def reference_excess_area_under_risk_coverage(probabilities: np.ndarray, labels: np.ndarray) -> float:
    wrong = sum(1 - right for _, right in answers(probabilities, labels))
    best = mean([max(number - (len(labels) - wrong), 0) / number for number in range(1, len(labels) + 1)])
    return max(reference_area_under_risk_coverage(probabilities, labels) - best, 0.0)


def reference_coverage_at_risk(probabilities: np.ndarray, labels: np.ndarray, risk: float = 0.05) -> float:
    covered, wrong, seen = 0, 0, 0
    for group in equally_confident(probabilities, labels):
        wrong, seen = wrong + sum(1 - right for _, right in group), seen + len(group)
        if wrong / seen <= risk:
            covered = seen
    return covered / len(labels)
