"""The command `robustsuite`: every name can be shown, and a corruption on any image."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from robustsuite import catalog, suite_files
from robustsuite.cli import main


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("room", "name"), [(room, name) for room in catalog.ROOMS if room != "corruptions" for name in catalog.names(room)]
)
def test_everything_in_the_catalog_can_be_shown(room: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", catalog.singular(room), name]) == 0
    assert f"{name} ({room})" in capsys.readouterr().out
    assert not list(Path().iterdir())


@pytest.mark.parametrize("suite", suite_files.available())
def test_every_suite_can_be_shown(suite: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "suite", suite]) == 0
    assert suite_files.load(suite).title in capsys.readouterr().out


def test_a_corruption_is_shown_at_five_severities_on_a_photo_that_is_always_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "corruption", "contrast"]) == 0
    assert "contrast.png" in capsys.readouterr().out
    with Image.open("contrast.png") as image:
        sheet = np.asarray(image).astype(int)
    columns = np.split(sheet[22 : 22 + 224, 4:], 6, axis=1)  # below the label, beside the gap
    spread = [column[:, :224].std() for column in columns]
    assert spread == sorted(spread, reverse=True)
    assert spread[0] > 4 * spread[-1]


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "CMYK", "P", "1", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (32, 32), (640, 200)])
def test_any_kind_of_image_can_be_shown_corrupted(mode: str, size: tuple[int, int]) -> None:
    suffix = "tif" if mode in ("CMYK", "I;16") else "png"
    Image.new(mode, size).save(f"image.{suffix}")
    assert main(["show", "corruption", "gaussian_noise", "--image", f"image.{suffix}", "--out", "sheet.png"]) == 0
    with Image.open("sheet.png") as sheet:
        assert sheet.size == (6 * 228 + 4, 224 + 26)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["show", "corruption", "frog"], "unknown corruption 'frog'; did you mean 'fog'?"),
        (["show", "tempreature"], "unknown name 'tempreature'; did you mean 'temperature'?"),
        (["show", "corruption", "contrast", "--image", "missing.png"], "expected a readable image, got missing.png"),
        (["show", "pgd", "--image", "missing.png"], "expected --image and --out beside a corruption, got 'pgd'"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_4(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 4
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
    assert not captured.out
    assert not list(Path().iterdir())
