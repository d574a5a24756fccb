"""What every detection metric keeps to. A new file in `robustsuite/detection_metrics` is tested here by existing."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robustsuite import UsageError, catalog

every_metric = pytest.mark.parametrize("metric", catalog.names("detection_metrics"))
quickly = settings(deadline=None, max_examples=60, derandomize=True)

numbers = st.lists(st.integers(-4, 4).map(float) | st.floats(-5, 5, width=16), min_size=1, max_size=40).map(np.array)


def value(metric: str, inside: np.ndarray, outside: np.ndarray) -> float:
    return catalog.find("detection_metrics", metric)(inside, outside)


def interval(metric: str, inside: np.ndarray, outside: np.ndarray, alpha: float = 0.05) -> tuple[float, float]:
    return catalog.module("detection_metrics", metric).interval(inside, outside, alpha)


def is_better(metric: str) -> bool:
    return catalog.constant("detection_metrics", metric, "HIGHER_IS_BETTER")


def draw(seed: int, images: int = 200, others: int = 150, apart: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.normal(apart, 1, images), generator.normal(0, 1, others)


@every_metric
def test_the_module_says_what_is_better_and_what_is_possible(metric: str) -> None:
    module = catalog.module("detection_metrics", metric)
    assert isinstance(is_better(metric), bool)
    assert module.RANGE == (0.0, 1.0)
    assert module.__doc__
    assert catalog.find("detection_metrics", metric).__doc__
    assert module.interval.__doc__
    assert catalog.options("detection_metrics", metric) == {}


@every_metric
@quickly
@given(inside=numbers, outside=numbers, alpha=st.sampled_from([0.001, 0.05, 0.2]))
def test_the_limits_contain_the_value_and_lie_in_the_range(metric: str, inside: np.ndarray, outside: np.ndarray, alpha: float) -> None:
    found = value(metric, inside, outside)
    low, high = interval(metric, inside, outside, alpha)
    assert isinstance(found, float)
    assert 0 <= low <= found <= high <= 1
    wider = interval(metric, inside, outside, alpha / 3)
    assert wider[0] <= low + 1e-9
    assert high <= wider[1] + 1e-9


@every_metric
def test_separated_scores_get_the_best_value_and_a_wrong_order_the_worst_of_all(metric: str) -> None:
    inside, outside = draw(0)
    best = 1.0 if is_better(metric) else 0.0
    assert value(metric, inside + 100, outside) == best
    wrong = value(metric, inside - 100, outside)
    drawn = [value(metric, *draw(seed)) for seed in range(20)]
    assert all(wrong < one < best if is_better(metric) else best < one < wrong for one in drawn)


@every_metric
def test_the_limits_of_separated_scores_are_no_single_point(metric: str) -> None:
    """A sample without variance is not a population without."""
    for images in (5, 100, 1000):
        inside, outside = draw(0, images, images, apart=100)
        low, high = interval(metric, inside, outside)
        assert high - low > 2 / images  # three unseen images in so many are nothing rare


@every_metric
@quickly
@given(inside=numbers, outside=numbers, seed=st.integers(0, 99))
def test_the_order_of_the_images_does_not_matter(metric: str, inside: np.ndarray, outside: np.ndarray, seed: int) -> None:
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(inside), generator.permutation(outside)
    assert value(metric, *shuffled) == value(metric, inside, outside)
    assert interval(metric, *shuffled) == pytest.approx(interval(metric, inside, outside), abs=1e-12)


@every_metric
@quickly
@given(inside=numbers, outside=numbers)
def test_only_the_ranking_matters(metric: str, inside: np.ndarray, outside: np.ndarray) -> None:
    ranks = np.unique(np.concatenate([inside, outside]), return_inverse=True)[1].astype(float) ** 3
    shown = ranks[: len(inside)], ranks[len(inside) :]
    assert value(metric, *shown) == value(metric, inside, outside)
    assert interval(metric, *shown) == interval(metric, inside, outside)


@every_metric
def test_infinite_scores_are_ranked_as_well(metric: str) -> None:
    inside, outside = draw(0)
    expected = value(metric, inside, outside)
    inside[inside == inside.max()], outside[outside == outside.min()] = np.inf, -np.inf
    assert value(metric, inside, outside) == pytest.approx(expected, abs=0.02)
    assert all(np.isfinite(interval(metric, inside, outside)))


@every_metric
def test_more_familiar_scores_are_never_worse(metric: str) -> None:
    for seed in range(20):
        inside, outside = draw(seed)
        values = [value(metric, inside + step, outside) for step in (0.0, 0.3, 1.0, 3.0)]
        assert values == sorted(values, reverse=not is_better(metric))


@every_metric
def test_the_same_again_gives_the_same_bits_and_changes_nothing(metric: str) -> None:
    inside, outside = draw(0)
    before = inside.copy(), outside.copy(), np.random.get_state()
    assert value(metric, inside, outside) == value(metric, inside, outside)
    assert interval(metric, inside, outside) == interval(metric, inside, outside)
    assert np.array_equal(inside, before[0])
    assert np.array_equal(outside, before[1])
    assert all(np.array_equal(now, then) for now, then in zip(np.random.get_state(), before[2], strict=True))


@every_metric
def test_no_images_of_either_kind_are_refused_in_one_sentence(metric: str) -> None:
    inside, outside = draw(0, 5, 3)
    for ask in (value, interval):
        with pytest.raises(UsageError, match="^expected scores of familiar and of other images, got 0 and 3; judge some of either$"):
            ask(metric, inside[:0], outside)
        with pytest.raises(UsageError, match="got 5 and 0"):
            ask(metric, inside, outside[:0])


@every_metric
def test_scores_that_are_no_numbers_are_refused_in_one_sentence(metric: str) -> None:
    inside, outside = draw(0, 5, 3)
    inside[2] = np.nan
    for ask in (value, interval):
        with pytest.raises(UsageError, match="^expected scores that can be ranked, got NaN for 1 of 8 images$"):
            ask(metric, inside, outside)


@every_metric
def test_the_limits_shrink_with_the_images(metric: str) -> None:
    widths = []
    for images in (50, 500, 5000, 50_000):
        low, high = interval(metric, *draw(0, images, images))
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.03


# ------------------------------------------------------------------------------------------------ limits that hold


def gaussian(generator: np.random.Generator, images: int) -> np.ndarray:
    return generator.normal(size=images)


def familiar(generator: np.random.Generator, images: int) -> np.ndarray:
    return generator.normal(2, 1, images)


def far(generator: np.random.Generator, images: int) -> np.ndarray:
    return generator.normal(5, 1, images)


def coarse(generator: np.random.Generator, images: int) -> np.ndarray:
    return np.minimum(np.round(generator.normal(1, 1, images)), 1)


def some_above_all(generator: np.random.Generator, images: int) -> np.ndarray:
    return np.where(generator.uniform(size=images) < 0.01, 50, gaussian(generator, images))


Population = Callable[[np.random.Generator, int], np.ndarray]
POPULATIONS: dict[str, tuple[Population, Population]] = {
    "chance": (gaussian, gaussian),
    "some overlap": (familiar, gaussian),
    "hardly any overlap": (far, gaussian),
    "many equal scores": (coarse, lambda generator, images: np.minimum(np.round(generator.normal(0, 1, images)), 1)),
    "a rare stranger that looks most familiar": (familiar, some_above_all),
}


@every_metric
@pytest.mark.parametrize("kind", POPULATIONS)
@pytest.mark.parametrize(("images", "others"), [(100, 100), (300, 60)])
def test_the_limits_contain_the_value_of_the_population(metric: str, kind: str, images: int, others: int) -> None:
    """Each of them in 95 of 100 samples; 400 samples of a true 95 % fall below 92 % in one of 300 cases."""
    generator = np.random.default_rng(11)
    one, other = POPULATIONS[kind]
    truth = value(metric, one(generator, 1000 * images), other(generator, 1000 * others))
    limits = np.array([interval(metric, one(generator, images), other(generator, others)) for _ in range(400)])
    error = 0.003 if images != others else 0.002  # of the truth itself, from so many images
    assert (limits[:, 0] <= truth + error).mean() >= 0.92
    assert (limits[:, 1] >= truth - error).mean() >= 0.92
