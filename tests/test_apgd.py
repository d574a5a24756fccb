"""Auto-PGD and the norms and losses that it climbs by: against its paper, truths that can be computed, and brute force."""

import sys
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from torch import Tensor, nn

import robustsuite
from robustsuite import attacking, catalog
from robustsuite.attacking import AttackResult
from robustsuite.numerics import losses
from robustsuite.numerics.norms import dual_size, random_point, size, steepest, take_back
from robustsuite.numerics.random import image_keys, keyed
from robustsuite.records import Attacked, ThreatModel

FAMILY = ("apgd_ce", "apgd_dlr", "apgd_margin", "apgd_targeted")
every_member = pytest.mark.parametrize("attack", FAMILY)


def keys(count: int) -> Tensor:
    return image_keys([str(row) for row in range(count)])


def photos(count: int, seed: int = 1, side: int = 8) -> Tensor:
    return torch.rand((count, 3, side, side), generator=torch.Generator().manual_seed(seed))


class Smooth(nn.Module):
    """Two random layers with a smooth bend between them; its logits can be shifted and scaled."""

    def __init__(self, classes: int = 10, scale: float = 1.0, shift: float = 0.0):
        super().__init__()
        draw = torch.Generator().manual_seed(2)
        self.first, self.second = torch.randn((192, 40), generator=draw) / 4, torch.randn((40, classes), generator=draw)
        self.scale, self.shift = scale, shift

    def forward(self, images: Tensor) -> Tensor:
        return self.scale * (((images.flatten(1) - 0.5) @ self.first).tanh() @ self.second) + self.shift


def engine(
    model: Any, images: Tensor, labels: Tensor, attack: str, norm: str, epsilon: float, width: int | None = None, **options: Any
) -> AttackResult:
    attacked = Attacked(attack, ThreatModel(norm, Fraction(epsilon)), tuple(sorted(options.items())))
    return attacking.attack(model, images, labels, attacked, keys(len(images)), seed=0, width=width)


# ---------------------------------------------------------------------------------------------------- the climb


class Recording:
    """Answers queries by a function of the points alone, and remembers the points."""

    def __init__(self, loss: Any):
        self.loss, self.points = loss, []

    def forward(self, points: Tensor) -> Tensor:
        raise AssertionError("no climb asks for a forward pass alone")

    def __call__(self, points: Tensor, _: Any) -> SimpleNamespace:
        self.points.append(points)
        points = points.detach().requires_grad_()
        loss = self.loss(points)
        (gradient,) = torch.autograd.grad(loss.sum(), points)
        return SimpleNamespace(logits=torch.zeros(len(points), 2), loss=loss.detach(), gradient=gradient)


def trajectory(loss: Any, images: Tensor, norm: str, epsilon: Fraction, steps: int) -> Tensor:
    """The points of `apgd_ce` on a loss of our own, `[steps + 1, batch, 3, height, width]`."""
    module = catalog.module("attacks", "apgd_ce")
    labels, logits = torch.zeros(len(images), dtype=torch.int64), torch.zeros(len(images), 2)
    state = module.start(images, labels, logits, ThreatModel(norm, epsilon), keyed(keys(len(images)), 0, "test"), steps=steps)
    query = Recording(loss)
    while not state.finished.any():
        state = module.step(state, query)
    assert state.finished.all()
    assert len(query.points) == steps
    return torch.stack([*query.points, state.points])


def wavy(points: Tensor) -> Tensor:
    """A loss with many hills, so that steps overshoot."""
    flat = points.flatten(1)
    slopes = torch.linspace(-1, 1, flat.shape[1])
    return (flat * slopes).sum(dim=1) + 0.3 * (40 * flat).sin().sum(dim=1)


