"""Runs that stop when their gates are decided: what they count, what they say, and how seldom they are wrong."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_uncertainty_in_a_suite import by_name
from torch import nn
from toy import Toy

import robustsuite
from robustsuite import judging, store
from robustsuite.assembling import assemble, outcomes_of
from robustsuite.judging import early, judge, judge_all
from robustsuite.numerics.condense import condense
from robustsuite.numerics.intervals import clopper_pearson
from robustsuite.predictions import Outcome
from robustsuite.records import Check, Condition, Corrupted, Decision, Gate, Report
from robustsuite.stopping import settled

CLEAN = Condition("data")
DECIDED = Decision(stop="decided")
POPULATION = Decision(target="population", stop="decided")


def outcome(right: np.ndarray, total: int, condition: Condition = CLEAN, rows: np.ndarray | None = None) -> Outcome:
    """Of images that were right or wrong, in the order of their arrival."""
    logits = torch.where(torch.from_numpy(right)[:, None], torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]]))
    rows = np.arange(len(right)) if rows is None else rows
    return Outcome("m", condition, rows, condense(logits, torch.zeros(len(right), dtype=torch.int64)), total, arrival=np.arange(len(right)))


def accuracy(threshold: float, bound: str = "at_least", **changes: object) -> Check:
    return replace(Check("c", "accuracy", (CLEAN,), Gate(bound, threshold)), **changes)


def shuffled(successes: int, total: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(total) < successes


# --------------------------------------------------------------------------------------------------- the decision


@pytest.mark.parametrize(("successes", "status"), [(900, "passed"), (500, "failed")])
def test_a_clear_case_is_decided_early_and_rightly(successes: int, status: str) -> None:
    right = shuffled(successes, 1000, 0)
    for seen in range(1, 1001):
        verdict = early(accuracy(0.7), "m", {CLEAN: outcome(right[:seen], 1000)}, DECIDED, gates=1)
        if verdict:
            break
    assert verdict.status == status
    assert seen < 300
    assert verdict.measurement.low <= successes / 1000 <= verdict.measurement.high
    assert verdict.measurement.samples == seen
    assert f"decided after {seen} of 1,000 images, in random order: the whole test set's value is at" in verdict.reason


@pytest.mark.parametrize("decision", [DECIDED, POPULATION], ids=["test set", "population"])
@pytest.mark.parametrize("metric", ["accuracy", pytest.param("brier_score", marks=pytest.mark.slow)])
def test_a_gate_at_the_truth_is_seldom_decided_wrongly(metric: str, decision: Decision) -> None:
    """The threshold just misses (or meets) the truth, and every tenth image is a look."""
    wrong, runs = np.zeros(2), 40
    for seed in range(runs):
        right = shuffled(120, 200, seed)
        whole = outcome(right, 200)
        truth = judge(Check("c", metric, (CLEAN,)), "m", {CLEAN: whole}, Decision()).measurement.value
        for side, threshold in enumerate((truth + 1e-6, truth - 1e-6)):  # too high to pass; low enough not to fail
            for seen in range(10, 200, 10):
                found = settled(accuracy(0, metric=metric), {CLEAN: outcome(right[:seen], 200)}, decision, threshold, at_least=True)
                if found:
                    wrong[side] += found.status == ("passed", "failed")[side]
                    break
    assert (wrong <= runs * 0.05 + 4).all()


def test_more_gates_make_fails_slower_and_passes_not() -> None:
    def images(successes: int, gates: int) -> int:
        right = shuffled(successes, 2000, 1)
        shown = (seen for seen in range(1, 2001) if settled(accuracy(0), {CLEAN: outcome(right[:seen], 2000)}, DECIDED, 0.7, True, gates))
        return next(shown)

    assert images(1000, 100) > images(1000, 1)
    assert images(1800, 100) == images(1800, 1)


def test_a_number_that_is_no_mean_waits_for_the_last_image_or_for_numbered_looks() -> None:
    right = shuffled(300, 1000, 2)
    check = accuracy(0.9, "at_most", metric="expected_calibration_error")
    outcomes = {CLEAN: outcome(right[:900], 1000)}
    assert settled(check, outcomes, DECIDED, 0.9, False, look=1) is None
    assert settled(check, outcomes, POPULATION, 0.9, False) is None
    assert settled(check, outcomes, POPULATION, 0.9, False, look=1).status == "passed"


def test_the_worst_of_several_conditions_is_decided_by_all_of_them() -> None:
    two = tuple(Condition("data", Corrupted("fog", severity)) for severity in (1, 2))
    good, bad = shuffled(950, 1000, 3)[:400], shuffled(300, 1000, 4)[:400]
    check = accuracy(0.7, conditions=two, summary="worst_case")
    for second, status in ((good, "passed"), (bad, "failed")):
        outcomes = {one: outcome(right, 1000, one) for one, right in zip(two, (good, second), strict=True)}
        assert settled(check, outcomes, DECIDED, 0.7, True).status == status


def test_a_mean_over_conditions_that_saw_different_numbers_of_images_is_not_decided() -> None:
    """Images in random order, of which one condition has seen fewer: no random draw of pairs."""
    two = tuple(Condition("data", Corrupted("fog", severity)) for severity in (1, 2))
    outcomes = {one: outcome(np.ones(seen, dtype=bool), 1000, one) for one, seen in zip(two, (400, 300), strict=True)}
    assert settled(accuracy(0.5, conditions=two), outcomes, DECIDED, 0.5, True) is None


# ----------------------------------------------------------------------------------------------------- multiplicity


def checks_of(successes: list[int]) -> tuple[list[Check], dict[Condition, Outcome]]:
    conditions = [Condition("data", Corrupted("fog", severity)) for severity in range(1, len(successes) + 1)]
    checks = [accuracy(0.7, name=str(one), conditions=(one,)) for one in conditions]
    return checks, {one: outcome(shuffled(count, 200, 5), 200, one) for one, count in zip(conditions, successes, strict=True)}


def test_a_fail_is_corrected_for_the_number_of_gates_and_others_found_make_it_easier() -> None:
    """Of 200 images, 128 right: alone a fail at 5 %, among five gates not; with three clear fails taken out, still not; with four, yes."""
    population = Decision(target="population")
    for clear, status in ((0, "inconclusive"), (4, "failed")):
        checks, outcomes = checks_of([128, *[60] * clear, *[190] * (4 - clear)])
        found = judge_all(checks, "m", outcomes, population, gates=5)
        assert found[0].status == status
        assert [verdict.status for verdict in found[1:]] == ["failed"] * clear + ["passed"] * (4 - clear)
    checks, outcomes = checks_of([128])
    assert judge_all(checks, "m", outcomes, population, gates=1)[0].status == "failed"


def test_a_fail_that_only_informs_makes_the_others_no_easier() -> None:
    checks, outcomes = checks_of([128, 60, 60, 60, 60])
    checks = [checks[0], *(replace(check, required=False) for check in checks[1:])]
    found = judge_all(checks, "m", outcomes, Decision(target="population"), gates=5)
    assert [verdict.status for verdict in found] == ["inconclusive", *["failed"] * 4]


def test_a_population_judged_on_the_way_and_at_the_end_spends_half_of_alpha_on_each() -> None:
    right = shuffled(150, 200, 5)
    (last,) = judge_all([accuracy(0.75)], "m", {CLEAN: outcome(right, 200)}, POPULATION, gates=1)
    assert last.status == "inconclusive"
    assert (last.measurement.low, last.measurement.high) == clopper_pearson(150, 200, 0.025)
    seen, half = outcome(shuffled(190, 200, 6)[:60], 200), replace(POPULATION, alpha=0.025)
    on_the_way, found = (
        early(accuracy(0.7), "m", {CLEAN: seen}, POPULATION, gates=1),
        settled(accuracy(0.7), {CLEAN: seen}, half, 0.7, True),
    )
    assert on_the_way.measurement.low == found.low
    assert "except with probability 0.025" in on_the_way.reason


def test_a_verdict_on_the_test_set_needs_no_correction() -> None:
    checks, outcomes = checks_of([139])
    (verdict,) = judge_all(checks, "m", outcomes, Decision(), gates=100)
    assert verdict.status == "failed"


def test_what_is_only_measured_or_only_informs_is_no_gate() -> None:
    assert judging.gates_of([accuracy(0.5), accuracy(0.5, required=False), accuracy(0.5, gate=None)]) == 1


# --------------------------------------------------------------------------------------------------------- the engine

SUITE = """
schema = 1
title = "stop"
[decision]
stop = "decided"
[data.images]
dataset = "image_folder"
[[check]]
name = "clean"
at_least = {clean}
[[check]]
name = "corrupted"
corruptions = ["contrast", "brightness", "defocus_blur", "gaussian_noise"]
severities = [1, 3]
at_least = {corrupted}
"""


class Blind(nn.Module):
    """Right for seven eighths of the images, by their pixels' sum."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        green = (images[:, 1] - images[:, 0]).mean(dim=(1, 2))
        wrong = (images * 255).sum(dim=(1, 2, 3)).round() % 8 == 0
        return 20 * torch.stack([green, -green], dim=1) * torch.where(wrong, -1.0, 1.0)[:, None]


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path, per_class=60)


