"""A disk that fills up, a folder that changes, images that cannot be read, a model that hangs: told once, and everything else is judged."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy import TOY_MODELS, Toy

import robustsuite
from robustsuite import store
from robustsuite.errors import UsageError
from robustsuite.records import Report


@pytest.fixture
def toy(pytester: pytest.Pytester) -> Toy:
    return Toy(pytester.path)


def spoil(toy: Toy, *names: str) -> None:
    for name in names:
        (toy.images / name).write_bytes((toy.images / name).read_bytes()[:50])


def report_of(toy: Toy) -> Report:
    (folder,) = (toy.folder / "reports").iterdir()
    return robustsuite.read_report(folder)


def statuses(report: Report, model: str = "good") -> dict[str, str]:
    return {verdict.check: verdict.status for verdict in report.verdicts if verdict.model == model}


AS_EVER = {"clean": "passed", "blurred": "passed", "impossible": "failed"}

# ------------------------------------------------------------------------------------------------ unreadable images


def test_an_unreadable_image_is_an_error_that_names_it(pytester: pytest.Pytester, toy: Toy) -> None:
    spoil(toy, "red/3.png")
    result = pytester.runpytest(*toy.arguments())
    assert result.ret == 6
    report = report_of(toy)
    assert set(statuses(report).values()) == {"error"}
    assert all("red/3.png (image file is truncated)" in verdict.reason for verdict in report.verdicts)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_few_are_left_out_where_the_user_allows_it_and_named(workers: str, pytester: pytest.Pytester, toy: Toy) -> None:
    spoil(toy, "red/3.png", "green/0.png")
    result = pytester.runpytest(*toy.arguments("--rs-unreadable", "exclude:2", "--rs-workers", workers))
    assert result.ret == 1  # of the attack that is impossible to withstand
    report = report_of(toy)
    assert statuses(report) == AS_EVER
    assert {one.images for one in report.results} == {10}
    told = [note for note in report.notes if "2 of 12 images left out" in note]
    assert len(told) == 1
    assert "green/0.png" in told[0]
    assert "red/3.png" in told[0]
    assert "2 of 12 images left out" in report.provenance["data images"]


def test_more_than_allowed_are_an_error_that_names_them_all(pytester: pytest.Pytester, toy: Toy) -> None:
    spoil(toy, "red/3.png", "green/0.png")
    result = pytester.runpytest(*toy.arguments("--rs-unreadable", "exclude:1"))
    assert result.ret == 6
    reasons = {verdict.reason for verdict in report_of(toy).verdicts}
    assert len(reasons) == 1
    (reason,) = reasons
    assert "expected at most 1 unreadable images in data 'images', got 2 of 12 images: green/0.png" in reason
    assert "red/3.png" in reason


def test_where_every_image_can_be_read_the_policy_changes_nothing(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(toy.folder)
    strict, lenient = (
        robustsuite.evaluate("toy", [toy.reference()], {"images": toy.images}, workers=0, unreadable=most) for most in (0, 5)
    )
    assert strict.verdicts == lenient.verdicts
    assert strict.notes == lenient.notes


def test_a_run_that_left_images_out_is_not_taken_up_on_others(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(toy.folder)
    whole = (toy.images / "red" / "3.png").read_bytes()
    spoil(toy, "red/3.png")
    robustsuite.evaluate("toy", [toy.reference()], {"images": toy.images}, workers=0, unreadable=1, reports="reports")
    (folder,) = Path("reports").iterdir()
    (toy.images / "red" / "3.png").write_bytes(whole)
    with pytest.raises(UsageError, match="'11 images judged .*'12 images judged"):
        robustsuite.evaluate("toy", [toy.reference()], {"images": toy.images}, workers=0, unreadable=1, resume=folder)


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--rs-unreadable", "exclude", "*expected --rs-unreadable error or exclude:N*got 'exclude'*"),
        ("--rs-unreadable", "exclude:-1", "*expected --rs-unreadable error or exclude:N*"),
        ("--rs-unreadable", "some", "*expected --rs-unreadable error or exclude:N*"),
        ("--rs-timeout", "0", "*expected --rs-timeout as seconds above 0, got '0'*"),
        ("--rs-timeout", "soon", "*expected --rs-timeout as seconds above 0*"),
        ("--rs-timeout", "nan", "*expected --rs-timeout as seconds above 0*"),
    ],
)
def test_options_that_cannot_be_are_refused(option: str, value: str, sentence: str, pytester: pytest.Pytester, toy: Toy) -> None:
    result = pytester.runpytest(*toy.arguments(option, value))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([sentence])


# --------------------------------------------------------------------------------------------------------- hanging

HANGING = """
import time
class Hanging(Colour):
    def forward(self, images):
        time.sleep(60)
        return super().forward(images)