def by_the_paper(loss: Any, start: np.ndarray, clean: np.ndarray, norm: str, epsilon: float, steps: int) -> list[np.ndarray]:
    """Algorithm 1 for one image, word by word in float64: the points x(0) to x(steps)."""

    def at(point: np.ndarray) -> tuple[float, np.ndarray]:
        tensor = torch.from_numpy(point)[None].requires_grad_()
        value = loss(tensor)
        return value.item(), torch.autograd.grad(value.sum(), tensor)[0][0].numpy()

    def projected(point: np.ndarray) -> np.ndarray:
        change = point - clean
        change = change.clip(-epsilon, epsilon) if norm == "linf" else change * min(1, epsilon / np.sqrt((change**2).sum()))
        return (clean + change).clip(0, 1)

    def upward(gradient: np.ndarray) -> np.ndarray:
        return np.sign(gradient) if norm == "linf" else gradient / np.sqrt((gradient**2).sum())

    checkpoints, interval = [0], max(int(0.22 * steps), 1)
    while checkpoints[-1] <= steps:
        checkpoints.append(checkpoints[-1] + interval)
        interval = max(interval - max(int(0.03 * steps), 1), max(int(0.06 * steps), 1))
    points, values = [start], []
    best, length, halved, at_checkpoint = (start, *at(start)), 2 * epsilon, True, at(start)[0]
    here, gradient, before = start, best[2], start
    values.append(best[1])
    for step in range(steps):
        ahead = projected(here + length * upward(gradient))
        moved = ahead if step == 0 else projected(here + 0.75 * (ahead - here) + 0.25 * (here - before))
        before, here = here, moved
        points.append(here)
        value, gradient = at(here)
        values.append(value)
        if value > best[1]:
            best = here, value, gradient
        if step + 1 in checkpoints[1:]:
            place = checkpoints.index(step + 1)
            taken = checkpoints[place] - checkpoints[place - 1]
            risen = sum(values[one] > values[one - 1] for one in range(step + 2 - taken, step + 2))
            shorten = risen <= 0.75 * taken or (not halved and best[1] <= at_checkpoint)
            halved, at_checkpoint = shorten, best[1]
            if shorten:
                length, here, gradient = length / 2, best[0], best[2]
    return points


@pytest.mark.parametrize(("norm", "epsilon"), [("linf", "0.1"), ("l2", "0.7")])
@pytest.mark.parametrize("steps", [1, 7, 25, 100])
def test_the_points_are_those_of_the_papers_algorithm(norm: str, epsilon: str, steps: int) -> None:
    images = photos(3).double()
    found = trajectory(wavy, images, norm, Fraction(epsilon), steps)
    for row in range(3):
        start = found[0, row].numpy()
        expected = by_the_paper(wavy, start, images[row].numpy(), norm, float(Fraction(epsilon)), steps)
        # The start is drawn in float32; hills are steep, so compare while rounding has not yet been magnified.
        for step, (ours, theirs) in enumerate(zip(found[:, row].numpy(), expected, strict=True)):
            assert np.abs(ours - theirs).max() < 1e-6, f"step {step}"


@pytest.mark.parametrize(("norm", "epsilon"), [("linf", Fraction(1, 10)), ("l2", Fraction(1))])
def test_a_climb_starts_on_the_surface_of_the_ball(norm: str, epsilon: Fraction) -> None:
    grey = torch.full((4, 3, 8, 8), 0.5)
    started = catalog.module("attacks", "apgd_ce").start(
        grey, torch.zeros(4, dtype=torch.int64), torch.zeros(4, 2), ThreatModel(norm, epsilon), keyed(keys(4), 0, "test")
    )
    assert torch.allclose(size(started.points - grey, norm), torch.full((4,), float(epsilon)), rtol=1e-5)
    assert not torch.equal(started.points[0], started.points[1])


@every_member
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_a_model_of_any_number_of_classes_falls_where_it_can(attack: str, norm: str) -> None:
    for classes in (2, 3, 4, 12):
        model, images = Smooth(classes), photos(6)
        labels = model(images).argmax(dim=1)
        result = engine(model, images, labels, attack, norm, {"linf": 0.3, "l2": 3, "l1": 20}[norm], steps=20)
        assert not result.robust.any(), classes
        stands = engine(model, images, labels, attack, norm, 0.0, steps=2)
        assert stands.robust.all()
        assert torch.equal(stands.adversarial, images)


