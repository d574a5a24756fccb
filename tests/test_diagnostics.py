"""Diagnostics on models whose answer is known."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import ndtri

import robustsuite
from robustsuite.diagnostics._half_spaces import nearest
from robustsuite.diagnostics.level_set import level_set
from robustsuite.diagnostics.ordered_top_k import ordered_top_k, wrong_classes
from robustsuite.diagnostics.smoothing import smoothing
from robustsuite.numerics.balls import farthest
from robustsuite.numerics.norms import size
from robustsuite.numerics.random import KeyedNoise, image_keys, keyed
from robustsuite.roles import Classifier

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


# ---------------------------------------------------------------------------------------------------- ordered_top_k

SHAPE = (3, 4, 4)


class Linear:
    """Random linear logits in float64; `lowered` takes so much from the last class's."""

    def __init__(self, classes: int, scale: float = 1.0, lowered: float = 0.0):
        generator = torch.Generator().manual_seed(4)
        weights = torch.randn(classes, 48, generator=generator, dtype=torch.float64)
        offsets = torch.randn(classes, generator=generator, dtype=torch.float64) - weights.sum(dim=1) / 2
        offsets[-1] -= lowered
        self.weights, self.offsets = scale * weights, scale * offsets

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return (images.flatten(1).double() @ self.weights.T + self.offsets).float()

    def needed(self, image: torch.Tensor, listed: list[int]) -> float:
        """The L2 size of the smallest change within the box after which the list leads, by a quadratic programme."""
        others = [number for number in range(len(self.weights)) if number not in listed]
        pairs = [*pairwise(listed), *((listed[-1], other) for other in others)]
        above = np.array([(self.weights[one] - self.weights[other]).numpy() for one, other in pairs])
        clean = image.flatten().double().numpy()
        lead = above @ clean + np.array([float(self.offsets[one] - self.offsets[other]) for one, other in pairs])
        solved = minimize(
            lambda change: change @ change / 2,
            np.zeros(48),
            jac=lambda change: change,
            bounds=list(zip(-clean, 1 - clean, strict=True)),
            constraints={"type": "ineq", "fun": lambda change: above @ change + lead, "jac": lambda change: above},
            method="SLSQP",
            options={"maxiter": 500, "ftol": 1e-12},
        )
        assert solved.success, solved.message
        return float(np.linalg.norm(solved.x))


def greys(count: int) -> torch.Tensor:
    """Images so near to mid-grey that the box is out of reach."""
    return 0.5 + 0.1 * (2 * torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(5)) - 1)


def black_and_white(count: int) -> torch.Tensor:
    """Images of which every value stands with its back to the wall."""
    return torch.randint(0, 2, (count, *SHAPE), generator=torch.Generator().manual_seed(6)).float()


def trained() -> tuple[Classifier, torch.Tensor]:
    """A bundled network and eight of its images."""
    model, data = robustsuite.load_model("digits-standard").classifier, robustsuite.load_dataset("digits")
    assert isinstance(model, torch.nn.Module)
    levels = torch.stack([torch.from_numpy(np.array(data.read(number))) for number in range(0, 64, 8)])
    return model.requires_grad_(False), levels.permute(0, 3, 1, 2) / 255


def own_noise(count: int) -> KeyedNoise:
    return keyed(image_keys([str(row) for row in range(count)]), 0, "diagnosed")


def listing(model: Classifier, images: torch.Tensor, **options: int) -> dict[str, torch.Tensor]:
    """`ordered_top_k` with the model's own predictions for labels."""
    logits = model(images)
    return dict(ordered_top_k(model, images, logits.argmax(dim=1), logits, own_noise(len(images)), **options))


def test_the_other_of_two_classes_is_as_far_away_as_the_plane_between_them() -> None:
    model, images = Linear(2), greys(8)
    found, logits = listing(model, images, k=1), model(images)
    needed = (logits[:, 0] - logits[:, 1]).abs() / (model.weights[0] - model.weights[1]).norm()
    assert bool(found["reached"].all())
    assert bool((found["l2"] >= needed * (1 - 1e-4)).all())
    assert bool((found["l2"] <= needed * 1.02).all())


