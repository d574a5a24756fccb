"""ImageNet-O's protocol: anomalies against validation photos of the same classes, both by the masked outputs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import average_precision_score
from test_groups_and_shifts import dataset
from torch import nn

import robustsuite
from robustsuite.records import LabelSpace

SUITE = """
schema = 1
title = "anomalies"
[data.val-o]
dataset = "imagenet_val"
calibration = 0.2
[data.o]
dataset = "imagenet_o"
[[check]]
name = "aupr"
data = "val-o"
unfamiliar = "o"
detector = "msp"
metric = "aupr_out"
"""
KEPT = (1, 51, 70, 79)


class Table(nn.Module):
    """An ImageNet model whose logits are those of a table, by the image's level."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.randn(256, 1000, generator=torch.Generator().manual_seed(0)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.table[(images[:, 0].mean(dim=(1, 2)) * 255).round().long()]


def test_anomalies_are_scored_by_the_outputs_of_the_familiar_classes_alone(tmp_path: Path) -> None:
    space, model = LabelSpace(tuple((output,) for output in KEPT)), Table()
    familiar, strange = list(range(100)), list(range(100, 140))
    data = {
        "val-o": dataset(familiar, [level % 4 for level in familiar], 4, space=space),
        "o": dataset(strange, [0] * len(strange), 4, space=space),
    }
    path = tmp_path / "anomalies.toml"
    path.write_text(SUITE)
    reports = tmp_path / "reports"
    (verdict,) = robustsuite.evaluate(str(path), {"m": model}, data, device="cpu", reports=reports).verdicts
    from robustsuite.showing import splits

    judged = splits(data["val-o"], 0.2)["judged"]
    scores = softmax(model.table[:, list(KEPT)].double().numpy(), axis=1).max(axis=1)
    shown = np.concatenate([scores[np.array(familiar)[judged]], scores[strange]])
    expected = average_precision_score(np.repeat([0, 1], [len(judged), len(strange)]), -shown)
    assert verdict.measurement.value == pytest.approx(expected, abs=1e-6)


def test_calibration_errors_of_a_masked_set_are_those_after_masking(tmp_path: Path) -> None:
    space, model = LabelSpace(tuple((output,) for output in KEPT)), Table()
    labels = [level % 4 for level in range(120)]
    path = tmp_path / "masked.toml"
    path.write_text(
        'schema = 1\ntitle = "masked"\n[data.a]\ndataset = "imagenet_a"\n[[check]]\nname = "likelihood"\nmetric = "negative_log_likelihood"\n'
    )
    found = robustsuite.evaluate(str(path), {"m": model}, {"a": dataset(range(120), labels, 4, space=space)}, device="cpu").verdicts[0]
    probabilities = softmax(model.table[:120, list(KEPT)].double().numpy(), axis=1)
    assert found.measurement.value == pytest.approx(-np.log(probabilities[np.arange(120), labels]).mean(), rel=1e-6)