@every_member
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_saturated_pixels_can_move(attack: str, norm: str, level: float) -> None:
    model, images = Smooth(), torch.full((2, 3, 8, 8), level)
    images[1, :, ::2] = 1 - level
    labels = model(images).argmax(dim=1)
    assert not engine(model, images, labels, attack, norm, {"linf": 0.6, "l2": 6, "l1": 60}[norm], steps=20).robust.any()


@every_member
def test_neither_a_shift_nor_a_scale_of_the_logits_saves_an_image(attack: str) -> None:
    images = photos(16)
    labels = Smooth()(images).argmax(dim=1)
    radius = {"norm": "linf", "epsilon": 0.007, "steps": 30}
    plain = engine(Smooth(), images, labels, attack, **radius)
    assert 0 < plain.robust.sum() < 16
    for scale, shift in ((1.0, 64.0), (1024.0, 0.0), (1 / 1024, 0.0)):
        other = engine(Smooth(scale=scale, shift=shift), images, labels, attack, **radius)
        assert abs(int(other.robust.sum()) - int(plain.robust.sum())) <= 1


@pytest.mark.parametrize("attack", FAMILY)
@pytest.mark.parametrize("norm", ["linf", "l1"])
def test_places_are_refilled_without_a_change_of_verdict(attack: str, norm: str) -> None:
    model, images = Smooth(), photos(20)
    labels = model(images).argmax(dim=1)
    radius = {"norm": norm, "epsilon": {"linf": 0.007, "l1": 0.6}[norm], "steps": 12, "restarts": 2}
    if attack == "apgd_targeted":
        radius["choose"], radius["targets"] = "linearised", 3
    whole = engine(model, images, labels, attack, **radius)
    few = engine(model, images, labels, attack, width=3, **radius)
    assert 0 < whole.robust.sum() < 20
    assert torch.equal(whole.robust, few.robust)
    assert torch.equal(whole.first_success, few.first_success)
    assert whole.backwards == few.backwards


# ------------------------------------------------------------------------------------------------- passes and restarts


def unfoolable(images: Tensor) -> Tensor:
    """Ten classes of which the first always wins, by an amount that depends on the image."""
    values = (images - 0.5).flatten(1)[:, :9]
    return torch.cat([10 + values.sum(dim=1, keepdim=True), values], dim=1)


@pytest.mark.parametrize("attack", ["apgd_ce", "apgd_dlr", "apgd_margin", "pgd"])
def test_an_image_that_stands_costs_its_steps_and_every_further_start_one_more(attack: str) -> None:
    images, labels = photos(3), torch.zeros(3, dtype=torch.int64)
    assert engine(unfoolable, images, labels, attack, "linf", 0.1, steps=7).backwards == 3 * 7
    assert engine(unfoolable, images, labels, attack, "linf", 0.1, steps=7, restarts=3).backwards == 3 * (8 + 8 + 7)


def test_a_target_costs_its_steps_and_a_measured_candidate_one_query() -> None:
    images, labels = photos(2), torch.zeros(2, dtype=torch.int64)
    plain = engine(unfoolable, images, labels, "apgd_targeted", "linf", 0.1, steps=5, targets=4)
    assert plain.backwards == 2 * (6 + 6 + 6 + 5)
    measured = engine(unfoolable, images, labels, "apgd_targeted", "linf", 0.1, steps=5, targets=4, choose="linearised")
    assert measured.backwards == plain.backwards + 2 * 8


