"""Attacks that look for the nearest adversarial point: what they find on models of which the nearest point is known, and their projections."""

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog
from torch import Tensor, nn

import robustsuite
from robustsuite import attacking, catalog
from robustsuite.attacking import AttackResult
from robustsuite.attacks import cw
from robustsuite.attacks.fab import onto_hyperplane
from robustsuite.numerics.balls import farthest, onto_ball
from robustsuite.numerics.norms import dual_size, size
from robustsuite.numerics.random import image_keys
from robustsuite.records import Attacked, ThreatModel

SHAPE = (3, 5, 7)
NORMS = ("linf", "l2", "l1", "l0")
ATTACKS = [(attack, norm) for attack in ("ddn", "fmn", "cw", "fab") for norm in catalog.module("attacks", attack).NORMS]
every_attack = pytest.mark.parametrize(("attack", "norm"), ATTACKS)
seeds = st.integers(0, 10**6)


class Linear(nn.Module):
    """Classes with linear logits: class 0 against class 1 by one function, all others far below."""

    def __init__(self, classes: int = 2, scale: float = 1.0, shift: float = 0.0):
        super().__init__()
        self.weights = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
        self.classes, self.scale, self.shift = classes, scale, shift

    def value(self, images: Tensor) -> Tensor:
        return ((images - 0.5) * self.weights).flatten(1).sum(dim=1)

    def forward(self, images: Tensor) -> Tensor:
        half = self.value(images)[:, None] / 2
        others = (half - 20 - torch.arange(self.classes - 2)).expand(-1, self.classes - 2)
        return self.scale * torch.cat([-half, half, others], dim=1) + self.shift


