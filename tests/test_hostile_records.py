"""Records of a run that were cut, flipped, edited, swapped or made up: one sentence from every command that reads them, never another verdict."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy import Toy

import robustsuite
from robustsuite import assembling, store
from robustsuite.cli import main
from robustsuite.errors import UsageError

SUITE = """
schema = 1
title = "records"
[data.images]
dataset = "image_folder"
calibration = 0.3
[[check]]
name = "clean"
at_least = 0.9
[[check]]
name = "blurred"
corruptions = ["defocus_blur"]
severities = [1, 3]
at_least = 0.9
no_worse_than_baseline = 0.5
[[check]]
name = "calibrated"
metric = "negative_log_likelihood"
recalibration = "temperature"
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a toy, and a finished run of it in `run`."""
    place = tmp_path_factory.mktemp("records")
    toy = Toy(place)
    toy.write_suite("records", SUITE)
    evaluate(place, reports=place / "reports")
    (run,) = (place / "reports").iterdir()
    run.rename(place / "run")
    return place


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be spoilt."""
    shutil.copytree(finished / "run", tmp_path / "run")
    return tmp_path / "run"


def evaluate(place: Path, **options: Any) -> object:
    suite = str(place / "suites" / "records.toml")
    data = {"images": place / "images"}
    return robustsuite.evaluate(suite, [f"{place / 'models.py'}:good"], data, workers=0, batch_size=3, **options)


def blocks(run: Path) -> list[Path]:
    return sorted(run.glob("blocks-*/*.safetensors"))


def description(run: Path) -> Path:
    return next(run.glob("run-*.json"))


def readers(place: Path, run: Path) -> dict[str, Callable[[], object]]:
    """Everything that reads a run's folder."""
    suite = str(place / "suites" / "records.toml")
    return {
        "report": lambda: assembling.assemble(run),
        "judge": lambda: robustsuite.judge(run, suite),
        "baseline": lambda: evaluate(place, baseline=run),
        "resume": lambda: evaluate(place, resume=run),
    }


def refused(read: Callable[[], object], named: str) -> None:
    with pytest.raises(UsageError, match=named) as caught:
        read()
    assert str(caught.value).strip()


READERS = ["report", "judge", "baseline", "resume"]


@pytest.mark.parametrize("reader", READERS)
def test_a_block_cut_at_any_sixteenth_is_refused(reader: str, finished: Path, run: Path) -> None:
    victim = blocks(run)[1]
    whole = victim.read_bytes()
    for part in range(16) if reader == "report" else (0, 7, 15):
        victim.write_bytes(whole[: len(whole) * part // 16])
        refused(readers(finished, run)[reader], victim.name)


@pytest.mark.parametrize("reader", READERS)
def test_a_single_flipped_bit_of_a_block_is_refused(reader: str, finished: Path, run: Path) -> None:
    victim, draw = blocks(run)[-1], random.Random(0)
    whole = victim.read_bytes()
    for place in [draw.randrange(len(whole)) for _ in range(40 if reader == "report" else 3)]:
        victim.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << draw.randrange(8)]) + whole[place + 1 :])
        refused(readers(finished, run)[reader], victim.name)


