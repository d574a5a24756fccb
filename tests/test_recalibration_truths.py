"""What recalibrations must get right: truths in closed form, slow loops and other solvers, and properties that hold for all of them."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import brentq, minimize
from scipy.special import expit, log_softmax, logsumexp, softmax
from sklearn.isotonic import IsotonicRegression

import robustsuite
from robustsuite import UsageError, catalog
from robustsuite.numerics.condense import condense
from robustsuite.numerics.folds import cross_fitted, fold_of
from robustsuite.recalibration._top_label import FLOOR, TopLabels
from robustsuite.recalibration.beta import beta
from robustsuite.recalibration.dirichlet import dirichlet
from robustsuite.recalibration.ensemble_temperature import ensemble_temperature
from robustsuite.recalibration.histogram import BINS, histogram
from robustsuite.recalibration.isotonic import isotonic
from robustsuite.recalibration.matrix import matrix
from robustsuite.recalibration.spline import KNOTS, spline
from robustsuite.recalibration.temperature import temperature
from robustsuite.recalibration.vector import vector

NAMES = catalog.names("recalibration")
KEEPING = [name for name in NAMES if catalog.constant("recalibration", name, "KEEPS_PREDICTIONS")]
TOP_LABEL = ["beta", "histogram", "isotonic", "spline"]
every_recalibration = pytest.mark.parametrize("name", NAMES)
every_keeping_one = pytest.mark.parametrize("name", KEEPING)


def drawn_from(probabilities: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A label for each row."""
    chosen = (probabilities.cumsum(axis=1) < generator.uniform(size=(len(probabilities), 1))).sum(axis=1)
    return chosen.clip(max=probabilities.shape[1] - 1)


def answers(seed: int = 0, images: int = 600, classes: int = 5, overconfidence: float = 2.5) -> tuple[np.ndarray, np.ndarray]:
    """Logits, of which some class stands out, and labels drawn from the softmax of `logits / overconfidence`."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1, (images, classes))
    logits[np.arange(images), generator.integers(0, classes, images)] += generator.gamma(2, np.log(classes) / 1.5, images)
    return overconfidence * logits, drawn_from(softmax(logits, axis=1), generator)


def loss(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())


def calibration_error(logits: np.ndarray, labels: np.ndarray) -> float:
    return robustsuite.measure("expected_calibration_error", logits, labels).value


def top(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Confidences, and whether predictions are right."""
    return softmax(logits, axis=1).max(axis=1), logits.argmax(axis=1) == labels


# ------------------------------------------------------------------------------------------------- temperature


