"""What a model looked at: where the truth is planted it is found, and asking changes neither the model nor any number."""

import random
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn
from toy import Toy

import robustsuite
from robustsuite import explaining
from robustsuite.errors import EvaluationError, UsageError
from robustsuite.intact import check_picture
from robustsuite.predictions import Picture
from robustsuite.records import Condition, Report
from robustsuite.reporting.html import to_html

SUITE = """
schema = 1
title = "small"
[data.images]
dataset = "image_folder"
[[check]]
name = "clean"
at_least = 0.5
[[check]]
name = "noisy"
corruptions = ["gaussian_noise"]
severities = [1]
at_least = 0.1
[[check]]
name = "attacked"
attack = "fgsm"
epsilon = "8/255"
at_least = 0.0
"""


class Corner(nn.Module):
    """Looks at the upper left quarter of the image, and at nothing else; in train mode it draws at random."""

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 8, 3, padding=1, bias=False)  # so that what lies outside is dark in every feature
        self.features = nn.Sequential(self.mix, nn.ReLU(), nn.AvgPool2d(2))
        self.head = nn.Linear(8, classes)
        torch.manual_seed(1)
        for parameter in self.parameters():
            nn.init.normal_(parameter)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        seen = torch.zeros_like(images)
        seen[..., : images.shape[2] // 2, : images.shape[3] // 2] = 1
        return self.head(self.features(images * seen).mean(dim=(2, 3)))


class Tokens(nn.Module):
    """As a vision transformer: patches, made into tokens, which are mixed."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.norm, self.head = nn.Conv2d(3, 8, 4, stride=4), nn.LayerNorm(8), nn.Linear(8, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.patches(images).flatten(2).transpose(1, 2)).mean(dim=1))


class ChannelsLast(nn.Module):
    """A corner again, whose last feature map has its channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.corner, self.norm = Corner(), nn.Identity()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.corner.features(images)
        kept = torch.zeros_like(features)
        kept[..., : features.shape[2] // 2, : features.shape[3] // 2] = 1
        return self.corner.head(self.norm((features * kept).permute(0, 2, 3, 1)).mean(dim=(1, 2)))


def images(count: int = 3, size: int = 32) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def share_of_the_corner(heat: np.ndarray) -> float:
    """Of all that was found, how much lies in the upper left quarter and a rim around it."""
    side = heat.shape[1] * 5 // 8
    return float(heat[:, :side, :side].sum() / heat.sum())


@pytest.mark.parametrize("method", explaining.METHODS)
@pytest.mark.parametrize("model", [Corner(), ChannelsLast(), nn.Sequential(Corner())], ids=["corner", "channels last", "wrapped"])
def test_what_a_model_looks_at_is_found_where_it_was_planted(model: nn.Module, method: str) -> None:
    model.eval()
    predicted = model(images()).argmax(dim=1)
    heat = explaining.heat(model, images(), predicted, method)
    assert heat.shape == (3, 32, 32)
    assert heat.dtype == np.uint8
    assert heat.max() == 255
    assert share_of_the_corner(heat) > 0.95


@pytest.mark.parametrize("method", explaining.METHODS)
def test_a_model_is_left_as_it_was(method: str) -> None:
    model = Corner().train()
    model.head.weight.requires_grad_(False)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    asked = [parameter.requires_grad for parameter in model.parameters()]
    before = random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()
    explaining.heat(model, images(), torch.zeros(3, dtype=torch.int64), method)
    assert (random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()) == before
    assert model.training
    assert [parameter.requires_grad for parameter in model.parameters()] == asked
    assert all((parameter.grad == 1).all() for parameter in model.parameters())
    assert all(bool((tensor == weights[name]).all()) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("method", explaining.METHODS)
def test_a_model_of_tokens_has_no_feature_map(method: str) -> None:
    with pytest.raises(EvaluationError, match="no feature map to explain in Tokens: it works on tokens"):
        explaining.heat(Tokens().eval(), images(), torch.zeros(3, dtype=torch.int64), method)


@pytest.mark.parametrize("model", [nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2)), lambda batch: batch.mean(dim=(2, 3))])
def test_a_model_without_any_feature_map_is_told(model: Any) -> None:
    with pytest.raises(EvaluationError, match="no feature map to explain"):
        explaining.heat(model, images(), torch.zeros(3, dtype=torch.int64), "eigen-cam")


# ------------------------------------------------------------------------------------------------------------ in a run


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    made = Toy(tmp_path, per_class=4)
    made.write_suite("small", SUITE)
    return made


def evaluated(toy: Toy, models: dict, explain: str) -> tuple[Report, dict[str, np.ndarray]]:
    """The report, and all arrays of the run's blocks by name."""
    reports = toy.folder / f"runs-{explain}-{len(models)}"
    report = robustsuite.evaluate(
        str(toy.folder / "suites" / "small.toml"), models, {"images": toy.images}, device="cpu", reports=reports, explain=explain
    )
    arrays = {}
    for path in sorted(reports.glob("*/blocks-*/*.safetensors")):
        arrays |= {f"{path.stem.partition('-')[0]}/{name}": array for name, array in load_file(path).items()}
    return report, arrays


def test_a_run_that_explains_its_pictures_finds_the_same_numbers(toy: Toy) -> None:
    plain, without = evaluated(toy, {"corner": Corner()}, "none")
    explained, with_heat = evaluated(toy, {"corner": Corner()}, "grad-cam")
    assert explained.verdicts == plain.verdicts
    assert explained.results == plain.results
    kept = [array.tobytes() for name, array in with_heat.items() if not name.endswith(("/heat", "/pixels"))]
    assert sorted(kept) == sorted(array.tobytes() for name, array in without.items() if not name.endswith("/pixels"))
    assert not any(name.endswith("/heat") for name in without)
    heats = [array for name, array in with_heat.items() if name.endswith("/heat")]
    assert len(heats) == len([name for name in without if name.endswith("/pixels")]) > 0  # one for each picture
    assert {(heat.shape, heat.dtype.name) for heat in heats} == {((16, 16), "uint8")}
    assert all(one.heat.startswith(b"\x89PNG") for one in explained.examples)
    assert not any(one.heat for one in plain.examples)
    assert [(one.image, one.perturbation, one.picture) for one in explained.examples] == [
        (one.image, one.perturbation, one.picture) for one in plain.examples
    ]
    assert explained.provenance["pictures explained by"] == "grad-cam"
    assert "pictures explained by" not in plain.provenance


def test_of_several_models_each_is_explained_and_what_has_no_feature_map_is_noted_once(toy: Toy) -> None:
    report, _ = evaluated(toy, {"corner": Corner(), "tokens": Tokens()}, "eigen-cam")
    told = [note for note in report.notes if "looked at is not told" in note]
    assert told == [
        "what model 'tokens' looked at is not told: no feature map to explain in Tokens: it works on tokens",
    ]
    assert {verdict.status for verdict in report.verdicts} <= {"passed", "failed"}
    assert {(one.model, bool(one.heat)) for one in report.examples} == {("corner", True), ("tokens", False)}
    shown = {(one.image, one.perturbation) for one in report.examples}
    assert len(report.examples) == 2 * len(shown)
    assert to_html(report).count('class="over"') == len(shown)


@pytest.mark.parametrize("heat", [np.zeros((2, 3), np.uint8), np.zeros((2, 2), np.float32), np.zeros(4, np.uint8)])
def test_a_map_of_another_shape_or_type_than_its_picture_is_no_record_of_a_run(heat: np.ndarray) -> None:
    picture = Picture(0, Condition("images"), np.zeros((3, 2, 2), np.uint8), "m", heat)
    with pytest.raises(ValueError, match="what a model looked at, of shape"):
        check_picture(picture, {"ids": ["0"]})
    check_picture(replace(picture, heat=np.zeros((2, 2), np.uint8)), {"ids": ["0"]})


def test_a_run_that_explains_nothing_does_not_import_the_package(toy: Toy) -> None:
    loaded = {name for name in sys.modules if name.startswith("pytorch_grad_cam")}
    for name in loaded:
        del sys.modules[name]
    evaluated(toy, {"corner": Corner()}, "none")
    assert not any(name.startswith("pytorch_grad_cam") for name in sys.modules)


def test_without_the_package_one_sentence_says_what_to_install(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"not installed; pip install 'robustsuite\[explain\]'"):
        evaluated(toy, {"corner": Corner()}, "hires-cam")
    with pytest.raises(UsageError, match="expected --rs-explain none, eigen-cam, grad-cam, hires-cam, got 'x-ray'"):
        evaluated(toy, {"corner": Corner()}, "x-ray")


def test_the_command_ends_with_4_where_the_package_is_missing(toy: Toy, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "find_spec", lambda name: None)
    result = pytester.runpytest_inprocess(*toy.arguments("--rs-explain", "eigen-cam", suite=str(toy.folder / "suites" / "small.toml")))
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*expected the package grad-cam for --rs-explain eigen-cam, which is not installed*"])
