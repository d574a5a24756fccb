"""The engine round every attack: places are refilled, ensembles run in stages, a minimal-norm attack answers every radius."""

from dataclasses import dataclass, replace
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from test_every_attack import Convolutional, Linear, engine, photos
from torch import Tensor, nn
from toy import Toy

import robustsuite
from robustsuite import EvaluationError, attacking
from robustsuite.numerics.losses import margin
from robustsuite.numerics.random import KeyedNoise, image_keys
from robustsuite.records import Attacked, ThreatModel


class Watched(nn.Module):
    """Remembers how many images it is shown at a time, with and without a gradient."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model, self.plain, self.with_gradient = model, [], []

    def forward(self, images: Tensor) -> Tensor:
        (self.with_gradient if images.requires_grad else self.plain).append(len(images))
        return self.model(images)


def linf(epsilon: float, attack: str = "pgd", **options: int | float) -> Attacked:
    return Attacked(attack, ThreatModel("linf", Fraction(epsilon)), tuple(sorted(options.items())))


@pytest.mark.parametrize("width", [1, 3, 7, 24, 100])
def test_the_number_of_images_shown_at_a_time_changes_no_verdict_and_no_count(width: int) -> None:
    model, images = Convolutional().eval(), photos(24)
    labels, keys = model(images).argmax(dim=1), image_keys([str(row) for row in range(24)])
    whole = attacking.attack(model, images, labels, linf(0.05), keys, 0)
    watched = Watched(model)
    found = attacking.attack(watched, images, labels, linf(0.05), keys, 0, width=width)
    assert 0 < whole.robust.sum() < 24
    assert torch.equal(found.robust, whole.robust)
    assert torch.equal(found.first_success, whole.first_success)
    assert found.backwards == whole.backwards == sum(watched.with_gradient)
    assert found.forwards == whole.forwards == sum(watched.with_gradient) + sum(watched.plain)
    assert max(watched.with_gradient + watched.plain) <= width


def test_the_places_of_fallen_images_are_taken_by_waiting_ones() -> None:
    model, images = Convolutional().eval(), photos(60)
    labels, keys = model(images).argmax(dim=1), image_keys([str(row) for row in range(60)])
    watched = Watched(model)
    attacking.attack(watched, images, labels, linf(0.05), keys, 0, width=8)
    # Only when no image waits any longer does the batch become smaller.
    first_smaller = next(place for place, rows in enumerate(watched.with_gradient) if rows < 8)
    assert watched.with_gradient[:first_smaller] == [8] * first_smaller
    assert sum(watched.with_gradient[first_smaller:]) < 0.5 * sum(watched.with_gradient)


# ---------------------------------------------------------------------------------------------------------- stages


def test_an_ensemble_attacks_only_what_still_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    model, images = Convolutional().eval(), photos(24)
    labels, keys = model(images).argmax(dim=1), image_keys([str(row) for row in range(24)])
    real = attacking.module
    ensemble = SimpleNamespace(stages=lambda threat, classes: [("fgsm", {}), ("pgd", {"steps": 10}), ("pgd", {"steps": 40})])
    monkeypatch.setattr("robustsuite.attacking.module", lambda room, name: ensemble if name == "ensemble" else real(room, name))
    found = attacking.attack(model, images, labels, linf(0.03, "ensemble"), keys, 0)
    fgsm = attacking.attack(model, images, labels, linf(0.03, "fgsm"), keys, 0)
    assert torch.equal(found.stage == 0, ~fgsm.robust)
    assert not bool((found.robust & ~fgsm.robust).any())
    assert set(found.stage.tolist()) >= {-1, 0}
    assert torch.equal(found.stage == -1, found.robust)
    standing = int(fgsm.robust.sum())
    assert found.backwards <= 24 + standing * 10 + standing * 40


# ---------------------------------------------------------------------------------------------- minimal-norm attacks


@dataclass(frozen=True)
class Walk:
    points: Tensor
    finished: Tensor
    clean: Tensor
    labels: Tensor
    taken: Tensor


def walker(lengths: list[float]) -> Any:
    """Goes these lengths along the gradient from the clean image, as a minimal-norm attack would look for the boundary."""

    def start(images: Tensor, labels: Tensor, logits: Tensor, threat: ThreatModel, noise: Any) -> Walk:
        return Walk(images, torch.zeros_like(labels, dtype=torch.bool), images, labels, torch.zeros_like(labels))

    def step(state: Walk, query: Any) -> Walk:
        gradient = query(state.points, lambda logits: -margin(logits, state.labels)).gradient
        length = torch.tensor([*lengths, 0.0])[state.taken].view(-1, 1, 1, 1)
        taken = state.taken + 1
        return replace(state, points=state.clean + length * gradient.sign(), taken=taken, finished=taken >= len(lengths))

    return SimpleNamespace(start=start, step=step, MINIMAL=True)


def test_one_run_of_a_minimal_norm_attack_answers_every_radius(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Linear()
    images, labels = model.images(12)
    needed = model.needed(images, "linf")
    lengths = [0.3, 0.02, 0.05, 0.1, 0.15, 0.25]
    monkeypatch.setattr("robustsuite.attacking.module", lambda room, name: walker(lengths))
    radii = [0.0, 0.05, 0.1, 0.2, 0.3]
    keys = image_keys([str(row) for row in range(12)])
    results = attacking.curve(model, images, labels, [linf(radius, "walker") for radius in radii], keys, 0, width=5)
    nearest = torch.tensor([min((length for length in lengths if length > need), default=torch.inf) for need in needed.tolist()])
    for radius, result in zip(radii, results, strict=True):
        assert torch.equal(result.robust, nearest > radius + 1e-5)
        fallen = ~result.robust
        assert torch.allclose(result.distance[fallen], nearest[fallen], atol=1e-5)
        assert bool((result.distance[result.robust] == 0).all())
        assert torch.equal(model(result.adversarial).argmax(dim=1) == labels, result.robust)
    assert [result.backwards for result in results] == [12 * len(lengths), 0, 0, 0, 0]


def test_radii_of_a_minimal_norm_attack_share_a_run_in_a_suite(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    original = attacking.curve

    def counted(model: Any, images: Any, labels: Any, radii: Any, *others: Any) -> Any:
        runs.append([str(one) for one in radii])
        return original(model, images, labels, radii, *others)

    monkeypatch.setattr(attacking, "curve", counted)
    monkeypatch.setattr(attacking, "is_minimal", lambda attack: attack == "pgd")
    path = toy.write_suite(
        "curve",
        'schema = 1\ntitle = "t"\n[data.images]\ndataset = "image_folder"\n'
        '[[check]]\nname = "c"\nattack = "pgd"\nepsilon = ["1/255", "4/255", "8/255"]\nper = "condition"\n'
        '[[check]]\nname = "d"\nattack = "fgsm"\nepsilon = ["1/255", "4/255"]\nper = "condition"\n',
    )
    report = robustsuite.evaluate(str(path), {"m": flat}, {"images": toy.images}, device="cpu")
    assert {verdict.status for verdict in report.verdicts} == {"passed"}
    assert runs == [["fgsm linf 1/255"], ["fgsm linf 4/255"], ["pgd linf 1/255", "pgd linf 4/255", "pgd linf 8/255"]]


def flat(images: Tensor) -> Tensor:
    mean = images.mean(dim=(2, 3))
    return 20 * mean[:, [1, 0]]


# ----------------------------------------------------------------------------------------------- states and noise


def test_states_are_joined_and_taken_apart_by_rows() -> None:
    @dataclass(frozen=True)
    class State:
        points: Tensor
        finished: Tensor
        noise: KeyedNoise
        steps: int

    one, other = (
        State(
            torch.rand(rows, 3, 2, 2),
            torch.zeros(rows, dtype=torch.bool),
            KeyedNoise(image_keys([f"{rows}-{row}" for row in range(rows)])),
            5,
        )
        for rows in (3, 4)
    )
    both = attacking.joined(one, other)
    part = attacking.rows_of(both, torch.tensor([False] * 3 + [True] * 4))
    assert both.steps == 5
    assert torch.equal(part.points, other.points)
    assert torch.equal(part.noise.uniform(6), other.noise[torch.arange(4)].uniform(6))


def test_forked_noise_belongs_to_the_image_and_its_number() -> None:
    noise = KeyedNoise(image_keys(["a", "b", "c"]))
    numbers = torch.tensor([0, 7, 7])
    drawn = noise.fork(numbers).uniform(5)
    assert torch.equal(noise[torch.tensor([1])].fork(torch.tensor([7])).uniform(5), drawn[1:2])
    assert not torch.equal(drawn[1], drawn[2])
    assert not torch.equal(noise.fork(numbers + 1).uniform(5), drawn)
    assert not torch.equal(noise.fork(numbers).uniform(5), noise.uniform(5))


def test_an_attack_that_does_nothing_is_an_error_and_not_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Linear()
    images, labels = model.images(2)
    idle = walker([0.1])
    idle.step = lambda state, query: state
    monkeypatch.setattr("robustsuite.attacking.module", lambda room, name: idle)
    with pytest.raises(EvaluationError, match="does not come to an end"):
        engine(model, images, labels, "idle", "linf", 0.1)
