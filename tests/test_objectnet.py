"""ObjectNet: its folders, its frame, and what an ImageNet model's thousand outputs mean there."""

from pathlib import Path

import miniatures
import numpy as np
import pytest
import torch
from torch import nn

import robustsuite
from robustsuite import UsageError
from robustsuite.datasets.objectnet import OUTPUTS

SUITE = """
schema = 1
title = "objects"
[data.objects]
dataset = "objectnet"
[[check]]
name = "accuracy"
at_least = 0.5
[[check]]
name = "attacked"
attack = "fgsm"
epsilon = "1/255"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return miniatures.objectnet(tmp_path)


class Reader(nn.Module):
    """Says the class whose number is the photo's level, by one of ImageNet's outputs; or always one that no class has."""

    def __init__(self, output: int, distracted: bool = False) -> None:
        super().__init__()
        self.output, self.distracted = output, distracted

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        numbers = images.mean(dim=(1, 2, 3)) * 255 / 2
        places = torch.tensor([outputs[min(self.output, len(outputs) - 1)] for outputs in OUTPUTS.values()])
        closeness = -(numbers[:, None] - torch.arange(len(OUTPUTS))).abs()
        logits = torch.full((len(images), 1000), -500.0).index_copy(1, places, closeness)
        return logits + (torch.arange(1000) == 0) * 9999 if self.distracted else logits


def test_the_table_has_the_113_classes_and_125_outputs() -> None:
    assert len(OUTPUTS) == 113
    assert sum(map(len, OUTPUTS.values())) == 125 == len({output for outputs in OUTPUTS.values() for output in outputs})
    assert [name for name, outputs in OUTPUTS.items() if len(outputs) > 1] == [
        "alarm_clock", "bicycle", "chair", "helmet", "pen", "skirt", "still_camera", "tie", "wheel"
    ]  # fmt: skip


def test_photos_come_without_their_frame_and_unknown_folders_not_at_all(folder: Path) -> None:
    dataset = robustsuite.load_dataset("objectnet", folder)
    assert len(dataset.ids) == 113
    photo = np.asarray(dataset.read(7))
    assert photo.shape == (16, 20, 3)
    assert (photo == 14).all()
    assert "113 of 114 folders" in dataset.source


@pytest.mark.parametrize("model", [Reader(0), Reader(1), Reader(2, distracted=True)], ids=["first output", "second", "distracted"])
def test_any_output_of_a_class_counts_and_others_do_not(model: nn.Module, folder: Path, tmp_path: Path) -> None:
    suite = tmp_path / "objects.toml"
    suite.write_text(SUITE)
    report = robustsuite.evaluate(str(suite), {"m": model}, {"objects": folder}, device="cpu")
    assert {verdict.check: verdict.status for verdict in report.verdicts} == {"accuracy": "passed", "attacked": "passed"}
    assert report.verdicts[0].measurement.value == 1


def test_a_missing_class_is_refused(folder: Path) -> None:
    (folder / "wok").rename(folder / "pan")
    with pytest.raises(
        UsageError, match="but 1 of the 113 that ImageNet knows are missing in .*, 'wok' among them; point at objectnet-1.0/images"
    ):
        robustsuite.load_dataset("objectnet", folder)