def hanging(): return Hanging().eval()
"""


def test_a_model_that_hangs_is_an_error_and_the_other_is_judged(pytester: pytest.Pytester, toy: Toy) -> None:
    (toy.folder / "models.py").write_text(TOY_MODELS + HANGING)
    begun = time.monotonic()
    result = pytester.runpytest(*toy.arguments("--model", toy.reference("hanging"), "--rs-timeout", "0.5"))
    assert time.monotonic() - begun < 30
    assert result.ret == 6
    report = report_of(toy)
    assert statuses(report) == AS_EVER
    assert set(statuses(report, "hanging").values()) == {"error"}
    assert all("did not answer 12 images within 0.5 s" in one.reason for one in report.verdicts if one.model == "hanging")


# -------------------------------------------------------------------------------------------- a folder that changes

CHANGING = """
from pathlib import Path
class Changing(Colour):
    def forward(self, images):
        (Path(__file__).parent / "images" / "red" / "5.png").unlink(missing_ok=True)
        return super().forward(images)
def changing(): return Changing().eval()
"""
TWO = """
schema = 1
title = "Two"
[data.images]
dataset = "image_folder"
[data.others]
dataset = "image_folder"
[[check]]
name = "changed"
data = "images"
at_least = 0.9
[[check]]
name = "unchanged"
data = "others"
at_least = 0.9
"""


def test_an_image_that_vanishes_under_way_ends_its_data_set_alone(pytester: pytest.Pytester, toy: Toy) -> None:
    (toy.folder / "models.py").write_text(TOY_MODELS + CHANGING)
    toy.write_suite("two", TWO)
    (pytester.path / "elsewhere").mkdir()
    others = Toy(pytester.path / "elsewhere").images
    arguments = ["--suite", "two", "--model", toy.reference("changing"), "--data", f"images={toy.images}", "--data", f"others={others}"]
    result = pytester.runpytest(*arguments, "--rs-batch-size", "2", "--rs-workers", "0")
    assert result.ret == 6
    report = report_of(toy)
    assert statuses(report, "changing") == {"changed": "error", "unchanged": "passed"}
    assert "red/5.png (no file is there now)" in next(one.reason for one in report.verdicts if one.check == "changed")


# ---------------------------------------------------------------------------------------------------- no room left


def full_after(monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    """A disk that takes so many files and no more."""
    done: list[int] = []
    sync = os.fsync

    def fsync(file: int) -> None:
        done.append(file)
        if len(done) > writes:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(file)

    monkeypatch.setattr(store.os, "fsync", fsync)


@pytest.mark.parametrize("writes", range(9))
def test_a_disk_that_fills_up_anywhere_is_told_and_is_no_pass(
    writes: int, pytester: pytest.Pytester, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_after(monkeypatch, writes)
    result = pytester.runpytest(*toy.arguments("-k", "clean", "--rs-batch-size", "6"))
    said = result.stdout.str() + result.stderr.str()
    assert result.ret in (4, 6)
    assert "No space left on device" in said
    assert "INTERNALERROR" not in said
    assert "Traceback" not in said
    assert not [path for path in (toy.folder / "reports").rglob(".*") if path.is_file()]  # nothing half written


def test_a_full_disk_is_a_usage_error_in_python(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(toy.folder)
    for writes in (0, 2, 4):
        with monkeypatch.context() as patch:
            full_after(patch, writes)
            with pytest.raises(UsageError, match=r"No space left on device.*"):
                robustsuite.evaluate("toy", [toy.reference()], {"images": toy.images}, workers=0, batch_size=4, reports="reports")


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
def test_a_run_cut_short_by_a_full_disk_is_taken_up_where_there_is_room(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(toy.folder)
    options = {"workers": 0, "batch_size": 3}
    with monkeypatch.context() as patch:
        full_after(patch, 6)
        with pytest.raises(UsageError, match="No space left"):
            robustsuite.evaluate("toy", [toy.reference()], {"images": toy.images}, reports="reports", **options)
    (folder,) = Path("reports").iterdir()
    whole = robustsuite.evaluate("toy", [toy.reference()], {"images": toy.images}, **options)
    assert robustsuite.evaluate("toy", [toy.reference()], {"images": toy.images}, resume=folder, **options).verdicts == whole.verdicts


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, 6_000))
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
def test_files_that_may_not_grow_are_told_by_the_command(toy: Toy) -> None:
    command = [sys.executable, "-c", LIMITED, "-p", "no:cacheprovider", *toy.arguments()]
    result = subprocess.run(command, cwd=toy.folder, capture_output=True, text=True)
    assert result.returncode in (1, 4, 6)  # 1: one of the checks fails
    assert "File too large" in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr


def test_a_place_for_reports_that_cannot_be_written_is_refused_before_anything_is_shown(pytester: pytest.Pytester, toy: Toy) -> None:
    (toy.folder / "taken").write_text("a file")
    result = pytester.runpytest(*toy.arguments("--reports", str(toy.folder / "taken" / "reports")))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*expected a folder for reports that can be written to*use --reports DIR*"])