@pytest.mark.parametrize("attack", ["pgd", *FAMILY])
def test_more_restarts_fell_no_fewer_images(attack: str) -> None:
    model, images = Smooth(), photos(24)
    labels = model(images).argmax(dim=1)
    one, many = (engine(model, images, labels, attack, "linf", 0.01, steps=3, restarts=restarts) for restarts in (1, 4))
    # The option is part of the noise's name, so the first starts differ; more starts must still win overall.
    assert many.robust.sum() <= one.robust.sum()


def test_an_image_that_falls_costs_no_more_than_its_first_success() -> None:
    model, images = Smooth(), photos(32)
    labels = model(images).argmax(dim=1)
    result = engine(model, images, labels, "apgd_ce", "linf", 0.01)
    fallen = result.first_success > 0
    assert fallen.sum() > 5
    assert result.backwards <= int(result.first_success[fallen].sum()) + 100 * int((~fallen).sum())


# ----------------------------------------------------------------------------------------------------------- targets


class Straight(nn.Module):
    """Logits `offset_c + slope_c * x_c`, where pixel c of the first row is the only one that class c sees."""

    def __init__(self, offsets: list[float], slopes: list[float]):
        super().__init__()
        self.offsets, self.slopes = torch.tensor(offsets), torch.tensor(slopes)

    def forward(self, images: Tensor) -> Tensor:
        return self.offsets + self.slopes * images[:, 0, 0, : len(self.offsets)]


def test_linearised_targets_are_ordered_by_distance_and_not_by_logit() -> None:
    model, images = Straight([5.0, 4.0, 3.0, 2.0, 1.0, 0.5], [0.1, 0.1, 8.0, 0.1, 60.0, 0.1]), torch.zeros(2, 3, 6, 6)
    labels = torch.zeros(2, dtype=torch.int64)
    distances = [1 / 0.2, 2 / 8.1, 3 / 0.2, 4 / 60.1, 4.5 / 0.2]
    nearest = [1 + int(place) for place in np.argsort(distances[:4])]
    module = catalog.module("attacks", "apgd_targeted")
    threat, noise = ThreatModel("linf", Fraction(1, 100)), keyed(keys(2), 0, "test")
    search = attacking._Search(model, images, labels, threat)
    search.rows = torch.arange(2)
    state = module.start(images, labels, model(images), threat, noise, targets=2, choose="linearised")
    assert state.order.tolist() == [[1, 2, 3, 4]] * 2
    for _ in range(4):
        state = module.step(state, search)
    assert state.order.tolist() == [nearest] * 2
    assert state.unmeasured.tolist() == [0, 0]
    assert torch.allclose(state.distances[0], torch.tensor(distances[:4]), rtol=1e-5)


def test_a_target_that_alone_can_win_is_found_at_its_turn() -> None:
    model, images = Straight([5.0, 4.0, 3.0, 2.0, 1.0, 0.5], [0.0, 0.0, 0.0, 0.0, 42.0, 0.0]), torch.zeros(1, 3, 6, 6)
    labels, radius = torch.zeros(1, dtype=torch.int64), {"norm": "linf", "epsilon": 0.1, "steps": 4}
    assert engine(model, images, labels, "apgd_targeted", targets=3, **radius).robust.all()
    late = engine(model, images, labels, "apgd_targeted", targets=5, **radius)
    assert not late.robust.any()
    assert int(late.first_success) > 3 * 5
    soon = engine(model, images, labels, "apgd_targeted", targets=2, choose="linearised", **radius)
    assert 4 < int(soon.first_success) <= 4 + 3


def test_an_unknown_choice_of_targets_is_refused_in_one_sentence() -> None:
    model, images = Smooth(), photos(1)
    with pytest.raises(robustsuite.UsageError, match="expected choose to be one of logits, linearised, got 'best'"):
        robustsuite.attack(model, images, model(images).argmax(dim=1), "apgd_targeted", norm="linf", epsilon=0.1, choose="best")


# ------------------------------------------------------------------------------------------------------------ losses


