"""What every form of model reference keeps to. A new file in `robustsuite/models` is tested by existing; give it an example below."""

import ast
import enum
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import robustsuite
from robustsuite import UsageError, catalog
from robustsuite.records import Preprocessing

PACKAGE = Path(robustsuite.__file__).parent

EXAMPLES = {
    "digits": "digits-robust",
    "exported": "folder/model.pt2",
    "python_file": "folder/models.py:build",
    "timm": "timm:resnet10t",
    "torchscript": "folder/model.ts",
    "torchvision": "torchvision:squeezenet1_1",
}
every_loader = pytest.mark.parametrize("loader", catalog.names("models"))


class Tiny(nn.Module):
    """Three classes, any image size, with the layers that a mode or a batch dimension would show in."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.convolution, self.norm, self.dropout, self.linear = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Linear(4, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(self.dropout(self.norm(self.convolution(images)).relu().mean(dim=(2, 3))))


def photos(count: int = 5, side: int = 16) -> Tensor:
    return torch.rand((count, 3, side, side), generator=torch.Generator().manual_seed(2))


def refused(reference: str, sentence: str, load: Callable[[str], object] = robustsuite.load_model) -> None:
    """The reference is refused by one sentence that names it."""
    with pytest.raises(UsageError, match=sentence) as caught:
        load(reference)
    assert reference in str(caught.value)
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------------------------- all of them


@every_loader
def test_a_loader_has_a_form_and_knows_its_own_references_alone(loader: str) -> None:
    module = catalog.module("models", loader)
    assert module.__doc__
    assert isinstance(module.FORM, str)
    assert callable(module.load)
    assert loader in EXAMPLES, f"give {loader} an example reference in this file"
    assert [name for name in catalog.names("models") if catalog.module("models", name).accepts(EXAMPLES[loader])] == [loader]


@pytest.mark.parametrize("reference", ["resnet50", "folder/model.pth", "folder/model.onnx", "hub:resnet50", "", "digits"])
def test_an_unknown_form_is_refused_with_all_that_are_known(reference: str) -> None:
    with pytest.raises(UsageError, match="expected one of the forms") as caught:
        robustsuite.load_model(reference)
    assert all(catalog.module("models", loader).FORM in str(caught.value) for loader in catalog.names("models"))
    assert "\n" not in str(caught.value)


def test_weights_are_never_unpickled_freely() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "load_state_dict_from_url", "torch.hub.load"):
                chosen = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert chosen.get("weights_only") == "True", f"{path}:{node.lineno} loads without weights_only=True"
            if isinstance(node, ast.Import | ast.ImportFrom):
                imported = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                assert not imported & {"pickle", "dill", "joblib", "cloudpickle"}, f"{path}:{node.lineno} imports a pickler"


# ------------------------------------------------------------------------------------------------- Python files


FILE = """
from dataclasses import dataclass
from numpy import add
from torch import nn
from robustsuite.records import Preprocessing

class Model(nn.Module):
    def forward(self, images): return images.mean(dim=(2, 3))

def build(): return Model()
def build_with_preprocessing():
    model = Model()
    model.preprocessing = Preprocessing(resize=40, crop=32)
    return model
