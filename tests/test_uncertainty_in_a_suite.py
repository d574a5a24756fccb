"""Prediction sets, detectors and diagnostics as checks of a suite: from the file to the verdict and back from the records."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from toy import Toy

import robustsuite
from robustsuite.records import Report, Verdict

SUITE = """
schema = 1
title = "uncertainty"
[data.images]
dataset = "image_folder"
calibration = 0.5
[data.strange]
dataset = "image_folder"
[[check]]
name = "covered"
conformal = "thr"
error = 0.2
metric = "coverage"
at_least = 0.5
[[check]]
name = "corrupted"
conformal = "aps"
metric = "mean_set_size"
corruptions = ["contrast"]
severities = [5]
[[check]]
name = "promise"
conformal = "thr"
error = 0.2
metric = "coverage_p_value"
at_least = 0.01
[[check]]
name = "energy"
detector = "energy"
unfamiliar = "strange"
metric = "auroc"
at_least = 0.9
[[check]]
name = "neighbours"
detector = "knn"
options = { k = 3 }
unfamiliar = "strange"
metric = "auroc"
at_least = 0.9
[[check]]
name = "moved"
detector = "odin"
options = { epsilon = 0.01 }
unfamiliar = "strange"
metric = "fpr_at_95"
[[check]]
name = "classwise"
metric = "classwise_calibration_error"
at_most = 0.9
"""


class Linear(nn.Module):
    """Green or red by a linear layer on the mean colour; grey is neither."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2, bias=False)
        self.layer.weight.data = torch.tensor([[-20.0, 20.0, 0.0], [20.0, -20.0, 0.0]])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layer(images.mean(dim=(2, 3)))


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    made = Toy(tmp_path, per_class=24)
    (tmp_path / "strange" / "grey").mkdir(parents=True)
    generator = np.random.default_rng(1)
    for number in range(12):
        level = generator.integers(20, 200)
        pixels = np.clip(level + generator.integers(-9, 9, (16, 16, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "strange" / "grey" / f"{number}.png")
    return made


def judged(toy: Toy, model: nn.Module | None = None, text: str = SUITE, **settings: int) -> Report:
    suite, data = str(toy.write_suite("uncertainty", text)), {"images": toy.images, "strange": toy.folder / "strange"}
    return robustsuite.evaluate(suite, {"m": model or Linear()}, data, device="cpu", reports=toy.folder / "reports", **settings)


def by_name(report: Report) -> dict[str, Verdict]:
    return {verdict.check: verdict for verdict in report.verdicts}


def test_every_kind_of_check_reaches_a_verdict(toy: Toy) -> None:
    verdicts = by_name(judged(toy))
    assert {name: verdict.status for name, verdict in verdicts.items()} == dict.fromkeys(verdicts, "passed")
    assert verdicts["energy"].measurement.value == pytest.approx(1.0)
    assert verdicts["covered"].metric == "coverage"
    assert 0 <= verdicts["promise"].measurement.value <= 1


def test_the_report_can_be_made_again_from_the_records(toy: Toy) -> None:
    report = judged(toy)
    (folder,) = (toy.folder / "reports").iterdir()
    from robustsuite.assembling import assemble

    assert assemble(folder) == report


def test_unfamiliar_images_are_neither_right_nor_wrong(toy: Toy) -> None:
    report = judged(toy)
    assert {result.condition.dataset for result in report.results} == {"images"}


@pytest.mark.parametrize("settings", [{"batch_size": 1}, {"batch_size": 5}, {"shuffle": True}], ids=str)
def test_scores_and_sets_do_not_depend_on_the_batch(toy: Toy, settings: dict[str, int]) -> None:
    one, other = by_name(judged(toy)), by_name(judged(toy, **settings))
    for name, verdict in one.items():
        assert other[name].measurement.value == pytest.approx(verdict.measurement.value, abs=1e-6)


def test_a_detector_that_the_model_does_not_allow_is_an_error_and_the_others_finish(toy: Toy) -> None:
    class Headless(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return 20 * images.mean(dim=(2, 3))[:, [1, 0]]

    report = judged(toy, Headless())
    verdicts = by_name(report)
    assert {name for name, verdict in verdicts.items() if verdict.status == "error"} == {"neighbours"}
    assert any("choose a detector that reads logits alone" in note for note in report.notes)


def test_without_images_to_fit_on_there_is_an_error_and_no_pass(toy: Toy) -> None:
    verdicts = by_name(judged(toy, text=SUITE.replace("calibration = 0.5\n", "")))
    assert {name for name, verdict in verdicts.items() if verdict.status != "error"} == {"classwise"}


MISTAKES = {
    'detector = "energy"\nmetric = "auroc"': "expected unfamiliar beside detector",
    'detector = "energy"\nunfamiliar = "strang"\nmetric = "auroc"': "did you mean 'strange'?",
    'detector = "energi"\nunfamiliar = "strange"\nmetric = "auroc"': "did you mean 'energy'?",
    'detector = "energy"\nunfamiliar = "images"\ndata = "images"\nmetric = "auroc"': "expected other data than 'images'",
    'detector = "energy"\nunfamiliar = "strange"': "expected a metric of detections",
    'metric = "auroc"': "expected detector beside metric 'auroc'; name it",
    'metric = "coverage"': "expected conformal beside metric 'coverage'; name it",
    'conformal = "thr"\nmetric = "accuracy"': "expected a metric of sets",
    'conformal = "thr"\nmetric = "coverage"\nattack = "fgsm"\nepsilon = "1/255"': "expected conformal without attack",
    'conformal = "raps"\nmetric = "coverage"\noptions = { penalti = 1.0 }': "did you mean 'penalty'?",
    "error = 0.1": "expected 'error' only beside conformal",
    'unfamiliar = "strange"': "expected 'unfamiliar' only beside detector",
}


@pytest.mark.parametrize("lines", MISTAKES)
def test_a_mistake_is_told_in_one_sentence(toy: Toy, lines: str) -> None:
    with pytest.raises(robustsuite.UsageError) as told:
        judged(toy, text=SUITE + f'[[check]]\nname = "mistaken"\n{lines}\n')
    assert MISTAKES[lines] in str(told.value)
