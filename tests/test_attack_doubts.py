"""An attack that did not work is doubted in the report, and one that did is not. Each defence here is planted."""

from collections.abc import Callable

import pytest
import torch
from test_every_attack import Convolutional
from torch import Tensor, nn
from toy import Toy

import robustsuite

SUITE = """
schema = 1
title = "doubts"
[data.images]
dataset = "image_folder"
[[check]]
name = "white"
attack = "pgd"
epsilon = "8/255"
options = { steps = 40 }
[[check]]
name = "black"
attack = "random_noise"
epsilon = "8/255"
"""


def colour(images: Tensor) -> Tensor:
    """Green or red: easy, and hard to attack with 8/255."""
    mean = images.mean(dim=(2, 3))
    return 20 * mean[:, [1, 0]]


class Rounded(nn.Module):
    """Rounds its input to four levels, which has no gradient."""

    def forward(self, images: Tensor) -> Tensor:
        return colour((images * 4).round() / 4 + 0 * images)


class Vanishing(nn.Module):
    """Answers in whole numbers, with a gradient that is zero."""

    def forward(self, images: Tensor) -> Tensor:
        return colour(images).round() + 0 * images.sum(dim=(1, 2, 3))[:, None]


class Random(nn.Module):
    """Adds noise of its own to what it is shown, and is never twice of the same opinion about a close case."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(0)

    def forward(self, images: Tensor) -> Tensor:
        logits = colour(images)
        return logits + 6 * torch.randn(logits.shape, generator=self.generator)


def notes(model: Callable[[Tensor], Tensor], toy: Toy) -> list[str]:
    report = robustsuite.evaluate(str(toy.write_suite("doubts", SUITE)), {"m": model}, {"images": toy.images}, device="cpu")
    return [note for note in report.notes if "on m" in note or "of m" in note]


def test_an_attack_that_worked_is_not_doubted(toy: Toy) -> None:
    assert notes(colour, toy) == []


@pytest.mark.parametrize("model", [Rounded(), Vanishing()], ids=["input rounded", "output rounded"])
def test_gradients_that_are_zero_are_told(model: nn.Module, toy: Toy) -> None:
    (note,) = [note for note in notes(model, toy) if "gradients were zero" in note]
    assert note.startswith("pgd linf 8/255 steps=40 on m: ")
    assert "what stood is no robustness" in note


def test_a_model_that_answers_at_random_is_told(toy: Toy) -> None:
    assert any("fell and stood when shown the same pixels again" in note for note in notes(Random(), toy))


def test_an_attack_that_was_stopped_too_early_is_told(toy: Toy) -> None:
    text = SUITE.replace("steps = 40", "steps = 12, relative_step = 0.2")
    report = robustsuite.evaluate(str(toy.write_suite("doubts", text)), {"m": colour}, {"images": toy.images}, device="cpu")
    assert any("were still getting worse when the attack ended" in note for note in report.notes)


class Brittle(nn.Module):
    """Gives way to noise of the full radius, of which its gradient tells nothing."""

    def forward(self, images: Tensor) -> Tensor:
        logits = colour(images)
        noisy = images.diff(dim=-1).square().mean(dim=(1, 2, 3)) > 0.0111  # 0.0098 as they are; corners add 0.0020, a point inside 0.0007
        return torch.where(noisy[:, None], logits.flip(1), logits).detach() + (logits - logits.detach())


def test_noise_that_fells_more_than_gradients_is_told(toy: Toy) -> None:
    (note,) = [note for note in notes(Brittle(), toy) if "felled" in note]
    assert note.startswith("random_noise linf 8/255 felled ")
    assert note.endswith("which sees the gradients: that attack has failed")


def test_the_counts_of_an_attack_add_up() -> None:
    model = Convolutional().eval()
    images = torch.rand((20, 3, 16, 16), generator=torch.Generator().manual_seed(1))
    labels = model(images).argmax(dim=1)
    counts = robustsuite.attack(model, images, labels, "pgd", norm="linf", epsilon=0.05).counts
    assert counts["attacked"] == 20
    assert 0 < counts["standing"] < 20
    assert counts["zero_gradients"] == counts["taken_back"] == 0


def test_attacks_on_other_images_or_cut_short_are_not_compared(toy: Toy) -> None:
    two = SUITE.replace('name = "black"\n', 'name = "black"\ndata = "more"\n').replace(
        'name = "white"\n', 'name = "white"\ndata = "images"\n'
    )
    two = two.replace("[[check]]", '[data.more]\ndataset = "image_folder"\n[[check]]', 1)
    more = Toy(toy.folder / "more", per_class=3)
    path = str(toy.write_suite("doubts", two))
    report = robustsuite.evaluate(path, {"m": Brittle()}, {"images": toy.images, "more": more.images}, device="cpu")
    assert not [note for note in report.notes if "felled" in note]


UNLIMITED = """
schema = 1
title = "unlimited"
[data.images]
dataset = "image_folder"
[[check]]
name = "unlimited"
attack = "pgd"
epsilon = 1
"""


@pytest.mark.parametrize(("model", "doubted"), [(colour, False), (Rounded(), True)], ids=["plain", "input rounded"])
def test_an_unlimited_attack_that_fells_less_than_everything_has_failed(model: Callable[[Tensor], Tensor], doubted: bool, toy: Toy) -> None:
    suite = str(toy.write_suite("unlimited", UNLIMITED))
    report = robustsuite.evaluate(suite, {"m": model}, {"images": toy.images}, device="cpu")
    assert any("every image may become any other" in note for note in report.notes) == doubted


def test_a_model_that_changes_its_mind_is_told_even_without_an_attack(toy: Toy) -> None:
    suite = str(toy.write_suite("plain", PLAIN))
    for model, told in ((Random(), True), (colour, False)):
        report = robustsuite.evaluate(suite, {"m": model}, {"images": toy.images}, device="cpu")
        assert any("answered otherwise when shown the same" in note for note in report.notes) == told


PLAIN = """
schema = 1
title = "plain"
[data.images]
dataset = "image_folder"
[[check]]
name = "clean"
"""