def build_function(): return lambda images: images.mean(dim=(2, 3))
def build_number(): return 3
def build_nothing(): pass
def build_raising(): raise FileNotFoundError("weights.pt\\nis not here")
def build_leaving(): raise SystemExit(3)
not_a_function = 5
"""


@pytest.fixture
def models(tmp_path: Path) -> Path:
    path = tmp_path / "models.py"
    path.write_text(FILE)
    return path


def test_a_function_of_a_python_file_returns_the_model(models: Path) -> None:
    model = robustsuite.load_model(f"{models}:build")
    assert (model.alias, model.reference, model.preprocessing) == ("build", f"{models}:build", None)
    assert torch.equal(model.classifier(photos()), photos().mean(dim=(2, 3)))
    assert torch.equal(robustsuite.load_model(f"{models}:build_function").classifier(photos()), photos().mean(dim=(2, 3)))


def test_the_preprocessing_that_a_model_carries_is_its_own(models: Path) -> None:
    assert robustsuite.load_model(f"{models}:build_with_preprocessing").preprocessing == Preprocessing(resize=40, crop=32)


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (":bild", "expected a function 'bild' in .*, which holds .*build, "),
        (":not_a_function", "expected a function 'not_a_function'"),
        (":build_number", "expected build_number\\(\\) to return a model .* got int"),
        (":build_nothing", "expected build_nothing\\(\\) to return a model .* got NoneType"),
        (":build_raising", "build_raising\\(\\) in .* raised FileNotFoundError: weights.pt"),
        (":build_leaving", "build_leaving\\(\\) in .* raised SystemExit"),
        (":", "no function"),
        ("", "no function"),
    ],
)
def test_a_function_that_returns_no_model_is_refused(models: Path, function: str, sentence: str) -> None:
    refused(f"{models}{function}", sentence)


@pytest.mark.parametrize("content", ["def build(:", "import a_module_that_nobody_has", "raise SystemExit(2)", "1 / 0"])
def test_a_file_that_cannot_be_run_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "broken.py").write_text(content)
    refused(f"{tmp_path / 'broken.py'}:build", "could not be run")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    refused(f"{tmp_path / 'absent.py'}:build", "expected a Python file at .*absent.py, got nothing there")
    refused(str(tmp_path / "absent.pt2"), "expected a file, got nothing there")
    refused(str(tmp_path / "absent.ts"), "expected a file, got nothing there")
    (tmp_path / "folder.pt2").mkdir()
    refused(str(tmp_path / "folder.pt2"), "expected a file")


# ------------------------------------------------------------------------------------------------- saved programs


def exported(path: Path) -> nn.Module:
    model = Tiny().eval()
    program = torch.export.export(model, (photos(2),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.export.save(program, path)
    return model


def test_an_exported_program_gives_the_models_logits_for_any_batch(tmp_path: Path) -> None:
    original = exported(tmp_path / "model.pt2")
    model = robustsuite.load_model(str(tmp_path / "model.pt2"))
    assert (model.alias, model.preprocessing) == ("model", None)
    for count in (2, 5, 9):
        assert torch.allclose(model.classifier(photos(count)), original(photos(count)), atol=1e-6)


def test_an_exported_program_can_be_attacked(tmp_path: Path) -> None:
    original = exported(tmp_path / "model.pt2")
    labels = original(photos()).argmax(dim=1)
    classifier = robustsuite.load_model(str(tmp_path / "model.pt2")).classifier
    found, expected = (
        robustsuite.attack(model, photos(), labels, "pgd", norm="linf", epsilon="32/255", steps=3) for model in (classifier, original)
    )
    assert torch.equal(found.robust, expected.robust)
    assert torch.allclose(found.logits, expected.logits, atol=1e-5)


def scripted(path: Path) -> Path:
    """An archive, saved without the warning that its kind is old."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Tiny().train()).save(str(path))
    return path


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning", "ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize("suffix", ["ts", "torchscript"])
def test_a_torchscript_archive_gives_the_models_logits_in_eval_mode(tmp_path: Path, suffix: str) -> None:
    model = robustsuite.load_model(str(scripted(tmp_path / f"model.{suffix}")))
    assert (model.alias, model.preprocessing) == ("model", None)
    assert torch.allclose(model.classifier(photos()), Tiny().eval()(photos()), atol=1e-6)


