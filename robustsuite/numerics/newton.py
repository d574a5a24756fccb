"""Minima of smooth convex functions by Newton's method, to the last digits that float64 allows."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float64

Vector = Float64[np.ndarray, " unknowns"]
Matrix = Float64[np.ndarray, "unknowns unknowns"]
Found = TypeVar("Found")

STEPS = 100  # of Newton's method, at most; some ten are usual
SMALL = 1e-10  # the next step, of any unknown and relative to its size or 1, that is no longer worth taking
ROUNDING = 1e-14  # of a function's value, relative


@dataclass(frozen=True)
class Near:
    """What a convex function is like near a point.

    Attributes:
        value: of the function; infinite where it is not defined.
        gradient: its slopes.
        curvature: multiplies a vector by the second derivatives.
        undone: about undoes `curvature`: multiplies a vector by something symmetric, positive and near the inverse of the second
            derivatives. The nearer, the fewer products with `curvature` are needed.
    """

    value: float
    gradient: Vector
    curvature: Callable[[Vector], Vector]
    undone: Callable[[Vector], Vector]


def minimum(function: Callable[[Vector], Near], start: Vector) -> Vector:
    """Where a strictly convex function of many unknowns is least: Newton's equations solved by conjugate gradients.

    They are solved the more exactly the nearer the minimum is (Dembo, Eisenstat & Steihaug 1982). Deterministic.
    """
    place, near = start, function(start)
    first = float(np.linalg.norm(near.gradient))
    for _ in range(STEPS):
        steepness = float(np.linalg.norm(near.gradient))
        if steepness == 0:
            break
        accuracy = min(0.1, (steepness / first) ** 0.5)
        step = _solve(near, accuracy)
        moved = _downhill(function, lambda found: found.value, place, near.value, step, float(near.gradient @ step))
        if moved is None:
            break
        place, near, share = moved
        length = float((np.abs(step) / np.maximum(np.abs(place), 1)).max())
        if share == 1 and length * max(length, accuracy) <= SMALL:
            break
    return place


def _solve(near: Near, accuracy: float) -> Vector:
    """The Newton step, with a residual that is smaller than the gradient by this factor."""
    step = np.zeros_like(near.gradient)
    residual = -near.gradient
    direction = near.undone(residual)
    length = float(residual @ direction)
    wanted = accuracy**2 * length
    for _ in range(10 * len(step)):
        curved = near.curvature(direction)
        share = length / float(direction @ curved)
        step = step + share * direction
        residual = residual - share * curved
        scaled = near.undone(residual)
        before, length = length, float(residual @ scaled)
        if length <= wanted:
            break
        direction = scaled + length / before * direction
    return step


def bounded_minimum(
    function: Callable[[Vector], tuple[float, Vector, Matrix]], start: Vector, bounded: Bool[np.ndarray, " unknowns"]
) -> Vector:
    """Where a strictly convex function of a few unknowns is least, some of them being at least 0.

    Each step minimises the function's second-order expansion within the bounds, exactly: every choice of unknowns that
    lie on their bound is tried.

    Args:
        function: its value (infinite where it is not defined), gradient and second derivatives.
        start: within the bounds, where the function is defined.
        bounded: which unknowns must not be negative; at most ten or so.
    """
    place, (value, gradient, bends) = start, function(start)
    for _ in range(STEPS):
        step = _bounded_step(place, gradient, bends, bounded)
        moved = _downhill(function, lambda found: found[0], place, value, step, float(gradient @ step))
        if moved is None:
            break
        place, (value, gradient, bends), share = moved
        place = np.where(bounded, np.maximum(place, 0.0), place)
        length = float((np.abs(step) / np.maximum(np.abs(place), 1)).max())
        if share == 1 and length**2 <= SMALL:
            break
    return place


def _bounded_step(place: Vector, gradient: Vector, bends: Matrix, bounded: Bool[np.ndarray, " unknowns"]) -> Vector:
    """The least of the second-order expansion within the bounds."""
    best, least = np.zeros_like(place), 0.0
    for choice in product(*((False, True) if one else (False,) for one in bounded)):
        held = np.array(choice)
        step = np.where(held, -place, 0.0)
        free = ~held
        if free.any():
            step[free] = np.linalg.solve(bends[np.ix_(free, free)], -(gradient + bends @ step)[free])
        model = float(gradient @ step + step @ bends @ step / 2)
        if model < least and bool((place + step)[bounded].min(initial=0.0) >= 0):
            best, least = step, model
    return best


def _downhill(
    function: Callable[[Vector], Found],
    value_of: Callable[[Found], float],
    place: Vector,
    value: float,
    step: Vector,
    slope: float,
) -> tuple[Vector, Found, float] | None:
    """The point after as much of the step as lowers the function (Armijo 1966), what was found there, and that share."""
    share = 1.0
    while share > 1e-12:
        tried = place + share * step
        found = function(tried)
        if value_of(found) <= value + 1e-4 * share * slope + ROUNDING * abs(value):
            return tried, found, share
        share /= 2
    return None
