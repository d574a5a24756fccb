"""A new model against a stored run: image by image, only where both were measured in the same way."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_stopping import CLEAN, outcome
from test_uncertainty_in_a_suite import by_name
from torch import nn
from toy import Toy

import robustsuite
from robustsuite import UsageError, store
from robustsuite.assembling import assemble
from robustsuite.judging import early, judge
from robustsuite.records import Check, Decision, Gate, Report

SUITE = """
schema = 1
title = "regression"
[decision]
target = "TARGET"
[data.images]
dataset = "image_folder"
[[check]]
name = "clean"
at_least = 0.5
no_worse_than_baseline = 0.05
[[check]]
name = "score"
metric = "brier_score"
corruptions = ["contrast"]
severities = [1, 3]
no_worse_than_baseline = 0.05
"""


class Model(nn.Module):
    """Wrong about the images whose pixels' sum leaves one of these remainders by eight."""

    def __init__(self, *wrong: int) -> None:
        super().__init__()
        self.wrong = wrong

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        green = (images[:, 1] - images[:, 0]).mean(dim=(1, 2))
        remainder = (images * 255).sum(dim=(1, 2, 3)).round() % 8
        flipped = torch.isin(remainder, torch.tensor(self.wrong, dtype=remainder.dtype))
        return 20 * torch.stack([green, -green], dim=1) * torch.where(flipped, -1.0, 1.0)[:, None]


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path, per_class=40)


def suite_of(toy: Toy, target: str = "test-set", text: str = SUITE, name: str = "regression") -> str:
    return str(toy.write_suite(name, text.replace("TARGET", target)))


def run(toy: Toy, model: nn.Module, folder: str, suite: str | None = None, **options: object) -> Report:
    data = {"images": toy.images}
    return robustsuite.evaluate(suite or suite_of(toy), {"m": model}, data, device="cpu", reports=toy.folder / folder, **options)


def stored(toy: Toy, model: nn.Module | None = None, **options: object) -> Path:
    """A run without the checks that compare: the first of its kind."""
    run(toy, model or Model(0), "old", **options)
    (folder,) = (toy.folder / "old").iterdir()
    return folder


# ------------------------------------------------------------------------------------------------------ verdicts


def test_a_check_with_both_kinds_of_threshold_is_two(toy: Toy) -> None:
    names = [check.name for check in robustsuite.load_suite(suite_of(toy)).checks]
    assert names == ["clean", "clean-against-baseline", "score"]


def test_the_same_model_is_no_worse_than_itself(toy: Toy) -> None:
    found = by_name(run(toy, Model(0), "new", baseline=stored(toy)))
    assert {verdict.status for verdict in found.values()} == {"passed"}
    assert found["clean-against-baseline"].measurement.value == 0
    assert found["clean-against-baseline"].gate == "no worse than baseline by 0.05"
    assert "0 images got worse and 0 better (exact McNemar p = 1" in found["clean-against-baseline"].reason


def test_a_worse_model_fails_and_the_reason_counts_the_images(toy: Toy) -> None:
    found = by_name(run(toy, Model(0, 1, 2), "new", baseline=stored(toy)))
    verdict = found["clean-against-baseline"]
    assert verdict.status == found["score"].status == "failed"
    assert found["clean"].status == "passed"
    worse = int(verdict.reason.partition("; ")[2].split()[0])
    assert verdict.measurement.value == pytest.approx(-worse / 80)
    assert verdict.threshold == -0.05
    assert "no more than 0.0500 worse than the baseline was asked for" in verdict.reason
    assert found["score"].threshold == 0.05
    assert found["score"].measurement.value > 0.05


def test_a_better_model_passes(toy: Toy) -> None:
    found = by_name(run(toy, Model(), "new", baseline=stored(toy, Model(0, 1))))
    assert {verdict.status for verdict in found.values()} == {"passed"}


def test_the_report_can_be_made_again_when_the_baseline_is_gone(toy: Toy) -> None:
    old = stored(toy)
    report = run(toy, Model(0, 1), "new", baseline=old)
    shutil.rmtree(old)
    (folder,) = (toy.folder / "new").iterdir()
    assert assemble(folder) == report
    assert report.provenance["baseline"] == str(old)


def test_without_a_baseline_the_check_is_an_error_and_no_pass(toy: Toy) -> None:
    found = by_name(run(toy, Model(0), "new"))
    assert found["clean-against-baseline"].status == "error"
    assert found["clean-against-baseline"].reason == "the check compares with an earlier run: say which one by --baseline RUN"
    assert found["clean"].status == "passed"


def test_a_few_images_cannot_tell_about_a_population(toy: Toy) -> None:
    found = by_name(run(toy, Model(0), "new", suite_of(toy, "population"), baseline=stored(toy, suite=suite_of(toy, "population"))))
    assert found["clean-against-baseline"].status == "inconclusive"
    assert found["clean-against-baseline"].measurement.low < 0 < found["clean-against-baseline"].measurement.high


