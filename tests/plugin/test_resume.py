"""`--rs-resume`: a session that was killed is gone on with; folders that cannot be are refused."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy import Toy

from robustsuite import store


@pytest.fixture
def toy(pytester: pytest.Pytester) -> Toy:
    return Toy(pytester.path)


def run_of(pytester: pytest.Pytester) -> Path:
    (folder,) = (pytester.path / "reports").iterdir()
    return folder


def test_a_finished_run_is_told_again_and_nothing_is_shown(pytester: pytest.Pytester, toy: Toy) -> None:
    pytester.runpytest(*toy.arguments())
    folder = run_of(pytester)
    (folder / "report.html").unlink()
    blocks = [path.stat().st_mtime_ns for path in sorted(folder.glob("blocks-*/*"))]
    result = pytester.runpytest(*toy.arguments("--rs-resume", str(folder)))
    result.assert_outcomes(passed=2, failed=1)
    assert result.ret == 1
    assert (folder / "report.html").is_file()
    assert [path.stat().st_mtime_ns for path in sorted(folder.glob("blocks-*/*"))] == blocks
    assert list((pytester.path / "reports").iterdir()) == [folder]


def test_a_run_without_its_last_blocks_is_finished(pytester: pytest.Pytester, toy: Toy) -> None:
    pytester.runpytest(*toy.arguments("--rs-batch-size", "4"))
    folder = run_of(pytester)
    whole = {path.name: path.read_bytes() for path in folder.glob("blocks-*/*")}
    description = next(folder.glob("run-*.json"))
    description.write_bytes(store.described({**json.loads(description.read_text()), "finished": False}))
    for path in sorted(folder.glob("blocks-*/*"))[2:]:
        path.unlink()
    result = pytester.runpytest(*toy.arguments("--rs-batch-size", "4", "--rs-resume", str(folder)))
    result.assert_outcomes(passed=2, failed=1)
    assert {path.name: path.read_bytes() for path in folder.glob("blocks-*/*")} == whole


@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed by a signal")
def test_a_killed_process_leaves_what_another_one_finishes(pytester: pytest.Pytester, toy: Toy) -> None:
    command = [sys.executable, "-m", "pytest", *map(str, toy.arguments("--rs-batch-size", "1"))]
    process = subprocess.Popen(command, cwd=pytester.path, stdout=subprocess.DEVNULL, start_new_session=True)
    until = time.monotonic() + 60
    while time.monotonic() < until and len(list(pytester.path.glob("reports/*/blocks-*/*.safetensors"))) < 3:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    folder = run_of(pytester)
    result = pytester.runpytest(*toy.arguments("--rs-batch-size", "1", "--rs-resume", str(folder)))
    result.assert_outcomes(passed=2, failed=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"*report: {folder}/report.html"])


def test_a_folder_without_a_run_is_refused(pytester: pytest.Pytester, toy: Toy) -> None:
    result = pytester.runpytest(*toy.arguments("--rs-resume", "nowhere"))
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*--rs-resume nowhere: expected the folder of a run, got none there*"])


def test_a_run_of_another_model_is_refused(pytester: pytest.Pytester, toy: Toy) -> None:
    pytester.runpytest(*toy.arguments())
    folder = run_of(pytester)
    result = pytester.runpytest(*toy.arguments("--rs-resume", str(folder), "--model", toy.reference("other")))
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*expected a run of good, other together, got one of good; name the same models*"])


def test_two_suites_are_refused(pytester: pytest.Pytester, toy: Toy) -> None:
    pytester.runpytest(*toy.arguments())
    toy.write_suite("second", (pytester.path / "suites" / "toy.toml").read_text() if (pytester.path / "suites").is_dir() else "")
    folder = run_of(pytester)
    result = pytester.runpytest(*toy.arguments("--rs-resume", str(folder), "--suite", "second"))
    assert result.ret == 4