def run(toy: Toy, clean: float, corrupted: float, folder: str = "reports", **settings: object) -> tuple[Report, Path]:
    suite = toy.write_suite("stop", SUITE.format(clean=clean, corrupted=corrupted))
    report = robustsuite.evaluate(
        str(suite), {"m": Blind()}, {"images": toy.images}, device="cpu", reports=toy.folder / folder, batch_size=8, **settings
    )
    return report, next((toy.folder / folder).iterdir())


def test_a_clear_suite_stops_early_and_its_report_can_be_made_again(toy: Toy) -> None:
    report, folder = run(toy, 0.3, 0.3)
    assert {verdict.status for verdict in report.verdicts} == {"passed"}
    found = by_name(report)
    assert found["clean"].measurement.samples < 120
    assert found["corrupted"].measurement.samples < 0.2 * 120 * 8
    assert "of 960 images under conditions, in random order" in found["corrupted"].reason
    assert assemble(folder) == report
    shown = outcomes_of(folder)["m"]
    assert sum(len(one.rows) for condition, one in shown.items() if condition.perturbation) < 400


def test_an_undecided_suite_shows_every_pair_once_and_ends_with_the_numbers_of_a_full_run(toy: Toy) -> None:
    full = by_name(run(toy, 0.3, 0.3, "other", shuffle=True)[0])
    whole = robustsuite.evaluate(
        str(toy.write_suite("never", SUITE.format(clean=0.5, corrupted=0.5).replace('"decided"', '"never"'))),
        {"m": Blind()},
        {"images": toy.images},
        device="cpu",
    )
    exact = {name: verdict.measurement.value for name, verdict in by_name(whole).items()}
    report, folder = run(toy, exact["clean"], exact["corrupted"])
    for name, verdict in by_name(report).items():
        assert verdict.status == "passed"
        assert verdict.measurement.value == pytest.approx(exact[name], abs=1e-12)
        assert full[name].measurement.low <= exact[name]
    shown = outcomes_of(folder)["m"]
    pairs = np.concatenate([one.arrival for condition, one in shown.items() if condition.perturbation])
    assert sorted(pairs) == list(range(960))
    assert all(np.array_equal(one.rows, np.arange(120)) for one in shown.values())