def test_a_torchscript_archive_loads_where_warnings_are_errors(tmp_path: Path) -> None:
    assert robustsuite.load_model(str(scripted(tmp_path / "model.ts"))).alias == "model"


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning", "ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize("content", [b"", b"hello", b"PK\3\4 and no more"])
@pytest.mark.parametrize("suffix", ["pt2", "ts"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    (tmp_path / f"model.{suffix}").write_bytes(content)
    refused(str(tmp_path / f"model.{suffix}"), "expected a (program saved by torch.export.save|TorchScript archive)")


def test_pickled_weights_are_refused_and_not_run(tmp_path: Path) -> None:
    torch.save(Tiny().state_dict(), tmp_path / "model.pt2")
    refused(str(tmp_path / "model.pt2"), "expected a program saved by torch.export.save")


# ------------------------------------------------------------------------------------------------- torchvision


def test_a_torchvision_model_owns_its_normalisation_and_preprocessing() -> None:
    load = catalog.module("models", "torchvision").load
    model, preprocessing = load("torchvision:squeezenet1_1", weights=None)
    assert not any(part.training for part in model.modules())
    assert preprocessing == Preprocessing(resize=256, crop=224, interpolation="bilinear")
    images = photos(2, 64)
    mean, std = (torch.tensor(three).view(1, 3, 1, 1) for three in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    assert torch.allclose(model(images), model.model((images - mean) / std), atol=1e-6)
    assert not {"mean", "std"} & set(model.state_dict())


@pytest.mark.parametrize(
    ("reference", "chosen", "preprocessing"),
    [
        ("torchvision:resnet50", "IMAGENET1K_V2", Preprocessing(resize=232, crop=224)),
        ("torchvision:resnet50/IMAGENET1K_V1", "IMAGENET1K_V1", Preprocessing(resize=256, crop=224)),
        (
            "torchvision:vit_b_16/IMAGENET1K_SWAG_E2E_V1",
            "IMAGENET1K_SWAG_E2E_V1",
            Preprocessing(resize=384, crop=384, interpolation="bicubic"),
        ),
    ],
)
def test_the_weights_asked_for_are_loaded(
    monkeypatch: pytest.MonkeyPatch, reference: str, chosen: str, preprocessing: Preprocessing
) -> None:
    asked: list[tuple[str, enum.Enum]] = []

    def get_model(name: str, weights: enum.Enum) -> nn.Module:
        asked.append((name, weights))
        return Tiny()

    monkeypatch.setattr("torchvision.models.get_model", get_model)
    model = robustsuite.load_model(reference)
    assert [(name, weights.name) for name, weights in asked] == [(reference.removeprefix("torchvision:").partition("/")[0], chosen)]
    assert model.preprocessing == preprocessing
    assert model.alias == reference.removeprefix("torchvision:").replace("/", "-")
    assert model.classifier(photos()).shape == (5, 3)


def raising(error: Exception) -> Callable[..., Any]:
    def get_model(name: str, weights: object) -> nn.Module:
        raise error

    return get_model


@pytest.mark.parametrize(
    "error",
    [
        URLError("Name or service not known"),
        OSError("No space left on device"),
        RuntimeError('invalid hash value (expected "b8a52dc0", got "00000000")'),
    ],
    ids=["no network", "no space", "a broken download"],
)
def test_torchvision_weights_that_cannot_be_fetched_are_a_usage_error(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr("torchvision.models.get_model", raising(error))
    refused("torchvision:squeezenet1_1", "torchvision could not load it")


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [("torchvision:squeezenet", "Unknown model squeezenet"), ("torchvision:squeezenet1_1/V9", "V9"), ("torchvision:", "could not load")],
)
def test_an_unknown_torchvision_model_is_refused(reference: str, sentence: str) -> None:
    refused(reference, sentence)


def test_a_torchvision_model_that_is_no_classifier_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchvision.models.get_model", lambda name, weights: Tiny())
    refused("torchvision:lraspp_mobilenet_v3_large", "torchvision could not load it|classif")


# -------------------------------------------------------------------------------------------------------- timm


def test_a_timm_model_owns_its_normalisation_and_preprocessing() -> None:
    from timm.data import resolve_model_data_config

    model, preprocessing = catalog.module("models", "timm").load("timm:resnet10t", pretrained=False)
    own = resolve_model_data_config(model.model)
    assert not any(part.training for part in model.modules())
    assert preprocessing.crop == own["input_size"][-1]
    assert preprocessing.resize == int(own["input_size"][-1] / own["crop_pct"])
    assert preprocessing.interpolation == own["interpolation"]
    images = photos(2, 64)
    mean, std = (torch.tensor(own[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    assert torch.allclose(model(images), model.model((images - mean) / std), atol=1e-6)


def test_a_timm_model_with_a_normalisation_of_its_own_gets_that_one() -> None:
    load = partial(catalog.module("models", "timm").load, pretrained=False)
    model, preprocessing = load("timm:mobilevitv2_050")
    assert model.mean.flatten().tolist() == [0.0, 0.0, 0.0]
    assert model.std.flatten().tolist() == [1.0, 1.0, 1.0]
    assert preprocessing == Preprocessing(resize=288, crop=256, interpolation="bicubic")


def test_pretrained_weights_are_what_a_reference_asks_timm_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    asked: list[tuple[str, bool]] = []
    create_model = timm.create_model

    def recording(name: str, pretrained: bool) -> nn.Module:
        asked.append((name, pretrained))
        return create_model(name, pretrained=False)

    monkeypatch.setattr("timm.create_model", recording)
    assert robustsuite.load_model("timm:resnet10t").alias == "resnet10t"
    assert asked == [("resnet10t", True)]


def test_timm_without_a_network_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # read from the environment only once, by whoever came first
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    refused("timm:resnet10t", "timm could not create it with pretrained weights")


@pytest.mark.parametrize("reference", ["timm:resnet10tt", "timm:", "timm:../../etc/passwd"])
def test_an_unknown_timm_model_is_refused(reference: str) -> None:
    refused(reference, "timm could not create it")


def test_what_timm_says_is_cut_to_its_first_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def create_model(name: str, pretrained: bool) -> nn.Module:
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr("timm.create_model", create_model)
    refused("timm:resnet10t", "first line")


# ------------------------------------------------------------------------------------------------------- digits


@pytest.mark.parametrize("reference", ["digits-standard", "digits-robust"])
def test_the_bundled_classifiers_know_their_digits(reference: str) -> None:
    model, digits = robustsuite.load_model(reference), robustsuite.load_dataset("digits")
    assert (model.alias, model.preprocessing) == (reference, None)
    rows = range(0, len(digits.ids), 10)
    levels = torch.stack([torch.from_numpy(np.asarray(digits.read(row)).transpose(2, 0, 1).copy()) for row in rows])
    with torch.inference_mode():
        right = model.classifier(levels / 255).argmax(dim=1) == torch.from_numpy(digits.labels[list(rows)])
    assert right.double().mean().item() > 0.85