@pytest.mark.parametrize("reader", READERS)
def test_a_description_cut_or_edited_is_refused(reader: str, finished: Path, run: Path) -> None:
    file = description(run)
    whole = file.read_bytes()
    told = json.loads(whole)
    edits = [whole[: len(whole) * part // 16] for part in (0, 1, 8, 15)]
    edits += [json.dumps({**told, "decision": {**told["decision"], "alpha": 0.4}}).encode(), b"[]", b"null", b"\xff\xfe", b"[" * 100_000]
    edits += [json.dumps({name: value for name, value in told.items() if name not in (gone, "checksum")}).encode() for gone in ("data", "")]
    for edit in edits:
        file.write_bytes(edit)
        refused(readers(finished, run)[reader], file.name)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("version", [99, "2", None, True])
def test_a_run_of_a_newer_version_is_refused(reader: str, version: object, finished: Path, run: Path) -> None:
    file = description(run)
    file.write_text(json.dumps({**json.loads(file.read_text()), "schema_version": version}))
    refused(readers(finished, run)[reader], file.name)


@pytest.mark.parametrize("reader", READERS)
def test_a_block_in_the_place_of_another_is_refused(reader: str, finished: Path, run: Path) -> None:
    """Its checksum is right, and its rows would be counted twice."""
    first, second = blocks(run)[-2:]
    second.unlink()
    second.with_name(f"{second.name[:6]}{first.name[6:]}").write_bytes(first.read_bytes())
    refused(readers(finished, run)[reader], "block|twice|fit together")


def test_swapped_blocks_change_nothing(finished: Path, run: Path) -> None:
    first, second = blocks(run)[-2:]
    places = [file.with_name(f"{other.name[:6]}{file.name[6:]}") for file, other in ((first, second), (second, first))]
    contents = [first.read_bytes(), second.read_bytes()]
    first.unlink()
    second.unlink()
    for place, content in zip(places, contents, strict=True):
        place.write_bytes(content)
    assert assembling.assemble(run).verdicts == assembling.assemble(finished / "run").verdicts


@pytest.mark.parametrize("reader", READERS)
def test_a_missing_block_is_told_and_passes_nothing(reader: str, finished: Path, run: Path) -> None:
    blocks(run)[1].unlink()
    refused(readers(finished, run)[reader], "expected block 000001")


FORGED: dict[str, Callable[[dict[str, Any]], object]] = {
    "no suite": lambda told: told.pop("suite"),
    "a suite that is a number": lambda told: told["suite"].update(text=7),
    "no data": lambda told: told.update(data={}),
    "fewer images": lambda told: told["data"]["images"]["ids"].pop(),
    "a name that is none": lambda told: told["data"]["images"].update(classes=[1, 2]),
    "a verdict of another form": lambda told: told.update(decided=[{"check": "clean"}]),
    "no seed": lambda told: told["provenance"].pop("seed"),
    "notes that are a text": lambda told: told.update(notes="abc"),
    "unfinished in words": lambda told: told.update(finished="no"),
    "a decision beyond its range": lambda told: told["decision"].update(alpha=2.0),
}


@pytest.mark.parametrize("reader", ["report", "judge", "baseline"])
@pytest.mark.parametrize("forgery", FORGED)
def test_a_made_up_description_is_refused_although_its_checksum_fits(forgery: str, reader: str, finished: Path, run: Path) -> None:
    file = description(run)
    told = json.loads(file.read_text())
    told.pop(store.CHECKSUM)
    FORGED[forgery](told)
    file.write_bytes(store.described(told))
    refused(readers(finished, run)[reader], "expected")


REPORTS = {
    "cut": lambda text: text[: len(text) // 2],
    "no text": lambda text: "",
    "another thing": lambda text: "[]",
    "a newer version": lambda text: json.dumps({**json.loads(text), "schema_version": 99}),
    "an epsilon that is worked out for hours": lambda text: text.replace(
        '"corruption": "defocus_blur"', '"attack": "x", "norm": "linf", "options": {}, "epsilon": "1e999999999"'
    ),
    "endless": lambda text: "[" * 200_000,
}


@pytest.mark.parametrize("spoil", REPORTS)
def test_a_spoilt_report_is_refused(spoil: str, run: Path) -> None:
    file = run / "results.json"
    file.write_text(REPORTS[spoil](file.read_text()))
    refused(lambda: robustsuite.read_report(run), "expected|newer|upgrade")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x00" * 100, b'{"suite": "\xe9"}'])
def test_a_report_that_is_no_text_is_refused(content: bytes, run: Path) -> None:
    (run / "results.json").write_bytes(content)
    refused(lambda: robustsuite.read_report(run), "expected")


@pytest.mark.parametrize("arguments", [["report"], ["judge", "--suite", "quickstart"]])
def test_the_command_says_one_sentence_and_ends_with_4(
    arguments: list[str], run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.parent)
    victim = blocks(run)[0]
    victim.write_bytes(victim.read_bytes()[:100])
    assert main([arguments[0], str(run), *arguments[1:]]) == 4
    said = capsys.readouterr().err
    assert said.startswith("robustsuite: ")
    assert "Traceback" not in said