def logits(classes: int, count: int = 50) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(classes)
    return 3 * torch.randn((count, classes), generator=draw, dtype=torch.float64), torch.randint(classes, (count,), generator=draw)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_the_cross_entropy_is_the_softplus_of_the_log_odds(classes: int) -> None:
    z, labels = logits(classes)
    assert torch.allclose(nn.functional.softplus(losses.log_odds(z, labels)), losses.cross_entropy(z, labels))


def test_the_log_odds_still_have_a_gradient_where_the_cross_entropy_has_none() -> None:
    z = torch.tensor([[200.0, 3.0, 1.0]], requires_grad=True)
    label = torch.tensor([0])
    (flat,) = torch.autograd.grad(losses.cross_entropy(z, label).sum(), z)
    (steep,) = torch.autograd.grad(losses.log_odds(z, label).sum(), z)
    assert not flat.any()
    assert steep[0, 0] == -1
    assert steep[0, 1] > 0.8


def test_the_ratios_are_those_of_the_paper() -> None:
    z, labels = torch.tensor([[4.0, 1.0, 3.0, 0.0, 2.0]] * 3), torch.tensor([0, 2, 3])
    assert torch.allclose(losses.logits_ratio(z, labels), torch.tensor([-(4 - 3) / 2, -(3 - 4) / 2, -(0 - 4) / 2]))
    ratio = losses.targeted_logits_ratio(z, labels, torch.tensor([4, 4, 4]))
    assert torch.allclose(ratio, torch.tensor([2.0 - 4, 2.0 - 3, 2.0 - 0]) / (4 - 1.5))


def test_the_ratios_fall_back_to_the_margin_where_there_are_too_few_classes() -> None:
    z, labels = logits(2)
    assert torch.equal(losses.logits_ratio(z, labels), -losses.margin(z, labels))
    z, labels = logits(3)
    targets = (labels + 1) % 3
    assert torch.equal(losses.targeted_logits_ratio(z, labels, targets), losses.targeted_margin(z, labels, targets))


def test_neither_a_shift_nor_a_scale_changes_a_ratio() -> None:
    z, labels = logits(6)
    targets = (labels + 2) % 6
    for changed in (z + 17, 1000 * z):
        assert torch.allclose(losses.logits_ratio(changed, labels), losses.logits_ratio(z, labels))
        assert torch.allclose(losses.targeted_logits_ratio(changed, labels, targets), losses.targeted_logits_ratio(z, labels, targets))


# ------------------------------------------------------------------------------------------------------------- norms


def threats(norm: str) -> st.SearchStrategy[ThreatModel]:
    return st.floats(0, 40, width=32).map(lambda epsilon: ThreatModel(norm, Fraction(epsilon)))


