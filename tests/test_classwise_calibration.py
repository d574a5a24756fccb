"""Classwise calibration errors: against what others compute, in any block size, with limits that hold; what others do otherwise is pinned."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import softmax

from robustsuite.metrics import adaptive_calibration_error as ace
from robustsuite.metrics import classwise_calibration_error as sce
from robustsuite.metrics import thresholded_adaptive_calibration_error as tace
from robustsuite.numerics import classwise
from robustsuite.predictions import Predictions

ALL = {
    "classwise": (sce.classwise_calibration_error, sce.interval),
    "adaptive": (ace.adaptive_calibration_error, ace.interval),
    "thresholded": (tace.thresholded_adaptive_calibration_error, tace.interval),
}
every_error = pytest.mark.parametrize("error", ALL)

SETS = {  # classes, and what is told instead of the logits that the labels were drawn from
    "calibrated, 10 classes": (10, lambda logits: logits),
    "calibrated, 2 classes": (2, lambda logits: logits),
    "calibrated, 100 classes": (100, lambda logits: logits),
    "twice too sharp": (10, lambda logits: 2 * logits),
    "half too sharp": (10, lambda logits: logits / 2),
    "saturated": (10, lambda logits: logits / 0.15),
    "gaps of both signs": (10, lambda logits: logits * (1 + np.sin(3 * logits.max(axis=1, keepdims=True)) / 2)),
}
every_set = pytest.mark.parametrize("name", SETS)


def drawn(name: str, images: int = 600, seed: int = 0) -> tuple[Predictions, np.ndarray]:
    """Predictions with labels drawn from known probabilities, and those probabilities float64 `[images, classes]`."""
    classes, told = SETS[name]
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1.5, (images, classes))
    true = softmax(logits, axis=1)
    labels = (true.cumsum(axis=1) < generator.uniform(size=(images, 1))).sum(axis=1).clip(max=classes - 1)
    return given(told(logits), labels), true


def given(logits: np.ndarray, labels: np.ndarray) -> Predictions:
    """Predictions of which only labels and logits matter."""
    rest = np.zeros(len(labels))
    return Predictions(labels, rest[:, None], rest[:, None], rest, rest, rest, rest, logits.astype(np.float32))


def of_probabilities(probabilities: np.ndarray, labels: np.ndarray) -> Predictions:
    with np.errstate(divide="ignore"):
        return given(np.maximum(np.log(probabilities), -1e4), labels)


def probabilities_of(predictions: Predictions) -> np.ndarray:
    assert predictions.logits is not None
    return softmax(predictions.logits.astype(np.float64), axis=1)


# ------------------------------------------------------------------------------------------- what others compute


def robustness_metrics(predictions: Predictions, scheme: str, bins: int, threshold: float = 0.0) -> float:
    """The general calibration error of google-research/robustness_metrics, per class, from its formulas: with its bins and its ties."""
    probabilities, errors = probabilities_of(predictions), []
    for number in range(probabilities.shape[1]):
        kept = probabilities[:, number] > threshold
        values, own = probabilities[kept, number], (predictions.labels == number)[kept]
        if not len(values):
            errors.append(0.0)
            continue
        if scheme == "even":
            upper = np.linspace(0, 1, bins + 1)[1:]
        else:
            places = np.minimum(np.round(np.linspace(0, len(values), bins, endpoint=False)).astype(int), len(values) - 1)
            upper = np.append(np.sort(values)[places[1:]], 1.0)
        index = np.digitize(values, upper)
        counts = np.bincount(index, minlength=bins) + np.finfo(float).eps
        gaps = np.bincount(index, weights=own, minlength=bins) / counts - np.bincount(index, weights=values, minlength=bins) / counts
        errors.append(np.abs(gaps * counts / len(values)).sum())
    return float(np.mean(errors))


@every_set
@pytest.mark.parametrize("bins", [5, 15, 30])
def test_agrees_with_robustness_metrics(name: str, bins: int) -> None:
    shown, _ = drawn(name)
    if name == "saturated":  # no probability is exactly 1 or 0, which it bins otherwise; see below
        shown = given(np.clip(shown.logits, -6, 6), shown.labels)
    assert sce.classwise_calibration_error(shown, bins) == pytest.approx(robustness_metrics(shown, "even", bins), abs=1e-12)
    assert ace.adaptive_calibration_error(shown, bins) == pytest.approx(robustness_metrics(shown, "adaptive", bins), abs=1e-12)
    for threshold in (1e-3, 0.01, 0.3):
        expected = robustness_metrics(shown, "adaptive", bins, threshold)
        assert tace.thresholded_adaptive_calibration_error(shown, threshold, bins) == pytest.approx(expected, abs=1e-12)


@every_set
def test_classwise_agrees_with_netcals_binary_error_of_every_class(name: str) -> None:
    netcal = pytest.importorskip("netcal.metrics")
    shown, _ = drawn(name)
    present = [number for number in range(SETS[name][0]) if (shown.labels == number).any()]  # netcal wants both labels
    columns = probabilities_of(shown)
    expected = [netcal.ECE(15).measure(columns[:, number], (shown.labels == number).astype(int)) for number in present]
    expected += [float(columns[:, number].mean()) for number in range(SETS[name][0]) if number not in present]
    assert sce.classwise_calibration_error(shown) == pytest.approx(np.mean(expected), abs=1e-7)


@every_set
def test_agrees_with_uncertainty_calibration(name: str) -> None:
    calibration = pytest.importorskip("calibration", reason="uncertainty-calibration is not installed")
    shown, _ = drawn(name)
    columns = probabilities_of(shown)
    assert len(shown) % 15 == 0  # where not, it puts the larger bins first
    expected = calibration.get_ece(columns, shown.labels, num_bins=15, mode="marginal")
    assert sce.classwise_calibration_error(shown) == pytest.approx(expected, abs=1e-7)
    if name != "saturated":  # it lets a tie's bin depend on the numbers around it
        expected = calibration.get_ece_em(columns, shown.labels, num_bins=15, mode="marginal")
        assert ace.adaptive_calibration_error(shown) == pytest.approx(expected, abs=1e-7)


def test_robustness_metrics_gives_a_probability_of_1_a_bin_of_its_own() -> None:
    # A quarter of the images are certain of class 0 and wrong, the others too modest: here both are in the last bin, and cancel.
    shown = of_probabilities(np.array([[1.0, 1e-30]] * 10 + [[0.95, 0.05]] * 30), np.array([1] * 10 + [0] * 30))
    assert sce.classwise_calibration_error(shown) == pytest.approx((10 - 30 * 0.05) / 40, abs=1e-7)
    assert robustness_metrics(shown, "even", 15) == pytest.approx((10 + 30 * 0.05) / 40 / 2 + (10 - 30 * 0.05) / 40 / 2, abs=1e-7)


def test_robustness_metrics_leaves_probabilities_of_0_out_of_its_adaptive_error() -> None:
    shown = of_probabilities(np.array([[1.0, 0.0]] * 30 + [[0.6, 0.4]] * 30), np.array([0] * 60))
    ours, theirs = ace.adaptive_calibration_error(shown), robustness_metrics(shown, "adaptive", 15)
    assert ours == pytest.approx(30 * 0.4 / 60, abs=1e-7)
    assert theirs == pytest.approx((30 * 0.4 / 60 + 30 * 0.4 / 30) / 2, abs=1e-7)
    assert theirs == pytest.approx(tace.thresholded_adaptive_calibration_error(shown, threshold=0.0), abs=1e-7)


def test_netcals_ace_is_another_number() -> None:
    netcal = pytest.importorskip("netcal.metrics")
    shown, _ = drawn("calibrated, 10 classes")
    theirs = netcal.ACE(15).measure(probabilities_of(shown), shown.labels)
    assert theirs > 2 * ace.adaptive_calibration_error(shown)


# -------------------------------------------------------------------------------------------------------- by hand


def test_classwise_by_hand() -> None:
    # Class 0: 0.8 four times, three of them right; 0.3 twice, one of them class 0. Class 1 mirrors it.
    shown = of_probabilities(np.array([[0.8, 0.2]] * 4 + [[0.3, 0.7]] * 2), np.array([0, 0, 0, 1, 0, 1]))
    assert sce.classwise_calibration_error(shown) == pytest.approx((abs(3 - 3.2) + abs(1 - 0.6)) / 6, abs=1e-7)
    assert sce.classwise_calibration_error(shown, bins=1) == pytest.approx(abs(4 - 3.8) / 6, abs=1e-7)


def test_adaptive_keeps_equal_probabilities_together() -> None:
    # Two bins of six images: the middle is within the four of 0.5, which so all belong to the second bin.
    first = np.array([0.1, 0.2, 0.5, 0.5, 0.5, 0.5])
    shown = of_probabilities(np.stack([first, 1 - first], axis=1), np.array([1, 0, 0, 0, 1, 0]))
    # Class 1 has the bins {0.5 x 4, 0.8, 0.9} and nothing: its first bin is empty.
    assert ace.adaptive_calibration_error(shown, bins=2) == pytest.approx((abs(1 - 0.3) + abs(3 - 2) + abs(2 - 3.7)) / 6 / 2, abs=1e-7)


def test_thresholded_counts_what_is_above_the_threshold_only() -> None:
    shown = of_probabilities(np.array([[0.99, 0.005, 0.005], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.05, 0.1, 0.85]]), np.array([1, 1, 0, 2]))
    expected = [abs(1 - 0.99 - 0.1 - 0.2 - 0.05) / 4, abs(1 - 0.8 - 0.2 - 0.1) / 3, abs(1 - 0.1 - 0.6 - 0.85) / 3]
    assert tace.thresholded_adaptive_calibration_error(shown, threshold=0.01, bins=1) == pytest.approx(np.mean(expected), abs=1e-7)
    assert tace.thresholded_adaptive_calibration_error(shown, threshold=0.9, bins=1) == pytest.approx(0.99 / 3, abs=1e-7)
    assert tace.thresholded_adaptive_calibration_error(shown, threshold=0.995) == 0
    assert tace.thresholded_adaptive_calibration_error(shown, threshold=0) == ace.adaptive_calibration_error(shown)


# ------------------------------------------------------------------------------------------- blocks, ties, memory


@every_set
def test_the_probabilities_are_scipys_to_the_last_bit(name: str) -> None:
    shown, _ = drawn(name, images=1100)
    columns = probabilities_of(shown)
    for number, (values, own) in enumerate(classwise.every_class(shown)):
        assert np.array_equal(values, columns[:, number])
        assert np.array_equal(own, columns[shown.labels == number, number])
    assert number == SETS[name][0] - 1


@every_error
def test_the_size_of_the_blocks_changes_nothing(error: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, _ = drawn("calibrated, 100 classes")
    expected = ALL[error][0](shown)
    for constant, size in (("CLASSES", 7), ("ROWS", 100), ("NUMBERS", 1000)):
        monkeypatch.setattr(classwise, constant, size)
    assert ALL[error][0](shown) == expected


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("kind", ["continuous", "few distinct", "many zeros", "all equal", "tiny"])
def test_counting_finds_the_same_bins_as_sorting(kind: str, power: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(3)
    values = {
        "continuous": softmax(generator.normal(0, 3, (10_000, 4)), axis=1)[:, 0].copy(),
        "few distinct": generator.integers(0, 9, 10_000) / 8,
        "many zeros": np.where(generator.uniform(size=10_000) < 0.7, 0.0, generator.uniform(size=10_000)),
        "all equal": np.full(10_000, 0.25),
        "tiny": generator.uniform(size=10_000) * 1e-300,
    }[kind]
    own = values[:: 1 + int(1 / max(values.mean(), 1e-3))]
    counted = classwise.equal_mass_gaps(values, own, 15, power)
    monkeypatch.setattr(classwise, "FEW", len(values))
    assert classwise.equal_mass_gaps(values, own, 15, power) == pytest.approx(counted, rel=1e-12, abs=1e-12)
    assert counted.sum() == pytest.approx(len(own) - values.sum() if power == 1 else (values**2).sum() + (1 - 2 * own).sum(), rel=1e-9)


@pytest.mark.parametrize("size", [16, 100, 2999, 3000])
def test_bins_of_equal_mass_differ_by_one_value_at_most(size: int) -> None:
    values = np.random.default_rng(size).uniform(size=size)
    counts = classwise.equal_mass_gaps(values, values, 15) + classwise.equal_mass_gaps(values, values[:0], 15) * -1
    assert counts.sum() == pytest.approx(size)
    assert counts.max() - counts.min() < 1 + 1e-9


@pytest.mark.parametrize("gaps", [classwise.equal_width_gaps, classwise.equal_mass_gaps])
@pytest.mark.parametrize("size", [0, 1, 3, 5000])
def test_the_sums_of_squares_are_those_of_the_gaps(gaps: Callable[..., np.ndarray], size: int) -> None:
    values = np.random.default_rng(1).uniform(size=size) ** 4
    label = np.arange(size) % 3 == 0
    found = gaps(values, values[label], 1, 2)
    assert found == pytest.approx(((label - values) ** 2).sum(), rel=1e-12)
    assert gaps(values, values[label], 15, 2).sum() == pytest.approx(found.sum(), rel=1e-12)


@every_error
def test_memory_does_not_grow_with_the_classes(error: str) -> None:
    peaks = []
    for classes in (64, 512):
        shown = given(np.random.default_rng(0).normal(size=(20_000, classes)), np.arange(20_000) % classes)
        tracemalloc.start()
        ALL[error][1](shown, 0.05)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(peaks) < 300 * 20_000  # bytes; the logits of 512 classes have 2,048 an image
    assert peaks[1] < 1.1 * peaks[0]


@every_error
def test_10_000_added_to_all_logits_of_an_image_changes_nothing(error: str) -> None:
    shown, _ = drawn("gaps of both signs")
    assert shown.logits is not None
    rounded = np.round(shown.logits * 256) / 256  # so that float32 holds the sum exactly
    moved = given(rounded + np.where(np.arange(len(shown)) % 2, 1e4, -1e4)[:, None], shown.labels)
    assert ALL[error][0](moved) == pytest.approx(ALL[error][0](given(rounded, shown.labels)), rel=1e-9)


# ------------------------------------------------------------------------------------------------ limits that hold


def truth_of_these_bins(error: str, shown: Predictions, true: np.ndarray) -> float:
    """The error with every label replaced by the probabilities that it was drawn from, in the bins that these images make."""
    columns, errors = probabilities_of(shown), []
    for number in range(columns.shape[1]):
        kept = columns[:, number] > (1e-3 if error == "thresholded" else -1)
        values, gaps = columns[kept, number], (true - columns)[kept, number]
        if error == "classwise":
            index = np.minimum((values * 15).astype(int), 14)
        else:
            places = np.minimum(np.round(np.arange(1, 15) * (len(values) / 15)).astype(int), len(values) - 1)
            index = np.searchsorted(np.sort(values)[places], values, side="right") if len(values) else np.zeros(0, int)
        errors.append(np.abs(np.bincount(index, weights=gaps, minlength=15)).sum() / max(len(values), 1))
    return float(np.mean(errors))


@pytest.mark.parametrize("images", [20, 300])
@every_set
@every_error
def test_the_limits_hold_the_truth(error: str, name: str, images: int) -> None:
    """Also where the truth is 0, and where most bins of most classes see no image of their class."""
    alpha, runs, low_wrong, high_wrong = 0.05, 60, 0, 0
    for seed in range(runs):
        shown, true = drawn(name, images, seed)
        low, high = ALL[error][1](shown, alpha)
        truth = truth_of_these_bins(error, shown, true)
        low_wrong += low > truth
        high_wrong += high < truth
    assert max(low_wrong, high_wrong) <= alpha * runs


@pytest.mark.parametrize("name", ["twice too sharp", "gaps of both signs", "calibrated, 10 classes"])
@every_error
def test_the_limits_hold_the_truth_of_the_distribution(error: str, name: str) -> None:
    alpha, runs = 0.05, 100
    truth = truth_of_these_bins(error, *drawn(name, 100_000, seed=1000))
    limits = np.array([ALL[error][1](drawn(name, 2000, seed)[0], alpha) for seed in range(runs)])
    assert (limits[:, 0] > truth).sum() <= alpha * runs
    assert (limits[:, 1] < truth).sum() <= alpha * runs


@every_error
def test_the_limits_close_in_on_a_gross_error(error: str) -> None:
    low, high = ALL[error][1](drawn("saturated", 20_000)[0], 0.05)
    value = ALL[error][0](drawn("saturated", 20_000)[0])
    assert 0 < value / 2 < low < value < high < 1.5 * value


@every_error
def test_one_label_moves_the_value_by_no_more_than_the_constant(error: str) -> None:
    shown, _ = drawn("gaps of both signs", images=40)
    value, classes = ALL[error][0](shown), 10
    columns = probabilities_of(shown) > (1e-3 if error == "thresholded" else -1)
    for row in range(40):
        change = np.sort(columns[row] / columns.sum(axis=0))[-2:].sum() / classes
        for label in range(classes):
            labels = shown.labels.copy()
            labels[row] = label
            assert abs(ALL[error][0](given(shown.logits, labels)) - value) <= change + 1e-12


def test_one_image_moves_the_classwise_value_by_no_more_than_the_constant() -> None:
    shown, other = drawn("saturated", images=40)[0], drawn("saturated", images=40, seed=1)[0]
    value, changes = sce.classwise_calibration_error(shown), []
    assert shown.logits is not None and other.logits is not None
    for row in range(40):
        logits, labels = shown.logits.copy(), shown.labels.copy()
        logits[row], labels[row] = other.logits[row], other.labels[row]
        changes.append(abs(sce.classwise_calibration_error(given(logits, labels)) - value))
    assert 0.3 * 4 / (10 * 40) < max(changes) <= 4 / (10 * 40)


def test_the_upper_limit_of_the_thresholded_error_grants_unseen_classes_the_worst() -> None:
    shown = of_probabilities(np.array([[0.5, 0.4995, 0.0005]] * 400), np.arange(400) % 2)
    value = tace.thresholded_adaptive_calibration_error(shown)
    low, high = tace.interval(shown, 0.05)
    assert low == 0 <= value < 0.01
    assert 1 / 3 < high < 0.5
