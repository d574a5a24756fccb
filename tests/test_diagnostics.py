"""Diagnostics on models whose answer is known."""

import numpy as np
import pytest
import torch
from scipy.special import ndtri

import robustsuite
from robustsuite.diagnostics.smoothing import smoothing
from robustsuite.numerics.random import image_keys, keyed

SIGMA = 0.25


def a_line(images: torch.Tensor) -> torch.Tensor:
    """Two classes, apart at mean value 0.5: an image's L2 distance from the boundary is `|mean - 0.5| * sqrt(values)`."""
    score = 50 * (images.flatten(1).mean(dim=1) - 0.5)
    return torch.stack([-score, score], dim=1)


def at(distance: float, count: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Images at this L2 distance from the boundary, and the class of their side."""
    values = 3 * 8 * 8
    return torch.full((count, 3, 8, 8), 0.5 + distance / values**0.5), torch.ones(count, dtype=torch.long)


def certified(distance: float, **options: float) -> dict[str, np.ndarray]:
    images, labels = at(distance)
    noise = keyed(image_keys([f"{distance} {row}" for row in range(len(images))]), 0, "smoothing")
    found = smoothing(a_line, images, labels, a_line(images), noise, sigma=SIGMA, **options)
    return {name: column.numpy() for name, column in found.items()}


@pytest.mark.parametrize("distance", [0.1, 0.2, 0.4])
def test_a_certified_radius_is_a_little_below_the_distance_from_a_plane(distance: float) -> None:
    # For a linear model the smoothed one has the same boundary, and the class wins with probability Phi(distance / sigma) exactly.
    found = certified(distance, samples=2000)
    assert (found["certified_radius"] <= distance).all()
    assert (found["certified_radius"] > 0.6 * distance).all()


def test_no_radius_exceeds_what_the_number_of_draws_allows() -> None:
    found = certified(5.0, samples=500)
    assert found["certified_radius"] == pytest.approx(SIGMA * ndtri(0.001 ** (1 / 500)), rel=1e-6)


def test_it_abstains_on_the_boundary_and_certifies_nothing_there() -> None:
    found = certified(0.0, samples=200)
    assert found["abstained"].all()
    assert not found["certified"].any()


def test_a_wrong_answer_has_no_radius() -> None:
    images, labels = at(0.4)
    noise = keyed(image_keys([str(row) for row in range(len(images))]), 0, "smoothing")
    found = smoothing(a_line, images, 1 - labels, a_line(images), noise)
    assert not found["certified_radius"].any()
    assert not found["abstained"].any()


def test_certificates_are_wrong_no_more_often_than_promised() -> None:
    # With alpha = 0.2 the lower bound exceeds the truth in a fifth of all cases at most.
    images, labels = at(0.2, 400)
    noise = keyed(image_keys([str(row) for row in range(len(images))]), 1, "smoothing")
    found = smoothing(a_line, images, labels, a_line(images), noise, sigma=SIGMA, samples=100, alpha=0.2)
    share = float((found["certified_radius"] > 0.2).float().mean())
    assert share <= 0.2 + 3 * (0.2 * 0.8 / 400) ** 0.5


def test_nonsense_is_refused() -> None:
    with pytest.raises(robustsuite.UsageError, match="expected sigma and radius above 0"):
        certified(0.1, alpha=0.7)
