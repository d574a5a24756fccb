"""What every conformal predictor and every number for prediction sets keeps to. A new file in either room is tested here by existing."""

import numpy as np
import pytest
from scipy.special import softmax

from robustsuite import UsageError, catalog
from robustsuite.predictions import PredictionSets

every_predictor = pytest.mark.parametrize("conformal", catalog.names("conformal"))
every_set_metric = pytest.mark.parametrize("metric", catalog.names("set_metrics"))


def answers(images: int = 300, classes: int = 7, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits float32 `[images, classes]`, labels drawn from their softmax, and a draw of each image's own."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 2, (images, classes)).astype(np.float32)
    labels = (softmax(logits.astype(float), axis=1).cumsum(axis=1) < generator.uniform(size=(images, 1))).sum(axis=1).clip(max=classes - 1)
    return logits, labels, generator.uniform(size=images)


def sets_of(conformal: str, alpha: float = 0.1, images: int = 300, **options: object) -> np.ndarray:
    logits, labels, draws = answers(images)
    others, _, own = answers(200, seed=1)
    return catalog.find("conformal", conformal)(logits, labels, alpha, draws, **options)(others, own)


# ------------------------------------------------------------------------------------------------------ predictors


@every_predictor
def test_the_files_say_what_they_are(conformal: str) -> None:
    assert "20" in (catalog.module("conformal", conformal).__doc__ or ""), "name the paper, with its year"
    assert catalog.find("conformal", conformal).__doc__
    assert isinstance(catalog.options("conformal", conformal), dict)


@every_predictor
def test_sets_are_rows_of_yes_and_no(conformal: str) -> None:
    sets = sets_of(conformal)
    assert (sets.dtype, sets.shape) == (bool, (200, 7))
    assert 0 < sets.mean() < 1


@every_predictor
def test_about_the_promised_share_is_covered(conformal: str) -> None:
    others, labels, draws = answers(5000, seed=1)
    fitted = catalog.find("conformal", conformal)(*answers(5000)[:2], 0.2, answers(5000)[2])
    assert fitted(others, draws)[np.arange(5000), labels].mean() == pytest.approx(0.8, abs=0.03)


@every_predictor
def test_a_set_depends_on_its_own_image_only(conformal: str) -> None:
    logits, labels, draws = answers()
    others, _, own = answers(2500, seed=1)  # more than are worked on at a time
    fitted = catalog.find("conformal", conformal)(logits, labels, 0.1, draws)
    whole = fitted(others, own)
    order = np.random.default_rng(2).permutation(2500)
    assert np.array_equal(fitted(others[order], own[order]), whole[order])
    for row in range(0, 2500, 100):
        assert np.array_equal(fitted(others[row : row + 1], own[row : row + 1])[0], whole[row])
    assert fitted(others[:0], own[:0]).shape == (0, 7)


@every_predictor
def test_the_order_of_the_calibration_images_does_not_matter(conformal: str) -> None:
    logits, labels, draws = answers(2500)
    order = np.random.default_rng(3).permutation(2500)
    others, _, own = answers(200, seed=1)
    fit = catalog.find("conformal", conformal)
    assert np.array_equal(
        fit(logits, labels, 0.1, draws)(others, own), fit(logits[order], labels[order].astype(np.int16), 0.1, draws[order])(others, own)
    )


@every_predictor
def test_the_names_of_the_classes_do_not_matter(conformal: str) -> None:
    logits, labels, draws = answers()
    others, _, own = answers(200, seed=1)
    order = np.random.default_rng(4).permutation(7)
    renamed = catalog.find("conformal", conformal)(logits[:, order], np.argsort(order)[labels], 0.1, draws)(others[:, order], own)
    assert np.array_equal(renamed, sets_of(conformal)[:, order])


@every_predictor
def test_a_constant_added_to_the_logits_of_an_image_changes_nothing(conformal: str) -> None:
    logits, labels, draws = answers()
    others, _, own = answers(200, seed=1)
    fit = catalog.find("conformal", conformal)
    wholes = np.arange(300)[:, None] * 7.0 - 1000
    rounded, other = np.round(logits * 256) / 256, np.round(others * 256) / 256  # float32 holds the sums exactly
    moved = fit(rounded + wholes, labels, 0.1, draws)(other - wholes[:200], own)
    assert np.array_equal(moved, fit(rounded, labels, 0.1, draws)(other, own))


@every_predictor
def test_a_smaller_error_rate_takes_nothing_away(conformal: str) -> None:
    sets = [sets_of(conformal, alpha) for alpha in (0.5, 0.2, 0.1, 0.05, 0.01)]
    for larger, smaller in zip(sets[1:], sets, strict=False):
        assert (larger | ~smaller).all()
        assert larger.sum() > smaller.sum()


@every_predictor
def test_too_few_calibration_images_give_every_class(conformal: str) -> None:
    for images in (0, 1, 8):
        assert sets_of(conformal, 0.1, images).all()
    assert not sets_of(conformal, 0.1, 9).all()


@every_predictor
def test_nothing_but_the_draws_is_random_and_nothing_given_is_changed(conformal: str) -> None:
    logits, labels, draws = answers()
    given = [each.copy() for each in (logits, labels, draws)]
    state = np.random.get_state()
    fitted = catalog.find("conformal", conformal)(logits, labels, 0.1, draws)
    first, second = fitted(logits, draws), fitted(logits, draws)
    assert np.array_equal(first, second)
    assert all(np.array_equal(now, then) for now, then in zip((logits, labels, draws), given, strict=True))
    assert all(np.array_equal(now, then) for now, then in zip(np.random.get_state(), state, strict=True))


@every_predictor
@pytest.mark.parametrize("alpha", [0, 1, -0.1, 90, float("nan")])
def test_an_impossible_error_rate_is_refused_in_one_sentence(conformal: str, alpha: float) -> None:
    with pytest.raises(UsageError, match=r"^expected an error rate between 0 and 1, got [^\n]*$"):
        sets_of(conformal, alpha)


@every_predictor
def test_certain_models_and_tied_ones_are_no_trouble(conformal: str) -> None:
    labels, draws = np.arange(100) % 4, answers(100)[2]
    certain = (500 * np.eye(4)[labels]).astype(np.float32)
    held = catalog.find("conformal", conformal)(certain, labels, 0.1, draws)(certain, draws)
    assert held[np.arange(100), labels].mean() >= 0.85
    tied = catalog.find("conformal", conformal)(np.zeros((100, 4)), labels, 0.1, draws)(np.zeros((100, 4)), draws)
    assert tied[np.arange(100), labels].mean() >= 0.85


# ---------------------------------------------------------------------------------------------- numbers for sets


def some_sets(
    images: int = 400, classes: int = 6, seed: int = 0, rate: float = 0.9, alpha: float = 0.1, fitted_on: int = 500
) -> PredictionSets:
    generator = np.random.default_rng(seed)
    covered = generator.uniform(size=images) < rate
    sizes = np.where(covered, generator.integers(1, classes + 1, images), generator.integers(0, classes, images))
    return PredictionSets(generator.integers(0, classes, images).astype(np.int16), covered, sizes, fitted_on, alpha)


def taken(sets: PredictionSets, rows: np.ndarray) -> PredictionSets:
    return PredictionSets(sets.labels[rows], sets.covered[rows], sets.sizes[rows], sets.calibrated_on, sets.alpha)


@every_set_metric
def test_the_module_says_what_is_better_and_what_is_possible(metric: str) -> None:
    module = catalog.module("set_metrics", metric)
    assert isinstance(catalog.constant("set_metrics", metric, "HIGHER_IS_BETTER"), bool)
    low, high = module.RANGE
    assert low < high
    assert hasattr(module, "per_image") != hasattr(module, "interval")
    assert module.__doc__
    assert catalog.find("set_metrics", metric).__doc__
    assert isinstance(catalog.options("set_metrics", metric), dict)


@every_set_metric
@pytest.mark.parametrize("fitted_on", [5, 19, 500])
@pytest.mark.parametrize("rate", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("images", [1, 2, 50, 400])
def test_the_value_lies_in_its_range_and_its_limits(metric: str, images: int, rate: float, fitted_on: int) -> None:
    module, sets = catalog.module("set_metrics", metric), some_sets(images, rate=rate, fitted_on=fitted_on)
    value = catalog.find("set_metrics", metric)(sets)
    assert module.RANGE[0] <= value <= module.RANGE[1]
    if hasattr(module, "per_image"):
        each = module.per_image(sets)
        assert (each.dtype, each.shape) == (np.float64, (images,))
        assert each.mean() == pytest.approx(value, rel=1e-12)
        return
    low, high = module.interval(sets, 0.05)
    lower, higher = module.interval(sets, 0.001)
    assert module.RANGE[0] <= lower <= low <= value <= high <= higher <= module.RANGE[1]


@every_set_metric
def test_the_order_of_the_images_and_the_names_of_the_classes_do_not_matter(metric: str) -> None:
    sets, value = some_sets(), catalog.find("set_metrics", metric)(some_sets())
    assert catalog.find("set_metrics", metric)(taken(sets, np.random.default_rng(5).permutation(400))) == pytest.approx(value, rel=1e-12)
    renamed = PredictionSets(np.array([41, 3, 7, 0, 11, 5])[sets.labels], sets.covered, sets.sizes, sets.calibrated_on, sets.alpha)
    assert catalog.find("set_metrics", metric)(renamed) == pytest.approx(value, rel=1e-12)


@every_set_metric
def test_a_better_set_is_told_so(metric: str) -> None:
    module, sets = catalog.module("set_metrics", metric), some_sets()
    poorer = PredictionSets(sets.labels, sets.covered & (sets.labels != 2), sets.sizes + 1, sets.calibrated_on, sets.alpha)
    good, bad = catalog.find("set_metrics", metric)(sets), catalog.find("set_metrics", metric)(poorer)
    assert bad < good if module.HIGHER_IS_BETTER else bad > good