@settings(deadline=None, max_examples=40)
@given(threats("l1"), st.integers(0, 1000), st.sampled_from([0.001, 0.1, 1.0, 30.0]))
def test_the_l1_projection_is_the_nearest_point_of_ball_and_box(threat: ThreatModel, seed: int, reach: float) -> None:
    draw = torch.Generator().manual_seed(seed)
    clean = torch.rand((2, 3, 5, 7), generator=draw).mul_(1.4).sub_(0.2).clamp_(0, 1)  # many pixels at exactly 0 and 1
    points = clean + reach * torch.randn(clean.shape, generator=draw)
    found, epsilon = take_back(points, clean, threat), float(threat.epsilon)
    assert bool(((found >= 0) & (found <= 1)).all())
    assert bool((size(found.double() - clean.double(), "l1") <= epsilon).all())
    for y, x, ours in zip(points.double().numpy(), clean.double().numpy(), found.double().numpy(), strict=True):
        height, room = np.abs(y - x), np.where(y > x, 1 - x, x)

        def left(threshold: float, height: np.ndarray = height, room: np.ndarray = room) -> np.ndarray:
            return np.minimum(np.maximum(height - threshold, 0), room)

        excess = left(0).sum() - epsilon
        threshold = 0.0 if excess <= 0 else brentq(lambda t, left=left: left(t).sum() - epsilon, 0, height.max(), xtol=1e-15)
        assert np.abs(x + np.sign(y - x) * left(threshold) - ours).max() < 1e-6 * max(reach, 1) * 3


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(["linf", "l2", "l1", "l0"]), st.floats(0, 40, width=32), st.integers(0, 1000))
def test_a_point_moved_into_the_ball_stays_there_and_stays_put(norm: str, epsilon: float, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    clean, threat = torch.rand((3, 3, 6, 5), generator=draw), ThreatModel(norm, Fraction(epsilon))
    once = take_back(clean + torch.randn(clean.shape, generator=draw), clean, threat)
    assert bool((size(once.double() - clean.double(), norm) <= epsilon * (1 + 1e-6) + 1e-7).all())
    assert torch.allclose(take_back(once, clean, threat), once, atol=1e-6)
    assert torch.equal(take_back(clean, clean, threat), clean)


def test_the_l0_projection_keeps_the_pixels_that_spare_most_distance() -> None:
    draw = torch.Generator().manual_seed(3)
    clean = torch.rand((1, 3, 2, 3), generator=draw)
    points = clean + torch.randn(clean.shape, generator=draw)
    found = take_back(points, clean, ThreatModel("l0", Fraction(2)))
    nearest = min(
        float((points - torch.where(torch.tensor(kept).view(1, 1, 2, 3), points.clamp(0, 1), clean)).square().sum())
        for kept in ([bool(number >> place & 1) for place in range(6)] for number in range(64))
        if sum(kept) <= 2
    )
    assert float((points - found).square().sum()) == pytest.approx(nearest)
    assert int(size(found - clean, "l0")) == 2


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_steepest_direction_rises_by_the_dual_size_however_small_the_gradient(norm: str) -> None:
    for scale in (1.0, 1e-30, 1e-36):
        gradient = torch.randn((4, 3, 5, 5), generator=torch.Generator().manual_seed(4)) * scale
        direction = steepest(gradient, norm)
        assert torch.allclose(size(direction, norm), torch.ones(4))
        risen = (gradient.double() * direction).flatten(1).sum(dim=1)
        assert torch.allclose(risen, dual_size(gradient.double(), norm), rtol=1e-5, atol=0)
    assert not steepest(torch.zeros(1, 3, 5, 5), norm).any()


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_random_points_lie_in_the_ball_and_belong_to_their_image(norm: str) -> None:
    images, threat = photos(5), ThreatModel(norm, Fraction(1, 2))
    change = random_point(images, threat, keyed(keys(5), 0, "test"))
    assert bool((size(change, norm) <= 0.5 * (1 + 1e-5)).all())
    assert torch.equal(random_point(images[3:4], threat, keyed(keys(5)[3:4], 0, "test")), change[3:4])


# ---------------------------------------------------------------------------------------------------------- a real network


@pytest.mark.shared_data
def test_a_trained_network_falls_as_the_official_code_fells_it(shared_data: Any) -> None:
    """Official AutoAttack left 0 of 256 images at 2/255; see the project's notes."""
    if not (shared_data / "cifar10" / "images").is_dir() or sys.platform == "win32":
        pytest.skip("needs the shared CIFAR-10 images")
    data = robustsuite.load_dataset("image_folder", shared_data / "cifar10" / "images")
    chosen = range(0, 2000, 125)
    images = torch.stack([torch.from_numpy(np.array(data.read(row))).permute(2, 0, 1).float() / 255 for row in chosen])
    labels = torch.from_numpy(np.array([data.labels[row] for row in chosen]))
    model = robustsuite.load_model(f"{shared_data / 'models.py'}:cifar10_resnet20").classifier
    for attack in ("apgd_ce", "apgd_margin"):
        result = robustsuite.attack(model, images, labels, attack, norm="linf", epsilon="2/255")
        assert not result.robust.any()
        assert result.backwards <= 4 * len(images)