@pytest.mark.parametrize("images", [greys(4), black_and_white(4)], ids=["free", "at the box"])
@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_an_ordered_list_of_a_linear_model_is_reached_as_near_as_a_quadratic_programme_finds_it(k: int, images: torch.Tensor) -> None:
    model = Linear(8)
    found = listing(model, images, k=k)
    lists = wrong_classes(model(images).argmax(dim=1), 8, k, own_noise(4))
    needed = torch.tensor([model.needed(image, listed) for image, listed in zip(images, lists.tolist(), strict=True)])
    assert bool(found["reached"].all())
    assert bool((found["l2"] >= needed * (1 - 1e-4)).all())
    assert bool((found["l2"] <= needed * 1.05).all())


def test_the_three_sizes_are_of_one_change() -> None:
    found = listing(Linear(8), greys(6), k=3)
    assert bool((found["linf"] <= found["l2"]).all())
    assert bool((found["l2"] <= found["l1"]).all())
    assert bool((found["l2"] ** 2 <= found["l1"] * found["linf"] * (1 + 1e-5)).all())  # Hölder's inequality


def test_a_list_that_no_image_of_the_box_has_is_not_reached() -> None:
    model, images = Linear(2, lowered=1e3), greys(6)  # class 1 is out of reach, and class 0 the label
    found = listing(model, images, k=1)
    assert not found["reached"].any()
    assert bool((found["l2"] > 0).all())
    assert bool((found["linf"] <= 0.6 + 1e-6).all())  # the last point tried lies in the box too


def test_an_image_whose_list_leads_already_needs_no_change() -> None:
    model, images = Linear(2), greys(6)
    logits = model(images)
    found = ordered_top_k(model, images, logits.argmin(dim=1), logits, own_noise(6), k=1)  # of two classes the other one leads
    assert bool(found["reached"].all())
    assert not any(found[name].any() for name in ("l1", "l2", "linf"))


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_unit_of_the_logits_does_not_matter(scale: float) -> None:
    images = greys(4)
    plain, scaled = (listing(Linear(8, scale=factor), images, k=3) for factor in (1.0, scale))
    assert torch.allclose(plain["l2"], scaled["l2"], rtol=5e-3)


def test_lists_are_drawn_evenly_without_the_label_and_without_repetition() -> None:
    labels = torch.arange(6).repeat(2000)
    lists = wrong_classes(labels, 6, 3, own_noise(12000))
    assert not (lists == labels[:, None]).any()
    assert bool((lists.sort(dim=1).values.diff(dim=1) > 0).all())
    of_label_0 = lists[labels == 0]
    counts = torch.stack([(of_label_0 == number).sum(dim=0) for number in range(1, 6)])
    assert bool(((counts - 400).abs() < 5 * (2000 * 0.2 * 0.8) ** 0.5).all())  # each class in each place: five standard deviations


def test_what_is_called_reached_was_shown_once_more() -> None:
    images, linear, shown = greys(4), Linear(4), []

    def moody(points: torch.Tensor) -> torch.Tensor:
        shown.append((torch.is_grad_enabled(), float(points.detach().min()), float(points.detach().max())))
        return linear(points) if torch.is_grad_enabled() else torch.zeros(len(points), 4)

    logits = linear(images)
    found = ordered_top_k(moody, images, logits.argmax(dim=1), logits, own_noise(4), k=2, steps=30)
    assert not found["reached"].any()
    assert [enabled for enabled, _, _ in shown] == [True] * 30 + [False]
    assert all(low >= 0 and high <= 1 for _, low, high in shown)


@pytest.mark.parametrize("k", [1, 5])
def test_every_list_of_a_trained_network_is_reached(k: int) -> None:
    model, images = trained()
    found = listing(model, images, k=k)
    assert bool(found["reached"].all())
    assert bool((found["l2"] < farthest(images, "l2") / 2).all())


