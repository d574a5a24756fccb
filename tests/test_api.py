"""The public functions: what the plugin does, in Python."""

import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from toy import Toy

import robustsuite
from robustsuite import UsageError


def flat(images: torch.Tensor) -> torch.Tensor:
    mean = images.mean(dim=(2, 3))
    return 20 * mean[:, [1, 0]]


def test_evaluate_judges_a_classifier_in_memory(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(toy.folder)
    report = robustsuite.evaluate("toy", {"flat": flat}, {"images": toy.images}, device="cpu")
    assert {verdict.check: verdict.status for verdict in report.verdicts} == {
        "clean": "passed",
        "blurred": "passed",
        "impossible": "failed",
    }
    assert not (toy.folder / "reports").exists()


def test_evaluate_writes_a_run_where_it_is_told_to(toy: Toy, tmp_path: Path) -> None:
    report = robustsuite.evaluate(
        str(toy.folder / "suites" / "toy.toml"), [toy.reference()], {"images": toy.images}, reports=tmp_path / "out"
    )
    (folder,) = (tmp_path / "out").iterdir()
    assert robustsuite.read_report(folder) == robustsuite.read_report(folder / "results.json")
    assert [verdict.status for verdict in robustsuite.read_report(folder).verdicts] == [verdict.status for verdict in report.verdicts]
    assert "NaN" not in (folder / "results.json").read_text()
    json.loads((folder / "results.json").read_text(), parse_constant=lambda name: pytest.fail(f"{name} in JSON"))


def test_a_folder_of_other_images_is_a_distribution_shift(toy: Toy) -> None:
    other = Toy(toy.folder / "other")
    suite = toy.write_suite(
        "shift",
        'schema = 1\ntitle = "s"\n[data.images]\ndataset = "image_folder"\n[data.shifted]\ndataset = "image_folder"\n'
        '[[check]]\nname = "drop"\ndata = "shifted"\nat_least = -0.05\nrelative_to = "images"\n',
    )
    report = robustsuite.evaluate(str(suite), {"flat": flat}, {"images": toy.images, "shifted": other.images})
    (verdict,) = report.verdicts
    assert verdict.status == "passed"
    assert {str(result.condition) for result in report.results} == {"images/clean", "shifted/clean"}


def test_measure_gives_a_number_with_limits() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(500, 10, generator=generator)
    measured = robustsuite.measure("accuracy", logits, torch.randint(0, 10, (500,), generator=generator))
    assert measured.low < measured.value < measured.high
    assert measured.samples == 500


def test_measure_takes_numpy_and_options() -> None:
    logits = np.random.default_rng(0).normal(size=(200, 4))
    few, many = (robustsuite.measure("expected_calibration_error", logits, logits.argmax(axis=1), bins=bins).value for bins in (1, 50))
    assert few <= many


def test_fit_returns_a_callable_with_parameters() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(3000, 5)) * 2
    labels = (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)
    fitted = robustsuite.fit("temperature", logits * 2, labels)
    assert fitted.parameters["temperature"] == pytest.approx(2, rel=0.1)
    np.testing.assert_allclose(fitted(logits), logits / fitted.parameters["temperature"])


def test_attack_and_corrupt_work_on_tensors() -> None:
    images = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    labels = flat(images).argmax(dim=1)
    result = robustsuite.attack(flat, images, labels, "pgd", norm="linf", epsilon="128/255", steps=5)
    assert not result.robust.any()
    assert robustsuite.corrupt(images, "contrast", 3).shape == images.shape


def test_names_that_are_unknown_say_what_is_known() -> None:
    with pytest.raises(robustsuite.UsageError, match="did you mean 'pgd'"):
        robustsuite.attack(flat, torch.rand(1, 3, 8, 8), torch.zeros(1, dtype=torch.long), "pdg", norm="linf", epsilon=0.1)
    with pytest.raises(robustsuite.UsageError, match="did you mean 'steps'"):
        robustsuite.attack(flat, torch.rand(1, 3, 8, 8), torch.zeros(1, dtype=torch.long), "pgd", norm="linf", epsilon=0.1, step=3)
    with pytest.raises(robustsuite.UsageError, match="did you mean 'brier_score'"):
        robustsuite.measure("brier_scor", torch.rand(2, 2), torch.zeros(2, dtype=torch.long))
    with pytest.raises(robustsuite.UsageError, match="unknown suite 'quickstrat'; did you mean 'quickstart'"):
        robustsuite.load_suite("quickstrat")


def test_load_dataset_and_load_model_are_the_plugins_own(toy: Toy) -> None:
    assert len(robustsuite.load_dataset("image_folder", toy.images).ids) == 12
    assert isinstance(robustsuite.load_model(toy.reference()).classifier, nn.Module)


@pytest.mark.parametrize(
    ("labels", "options", "sentence"),
    [
        ([0, 1, 4], {}, "expected labels from 0 to 3, got 0 to 4"),
        ([0, 1, 2], {"bins": 3}, "unknown option 'bins' of metric 'accuracy'; it has none"),
    ],
)
def test_measure_refuses_what_does_not_fit(labels: list[int], options: dict[str, int], sentence: str) -> None:
    with pytest.raises(robustsuite.UsageError, match=sentence):
        robustsuite.measure("accuracy", torch.rand(3, 4), torch.tensor(labels), **options)


