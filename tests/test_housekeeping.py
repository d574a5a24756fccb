"""`robustsuite store`: what is in a folder of runs, whether it is intact, what may go."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy import Toy

import robustsuite
from robustsuite.cli import main


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    toy = Toy(tmp_path)
    suite = str(toy.write_suite("kept", (tmp_path / "suites" / "toy.toml").read_text()))
    for _ in range(2):
        robustsuite.evaluate(suite, [toy.reference()], {"images": toy.images}, batch_size=2, workers=0, reports=tmp_path / "reports")
    return tmp_path / "reports"


def test_runs_are_listed_with_state_and_size(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "list", str(reports)]) == 0
    told = capsys.readouterr().out
    assert told.count("finished; good; ") == 2
    assert " MB" in told


def test_intact_runs_are_verified(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "verify", str(reports)]) == 0
    assert "2 of 2 runs are intact" in capsys.readouterr().out


@pytest.mark.parametrize("fault", ["flipped", "first lost", "last lost", "description"])
def test_every_damage_is_found_and_named(reports: Path, capsys: pytest.CaptureFixture[str], fault: str) -> None:
    folder = sorted(reports.iterdir())[0]
    block = sorted(folder.glob("blocks-*/*.safetensors"))[-1 if fault == "last lost" else 0]
    match fault:
        case "flipped":
            block.write_bytes(block.read_bytes()[:-1] + b"\x7f")
        case "description":
            file = next(folder.glob("run-*.json"))
            file.write_text(file.read_text().replace("true", "false", 1))
        case _:
            block.unlink()
    assert main(["store", "verify", str(reports)]) == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "1 of 2 runs are intact" in told
    expected = {
        "flipped": "its checksum is another",
        "first lost": "block 000000 is missing",
        "last lost": "blocks were written",
        "description": "changed or damaged since",
    }
    assert expected[fault] in told


def test_a_run_without_its_description_is_listed_as_cut_short(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    next(sorted(reports.iterdir())[0].glob("run-*.json")).unlink()
    main(["store", "list", str(reports)])
    assert "cut short; good" in capsys.readouterr().out


def test_leftovers_go_and_runs_stay(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = sorted(reports.iterdir())[0]
    fresh, stale = first / ".results.json.123", first / ".report.html.77"
    for path in (fresh, stale):
        path.write_bytes(b"half")
    os.utime(stale, (time.time() - 7200,) * 2)
    assert main(["store", "gc", str(reports), "--dry-run"]) == 0
    assert stale.exists()
    assert main(["store", "gc", str(reports)]) == 0
    assert fresh.exists()
    assert not stale.exists()
    assert main(["store", "verify", str(reports)]) == 0


def test_old_runs_go_where_that_is_asked_for(reports: Path) -> None:
    old = sorted(reports.iterdir())[0]
    for path in old.rglob("*"):
        os.utime(path, (time.time() - 10 * 86400,) * 2)
    assert main(["store", "gc", str(reports), "--older-than", "30"]) == 0
    assert old.exists()
    assert main(["store", "gc", str(reports), "--older-than", "5"]) == 0
    assert not old.exists()
    assert len([*reports.iterdir()]) == 1


def test_no_folder_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "list", str(tmp_path / "none")]) == 4
    assert "expected a folder of runs at" in capsys.readouterr().err


def test_nothing_of_it_imports_torch(reports: Path) -> None:
    program = (
        f"import sys; from robustsuite.cli import main; main(['store', 'verify', {str(reports)!r}]); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