def test_pairs_come_in_random_order_whatever_the_batch(toy: Toy) -> None:
    _, folder = run(toy, 0.86, 0.999)
    shown = outcomes_of(folder)["m"]
    seen = [
        (arrival, row) for one in shown.values() if one.condition.perturbation for arrival, row in zip(one.arrival, one.rows, strict=True)
    ]
    rows = np.array([row for _, row in sorted(seen)])
    assert not (np.diff(rows) >= 0).all()
    assert 40 < rows.mean() < 80


def test_conditions_that_another_check_needs_whole_are_not_sampled_nor_are_those_averaged_with_them(toy: Toy) -> None:
    text = SUITE.format(clean=0.3, corrupted=0.999) + '[[check]]\nname = "few"\ncorruptions = ["contrast"]\nat_least = 0.999\n'
    reports = toy.folder / "mixed"
    suite, data = str(toy.write_suite("mixed", text)), {"images": toy.images}
    robustsuite.evaluate(suite, {"m": Blind()}, data, device="cpu", reports=reports, batch_size=8)
    shown = [one for condition, one in outcomes_of(next(reports.iterdir()))["m"].items() if condition.perturbation]
    assert len(shown) == 11
    averaged = [one for one in shown if one.condition.perturbation.severity in (1, 3)]
    assert all(np.array_equal(one.rows, averaged[0].rows) and one.arrival.max() < 120 for one in averaged)


def test_a_gate_relative_to_clean_waits_for_all_clean_images(toy: Toy) -> None:
    text = SUITE.format(clean=0.3, corrupted=-0.5).replace("at_least = -0.5", 'at_least = -0.5\nrelative_to = "clean"')
    report = robustsuite.evaluate(
        str(toy.write_suite("relative", text)), {"m": Blind()}, {"images": toy.images}, device="cpu", batch_size=8
    )
    found = by_name(report)
    assert found["corrupted"].status == "passed"
    assert "(images/clean -0.5)" in found["corrupted"].reason
    clean = next(result for result in report.results if result.condition.perturbation is None)
    assert clean.images == 120


def test_a_killed_run_keeps_what_it_had_decided(toy: Toy) -> None:
    report, folder = run(toy, 0.3, 0.999)
    description = store.descriptions(folder)["0"]
    assert [made["check"] for made in description["decided"]] == ["clean", "corrupted"] or description["decided"][0]["check"] == "clean"
    sorted(folder.glob("blocks-*/*.safetensors"))[-1].unlink()
    assert by_name(assemble(folder))["clean"] == by_name(report)["clean"]