@pytest.mark.parametrize("severity", [0, 6, True])
def test_a_severity_is_a_whole_number_from_1_to_5(severity: int) -> None:
    with pytest.raises(robustsuite.UsageError, match="must be 1 to 5"):
        robustsuite.corrupt(torch.rand(1, 3, 8, 8), "contrast", severity)


def test_an_attack_on_no_images_finds_nothing() -> None:
    result = robustsuite.attack(flat, torch.rand(0, 3, 8, 8), torch.zeros(0, dtype=torch.long), "fgsm", norm="linf", epsilon=0.1)
    assert len(result.robust) == 0


@pytest.mark.parametrize("side", [224, 64, 32])
def test_as_published_is_the_corruption_saved_as_jpeg(side: int) -> None:
    images = torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = []
    for image in robustsuite.corrupt(images, "gaussian_noise", 2):
        file = BytesIO()
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=85, optimize=True)
        with Image.open(file) as saved:
            expected.append(torch.from_numpy(np.array(saved)).permute(2, 0, 1) if side != 32 else image)  # CIFAR-10-C is stored as arrays
    assert torch.equal(robustsuite.corrupt(images, "gaussian_noise", 2, as_published=True), torch.stack(expected))


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (torch.full((1, 3, 8, 8), 1.5), r"expected float images in \[0, 1\], got values from 1.5 to 1.5; divide levels by 255"),
        (torch.full((1, 3, 8, 8), -0.1), "got values from -0.1"),
        (torch.full((1, 3, 8, 8), float("nan")), "got values from nan to nan"),
        (torch.zeros(0, 3, 8, 8), r"got a tensor \[0, 3, 8, 8\]"),
        (torch.zeros(1, 3, 0, 8), r"got a tensor \[1, 3, 0, 8\]"),
    ],
)
def test_images_that_cannot_be_corrupted_are_refused_in_one_sentence(images: torch.Tensor, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        robustsuite.corrupt(images, "contrast", 3)


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        ("torch.zeros(1, 1, 8, 8)", "expected RGB images [batch, 3, height, width], got a tensor [1, 1, 8, 8]"),
        ("torch.zeros(3, 8, 8)", "got a tensor [3, 8, 8]"),
        ("torch.zeros(1, 3, 8, 8, dtype=torch.int64)", "expected images as uint8 levels or floats in [0, 1], got torch.int64"),
    ],
)
def test_tensors_of_another_kind_are_refused_in_one_sentence(images: str, sentence: str) -> None:
    """In a process of its own, where no type checker of the tests answers first."""
    program = f"import torch, robustsuite; robustsuite.corrupt({images}, 'contrast', 3)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert sentence in run.stderr.splitlines()[-1]


GREY = torch.full((3, 3, 8, 8), 0.5)
ZEROS = torch.zeros(3, dtype=torch.long)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            {"images": torch.cat([GREY[:2], GREY[:1] + 2])},
            r"expected images in \[0, 1\], got 2.5 in image 2; leave normalisation to the model",
        ),
        ({"images": GREY * float("nan")}, "got nan in image 0"),
        ({"labels": ZEROS + 7}, "expected labels below 2, the number of the model's logits, got 7"),
        ({"labels": ZEROS - 1}, "expected one label of at least 0 for each of 3 images"),
        ({"epsilon": -0.1}, "expected epsilon of at least 0, got -0.1"),
        ({"epsilon": 8}, 'expected an L-infinity radius on the .* scale, got 8; write "8/255" for levels'),
        ({"epsilon": "eight"}, "expected epsilon as a number"),
        ({"norm": "l1"}, "expected a norm that pgd knows, got 'l1'; known: linf, l2"),
        ({"attack": "pdg"}, "unknown attack 'pdg'; did you mean 'pgd'?"),
        ({"attack": "torchattacks:PDG"}, "unknown attack 'torchattacks:PDG'"),
    ],
)
def test_what_cannot_be_attacked_is_refused_in_one_sentence(wrong: dict[str, object], sentence: str) -> None:
    arguments = {"model": flat, "images": GREY, "labels": ZEROS, "attack": "pgd", "norm": "linf", "epsilon": "8/255"} | wrong
    with pytest.raises(UsageError, match=sentence) as caught:
        robustsuite.attack(**arguments)  # pyright: ignore[reportArgumentType]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("model", [lambda images: flat(images.detach()), lambda images: flat(torch.from_numpy(images.detach().numpy()))])
def test_a_model_without_gradients_is_told_so_in_one_sentence(model) -> None:
    with pytest.raises(robustsuite.EvaluationError, match="expected logits with a gradient .* attack it with square"):
        robustsuite.attack(model, GREY, ZEROS, "pgd", norm="linf", epsilon="8/255")
    assert robustsuite.attack(model, GREY, ZEROS, "square", norm="linf", epsilon="8/255", queries=5).forwards > 0
