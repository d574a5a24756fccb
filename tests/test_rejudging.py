"""A stored run judged by another suite: as if the model had been shown the images again, and an ERROR where the records do not tell."""

import subprocess
import sys
from pathlib import Path

import pytest
from test_uncertainty_in_a_suite import SUITE, Linear, by_name
from toy import Toy

import robustsuite
from robustsuite import UsageError
from robustsuite.cli import main
from robustsuite.records import Report

FIRST = """
schema = 1
title = "first"
[data.pictures]
dataset = "image_folder"
calibration = 0.5
[[check]]
name = "clean"
[[check]]
name = "corrupted"
corruptions = ["contrast"]
severities = [3, 5]
"""

SECOND = """
schema = 1
title = "second"
[data.images]
dataset = "image_folder"
calibration = 0.5
[[check]]
name = "clean"
at_least = 0.9
[[check]]
name = "stricter"
corruptions = ["contrast"]
severities = [5]
metric = "negative_log_likelihood"
at_most = 0.0
[[check]]
name = "after-vector"
recalibration = "vector"
metric = "negative_log_likelihood"
[[check]]
name = "classwise"
recalibration = "temperature"
metric = "classwise_calibration_error"
[[check]]
name = "sets"
conformal = "raps"
metric = "mean_set_size"
corruptions = ["contrast"]
severities = [3]
"""


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path, per_class=24)


def run_of(toy: Toy, keep: str = "logits", **settings: object) -> Path:
    suite, reports = str(toy.write_suite("first", FIRST)), toy.folder / f"reports-{keep}"
    robustsuite.evaluate(suite, {"m": Linear()}, {"pictures": toy.images}, device="cpu", keep=keep, reports=reports, **settings)
    (folder,) = reports.iterdir()
    return folder


def second(toy: Toy) -> str:
    return str(toy.write_suite("second", SECOND))


def numbers(report: Report) -> dict[str, tuple]:
    return {verdict.check: (verdict.status, verdict.measurement, verdict.threshold) for verdict in report.verdicts}


@pytest.mark.parametrize("settings", [{}, {"shuffle": True, "batch_size": 3}], ids=str)
def test_records_with_all_logits_say_what_the_model_would_say(toy: Toy, settings: dict[str, object]) -> None:
    anew = robustsuite.evaluate(second(toy), {"m": Linear()}, {"images": toy.images}, device="cpu")
    again = robustsuite.judge(run_of(toy, **settings), second(toy))
    assert numbers(again) == numbers(anew)
    assert {verdict.status for verdict in again.verdicts} == {"passed", "failed"}
    assert again.examples
    assert again.provenance["judged from"].endswith("suite first")


def test_without_logits_what_needs_them_is_an_error_and_the_rest_is_judged(toy: Toy) -> None:
    verdicts = by_name(robustsuite.judge(run_of(toy, keep="predictions"), second(toy)))
    assert {name for name, verdict in verdicts.items() if verdict.status == "error"} == {"after-vector", "classwise", "sets"}
    assert verdicts["stricter"].status == "failed"
    assert "run it with --rs-keep logits" in verdicts["classwise"].reason


def test_a_condition_that_was_never_shown_is_an_error(toy: Toy) -> None:
    suite = toy.write_suite("third", SECOND.replace("[5]", "[1]"))
    verdicts = by_name(robustsuite.judge(run_of(toy), str(suite)))
    assert verdicts["stricter"].status == "error"
    assert verdicts["stricter"].reason == "the earlier run did not show images/contrast-1: run the suite on the model"
    assert verdicts["clean"].status == "passed"


def test_detectors_of_logits_are_fitted_from_the_records(toy: Toy, tmp_path: Path) -> None:
    two = SUITE.partition("[[check]]")[0]
    check = '[[check]]\nname = "{}"\ndetector = "{}"\nunfamiliar = "strange"\nmetric = "auroc"\n'
    first = toy.write_suite("both", two + '[[check]]\nname = "a"\ndata = "images"\n[[check]]\nname = "b"\ndata = "strange"\n')
    other = Toy(tmp_path / "strange", per_class=6)
    data, reports = {"images": toy.images, "strange": other.images}, toy.folder / "reports"
    robustsuite.evaluate(str(first), {"m": Linear()}, data, device="cpu", keep="logits", reports=reports)
    (folder,) = reports.iterdir()
    asked = toy.write_suite("asked", two + check.format("energy", "energy") + check.format("knn", "knn"))
    verdicts = by_name(robustsuite.judge(folder, str(asked)))
    anew = by_name(robustsuite.evaluate(str(asked), {"m": Linear()}, data, device="cpu"))
    assert verdicts["energy"].measurement == anew["energy"].measurement
    assert verdicts["knn"].status == "error"


def test_what_a_run_that_stopped_early_had_not_shown_by_then_decides_nothing_new(toy: Toy) -> None:
    """Seen in random order, but dropped when the run's own checks were decided: its first images are no random draw for others."""
    decided = '[decision]\nstop = "decided"\n[data.pictures]\ncalibration = 0.2'
    first = (
        FIRST.replace("[data.pictures]", decided)
        .replace("calibration = 0.5", "")
        .replace('name = "clean"', 'name = "clean"\nat_least = 0.3')
    )
    first = first.replace("severities = [3, 5]", "severities = [3, 5]\nat_least = 0.01")
    reports = toy.folder / "stopped"
    robustsuite.evaluate(
        str(toy.write_suite("first", first)), {"m": Linear()}, {"pictures": toy.images}, device="cpu", reports=reports, batch_size=2
    )
    (folder,) = reports.iterdir()
    again = toy.write_suite("again", first.replace("at_least = 0.3", "at_least = 0.2"))
    clean = by_name(robustsuite.judge(folder, str(again)))["clean"]
    assert clean.status == "error"
    assert "the run was cut short" in clean.reason


def test_images_that_were_prepared_otherwise_are_refused(toy: Toy) -> None:
    suite = toy.write_suite("cropped", SECOND.replace('title = "second"', 'title = "second"\npreprocessing = { crop = 8 }'))
    with pytest.raises(UsageError, match="expected images prepared as suite 'cropped' says .crop 8., got a run whose images were prepared"):
        robustsuite.judge(run_of(toy), str(suite))


def test_a_folder_without_a_run_and_a_wrong_name_are_refused(toy: Toy, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected a run's folder with run-"):
        robustsuite.judge(tmp_path, second(toy))
    with pytest.raises(UsageError, match="expected --data NAME=DATA with NAME among images and DATA among those of the run .pictures."):
        robustsuite.judge(run_of(toy), second(toy), {"image": "pictures"})


def test_the_command_says_what_a_run_says_and_exits_as_it_does(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["judge", str(run_of(toy)), "--suite", second(toy), "--reports", str(toy.folder / "out")]) == 1
    told = capsys.readouterr().out
    assert "m FAILED 1 of 2 checks: stricter" in told
    assert told.rstrip().endswith("report.html")
    (folder,) = (toy.folder / "out").iterdir()
    assert {path.name for path in folder.iterdir()} >= {"report.html", "results.json", "summary.md", "run-0.json"}


def test_another_threshold_needs_no_torch(toy: Toy) -> None:
    run = run_of(toy, keep="predictions")
    program = (
        f"import sys; from robustsuite.cli import main; main(['judge', {str(run)!r}, '--suite', {second(toy)!r}, "
        f"'--reports', {str(toy.folder / 'again')!r}]); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