def test_where_there_is_no_slope_nothing_is_reached_and_every_number_is_finite() -> None:
    def stairs(points: torch.Tensor) -> torch.Tensor:
        return torch.stack([0 * points.mean(dim=(1, 2, 3)) + height for height in (0.0, 1.0, 2.0)], dim=1)

    found = listing(stairs, greys(3), k=2, steps=5)
    assert not any(column.any() for column in found.values())


@pytest.mark.parametrize("diagnostic", [ordered_top_k, level_set])
def test_a_model_without_gradients_is_pointed_to_smoothing(diagnostic: Callable[..., object]) -> None:
    images, linear = greys(2), Linear(8)
    logits = linear(images)
    with pytest.raises(robustsuite.EvaluationError, match="expected logits with a gradient .* smoothing"):
        diagnostic(lambda points: linear(points.detach()), images, logits.argmax(dim=1), logits, own_noise(2))


@pytest.mark.parametrize(("options", "expected"), [({"k": 8}, "expected k from 1 to 7"), ({"k": 0}, "got 0"), ({"steps": 0}, "steps >= 1")])
def test_a_list_that_cannot_be_drawn_is_refused(options: dict[str, int], expected: str) -> None:
    with pytest.raises(robustsuite.UsageError, match=expected):
        listing(Linear(8), greys(2), **options)


@pytest.mark.parametrize("seed", range(6))
def test_the_nearest_point_of_half_spaces_and_a_box_is_where_a_quadratic_programme_finds_it(seed: int) -> None:
    generator = np.random.default_rng(seed)
    normals = generator.normal(size=(5, 12))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    centre, inside = generator.uniform(-1, 1, 12), generator.uniform(-0.4, 0.4, 12)
    heights = -normals @ inside - 0.05  # so that `inside` lies in all of them
    solved = minimize(
        lambda point: (point - centre) @ (point - centre) / 2,
        inside,
        jac=lambda point: point - centre,
        bounds=[(-0.5, 0.5)] * 12,
        constraints={"type": "ineq", "fun": lambda point: -normals @ point - heights, "jac": lambda point: -normals},
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-14},
    )
    assert solved.success, solved.message
    low = torch.full((1, 12), -0.5)
    given = [torch.from_numpy(part)[None].float() for part in (centre, normals, heights)]
    found, _ = nearest(*given, (low, -low), torch.zeros(1, 5, dtype=torch.float64))
    point = found[0].double().numpy()
    assert (np.abs(point) <= 0.5).all()
    assert (normals @ point + heights).max() < 1e-3
    assert np.linalg.norm(point - centre) == pytest.approx(np.linalg.norm(solved.x - centre), rel=1e-3)


# -------------------------------------------------------------------------------------------------------- level_set


def levelled(model: Classifier, images: torch.Tensor, **options: float | str) -> dict[str, torch.Tensor]:
    logits = model(images)
    return dict(level_set(model, images, logits.argmax(dim=1), logits, own_noise(len(images)), **options))


def on_the_left(images: torch.Tensor) -> torch.Tensor:
    """Two classes by the mean of the left half; the right half means nothing."""
    score = 20 * (images[:, :, :, :2].mean(dim=(1, 2, 3)) - 0.4)
    return torch.stack([-score, score], dim=1)


def alarmed_by_the_left(images: torch.Tensor) -> torch.Tensor:
    """Two classes: whether the left half is white, to the last level."""
    score = 5 - 1e5 * (1 - images[:, :, :, :2]).square().mean(dim=(1, 2, 3))
    return torch.stack([-score, score], dim=1)


def test_a_constant_model_notices_nothing_all_the_way() -> None:
    images = black_and_white(4)

    def constant(points: torch.Tensor) -> torch.Tensor:
        return torch.tensor([2.0, 1.0, 0.0]) + 0 * points.mean(dim=(1, 2, 3))[:, None]

    found = levelled(constant, images)
    assert found["travelled"].tolist() == [1.0] * 4
    assert torch.allclose(found["l2"], size(images - 0.5, "l2"))
    assert found["confidence_kept"].tolist() == [1.0] * 4


