"""Minima of convex functions: against closed forms, and against every bound tried."""

from itertools import product

import numpy as np
import pytest

from robustsuite.numerics.newton import Near, bounded_minimum, minimum


def quadratic(seed: int, unknowns: int) -> tuple[np.ndarray, np.ndarray]:
    """Second derivatives, positive definite and badly scaled, and slopes at 0."""
    generator = np.random.default_rng(seed)
    mixing = generator.normal(size=(unknowns, unknowns)) * np.logspace(-2, 2, unknowns)
    return mixing.T @ mixing + 1e-3 * np.eye(unknowns), generator.normal(size=unknowns)


def identity(vector: np.ndarray) -> np.ndarray:
    return vector


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("undone", ["identity", "diagonal"])
def test_a_quadratic_function_has_its_minimum_where_its_equations_are_solved(seed: int, undone: str) -> None:
    bends, slopes = quadratic(seed, 6)

    def function(place: np.ndarray) -> Near:
        scaled = identity if undone == "identity" else lambda vector: vector / np.diag(bends)
        return Near(float(place @ bends @ place / 2 + slopes @ place), bends @ place + slopes, lambda vector: bends @ vector, scaled)

    expected = np.linalg.solve(bends, -slopes)
    assert np.abs(minimum(function, np.zeros(6)) - expected).max() < 1e-7 * np.abs(expected).max()


def test_a_minimum_that_is_far_and_steep_is_found() -> None:
    """The sum of exp(x) - 1000 x and cosh(y - 30): Newton's full steps from 0 overshoot beyond what float64 can hold."""

    def function(place: np.ndarray) -> Near:
        x, y = place
        bends = np.array([np.exp(x), np.cosh(y - 30)])
        slopes = np.array([np.exp(x) - 1000, np.sinh(y - 30)])
        value = float(np.exp(x) - 1000 * x + np.cosh(y - 30))
        return Near(value, slopes, lambda vector: bends * vector, lambda vector: vector / bends)

    with np.errstate(over="ignore"):
        assert minimum(function, np.array([0.0, 0.0])) == pytest.approx([np.log(1000), 30], rel=1e-12)


def test_who_starts_at_the_minimum_stays_there() -> None:
    start = np.array([1.0, -2.0])
    found = minimum(lambda place: Near(float((place - start) @ (place - start)), 2 * (place - start), lambda v: 2 * v, identity), start)
    assert np.array_equal(found, start)


@pytest.mark.parametrize("seed", range(20))
def test_within_bounds_the_minimum_is_the_best_of_all_faces(seed: int) -> None:
    bends, slopes = quadratic(seed, 4)
    bounded = np.array([True, False, True, True])

    def value(place: np.ndarray) -> float:
        return float(place @ bends @ place / 2 + slopes @ place)

    candidates = []
    for held in product([False, True], repeat=3):
        free = ~np.array([held[0], False, held[1], held[2]])
        place = np.zeros(4)
        place[free] = np.linalg.solve(bends[np.ix_(free, free)], -slopes[free])
        if (place[bounded] >= 0).all():
            candidates.append(place)
    expected = min(candidates, key=value)
    found = bounded_minimum(lambda place: (value(place), bends @ place + slopes, bends), np.ones(4), bounded)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_where_the_function_is_not_defined_the_step_is_shortened() -> None:
    """x - log x from 100: Newton's step goes beyond 0, where there is no logarithm."""

    def function(place: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        if place[0] <= 0:
            return np.inf, np.zeros(1), np.eye(1)
        return float(place[0] - np.log(place[0])), 1 - 1 / place, np.diag(1 / place**2)

    assert bounded_minimum(function, np.array([100.0]), np.array([True])) == pytest.approx([1.0], rel=1e-12)