class Curved(nn.Module):
    """A small random network of four classes, smooth but not linear."""

    def __init__(self, scale: float = 1.0, shift: float = 0.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(2)
        self.first = torch.randn((16, 105), generator=generator) / 5
        self.second = torch.randn((4, 16), generator=generator)
        self.scale, self.shift = scale, shift

    def forward(self, images: Tensor) -> Tensor:
        return self.scale * (torch.tanh((images - 0.5).flatten(1) @ self.first.T) @ self.second.T) + self.shift


def greys(count: int, seed: int = 3) -> Tensor:
    """Images around mid-grey, on both sides of the linear model's boundary: what they need meets the box in L1 and L0 alone."""
    side = torch.tensor([1.0, -1.0]).repeat(count)[:count].view(-1, 1, 1, 1)
    noise = 2 * torch.rand((count, *SHAPE), generator=torch.Generator().manual_seed(seed)) - 1
    return 0.5 + 0.05 * side * Linear().weights.sign() + 0.1 * noise


def black_and_white(count: int) -> Tensor:
    return torch.randint(0, 2, (count, *SHAPE), generator=torch.Generator().manual_seed(4)).float()


def optimum(model: Linear, images: Tensor, norm: str) -> Tensor:
    """The distance of each image from the boundary of a linear model; in L1 and L0 within the box."""
    value, weights = model.value(images.double()), model.weights.double()
    if norm == "linf":
        return value.abs() / weights.abs().sum()
    if norm == "l2":
        return value.abs() / weights.norm()
    gains = weights.abs() * torch.where(weights * value.view(-1, 1, 1, 1) > 0, images, 1 - images).double()
    if norm == "l0":
        falling = gains.sum(dim=1).flatten(1).sort(dim=1, descending=True).values.cumsum(dim=1)
        return (falling < value.abs()[:, None]).sum(dim=1) + 1.0
    order = weights.abs().flatten().argsort(descending=True)
    gains = gains.flatten(1)[:, order]
    used = ((value.abs()[:, None] - gains.cumsum(dim=1) + gains) / gains).clamp(0, 1)
    return (used * gains / weights.abs().flatten()[order]).sum(dim=1)


def nearest(model: Any, images: Tensor, attack: str, norm: str, width: int | None = None, **options: Any) -> AttackResult:
    """The attack without a limit to the radius, against the model's own predictions."""
    attacked = Attacked(attack, ThreatModel(norm, Fraction(10**6)), tuple(sorted(options.items())))
    keys = image_keys([str(row) for row in range(len(images))])
    with torch.no_grad():
        labels = model(images).argmax(dim=1)
    return attacking.attack(model, images, labels, attacked, keys, 0, width=width)


# -------------------------------------------------------------------------------------------------- what they find


@every_attack
@pytest.mark.parametrize("classes", [2, 3])
def test_the_nearest_point_of_a_linear_model_is_found_within_2_percent(attack: str, norm: str, classes: int) -> None:
    model, images = Linear(classes), greys(8)
    result = nearest(model, images, attack, norm)
    needed = optimum(model, images, norm)
    assert not result.robust.any()
    assert bool((result.distance >= needed * (1 - 1e-4)).all())
    assert bool((result.distance <= (needed + 1 if norm == "l0" else needed * 1.02)).all())


@every_attack
def test_pixels_of_exactly_0_and_1_can_move(attack: str, norm: str) -> None:
    model, images = Linear(), black_and_white(8)
    result = nearest(model, images, attack, norm)
    assert not result.robust.any()
    assert bool((result.adversarial != images).flatten(1).any(dim=1).all())
    if norm == "linf":
        # Half of the pixels stand with their backs to the wall, so that the others have to move farther.
        assert bool((result.distance >= optimum(model, images, norm)).all())


@every_attack
def test_a_thousand_classes_are_as_many_as_two(attack: str, norm: str) -> None:
    images = greys(2)
    options = {"targets": 3} if attack == "fab" else {}
    result = nearest(Linear(1000), images, attack, norm, **options)
    assert torch.allclose(result.distance, nearest(Linear(2), images, attack, norm).distance, rtol=1e-3)


@every_attack
def test_neither_the_scale_nor_a_shift_of_the_logits_matters(attack: str, norm: str) -> None:
    images = torch.rand((4, *SHAPE), generator=torch.Generator().manual_seed(7))
    options, one = {"steps": 40} if attack == "fab" else {}, float(norm == "l0")
    plain = nearest(Curved(), images, attack, norm, **options)
    assert not plain.robust.any()
    for other in (Curved(shift=30.0), Curved(scale=0.01), Curved(scale=1000.0)):
        found = nearest(other, images, attack, norm, **options)
        assert not found.robust.any()
        assert bool((found.distance <= plain.distance * 1.1 + one).all())
        assert bool((found.distance >= plain.distance / 1.1 - one).all())


@every_attack
def test_an_image_that_takes_anothers_place_finds_what_it_finds_alone(attack: str, norm: str) -> None:
    images = torch.rand((7, *SHAPE), generator=torch.Generator().manual_seed(8))
    options = {"steps": 20, **({"binary_steps": 3} if attack == "cw" else {})}
    together = nearest(Curved(), images, attack, norm, **options)
    by_turns = nearest(Curved(), images, attack, norm, width=3, **options)
    assert torch.allclose(together.distance, by_turns.distance, rtol=1e-3)
    assert together.backwards == by_turns.backwards


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_different_attacks_agree_on_a_curved_boundary(norm: str) -> None:
    images = torch.rand((8, *SHAPE), generator=torch.Generator().manual_seed(9))
    found = {attack: nearest(Curved(), images, attack, norm).distance for attack, known in ATTACKS if known == norm}
    best = torch.stack(list(found.values())).amin(dim=0)
    for attack, distances in found.items():
        assert float((distances / best).median()) <= 1.03, attack
        assert float((distances / best).max()) <= 1.25, attack


def test_one_run_answers_every_radius_and_counts_its_passes_once() -> None:
    model, images = Linear(), greys(8)
    needed = optimum(model, images, "linf").sort().values
    radii = [float(needed[0]) * 0.9, float(needed[3:5].mean()), float(needed[-1]) * 1.1]
    attacked = [Attacked("fmn", ThreatModel("linf", Fraction(radius))) for radius in radii]
    keys = image_keys([str(row) for row in range(8)])
    results = attacking.curve(model, images, model(images).argmax(dim=1), attacked, keys, 0)
    assert [int(result.robust.sum()) for result in results] == [8, 4, 0]
    assert [result.backwards for result in results] == [800, 0, 0]


def test_fab_as_a_stage_of_an_ensemble_ends_for_an_image_that_has_fallen_within_the_radius(monkeypatch: pytest.MonkeyPatch) -> None:
    model, images = Linear(), greys(8)
    radius = float(optimum(model, images, "l2").sort().values[3:5].mean())
    real = attacking.module
    ensemble = SimpleNamespace(stages=lambda threat, classes: [("fab", {"steps": 20})])
    monkeypatch.setattr("robustsuite.attacking.module", lambda room, name: ensemble if name == "an ensemble" else real(room, name))
    attacked = Attacked("an ensemble", ThreatModel("l2", Fraction(radius)))
    keys = image_keys([str(row) for row in range(8)])
    result = attacking.attack(model, images, model(images).argmax(dim=1), attacked, keys, 0)
    assert torch.equal(result.robust, optimum(model, images, "l2") > radius)
    assert 4 * 20 < result.backwards < 6 * 20


# ------------------------------------------------------------------------------------------------ one attack's own


class Stairs(nn.Module):
    """Two classes told apart by a mean that is rounded: there is no gradient anywhere."""

    def forward(self, images: Tensor) -> Tensor:
        mean = images.mean(dim=(1, 2, 3))
        step = (mean > 0.5).float() + 0 * mean
        return torch.stack([step, 0.5 + 0 * mean], dim=1)


def test_ddn_goes_in_a_random_direction_where_there_is_no_gradient() -> None:
    images = torch.full((2, *SHAPE), 0.5001)
    result = nearest(Stairs(), images, "ddn", "l2", steps=5)
    assert bool(result.distance.isfinite().all())
    moved = nearest(Stairs(), torch.full((16, *SHAPE), 0.5001), "ddn", "l2", steps=5)
    assert 0 < int(moved.robust.sum()) < 16


@pytest.mark.parametrize("attack", ["fmn", "cw", "fab"])
def test_without_a_gradient_an_attack_finds_nothing_and_says_so(attack: str) -> None:
    images = torch.full((2, *SHAPE), 0.75)
    result = nearest(Stairs(), images, attack, "l2")
    assert result.robust.all()
    assert torch.equal(result.adversarial, images)


def test_fmn_needs_as_few_pixels_as_there_are() -> None:
    class OnePixel(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            pixel = images[:, :, 2, 3].mean(dim=1)
            return torch.stack([pixel, 0.25 + 0.01 * images.mean(dim=(1, 2, 3))], dim=1)

    result = nearest(OnePixel(), greys(4), "fmn", "l0")
    assert result.distance.tolist() == [1.0] * 4
    assert bool(((result.adversarial != greys(4)).any(dim=1).flatten(1).nonzero()[:, 1] == 2 * 7 + 3).all())


@given(seeds)
def test_cw_writes_every_image_in_tanh_space_and_back(seed: int) -> None:
    images = torch.rand((2, *SHAPE), generator=torch.Generator().manual_seed(seed))
    images[0, 0, 0, :2] = torch.tensor([0.0, 1.0])
    back = (cw.in_tanh_space(images).tanh() / cw.SQUEEZE + 1) / 2
    assert torch.allclose(back, images, atol=1e-6)
    assert float(cw.in_tanh_space(images).abs().max()) <= cw.EDGE + 1e-5


def test_cw_spends_no_more_than_its_searches_and_less_on_those_that_stall() -> None:
    images = greys(6)
    result = nearest(Linear(), images, "cw", "l2", steps=30, binary_steps=4)
    assert 4 * 6 < result.backwards <= 4 * 30 * 6


def test_fab_tries_the_likeliest_wrong_classes_one_after_the_other() -> None:
    images = greys(3)
    assert nearest(Curved(), images, "fab", "l2", steps=5).backwards == 3 * 3 * 5  # four classes: three are wrong
    assert nearest(Curved(), images, "fab", "l2", steps=5, targets=2).backwards == 2 * 3 * 5
    nearer = nearest(Curved(), images, "fab", "l2", targets=3).distance
    assert bool((nearer <= nearest(Curved(), images, "fab", "l2", targets=1).distance + 1e-6).all())


@pytest.mark.shared_data
def test_on_real_images_ddn_and_fmn_find_the_same_distances(shared_data: Path) -> None:
    model = robustsuite.load_model(f"{shared_data}/models.py:cifar10_resnet20").classifier
    dataset = robustsuite.load_dataset("image_folder", shared_data / "cifar10" / "images")
    chosen = range(0, len(dataset.ids), len(dataset.ids) // 6)
    images = torch.stack([torch.from_numpy(np.array(dataset.read(number))).permute(2, 0, 1) for number in chosen]).float() / 255
    labels = torch.tensor([int(dataset.labels[number]) for number in chosen])
    ddn, fmn = (robustsuite.attack(model, images, labels, attack, norm="l2", epsilon=10) for attack in ("ddn", "fmn"))
    attacked = ddn.distance > 0
    assert not ddn.robust.any()
    assert not fmn.robust.any()
    assert bool(attacked.any())
    assert 0.9 <= float((ddn.distance / fmn.distance)[attacked].median()) <= 1.1
    assert float(ddn.distance[attacked].median()) < 0.1


# ----------------------------------------------------------------------------------------------------- projections


def random_changes(seed: int) -> tuple[Tensor, Tensor]:
    """Changes of very different sizes, some entries exactly 0, and a radius for each."""
    generator = torch.Generator().manual_seed(seed)
    changes = torch.randn((5, *SHAPE), generator=generator) * 10 ** (2 * torch.rand((5, 1, 1, 1), generator=generator) - 1)
    changes[1, :, ::2] = 0
    return changes, 3 * torch.rand(5, generator=generator)


@given(seeds, st.sampled_from(NORMS))
def test_a_projected_change_is_inside_its_own_ball_and_one_inside_is_left_alone(seed: int, norm: str) -> None:
    changes, radii = random_changes(seed)
    projected = onto_ball(changes, radii, norm)
    assert bool((size(projected.double(), norm) <= radii * (1 + 1e-5)).all())
    wide = size(changes, norm) * 1.001
    assert torch.allclose(onto_ball(changes, wide, norm), changes, rtol=1e-5, atol=1e-6)
    assert torch.equal(onto_ball(changes, torch.full((5,), torch.inf), norm), changes)
    assert bool((onto_ball(changes, torch.zeros(5), norm).abs() <= 1e-6).all())


@given(seeds, st.sampled_from(["linf", "l2", "l1"]))
def test_no_point_of_the_ball_is_nearer_than_the_projected(seed: int, norm: str) -> None:
    changes, radii = random_changes(seed)
    projected = onto_ball(changes, radii, norm).double()
    residue = changes.double() - projected
    # The ball is convex: of all its points, the residue points farthest along the projected one (the variational inequality).
    farthest_along = radii * dual_size(residue, norm)
    assert torch.allclose((residue * projected).flatten(1).sum(dim=1), farthest_along, rtol=1e-3, atol=1e-3)


def test_l0_keeps_the_pixels_that_changed_most_with_all_their_channels() -> None:
    changes = torch.zeros((1, 3, 2, 2))
    changes[0, :, 0, 0], changes[0, 0, 0, 1], changes[0, :, 1, 0] = 0.3, 0.5, 0.2
    kept = onto_ball(changes, torch.tensor([2.0]), "l0")
    assert torch.equal(kept[0, :, 0, 0], changes[0, :, 0, 0])
    assert torch.equal(kept[0, :, 0, 1], changes[0, :, 0, 1])
    assert not kept[0, :, 1].any()
    assert torch.equal(onto_ball(changes, torch.tensor([2.9]), "l0"), kept)


def test_the_farthest_change_is_to_the_other_end_of_the_box() -> None:
    images = torch.full((1, 3, 2, 2), 0.25)
    images[0, 0, 0, 0] = 1
    assert farthest(images, "linf").tolist() == [1.0]
    assert farthest(images, "l1").tolist() == [1 + 11 * 0.75]
    assert farthest(images, "l0").tolist() == [4.0]


def test_l0_has_no_dual() -> None:
    with pytest.raises(NotImplementedError, match="L0 has no dual"):
        dual_size(torch.zeros((1, *SHAPE)), "l0")


def plane(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Points of the box, some at its walls; normals with some entries exactly 0; gaps of either sign that the box allows."""
    generator = torch.Generator().manual_seed(seed)
    points = (1.4 * torch.rand((4, *SHAPE), generator=generator) - 0.2).clamp(0, 1)
    normals = torch.randn((4, *SHAPE), generator=generator)
    normals[2, 1] = 0
    gaps = 8 * torch.randn(4, generator=generator)
    ways = torch.where(normals * gaps.sign().view(-1, 1, 1, 1) > 0, 1 - points, points)
    most = 0.95 * (ways * normals.abs()).flatten(1).sum(dim=1)
    return points, normals, gaps.clamp(-most, most)


@given(seeds, st.sampled_from(["linf", "l2", "l1"]))
def test_a_point_is_brought_onto_the_hyperplane_without_leaving_the_box(seed: int, norm: str) -> None:
    points, normals, gaps = plane(seed)
    changes = onto_hyperplane(points, normals, gaps, norm)
    moved = points + changes
    assert bool(((moved >= -1e-6) & (moved <= 1 + 1e-6)).all())
    assert torch.allclose((changes * normals).flatten(1).sum(dim=1), gaps, rtol=1e-4, atol=1e-4)


@given(seeds, st.sampled_from(["linf", "l2", "l1"]))
def test_a_hyperplane_outside_the_box_is_approached_as_far_as_possible(seed: int, norm: str) -> None:
    points, normals, _ = plane(seed)
    moved = points + onto_hyperplane(points, normals, torch.full((4,), 1e4), norm)
    corner = torch.where(normals > 0, 1, torch.where(normals < 0, 0, points))
    assert torch.allclose(moved, corner, atol=1e-5)


@given(seeds)
def test_no_shorter_change_reaches_the_hyperplane(seed: int) -> None:
    points, normals, gaps = plane(seed)
    for row in range(len(points)):
        normal, point, gap = (part[row].double().flatten().numpy() for part in (normals, points, gaps[:, None]))
        found = {norm: float(size(onto_hyperplane(points, normals, gaps, norm), norm)[row]) for norm in ("linf", "l2", "l1")}
        # L1 as a linear programme in the parts of the change above and below 0.
        room = np.concatenate([1 - point, point])
        best = linprog(
            np.ones(2 * len(point)), A_eq=[np.concatenate([normal, -normal])], b_eq=gap, bounds=list(zip(0 * room, room, strict=True))
        )
        assert found["l1"] == pytest.approx(best.fun, rel=1e-4, abs=1e-5)
        # For the others, a ball of a slightly smaller size does not reach the plane: by bisection on what the box leaves of a step.
        side = np.sign(gap) * normal
        reach = np.where(side > 0, 1 - point, np.where(side < 0, point, 0))
        for norm, speed in (("linf", np.ones_like(normal)), ("l2", np.abs(normal))):
            low, high = 0.0, 1e6
            for _ in range(100):
                middle = (low + high) / 2
                gained = float((np.minimum(reach, middle * speed) * np.abs(normal)).sum())
                low, high = (middle, high) if gained < abs(gap[0]) else (low, middle)
            change = np.minimum(reach, high * speed) * (side != 0)
            expected = change.max() if norm == "linf" else np.linalg.norm(change)
            assert found[norm] == pytest.approx(expected, rel=1e-4, abs=1e-5)