def exactly_best_at(temperature: float, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels whose best temperature is known: labels occur just as often as the softmax of `logits / temperature` says."""
    logits, labels = [], []
    for seed in range(3):
        counts = np.random.default_rng(seed).integers(1, 4, classes)
        logits += [temperature * np.log(counts)] * counts.sum()
        labels += np.repeat(np.arange(classes), counts).tolist()
    return np.array(logits), np.array(labels)


@pytest.mark.parametrize("classes", [10, 1000])
@pytest.mark.parametrize("best", [0.02, 0.1, 0.5, 1.0, 2.0, 10.0, 50.0])
def test_a_temperature_is_exact_to_1e_8_and_blind_to_a_constant(best: float, classes: int) -> None:
    logits, labels = exactly_best_at(best, classes)
    assert temperature(logits, labels).value == pytest.approx(best, rel=1e-9)
    assert temperature(logits + 1e4, labels).value == pytest.approx(best, rel=1e-8)


def root_of_the_slope(logits: np.ndarray, labels: np.ndarray) -> float:
    """The best temperature by bisection in long doubles."""
    exact = logits.astype(np.longdouble)
    exact -= exact.max(axis=1, keepdims=True)
    true = exact[np.arange(len(labels)), labels]
    low, high = np.longdouble(-9), np.longdouble(9)
    for _ in range(70):
        middle = (low + high) / 2
        weights = np.exp(np.exp(middle) * exact)
        slope = ((weights * exact).sum(axis=1) / weights.sum(axis=1) - true).mean()
        low, high = (middle, high) if slope < 0 else (low, middle)
    return float(np.exp(-low))


@pytest.mark.parametrize("classes", [2, 10, 1000])
@pytest.mark.parametrize("overconfidence", [0.02, 1.0, 50.0])
def test_a_temperature_is_where_bisection_in_long_doubles_finds_it(classes: int, overconfidence: float) -> None:
    logits, labels = answers(classes=classes, images=200, overconfidence=overconfidence)
    expected = root_of_the_slope(logits, labels)
    assert temperature(logits, labels).value == pytest.approx(expected, rel=1e-9)
    assert temperature(logits + 1e4, labels).value == pytest.approx(expected, rel=1e-8)
    single = logits.astype(np.float32)
    assert temperature(single, labels).value == pytest.approx(root_of_the_slope(single, labels), rel=1e-9)


def many_images() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Enough for first guesses by a part of them and in float32, which may mislead."""
    logits, labels = answers(images=5000, classes=3)
    right, eighth = logits.argmax(axis=1), np.arange(5000) % 8 == 0
    constants = np.random.default_rng(0).normal(0, 1e4, (5000, 1))
    return {
        "plain": (logits, labels),
        "two classes": answers(images=5000, classes=2),
        "a guess from images that are all right": (logits, np.where(eighth, right, labels)),
        "a guess from images that are nearly all wrong": (logits, np.where(eighth, (right + 1) % 3, labels)),
        "a guess from equal logits": (np.where(eighth[:, None], 0, logits), labels),
        "a guess in another unit": (np.where(eighth[:, None], 1e3 * logits, logits), labels),
        "constants of each image": (logits + constants, labels),
        "one wrong": (logits, np.where(np.arange(5000) == 77, (right + 1) % 3, right)),
        "hardly better than uniform": (logits, np.where(np.random.default_rng(1).uniform(size=5000) < 0.03, right, np.arange(5000) % 3)),
        "beyond float32": (1e35 * logits, labels),
        "one logit beyond float32": (np.where(logits == logits.min(), -1e38, logits), labels),
    }


@pytest.mark.parametrize("kind", many_images())
def test_many_images_are_fitted_as_exactly_whatever_the_first_guesses(kind: str) -> None:
    logits, labels = many_images()[kind]
    fit = temperature(logits, labels)
    assert fit.note == ""
    scaled = (logits - logits.max(axis=1, keepdims=True)) / fit.value
    probabilities = softmax(scaled, axis=1)
    expected = (probabilities * scaled).sum(axis=1)
    slope = (expected - scaled[np.arange(5000), labels]).mean()
    bend = ((probabilities * scaled**2).sum(axis=1) - expected**2).mean()
    assert abs(slope / bend) < 1e-8  # the relative error of T


@pytest.mark.parametrize("factor", [1e-30, 1e-3, 0.3, 7.0, 1e6, 1e30])
def test_logits_in_another_unit_have_the_temperature_in_that_unit(factor: float) -> None:
    logits, labels = answers()
    assert temperature(factor * logits, labels).value == pytest.approx(factor * temperature(logits, labels).value, rel=1e-12)


@pytest.mark.parametrize("seed", range(60))
def test_a_temperature_of_any_few_images_is_positive_and_where_the_loss_is_level_or_named(seed: int) -> None:
    generator = np.random.default_rng(seed)
    classes = int(generator.integers(1, 5))
    logits = generator.normal(0, 10 ** generator.uniform(-3, 3), (int(generator.integers(0, 12)), classes))
    labels = generator.integers(0, classes, len(logits))
    fit = temperature(logits, labels)
    assert 0 < fit.value < np.inf
    if fit.note:
        assert fit.value == 1
    else:
        scaled = logits / fit.value
        slope = (softmax(scaled, axis=1) * scaled).sum(axis=1) - scaled[np.arange(len(labels)), labels]
        assert abs(slope.mean()) < 1e-10 * max(1, np.abs(scaled).max())


@pytest.mark.parametrize("hair", [1e-9, 1e-100, 1e-200])
def test_one_image_wrong_by_a_hair_has_a_temperature(hair: float) -> None:
    """99 images are right by 1: the loss falls nearly for ever as T falls, but not quite."""
    logits, labels = np.array([[0.0, 1.0]] * 99 + [[hair, 0.0]]), np.array([1] * 100)
    logits[:50], labels[:50] = (1.0, 0.0), 0
    inverse = brentq(lambda inverse: np.log(99 * expit(-inverse) / hair / expit(inverse * hair)), 1, 600, xtol=1e-12)
    fit = temperature(logits, labels)
    assert fit.note == ""
    assert fit.value == pytest.approx(1 / inverse, rel=1e-10)


@pytest.mark.parametrize(
    ("logits", "labels", "told"),
    [
        (np.zeros((0, 3)), [], "no calibration image"),
        ([[0.0, 1.0, 2.0]], [1], "only one calibration image"),
        ([[0.0, 1.0], [2.0, 1.0], [0.0, 3.0]], [1, 1, 1], "all 3 calibration images are of class 1"),
        ([[0.0, 1.0], [2.0, 1.0], [0.0, 3.0]], [1, 0, 1], "every calibration image is right"),
        ([[0.0, 1.0], [2.0, 1.0], [0.0, 3.0]], [0, 1, 0], "no better than uniform"),
        ([[5.0, 5.0], [7.0, 7.0]], [0, 1], "no better than uniform"),
        ([[1.0], [2.0]], [0, 0], "all 2 calibration images are of class 0"),
    ],
)
def test_a_set_that_has_no_temperature_is_named(logits: list, labels: list, told: str) -> None:
    fit = temperature(np.array(logits), np.array(labels, dtype=np.int64))
    assert fit.value == 1
    assert told in fit.note


def test_temperature_divides_the_calibration_error_of_an_overconfident_set_by_four_and_more() -> None:
    fit = temperature(*answers(images=5000, classes=10, overconfidence=2.0))
    judged, labels = answers(seed=1, images=5000, classes=10, overconfidence=2.0)
    assert calibration_error(judged, labels) > 0.15
    assert calibration_error(fit(judged), labels) < calibration_error(judged, labels) / 4


# ------------------------------------------------------------------------------------------------- all of them


def test_which_recalibrations_keep_every_prediction() -> None:
    assert set(KEEPING) == {"temperature", "ensemble_temperature", *TOP_LABEL}


def hard_to_keep() -> dict[str, np.ndarray]:
    """Logits in which a rounding error would change a prediction."""
    generator = np.random.default_rng(7)
    plain = generator.normal(0, 3, (500, 5))
    tied = plain.round()
    higher = plain.copy()
    higher[:, 3] = plain.max(axis=1)
    higher[:, 3] = np.nextafter(higher[:, 3], np.inf)  # above the others by the last bit
    return {"plain": plain, "tied": tied, "by the last bit": higher, "saturated": 1e3 * plain, "flat": 1e-9 * plain, "equal": 0 * plain}


@every_keeping_one
@pytest.mark.parametrize("overconfidence", [0.1, 1.0, 3.0, 30.0])
@pytest.mark.parametrize("kind", hard_to_keep())
def test_predictions_and_accuracy_are_kept_bit_for_bit(name: str, overconfidence: float, kind: str) -> None:
    logits, labels = hard_to_keep()[kind], np.random.default_rng(8).integers(0, 5, 500)
    fit = robustsuite.fit(name, *answers(overconfidence=overconfidence))
    assert fit.note == "" or name in ("histogram", "spline")
    after = fit(logits)
    assert after.dtype == np.float64
    assert np.array_equal(after.argmax(axis=1), logits.argmax(axis=1))
    before, behind = (condense(torch.from_numpy(each), torch.from_numpy(labels)) for each in (logits, after))
    assert np.array_equal(before.prediction, behind.prediction)
    assert np.array_equal(before.correct, behind.correct)


@every_recalibration
@pytest.mark.parametrize("seed", range(12))
def test_the_loss_never_rises_on_the_fitting_split(name: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    classes, images = int(generator.integers(2, 8)), int(generator.integers(3, 80))
    logits, labels = answers(seed, images, classes, overconfidence=10 ** generator.uniform(-1, 1.5))
    labels = np.where(generator.uniform(size=images) < generator.choice([0, 0.3, 0.9]), generator.integers(0, classes, images), labels)
    after = robustsuite.fit(name, logits, labels)(logits)
    assert np.isfinite(after).all()
    assert loss(after, labels) <= loss(logits, labels) + 1e-12


@pytest.mark.parametrize("name", ["vector", "matrix", "dirichlet", "ensemble_temperature"])
@pytest.mark.parametrize("seed", range(5))
def test_what_contains_temperature_scaling_is_no_worse_on_the_fitting_split(name: str, seed: int) -> None:
    logits, labels = answers(seed, images=60)
    assert loss(robustsuite.fit(name, logits, labels)(logits), labels) <= loss(temperature(logits, labels)(logits), labels) + 1e-12


@every_recalibration
def test_the_order_of_the_images_changes_no_recalibrated_logit(name: str) -> None:
    logits, labels = answers()
    logits[:50] = logits[50:100]  # equal images with different labels
    order = np.random.default_rng(1).permutation(len(labels))
    judged = answers(seed=2)[0]
    expected = robustsuite.fit(name, logits, labels)(judged)
    found = robustsuite.fit(name, logits[order], labels[order])(judged)
    assert np.abs(found - expected).max() < 1e-9 * np.abs(expected).max()


@every_recalibration
def test_the_order_of_the_classes_changes_no_recalibrated_logit(name: str) -> None:
    logits, labels = answers()
    order = np.random.default_rng(1).permutation(logits.shape[1])
    judged = answers(seed=2)[0]
    expected = robustsuite.fit(name, logits, labels)(judged)[:, order]
    found = robustsuite.fit(name, logits[:, order], np.argsort(order)[labels])(judged[:, order])
    assert np.abs(found - expected).max() < 1e-8 * np.abs(expected).max()


@every_recalibration
def test_a_constant_added_to_an_images_logits_changes_no_probability(name: str) -> None:
    (logits, labels), judged = answers(), answers(seed=2)[0]
    constants = np.random.default_rng(3).normal(0, 100, (2, len(labels), 1))
    expected = softmax(robustsuite.fit(name, logits, labels)(judged), axis=1)
    found = softmax(robustsuite.fit(name, logits + constants[0], labels)(judged + constants[1]), axis=1)
    assert np.abs(found - expected).max() < 1e-8


@pytest.mark.parametrize("name", ["temperature", "vector", "matrix"])
@pytest.mark.parametrize("factor", [1e-3, 40.0])
def test_maps_of_logits_do_not_care_about_their_unit(name: str, factor: float) -> None:
    (logits, labels), judged = answers(), answers(seed=2)[0]
    expected = softmax(robustsuite.fit(name, logits, labels)(judged), axis=1)
    found = softmax(robustsuite.fit(name, factor * logits, labels)(factor * judged), axis=1)
    assert np.abs(found - expected).max() < 1e-9


@pytest.mark.parametrize("name", [name for name in NAMES if name != "temperature"])
def test_what_gives_probabilities_gives_their_logarithms_finite(name: str) -> None:
    for overconfidence in (0.3, 3.0, 300.0):
        fit = robustsuite.fit(name, *answers(overconfidence=overconfidence))
        for judged in hard_to_keep().values():
            after = fit(judged)
            assert np.isfinite(after).all()
            if name not in ("vector", "matrix") and not fit.note:
                assert np.abs(logsumexp(after, axis=1)).max() < 1e-9


def degenerate_sets() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    logits, labels = answers(images=100)
    predictions = logits.argmax(axis=1)
    return {
        "no image": (logits[:0], labels[:0]),
        "one image": (logits[:1], labels[:1]),
        "one class": (logits, np.full(100, 2)),
        "all right": (logits, predictions),
        "none right": (logits, (predictions + 1) % 5),
        "one class known": (logits[:, :1], np.zeros(100, dtype=np.int64)),
    }


@every_recalibration
@pytest.mark.parametrize("kind", degenerate_sets())
def test_a_set_that_teaches_nothing_changes_nothing_and_is_named(name: str, kind: str) -> None:
    logits, labels = degenerate_sets()[kind]
    fit = robustsuite.fit(name, logits, labels)
    assert fit.note
    assert all(np.isfinite(value) for value in fit.parameters.values())
    judged = answers(seed=2)[0][:, : logits.shape[1]]
    assert np.array_equal(fit(judged), judged)


@every_recalibration
@pytest.mark.parametrize("images", [2, 3, 5, 14, 15, 16])
@pytest.mark.parametrize("alike", [False, True])
def test_few_images_and_equal_ones_give_a_defined_map(name: str, images: int, alike: bool) -> None:
    logits, labels = answers(seed=4, images=images)
    if alike:
        logits[:] = logits[0]
    labels[0] = (logits[0].argmax() + 1) % 5
    labels[1] = logits[1].argmax()
    fit = robustsuite.fit(name, logits, labels)
    after = fit(answers(seed=2)[0])
    assert np.isfinite(after).all()
    if name == "histogram" and images < BINS:
        assert f"{images} calibration images are fewer than {BINS} bins" in fit.note
    if name == "spline" and (alike or images < KNOTS):
        assert f"fewer than {KNOTS} knots" in fit.note


@pytest.mark.parametrize("name", ["vector", "matrix", "dirichlet"])
def test_a_class_without_calibration_images_keeps_a_finite_answer_and_is_told(name: str) -> None:
    logits, labels = answers(images=300)
    seen = labels != 3
    fit = robustsuite.fit(name, logits[seen], labels[seen])
    assert fit.note == "1 of 5 classes have no calibration image, and only the prior holds theirs"
    assert np.isfinite(fit(logits)).all()
    told, tempered = (softmax(one(logits[seen]), axis=1)[:, 3].mean() for one in (fit, temperature(logits[seen], labels[seen])))
    assert told < tempered / 4


@every_recalibration
def test_no_image_to_judge_is_no_error(name: str) -> None:
    assert robustsuite.fit(name, *answers())(np.zeros((0, 5))).shape == (0, 5)


@every_recalibration
@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda logits, labels: (np.where(logits == logits.max(), np.nan, logits), labels), "got NaN or infinity for 1 of 600 images"),
        (lambda logits, labels: (softmax(logits, axis=1), labels), "got probabilities"),
        (lambda logits, labels: (logits, labels + 1), "expected calibration labels from 0 to 4, got some from 1 to 5"),
        (lambda logits, labels: (logits, labels[1:]), "expected an integer label for each of 600 calibration images"),
        (lambda logits, labels: (logits, labels / 2), "expected an integer label for each of 600 calibration images"),
        (lambda logits, labels: (logits[0], labels), r"expected calibration logits \[images, classes\], got an array \[5\]"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(name: str, spoil: Callable, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        robustsuite.fit(name, *spoil(*answers()))


# ------------------------------------------------------------------------------------------------- what the model says


def test_vector_scaling_finds_the_factors_and_intercepts_that_labels_were_drawn_with() -> None:
    logits, _ = answers(images=40_000, classes=4, overconfidence=2.0)
    factors, intercepts = np.array([0.3, 0.5, 0.6, 0.9]), np.array([0.8, -0.5, 0.2, -0.5])
    centred = logits - logits.mean(axis=1, keepdims=True)
    labels = drawn_from(softmax(factors * centred + intercepts, axis=1), np.random.default_rng(1))
    fit = vector(logits, labels)
    assert fit.linear.weights == pytest.approx(factors, abs=0.03)
    assert fit.linear.intercepts == pytest.approx(intercepts, abs=0.05)


@pytest.mark.parametrize("fitted", [matrix, dirichlet])
def test_a_matrix_that_labels_were_drawn_with_is_found(fitted: Callable) -> None:
    logits, _ = answers(images=40_000, classes=3, overconfidence=2.0)
    weights, intercepts = np.array([[0.5, 0.1, -0.1], [0.0, 0.6, 0.1], [0.1, -0.1, 0.4]]), np.array([0.3, -0.2, -0.1])
    inputs = logits - logits.mean(axis=1, keepdims=True) if fitted is matrix else log_softmax(logits, axis=1)
    expected = softmax(inputs @ weights.T + intercepts, axis=1)
    labels = drawn_from(expected, np.random.default_rng(1))
    wrong_by, tempered_by = (np.abs(softmax(one(logits, labels)(logits), axis=1) - expected).mean() for one in (fitted, temperature))
    assert wrong_by < 0.005
    assert tempered_by > 0.05


@pytest.mark.parametrize(("a", "b", "c"), [(1.0, 1.0, 0.0), (0.5, 0.5, 0.3), (0.4, 1.3, -0.2), (2.0, 0.3, 1.0)])
def test_beta_calibration_finds_the_parameters_that_right_and_wrong_were_drawn_with(a: float, b: float, c: float) -> None:
    logits, _ = answers(images=60_000, classes=4, overconfidence=1.5)
    before = TopLabels.of(logits)
    right = np.random.default_rng(1).uniform(size=60_000) < expit(a * before.log_confidence - b * before.log_doubt + c)
    labels = np.where(right, before.predictions, (before.predictions + 1) % 4)
    found = beta(logits, labels).parameters
    assert (found["a"], found["b"], found["c"]) == pytest.approx((a, b, c), abs=0.12)


def test_ensemble_temperature_finds_the_temperature_and_weights_that_labels_were_drawn_with() -> None:
    """Temperature scaling finds the t of a mixture only where the mean logit that raw and uniform parts expect is the tempered part's."""
    logits = np.random.default_rng(0).normal(0, 3, (80_000, 5))

    def expected_logit(inverse: float) -> float:
        return float((softmax(inverse * logits, axis=1) * logits).sum(axis=1).mean())

    raw, uniform = 0.25, 0.15
    wanted = (raw * expected_logit(1) + uniform * expected_logit(0)) / (raw + uniform)
    best = 1 / brentq(lambda inverse: expected_logit(inverse) - wanted, 0.01, 1)
    mixed = (1 - raw - uniform) * softmax(logits / best, axis=1) + raw * softmax(logits, axis=1) + uniform / 5
    fit = ensemble_temperature(logits, drawn_from(mixed, np.random.default_rng(1)))
    assert fit.parameters["temperature"] == pytest.approx(best, rel=0.03)
    assert (fit.parameters["raw"], fit.parameters["uniform"]) == pytest.approx((raw, uniform), abs=0.06)
    assert np.abs(softmax(fit(logits), axis=1) - mixed).max() < 0.02


# ------------------------------------------------------------------------------------------------- other solvers


@pytest.mark.parametrize("name", ["vector", "matrix", "dirichlet"])
def test_linear_maps_are_where_scipy_finds_the_least_penalised_loss(name: str) -> None:
    logits, labels = answers(images=150, classes=3)
    best = temperature(logits, labels).value
    inputs = (log_softmax(logits, axis=1) if name == "dirichlet" else logits - logits.mean(axis=1, keepdims=True)) / best
    spread = np.where(np.eye(3, dtype=bool), 0.5, 0.25 / np.sqrt(3))

    def penalised(unknowns: np.ndarray) -> float:
        added = np.diag(unknowns[:3]) if name == "vector" else unknowns[:-3].reshape(3, 3)
        penalty = (added**2 / spread**2).sum() + (unknowns[-3:] ** 2).sum() / 0.5**2
        return loss(inputs + inputs @ added.T + unknowns[-3:], labels) + penalty / (2 * len(labels))

    reference = minimize(penalised, np.zeros(6 if name == "vector" else 12), method="BFGS", options={"gtol": 1e-9})
    linear = robustsuite.fit(name, logits, labels).linear
    weights = linear.weights * best - 1 if name == "vector" else (linear.weights * best - np.eye(3)).ravel()
    ours = np.concatenate([weights, linear.intercepts])
    assert penalised(ours) <= reference.fun + 1e-13
    assert ours == pytest.approx(reference.x, abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_beta_calibration_is_no_worse_than_where_scipy_ends(seed: int) -> None:
    logits, labels = answers(seed, images=80, overconfidence=(0.4, 1.0, 3.0, 9.0)[seed])
    before = TopLabels.of(logits)
    right = before.predictions == labels

    def binary(unknowns: np.ndarray) -> float:
        log_odds = unknowns[0] * before.log_confidence - unknowns[1] * before.log_doubt + unknowns[2]
        return float(np.logaddexp(0, np.where(right, -log_odds, log_odds)).mean()) + 0.5e-6 * float(((unknowns - [1, 1, 0]) ** 2).sum())

    reference = minimize(binary, [1.0, 1.0, 0.0], method="L-BFGS-B", bounds=[(0, None), (0, None), (None, None)], options={"ftol": 1e-15})
    found = beta(logits, labels)
    ours = np.array([found.parameters[name] for name in "abc"])
    assert found.note == ""
    assert (ours[:2] >= 0).all()
    assert binary(ours) <= reference.fun + 1e-12


@pytest.mark.parametrize("seed", range(4))
def test_ensemble_weights_are_no_worse_than_any_of_a_fine_grid(seed: int) -> None:
    logits, labels = answers(seed, images=200, overconfidence=(0.4, 1.3, 3.0, 9.0)[seed])
    labels = np.where(np.arange(200) % 7 == 0, 0, labels)
    fit = ensemble_temperature(logits, labels)
    weights = np.array([fit.tempered, fit.raw, fit.uniform])
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1, rel=1e-12)
    parts = np.stack([softmax(logits / fit.temperature, axis=1), softmax(logits, axis=1), np.full(logits.shape, 0.2)])
    ours = parts[:, np.arange(200), labels]
    grid = np.array([(x, y, 1 - x - y) for x in np.linspace(0, 1, 101) for y in np.linspace(0, 1, 101) if x + y <= 1 + 1e-9])
    assert -np.log(weights @ ours).mean() <= -np.log((grid.clip(min=0) + 1e-300) @ ours).mean(axis=1).min() + 1e-9
    assert softmax(fit(logits), axis=1) == pytest.approx(np.tensordot(weights, parts, 1), abs=1e-12)


def pooled(places: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Isotonic regression by pooling neighbours until none is out of order; equal places are one."""
    blocks = [[float(values[places == place].mean()), int((places == place).sum()), 1] for place in np.unique(places)]
    while any(one[0] >= two[0] for one, two in pairwise(blocks)):
        at = next(number for number, (one, two) in enumerate(pairwise(blocks)) if one[0] >= two[0])
        one, two = blocks[at], blocks.pop(at + 1)
        blocks[at] = [(one[0] * one[1] + two[0] * two[1]) / (one[1] + two[1]), one[1] + two[1], one[2] + two[2]]
    return np.repeat([block[0] for block in blocks], [block[2] for block in blocks])[np.searchsorted(np.unique(places), places)]


def mapped_top(before: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Confidences of a top-label map where the runner-up is kept behind, class by class."""
    expected = []
    for row, value in zip(softmax(before, axis=1), confidence, strict=True):
        first, second = np.sort(row)[::-1][:2]
        share = second / (1 - first)
        expected.append(max(min(max(value, FLOOR), 1 - FLOOR), share / (1 + share)))
    return np.array(expected)


@pytest.mark.parametrize("seed", range(3))
def test_isotonic_regression_is_what_pooling_neighbours_and_scikit_learn_give(seed: int) -> None:
    logits, labels = answers(seed, images=150)
    logits[:20] = logits[20:40]
    confidence, right = top(logits, labels)
    fit = isotonic(logits, labels)
    assert fit.note == ""
    found = softmax(fit(logits), axis=1).max(axis=1)
    assert found == pytest.approx(mapped_top(logits, pooled(TopLabels.of(logits).log_odds, right)), abs=2e-6)
    reference = IsotonicRegression(out_of_bounds="clip").fit(confidence, right).predict(confidence)
    assert found == pytest.approx(mapped_top(logits, reference), abs=2e-6)


@pytest.mark.parametrize("overconfidence", [0.4, 3.0])
@pytest.mark.parametrize("images", [15, 100, 311])
def test_histogram_binning_is_what_a_loop_over_ranks_gives(overconfidence: float, images: int) -> None:
    logits, labels = answers(images=images, overconfidence=overconfidence)
    logits[: images // 5] = logits[images // 5 : images // 5 * 2]
    confidence, right = TopLabels.of(logits).log_odds, logits.argmax(axis=1) == labels
    fit = histogram(logits, labels)
    assert fit.note == ""
    order = np.argsort(confidence)
    bins: list[list[int]] = []
    for rank, image in enumerate(order):
        begins = rank in {number * images // BINS for number in range(BINS)}
        if not bins or (begins and confidence[image] > confidence[order[rank - 1]]):
            bins.append([])
        elif begins:  # an equal one lies in the bin before: the bin begins with the first of the equal ones
            equal = [one for one in bins[-1] if confidence[one] == confidence[image]]
            if len(equal) < len(bins[-1]):
                bins[-1] = [one for one in bins[-1] if one not in equal]
                bins.append(equal)
        bins[-1].append(image)
    expected = np.empty(images)
    for members in bins:
        expected[members] = right[members].mean()
    assert fit.parameters["bins"] == len(bins)
    assert softmax(fit(logits), axis=1).max(axis=1) == pytest.approx(mapped_top(logits, expected), abs=2e-6)


def natural_spline(knots: int) -> tuple[Callable, Callable]:
    """Values and slopes at t of the natural cubic splines that are 1 at one of the even knots, from their second derivatives."""
    width = 1 / (knots - 1)
    system = 4 * np.eye(knots - 2) + np.eye(knots - 2, k=1) + np.eye(knots - 2, k=-1)
    differences = np.eye(knots - 2, knots) - 2 * np.eye(knots - 2, knots, k=1) + np.eye(knots - 2, knots, k=2)
    bends = np.zeros((knots, knots))
    bends[1:-1] = np.linalg.solve(system, 6 / width**2 * differences)

    def at(t: float, slope: bool) -> np.ndarray:
        piece = min(int(t / width), knots - 2)
        right = t / width - piece
        left = 1 - right
        line, cubic = (
            ((-1 / width, 1 / width), (1 - 3 * left**2, 3 * right**2 - 1)) if slope else ((left, right), (left**3 - left, right**3 - right))
        )
        unit = width / 6 if slope else width**2 / 6
        ends = np.eye(knots)[piece], np.eye(knots)[piece + 1]
        return line[0] * ends[0] + line[1] * ends[1] + unit * (cubic[0] * bends[piece] + cubic[1] * bends[piece + 1])

    return lambda t: at(t, False), lambda t: at(t, True)


@pytest.mark.parametrize("overconfidence", [0.4, 2.5])
def test_spline_calibration_is_what_second_derivatives_at_knots_give(overconfidence: float) -> None:
    logits, labels = answers(images=300, overconfidence=overconfidence)
    confidence, right = top(logits, labels)
    order = np.argsort(confidence)
    value, slope = natural_spline(KNOTS)
    gaps = np.cumsum((right - confidence)[order]) / 300
    at_knots = np.linalg.lstsq(np.array([value((rank + 1) / 300) for rank in range(300)]), gaps, rcond=None)[0]
    expected = np.empty(300)
    expected[order] = confidence[order] + [slope((rank + 0.5) / 300) @ at_knots for rank in range(300)]
    fit = spline(logits, labels)
    assert fit.note == ""
    assert softmax(fit(logits), axis=1).max(axis=1) == pytest.approx(mapped_top(logits, expected), abs=2e-6)


@pytest.mark.parametrize("name", TOP_LABEL)
def test_top_label_maps_leave_the_shares_of_the_other_classes(name: str) -> None:
    (logits, labels), judged = answers(), answers(seed=2)[0]
    after = robustsuite.fit(name, logits, labels)(judged)
    others = np.arange(5) != judged.argmax(axis=1)[:, None]
    before, behind = (log_softmax(each, axis=1)[others].reshape(-1, 4) for each in (judged, after))
    assert behind - behind[:, :1] == pytest.approx(before - before[:, :1], abs=1e-9)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "temperature"])
def test_the_calibration_error_of_an_overconfident_set_is_halved_at_least(name: str) -> None:
    fit = robustsuite.fit(name, *answers(images=5000, classes=10, overconfidence=2.0))
    judged, labels = answers(seed=1, images=5000, classes=10, overconfidence=2.0)
    assert calibration_error(fit(judged), labels) < calibration_error(judged, labels) / 4


def test_a_map_that_would_raise_the_loss_of_its_own_images_is_left_out_with_a_note() -> None:
    logits, labels = answers(images=5000, classes=10, overconfidence=1.0)
    fit = histogram(logits, labels)
    assert "the fitted map would raise the loss of the calibration images from" in fit.note
    assert np.array_equal(fit(logits), logits)


# ------------------------------------------------------------------------------------------------- cross-fitting


def test_folds_are_the_images_own_and_about_equal() -> None:
    logits = answers(images=2000)[0]
    fold = fold_of(logits, 5)
    order = np.random.default_rng(0).permutation(2000)
    assert np.array_equal(fold_of(logits[order], 5), fold[order])
    assert np.array_equal(fold_of(logits[:7], 5), fold[:7])
    assert np.array_equal(fold_of(logits.astype(np.float32), 5), fold)
    assert np.array_equal(fold_of(np.zeros((3, 2)), 5), fold_of(-np.zeros((3, 2)), 5))
    assert np.bincount(fold, minlength=5).min() > 340


@pytest.mark.parametrize("fit", [temperature, vector, isotonic])
def test_an_images_own_label_never_changes_its_own_recalibrated_logits(fit: Callable) -> None:
    logits, labels = answers(images=80)
    before, moved = cross_fitted(fit, logits, labels), 0
    for image in range(0, 80, 7):
        changed = labels.copy()
        changed[image] = (labels[image] + 1) % 5
        after = cross_fitted(fit, logits, changed)
        assert np.array_equal(after[image], before[image])
        moved += not np.array_equal(after, before)
    assert moved  # though it does change others'


def test_cross_fitted_logits_are_those_of_the_map_of_the_other_folds() -> None:
    logits, labels = answers(images=200)
    fold, found = fold_of(logits, 3), cross_fitted(temperature, logits, labels, folds=3)
    for number in range(3):
        others = temperature(logits[fold != number], labels[fold != number])
        assert np.array_equal(found[fold == number], others(logits[fold == number]))


@every_recalibration
def test_cross_fitting_bears_few_and_equal_images(name: str) -> None:
    logits, labels = answers(images=4)
    fit = catalog.find("recalibration", name)
    assert np.isfinite(cross_fitted(fit, logits, labels)).all()
    equal = np.repeat(logits[:1], 6, axis=0)
    assert np.array_equal(cross_fitted(fit, equal, np.arange(6) % 5), equal)  # all in one fold: none is left to fit on


def test_a_single_fold_is_refused() -> None:
    with pytest.raises(UsageError, match="expected at least 2 folds"):
        cross_fitted(temperature, *answers(), folds=1)


# ------------------------------------------------------------------------------------------------- peers


@pytest.mark.filterwarnings("ignore")
def test_netcal_agrees_in_float64_and_does_nothing_in_float32() -> None:
    """It starts at T = 1 and differentiates by steps of 1.5e-8, in the type of its input: in float32 every slope is 0."""
    netcal = pytest.importorskip("netcal.scaling", reason="needs netcal, which is in the extra `dev`")
    logits, labels = answers(images=2000, overconfidence=2.0)
    probabilities = softmax(logits, axis=1)
    found = []
    for kind in (np.float64, np.float32):
        fitted = netcal.TemperatureScaling()
        fitted.fit(probabilities.astype(kind), labels)
        found.append(1 / np.ravel(fitted.temperature)[0])
    ours = temperature(logits, labels).value
    assert found[0] == pytest.approx(ours, rel=1e-4)
    assert found[1] == 1
    assert ours > 1.8
