"""Limits that hold: the inequalities they rest on, and how often they are right in distributions that are known."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from robustsuite import catalog
from robustsuite.metrics import coverage_at_risk as coverage_at_risk_module
from robustsuite.metrics.equal_mass_calibration_error import _longest, _shortest
from robustsuite.metrics.expected_calibration_error import interval
from robustsuite.numerics.betting import fixed_sample_limits, limits
from robustsuite.numerics.intervals import (
    bounded_differences,
    chernoff,
    clopper_pearson,
    largest_mean_high,
    largest_mean_low,
    log_evidence_of_more,
)
from robustsuite.numerics.selection import area_weight_limits, area_weights

sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))
from interval_coverage import DISTRIBUTIONS, confidences, largest_gap, predictions, truths

WITH_INTERVAL = [
    name
    for name in catalog.names("metrics")
    if hasattr(catalog.module("metrics", name), "interval") and not catalog.constant("metrics", name, "NEEDS_LOGITS", False)
]


# ------------------------------------------------------------------------------------------------- one mean


@pytest.mark.parametrize("alpha", [0.01, 0.05])
@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (1, 1), (0, 20), (7, 20), (20, 20), (999, 1000)])
def test_chernoffs_limits_contain_clopper_and_pearsons_and_not_much_else(successes: int, trials: int, alpha: float) -> None:
    low, high = chernoff(np.array(successes / trials), trials, alpha)
    exact = clopper_pearson(successes, trials, alpha)
    assert low <= exact[0] + 1e-12
    assert exact[1] <= high + 1e-12
    assert high - low < 2 * (exact[1] - exact[0]) + 1e-12
    hoeffding = np.sqrt(np.log(1 / alpha) / (2 * trials))
    assert successes / trials - low <= hoeffding + 1e-12
    assert high - successes / trials <= hoeffding + 1e-12


def test_chernoffs_limits_solve_their_equation() -> None:
    means = np.linspace(0.05, 0.95, 7)
    for limit in chernoff(means, 50, 0.05):
        divergence = means * np.log(means / limit) + (1 - means) * np.log((1 - means) / (1 - limit))
        assert 50 * divergence == pytest.approx(np.full(7, np.log(20)), rel=1e-9)


@pytest.mark.parametrize("samples", [pytest.param(one, marks=[] if one == 30 else pytest.mark.slow) for one in (1, 2, 30, 2000)])
def test_a_bet_on_a_mean_is_lost_as_seldom_as_agreed(samples: int) -> None:
    generator, wrong = np.random.default_rng(0), np.zeros(2)
    for _ in range(400):
        values = generator.beta(0.3, 3, samples)  # mean 1/11
        low, high = fixed_sample_limits(values, np.ones(samples), 0.05)
        assert 0 <= low <= values.mean() <= high <= 1
        wrong += (low > 1 / 11, high < 1 / 11)
    assert (wrong <= 400 * 0.05).all()


def test_a_bet_on_a_mean_is_narrow_where_the_numbers_vary_little() -> None:
    values = np.random.default_rng(1).uniform(0.09, 0.11, 2000)
    low, high = fixed_sample_limits(values, np.ones(2000), 0.05)
    assert high - low < 0.1 * 2 * bounded_differences(1 / 2000, 2000, 0.05)


def test_whoever_looks_once_has_half_the_width_where_a_few_numbers_vary_little() -> None:
    values = np.random.default_rng(1).uniform(0.09, 0.11, 300)
    (low, high), (least, most) = fixed_sample_limits(values, np.ones(300), 0.05), limits(values, 0.05)
    assert high - low < 0.6 * (most - least)


def test_equal_numbers_need_only_be_counted() -> None:
    values, counts = np.array([0.0, 0.25, 1.0]), np.array([60, 30, 10])
    assert fixed_sample_limits(values, counts, 0.05) == pytest.approx(fixed_sample_limits(np.repeat(values, counts), np.ones(100), 0.05))


# ---------------------------------------------------------------------------------- the largest of many means


def test_the_inequality_that_makes_sums_enough() -> None:
    # Fan, Grama & Liu 2015: log(1 + s x) >= s x + (s + log(1 - s)) x^2 for x >= -1 and 0 <= s < 1.
    x = np.linspace(-1, 3, 2001)[:, None]
    s = np.linspace(0, 0.99, 100)
    assert (np.log1p(s * x) >= s * x + (s + np.log1p(-s)) * x**2 - 1e-12).all()


@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.3])
@pytest.mark.parametrize("samples", [1, 10, 1000])
def test_limits_on_the_largest_mean_contain_it_and_move_with_alpha(samples: int, alpha: float) -> None:
    generator = np.random.default_rng(2)
    gaps = generator.uniform(-1, 1, samples)
    parts = np.bincount(generator.integers(7, size=samples), gaps, 7)
    value, squares = float(np.abs(parts).sum()) / samples, float((gaps**2).sum())
    low, high = largest_mean_low(parts, squares, samples, alpha), largest_mean_high(value, squares, samples, alpha)
    assert 0 <= low <= value <= high <= 1
    assert largest_mean_low(parts, squares, samples, alpha / 10) <= low
    assert high <= largest_mean_high(value, squares, samples, alpha / 10)
    # Everything below a limit is refuted, and nothing above it.
    evidence = [log_evidence_of_more(limit, parts, squares, samples, alpha) for limit in np.linspace(0, 1, 101)]
    assert (np.diff(evidence) < 1e-9).all()


def test_empty_parts_cost_nothing() -> None:
    parts = np.array([30.0, -20.0, 10.0])
    few, many = (largest_mean_low(each, 60.0, 400, 0.05) for each in (parts, np.append(parts, np.zeros(1000))))
    assert few == many > 0


def test_limits_are_narrower_than_bounded_differences() -> None:
    generator = np.random.default_rng(3)
    confidence = confidences(generator.uniform(size=5000))
    shown = predictions(confidence, generator.uniform(size=5000) < confidence - 0.1)
    low, high = interval(shown, 0.05)
    assert high - low < 1.5 * bounded_differences(2 / 5000, 5000, 0.05)


def test_the_shortest_and_longest_ways_through_ranges_are_found() -> None:
    generator = np.random.default_rng(4)
    for _ in range(50):
        least = np.append(0, generator.normal(size=4))
        most = least + np.append(0, generator.exponential(size=4))
        ways = np.stack(np.meshgrid(*(np.linspace(*ends, 9) for ends in zip(least, most, strict=True))), axis=-1).reshape(-1, 5)
        lengths = np.abs(np.diff(ways, axis=1)).sum(axis=1)
        assert _longest(least, most) == pytest.approx(lengths.max())
        assert _shortest(least, most) <= lengths.min() + 1e-9
        assert _shortest(least, most) > lengths.min() - np.diff(np.stack([least, most]), axis=0).sum() / 8


# ----------------------------------------------------------------------------------------------------- selection


def test_weights_of_ranks_are_the_expectations_of_the_distributions() -> None:
    # The r-th smallest of n uniform numbers has an expected -log of 1/r + ... + 1/n.
    ordered = np.sort(np.random.default_rng(5).uniform(size=(20_000, 7)), axis=1)
    assert -np.log(ordered).mean(axis=0) == pytest.approx(area_weights(np.ones(7, dtype=int)), abs=0.03)
    alone = area_weights(np.ones(7, dtype=int))
    assert area_weights(np.array([2, 5])) == pytest.approx([alone[:2].mean(), alone[2:].mean()])


@pytest.mark.parametrize("images", [1, 20, 1000])
def test_limits_on_the_weights_of_all_ranks_hold_at_once(images: int) -> None:
    generator, wrong = np.random.default_rng(6), np.zeros(2)
    low, high = area_weight_limits(np.ones(images, dtype=int), 0.1)
    assert (low <= area_weights(np.ones(images, dtype=int))).all()
    assert (area_weights(np.ones(images, dtype=int)) <= high).all()
    for _ in range(500):
        weights = -np.log(np.sort(generator.uniform(size=images)))
        wrong += ((weights < low).any(), (weights > high).any())
    assert (wrong <= 500 * 0.05).all()


def test_limits_on_the_weights_of_ties_contain_the_mean_between_their_ends() -> None:
    # A third of a distribution says exactly 1: its weight is the mean of -log v for v up to 1/3.
    generator, truth, wrong = np.random.default_rng(7), 1 + np.log(3), 0
    for _ in range(300):
        tied = int(generator.binomial(600, 1 / 3))
        low, high = area_weight_limits(np.append(tied, np.ones(600 - tied, dtype=int)), 0.1)
        wrong += not low[0] <= truth <= high[0]
    assert wrong <= 300 * 0.1


@pytest.mark.parametrize("risk", [0.01, 0.05, 0.2])
def test_a_coverage_that_is_surely_too_much_is_never_promised(risk: float) -> None:
    # All images equally confident, at an error rate just above the risk: the only coverage that keeps to it is 0.
    generator, wrong = np.random.default_rng(8), 0
    for _ in range(300):
        shown = predictions(np.full(800, 0.9), generator.uniform(size=800) > 1.02 * risk)
        wrong += coverage_at_risk_module.interval(shown, 0.05, risk)[0] > 0
    assert wrong <= 300 * 0.05


def test_a_coverage_is_promised_where_errors_are_few_enough() -> None:
    # Of 3000 images the more confident half is always right, the other half one time in three.
    confidence = np.repeat([0.99, 0.5], 1500)
    shown = predictions(confidence, np.append(np.ones(1500), np.arange(1500) % 3 == 0) > 0)
    low, high = coverage_at_risk_module.interval(shown, 0.05)
    assert 0.47 < low < 0.5 < high < 0.56
    assert binom.cdf(0, 1500, 0.05) < 1e-30


# ------------------------------------------------------------------------------------------- coverage by simulation


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("metric", WITH_INTERVAL)
def test_limits_are_right_as_often_as_promised(metric: str, name: str) -> None:
    """A short run of benchmarks/interval_coverage.py: 40 draws of 300 images, of which 5 % may miss, and no more than 5 do by chance."""
    saturated, chance = DISTRIBUTIONS[name]
    generator = np.random.default_rng(9)
    places = confidences((np.arange(1_000_000) + 0.5) / 1_000_000, saturated)
    truth, wrong = _truths(name), np.zeros(2)
    for _ in range(40):
        confidence = confidences(generator.uniform(size=300), saturated)
        shown = predictions(confidence, generator.uniform(size=300) < chance(confidence))
        expected = truth[metric] if metric in truth else largest_gap(places, chance(places), confidence)
        low, high = catalog.module("metrics", metric).interval(shown, 0.05)
        wrong += (low > expected + 2e-6, high < expected - 2e-6)
    assert (wrong <= 5).all()


_KNOWN: dict[str, dict[str, float]] = {}


def _truths(name: str) -> dict[str, float]:
    if name not in _KNOWN:
        saturated, chance = DISTRIBUTIONS[name]
        places = confidences((np.arange(1_000_000) + 0.5) / 1_000_000, saturated)
        _KNOWN[name] = truths(places, chance(places))
    return _KNOWN[name]


@pytest.mark.parametrize("bins", [15, 100, 1000])
@pytest.mark.parametrize("metric", [name for name in WITH_INTERVAL if "bins" in catalog.signature("metrics", name, name, 1)])
def test_limits_hold_for_fewer_images_than_bins(metric: str, bins: int) -> None:
    """A calibrated model: nearly every bin holds one image or none, and the plug-in value is mostly chance."""
    if metric == "brier_resolution":
        pytest.skip("whose truth is no 0")
    generator = np.random.default_rng(10)
    for _ in range(20):
        confidence = confidences(generator.uniform(size=100))
        low, _ = catalog.module("metrics", metric).interval(predictions(confidence, generator.uniform(size=100) < confidence), 0.01, bins)
        assert low == 0