@pytest.mark.parametrize("metric", ["accuracy", "brier_score", "negative_log_likelihood", "expected_calibration_error"])
def test_limits_on_a_difference_contain_it(metric: str) -> None:
    generator = np.random.default_rng(0)
    new, old = ({CLEAN: outcome(generator.uniform(size=500) < share, 500)} for share in (0.9, 0.7))
    check = Check("c", metric, (CLEAN,), Gate("no_worse", 0.1))
    found = judge(check, "m", new, Decision(target="population"), baseline=old).measurement
    assert found.low < found.value < found.high
    assert found.low > 0 or metric in ("expected_calibration_error", "brier_score", "negative_log_likelihood")


def test_a_comparison_may_be_decided_early() -> None:
    generator = np.random.default_rng(1)
    old, new = generator.uniform(size=5000) < 0.8, generator.uniform(size=5000) < 0.5
    check, decision = Check("c", "accuracy", (CLEAN,), Gate("no_worse", 0.02)), Decision(stop="decided")
    whole = replace(outcome(old, 5000), arrival=None)
    for model, status in ((old, "passed"), (new, "failed")):
        verdict = early(check, "m", {CLEAN: outcome(model[:1500], 5000)}, decision, 1, {CLEAN: whole})
        assert verdict.status == status
        assert verdict.measurement.value == pytest.approx(model[:1500].mean() - old[:1500].mean())
    assert early(check, "m", {CLEAN: outcome(new[:10], 5000)}, decision, 1, {CLEAN: whole}) is None


# ------------------------------------------------------------------------------------------------------ refusals


def refused(toy: Toy, baseline: Path, **changes: object) -> str:
    with pytest.raises(UsageError) as told:
        run(toy, Model(0), "new", baseline=baseline, **changes)
    return str(told.value)


def test_another_seed_is_refused(toy: Toy) -> None:
    assert "but its seed is 0, and here it is 1; make the baseline again" in refused(toy, stored(toy), seed=1)


def test_other_images_are_refused(toy: Toy) -> None:
    old = stored(toy)
    (toy.images / "red" / "0.png").unlink()
    assert "but its data images is 80 images judged" in refused(toy, old)


def test_another_preprocessing_is_refused(toy: Toy) -> None:
    old = stored(toy)
    suite = suite_of(toy, text=SUITE.replace('"regression"', '"regression"\npreprocessing = { crop = 8 }'))
    assert "its preprocessing of m is as stored, and here it is crop 8" in refused(toy, old, suite=suite)


def test_another_suite_is_refused(toy: Toy) -> None:
    assert "but its suite is regression, and here it is other" in refused(toy, stored(toy), suite=suite_of(toy, name="other"))


def test_conditions_that_the_baseline_was_not_shown_are_refused(toy: Toy) -> None:
    old = stored(toy)
    suite = suite_of(toy, text=SUITE.replace("[1, 3]", "[1, 4]"))
    assert "but its condition images/contrast-4 is none" in refused(toy, old, suite=suite)


def test_another_version_of_a_corruption_is_refused(toy: Toy) -> None:
    old = stored(toy)
    file = old / "run-0.json"
    description = json.loads(file.read_text())
    description["protocol"]["condition images/contrast-1"] = "version 0"
    file.write_bytes(store.described(description))
    assert "its condition images/contrast-1 is version 0, and here it is version 1" in refused(toy, old)


def test_another_model_is_refused(toy: Toy) -> None:
    old = stored(toy)
    with pytest.raises(UsageError, match="expected a run of model 'n', got one of m; name the new model as it is named there"):
        robustsuite.evaluate(suite_of(toy), {"n": Model()}, {"images": toy.images}, device="cpu", baseline=old)


def test_a_truncated_file_is_refused(toy: Toy) -> None:
    old = stored(toy)
    block = sorted(old.glob("blocks-*/*.safetensors"))[0]
    block.write_bytes(block.read_bytes()[:100])
    assert "expected a block of results in" in refused(toy, old)


def test_a_baseline_that_was_cut_short_is_refused(toy: Toy) -> None:
    old = stored(toy, batch_size=16)
    sorted(old.glob("blocks-*/*.safetensors"))[-1].unlink()
    assert "got a run that was cut short" in refused(toy, old)


def test_a_folder_without_a_run_is_refused(toy: Toy) -> None:
    assert "expected a run's folder with run-*.json in it" in refused(toy, toy.images)


def test_a_baseline_for_nothing_is_refused(toy: Toy) -> None:
    old = stored(toy)
    text = SUITE.replace("no_worse_than_baseline = 0.05\n", "")
    assert "expected a check with no_worse_than_baseline (or a metric such as churn) beside --baseline, got none" in refused(
        toy, old, suite=suite_of(toy, text=text)
    )


def test_the_plugin_compares_and_says_usage_errors(pytester: pytest.Pytester, tmp_path: Path) -> None:
    toy = Toy(tmp_path / "toy", per_class=10)
    suite = suite_of(toy)
    arguments = ["--suite", suite, "--model", toy.reference(), "--data", f"images={toy.images}"]
    first = pytester.runpytest(*arguments, "--reports=first")
    assert first.ret == 6
    (old,) = (pytester.path / "first").iterdir()
    again = pytester.runpytest(*arguments, "--baseline", str(old))
    again.assert_outcomes(passed=3)
    other = pytester.runpytest(*arguments, "--baseline", str(old), "--rs-seed", "3")
    assert other.ret == 4
    other.stderr.fnmatch_lines(["*expected a run measured in the same way, but its seed is 0*"])
