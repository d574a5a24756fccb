"""A user's own model and data, the same day: trained networks on real photos, through the references a user would write."""

import sys
from pathlib import Path

import pytest
import torch

import robustsuite
from robustsuite.records import Report

pytestmark = pytest.mark.shared_data

SUITE = """
schema = 1
title = "own"
{preprocessing}
[data.photos]
dataset = "{dataset}"
[[check]]
name = "clean"
at_least = {clean}
[[check]]
name = "corrupted"
corruptions = ["gaussian_noise", "contrast"]
severities = [1, 5]
at_least = -0.7
relative_to = "clean"
[[check]]
name = "fgsm"
attack = "fgsm"
epsilon = "2/255"
"""


def judge(tmp_path: Path, model: str, folder: Path, dataset: str, clean: float, preprocessing: str = "") -> Report:
    suite = tmp_path / "own.toml"
    suite.write_text(SUITE.format(dataset=dataset, clean=clean, preprocessing=preprocessing))
    return robustsuite.evaluate(str(suite), [model], {"photos": folder}, workers=0)


def few(folder: Path, into: Path, per_class: int, classes: int = 1000) -> Path:
    for directory in sorted(path for path in folder.iterdir() if path.is_dir())[:classes]:
        (into / directory.name).mkdir(parents=True)
        for file in sorted(directory.iterdir())[:per_class]:
            (into / directory.name / file.name).symlink_to(file.resolve())
    return into


def test_a_python_file_on_an_image_folder(shared_data: Path, tmp_path: Path) -> None:
    images = few(shared_data / "cifar10" / "images", tmp_path / "images", 20)
    report = judge(tmp_path, f"{shared_data / 'models.py'}:cifar10_resnet20", images, "image_folder", 0.75)
    assert [verdict.status for verdict in report.verdicts] == ["passed"] * 3
    accuracy = {str(result.condition): result.metrics["accuracy"] for result in report.results}
    assert accuracy["photos/gaussian_noise-5"] < accuracy["photos/gaussian_noise-1"] < accuracy["photos/clean"]
    assert accuracy["photos/fgsm linf 2/255"] < accuracy["photos/clean"] / 2


@pytest.mark.parametrize(
    "preprocessing",
    [
        "preprocessing = { central_fraction = 0.875, resize = 160 }",
        pytest.param("preprocessing = { resize = 256, crop = 224 }", marks=pytest.mark.slow),
    ],
)
def test_full_size_photos_in_wordnet_folders(shared_data: Path, tmp_path: Path, preprocessing: str) -> None:
    report = judge(
        tmp_path, f"{shared_data / 'models.py'}:imagenet_mobilenet", shared_data / "imagenet" / "images", "imagenet", 0.65, preprocessing
    )
    assert [verdict.status for verdict in report.verdicts] == ["passed"] * 3
    assert any("constants: imagenet" in str(fact) or "160x160" in str(fact) for fact in report.provenance.values())


def test_photos_of_different_sizes_without_preprocessing_are_an_error_that_says_what_to_do(shared_data: Path, tmp_path: Path) -> None:
    report = judge(tmp_path, f"{shared_data / 'models.py'}:imagenet_mobilenet", shared_data / "imagenet" / "images", "imagenet", 0.65)
    assert {verdict.status for verdict in report.verdicts} == {"error"}
    assert "resize = 256, crop = 224" in report.verdicts[0].reason


def test_an_exported_program_gives_the_verdicts_of_the_module_it_came_from(shared_data: Path, tmp_path: Path) -> None:
    images = few(shared_data / "cifar10" / "images", tmp_path / "images", 10)
    reference = f"{shared_data / 'models.py'}:cifar10_resnet20"
    network = robustsuite.load_model(reference).classifier
    program = torch.export.export(network, (torch.rand(2, 3, 32, 32),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.export.save(program, tmp_path / "resnet20.pt2")
    sys.modules.pop("robustsuite_model_models", None)
    own = judge(tmp_path, reference, images, "image_folder", 0.7)
    exported = judge(tmp_path, str(tmp_path / "resnet20.pt2"), images, "image_folder", 0.7)
    assert [verdict.status for verdict in exported.verdicts] == ["passed"] * 3, exported.verdicts
    for mine, theirs in zip(own.results, exported.results, strict=True):
        assert mine.metrics["accuracy"] == theirs.metrics["accuracy"]


def test_torchvision_and_timm_models_are_judged_by_reference(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Untrained, because no hub can be reached: the loading code is real, the weights are not."""
    import timm
    from torchvision.models import ResNet18_Weights, resnet18

    photos = few(shared_data / "imagenet" / "images", tmp_path / "photos", 1, classes=16)
    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, **options: create(name, **{**options, "pretrained": False}))
    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", lambda self, *a, **k: resnet18().state_dict())
    for reference in ("timm:resnet18", "torchvision:resnet18"):
        report = judge(tmp_path, reference, photos, "imagenet", 0.0, 'preprocessing = "model"')
        assert {verdict.status for verdict in report.verdicts} <= {"passed", "failed"}
        assert "the model's own" in str(report.provenance)