@pytest.mark.parametrize("delta", [0.01, 0.05, 0.5])
def test_a_linear_model_is_left_where_its_confidence_ends_and_no_sooner(delta: float) -> None:
    # White images, of two classes by their left half: the nearest point to mid-grey lies straight below in that half.
    images = torch.ones(3, *SHAPE)
    found = levelled(on_the_left, images, delta=delta)
    confidence = (1 - delta) * torch.sigmoid(2 * on_the_left(images)[:, 1].double())
    mean = 0.4 + torch.logit(confidence) / 40
    left = (24**0.5 * (mean - 0.5)).clamp(min=0)
    expected = 1 - left / (0.5 * 48**0.5)
    assert torch.allclose(found["travelled"].double(), expected, atol=0.01)
    assert bool((found["travelled"] <= expected + 1e-4).all())
    assert bool((found["confidence_kept"] >= 1 - delta - 1e-5).all())


def test_pixels_that_the_model_ignores_are_travelled_along_and_no_others() -> None:
    found = levelled(alarmed_by_the_left, torch.ones(3, *SHAPE))
    assert found["travelled"].tolist() == pytest.approx([1 - 0.5**0.5] * 3, abs=0.02)
    assert found["l2"].tolist() == pytest.approx([0.5 * 24**0.5] * 3, abs=0.05)


def test_a_model_that_notices_everything_is_left_where_it_started() -> None:
    def alarmed(points: torch.Tensor) -> torch.Tensor:
        score = 5 - 1e5 * (1 - points).square().mean(dim=(1, 2, 3))
        return torch.stack([-score, score], dim=1)

    assert float(levelled(alarmed, torch.ones(3, *SHAPE))["travelled"].max()) < 0.02


def test_a_target_on_the_confident_side_is_reached() -> None:
    def darker(points: torch.Tensor) -> torch.Tensor:
        score = 4 * (1 - points.mean(dim=(1, 2, 3)))
        return torch.stack([score, -score - 0.1], dim=1)

    found = levelled(darker, torch.full((2, *SHAPE), 0.9))
    assert found["travelled"].tolist() == pytest.approx([1.0] * 2, abs=1e-6)
    assert bool((found["confidence_kept"] > 1).all())


@pytest.mark.parametrize("target", ["grey", "noise"])
def test_the_confidence_of_a_trained_network_is_kept_within_the_box_and_the_steps(target: str) -> None:
    model, images = trained()
    shown: list[torch.Tensor] = []

    def seen(points: torch.Tensor) -> torch.Tensor:
        shown.append(points.detach())
        return model(points)

    logits = model(images)
    found = level_set(seen, images, logits.argmax(dim=1), logits, own_noise(8), target=target)
    assert len(shown) == 50
    assert all(float(points.min()) >= 0 and float(points.max()) <= 1 for points in shown)
    assert bool((found["confidence_kept"] >= 0.95 - 1e-5).all())
    assert bool((found["travelled"] >= 0).all())
    assert float(found["travelled"].mean()) > 0.1
    # What is reported is one of the points that were shown, with the confidence that the model had there.
    ends = torch.stack(shown)[:, torch.arange(8)]
    sizes = size((ends - images).flatten(0, 1), "l2").view(50, 8)
    at = (sizes - found["l2"]).abs().argmin(dim=0)
    confidence = model(ends[at, torch.arange(8)]).softmax(dim=1).gather(1, logits.argmax(dim=1)[:, None])[:, 0]
    start = logits.softmax(dim=1).amax(dim=1)
    assert torch.allclose(confidence / start, found["confidence_kept"], atol=1e-4)


def test_an_image_that_is_the_target_has_travelled_all_the_way() -> None:
    found = levelled(on_the_left, torch.full((2, *SHAPE), 0.5))
    assert found["travelled"].tolist() == [1.0] * 2
    assert found["l2"].tolist() == [0.0] * 2


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"target": "black"}, "expected the target grey or noise"), ({"delta": 1.0}, "delta between 0 and 1"), ({"steps": 0}, "steps >= 1")],
)
def test_a_way_that_leads_nowhere_is_refused(options: dict[str, float | str], expected: str) -> None:
    with pytest.raises(robustsuite.UsageError, match=expected):
        levelled(on_the_left, greys(2), **options)
