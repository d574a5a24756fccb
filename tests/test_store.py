"""Runs on disk: what is written is read back to the bit, a killed run has lost a block at most, damage is told."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import Toy

import robustsuite
from robustsuite import store
from robustsuite.assembling import assemble
from robustsuite.errors import UsageError
from robustsuite.numerics.condense import condense
from robustsuite.predictions import Block, CalibrationLogits, Outcome, Picture
from robustsuite.records import Condition, Corrupted

CLEAN, NOISY = Condition("data"), Condition("data", Corrupted("gaussian_noise", 1))
NUMBERS = {CLEAN: 0, NOISY: 1}


def outcome(rows: np.ndarray, condition: Condition, expected: int, seed: int = 0) -> Outcome:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(len(rows), 7, generator=generator)
    labels = torch.randint(0, 7, (len(rows),), generator=generator)
    predictions = condense(logits, labels)
    distance = np.linspace(0, 1, len(rows), dtype=np.float32)
    return Outcome(
        "m", condition, rows, predictions, expected, {"temperature": condense(logits, labels, kept=1)}, distance, {"forwards": 3}
    )


def assert_equal(one: Outcome, other: Outcome) -> None:
    np.testing.assert_array_equal(one.rows, other.rows)
    for name, column in one.predictions.columns.items():
        np.testing.assert_array_equal(column, getattr(other.predictions, name))
        assert column.dtype == getattr(other.predictions, name).dtype
    for name, column in one.recalibrated["temperature"].columns.items():
        np.testing.assert_array_equal(column, getattr(other.recalibrated["temperature"], name))
    assert one.counts == other.counts


def together(*parts: Outcome) -> Outcome:
    found = store.Found()
    for part in parts:
        found.add(Block("data", len(part.rows), (part,)))
    return found.outcome("m", CLEAN)


def test_more_rows_than_expected_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 5 rows, got 8"):
        together(outcome(np.arange(4), CLEAN, 5), outcome(np.arange(4), CLEAN, 5))


@given(st.integers(1, 40), st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_blocks_are_read_back_to_the_bit(images: int, seed: int) -> None:
    import tempfile

    rows = np.random.default_rng(seed).permutation(images)
    whole = together(outcome(rows, CLEAN, images, seed))
    picture = Picture(3, NOISY, np.arange(12, dtype=np.uint8).reshape(3, 2, 2), "m")
    logits = CalibrationLogits("m", "data", np.arange(2), np.array([0, 1]), np.ones((2, 7), np.float32))
    failed = Outcome("n", NOISY, np.zeros(0, np.int64), None, images, error="broken")
    with tempfile.TemporaryDirectory() as folder:
        writer = store.Writer(Path(folder), "0", {})
        writer.add(Block("data", images, (outcome(rows, CLEAN, images, seed), failed), (logits,), (picture,)), NUMBERS)
        found = store.read(Path(folder), "0", {number: condition for condition, number in NUMBERS.items()})
    assert_equal(found.outcome("m", CLEAN), whole)
    assert found.outcome("n", NOISY).error == "broken"
    np.testing.assert_array_equal(found.pictures[0].pixels, picture.pixels)
    np.testing.assert_array_equal(found.calibration()[0].logits, logits.logits)


@given(st.permutations(range(9)), st.integers(1, 8))
@settings(max_examples=30, deadline=None)
def test_parts_join_to_the_same_whole_in_any_order(order: list[int], cut: int) -> None:
    whole = outcome(np.arange(9), CLEAN, 9)
    assert whole.predictions is not None

    def part(rows: np.ndarray) -> Outcome:
        assert whole.predictions is not None
        taken = {name: predictions.take(rows) for name, predictions in whole.recalibrated.items()}
        distance = whole.distance
        assert distance is not None
        return Outcome("m", CLEAN, rows, whole.predictions.take(rows), 9, taken, distance[rows], {"forwards": 1})

    joined = together(part(np.array(order[:cut])), part(np.array(order[cut:])))
    assert_equal(joined, Outcome(**{**vars(whole), "counts": {"forwards": 2}}))
    assert joined.complete


def test_an_error_of_one_part_is_the_error_of_the_whole() -> None:
    failed = Outcome("m", CLEAN, np.zeros(0, np.int64), None, 9, error="broken")
    joined = together(outcome(np.arange(4), CLEAN, 9), failed)
    assert joined.error == "broken"
    assert joined.predictions is None


def test_a_record_takes_less_than_100_bytes_for_an_image_and_condition() -> None:
    logits, labels = torch.randn(1000, 1000, generator=torch.Generator().manual_seed(0)), torch.zeros(1000, dtype=torch.long)
    plain, after = condense(logits, labels), condense(logits, labels, kept=1)
    labels_bytes = plain.labels.nbytes + after.labels.nbytes
    size = sum(column.nbytes for predictions in (plain, after) for column in predictions.columns.values()) + 8  # and the row number
    assert (size - labels_bytes) / 1000 < 80
    assert size / 1000 < 100


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    store.write_whole(path, b"old")

    def full(*arguments: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(store.os, "fsync", full)
    with pytest.raises(UsageError, match="no space"):
        store.write_whole(path, b"new content")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def run(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(toy.folder)
    robustsuite.evaluate("toy", [toy.reference()], {"images": toy.images}, batch_size=1, workers=0, reports=toy.folder / "reports")
    (folder,) = (toy.folder / "reports").iterdir()
    return folder


def test_the_report_is_made_again_byte_for_byte_without_model_images_or_torch(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run(toy, monkeypatch)
    before = {name: (folder / name).read_bytes() for name in ("report.html", "results.json", "summary.md")}
    for name in before:
        (folder / name).unlink()
    shutil.rmtree(toy.images)
    (toy.folder / "models.py").unlink()
    (toy.folder / "suites" / "toy.toml").unlink()
    program = (
        f"import sys; from robustsuite.cli import main; code = main(['report', {str(folder)!r}]); "
        "assert 'torch' not in sys.modules; sys.exit(code)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_a_killed_run_keeps_all_but_its_last_block(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run(toy, monkeypatch)
    sorted(folder.glob("blocks-*/*.safetensors"))[-1].unlink()
    report = assemble(folder)
    statuses = {verdict.check: verdict.status for verdict in report.verdicts}
    assert statuses == {"clean": "error", "blurred": "error", "impossible": "failed"}  # the last is out of reach already
    assert "8 of 12 images" in report.verdicts[0].reason


@pytest.mark.parametrize("damage", ["truncated", "garbage"])
def test_a_damaged_block_is_told_with_its_name(toy: Toy, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    folder = run(toy, monkeypatch)
    victim = sorted(folder.glob("blocks-*/*.safetensors"))[0]
    victim.write_bytes(victim.read_bytes()[:200] if damage == "truncated" else b"\x00" * 500)
    with pytest.raises(UsageError, match=victim.name):
        assemble(folder)


def test_a_run_of_a_newer_version_is_refused(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run(toy, monkeypatch)
    (file,) = folder.glob("run-*.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), "schema_version": 99}))
    with pytest.raises(UsageError, match="newer robustsuite"):
        assemble(folder)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected a run's folder"):
        assemble(tmp_path)


def test_one_flipped_bit_of_a_block_is_found(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run(toy, monkeypatch)
    victim = sorted(folder.glob("blocks-*/*.safetensors"))[0]
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1  # in a number, where nothing else could tell
    victim.write_bytes(content)
    with pytest.raises(UsageError, match=rf"{victim.name}, got a damaged file \(its checksum is another\)"):
        assemble(folder)


def test_a_changed_description_is_found(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run(toy, monkeypatch)
    (file,) = folder.glob("run-*.json")
    file.write_text(file.read_text().replace("at_least = 0.9", "at_least = 0.1"))
    with pytest.raises(UsageError, match="got one that was changed or damaged since; delete it and take the run up again with --rs-resume"):
        assemble(folder)


def test_a_lost_description_is_made_again_from_the_blocks(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run(toy, monkeypatch)
    (file,) = folder.glob("run-*.json")
    before = assemble(folder)
    file.unlink()
    robustsuite.evaluate("toy", [toy.reference()], {"images": toy.images}, batch_size=1, workers=0, resume=folder)
    after = assemble(folder)
    assert (after.verdicts, after.notes, after.results) == (before.verdicts, before.notes, before.results)
    differing = {name for name in before.provenance if before.provenance[name] != after.provenance.get(name)}
    assert differing <= {"started", "seconds"}


def test_a_block_is_named_by_its_content(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in run(toy, monkeypatch).glob("blocks-*/*.safetensors"):
        assert path.stem.partition("-")[2] == store.checksum(path.read_bytes())
