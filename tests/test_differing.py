"""Two models on the same images: differences against closed forms and enumerations, flips against planted ones."""

from dataclasses import replace
from functools import cache
from itertools import product
from math import comb, sqrt

import numpy as np
import pytest
from scipy.stats import norm
from test_stopping import CLEAN, outcome

from robustsuite.differing import by_condition, differences, flips
from robustsuite.numerics.discordant import difference_limits
from robustsuite.numerics.paired import mcnemar
from robustsuite.predictions import Outcome
from robustsuite.records import Check, Condition, Corrupted, Difference, Frame

FOG = Condition("data", Corrupted("fog", 1))
DATA = {"data": {"ids": [f"{row}.png" for row in range(2000)], "classes": ["cat", "dog"]}}


def models(images: int, gained: int, lost: int, condition: Condition = CLEAN) -> tuple[dict[Condition, Outcome], dict[Condition, Outcome]]:
    """A model and the one that it is held against: the first images are gained, the last ones lost, of the others every second right."""
    new, old = (np.arange(images) % 2 == 0 for _ in range(2))
    new[:gained], old[:gained] = True, False
    new[images - lost :], old[images - lost :] = False, True
    return {condition: outcome(new, images, condition)}, {condition: outcome(old, images, condition)}


def difference(new: dict[Condition, Outcome], old: dict[Condition, Outcome], metric: str = "accuracy", **changes: object) -> Difference:
    check = replace(Check("c", metric, (CLEAN,)), **changes)
    (found,) = differences([check], "new", new, "old", old, 0.05)
    return found


# ---------------------------------------------------------------------------------------------------- one difference


def test_the_difference_is_that_of_the_flipped_images() -> None:
    found = difference(*models(100, 7, 20))
    assert (found.gained, found.lost, found.images) == (7, 20, 100)
    assert found.difference == pytest.approx(-0.13)
    assert found.value - found.baseline_value == found.difference
    assert (found.check, found.metric, found.model, found.baseline, found.reason) == ("c", "accuracy", "new", "old", "")


def test_a_model_does_not_differ_from_itself() -> None:
    found = difference(*models(600, 0, 0))
    assert (found.difference, found.gained, found.lost) == (0, 0, 0)
    assert found.low == -found.high < 0


def test_a_planted_regression_is_beyond_the_limits() -> None:
    found = difference(*models(600, 5, 40))
    assert found.high < 0
    assert found.low < found.difference < found.high


def test_the_other_way_round_everything_is_mirrored() -> None:
    new, old = models(300, 4, 30)
    one, other = difference(new, old), difference(old, new)
    assert (one.low, one.high, one.gained) == (-other.high, -other.low, other.lost)


@pytest.mark.parametrize("metric", ["brier_score", "negative_log_likelihood"])
def test_other_means_over_images_have_limits_too(metric: str) -> None:
    found = difference(*models(600, 5, 60), metric)
    assert found.low < found.difference < found.high
    assert found.low > 0  # both are better when lower
    assert found.gained is found.lost is None


def test_a_mean_over_conditions_is_of_their_differences() -> None:
    (clean, was), (fog, before) = models(600, 0, 60), models(600, 0, 120, FOG)
    found = difference(clean | fog, was | before, conditions=(CLEAN, FOG))
    assert found.difference == pytest.approx(-0.15)
    assert (found.gained, found.lost) == (0, 180)
    assert found.low < -0.15 < found.high < 0


def test_a_calibration_error_has_a_difference_without_limits() -> None:
    found = difference(*models(600, 0, 60), "expected_calibration_error")
    assert found.difference == found.value - found.baseline_value
    assert found.low is found.high is None
    assert found.reason == "no limits: expected_calibration_error has no number of every single image that could be paired"


def test_a_metric_of_two_models_is_not_subtracted() -> None:
    found = difference(*models(100, 7, 20), "churn")
    assert found.value == pytest.approx(0.27)
    assert found.baseline_value is found.difference is None
    assert "a number of two models already" in found.reason


# ------------------------------------------------------------------------------------------ what cannot be compared


def test_a_condition_that_was_cut_short_is_not_compared() -> None:
    new, old = models(100, 7, 20)
    cut, cut_too = ({CLEAN: replace(each[CLEAN].take(np.arange(60)), arrival=None)} for each in (new, old))
    assert difference(cut, old).reason.startswith("new was shown 60 of 100 images under data/clean")
    assert difference(new, cut_too).reason.startswith("old was shown 60 of 100 images under data/clean")


def test_a_condition_that_one_was_not_shown_or_failed_on_is_not_compared() -> None:
    new, old = models(100, 7, 20)
    assert difference(new, {}).reason == "old was not shown data/clean"
    broken = {CLEAN: replace(new[CLEAN], error="NaN logits")}
    assert difference(broken, old).reason == "data/clean could not be evaluated on new: NaN logits"
    assert difference(broken, old).value is None


def test_other_images_are_not_compared() -> None:
    new, old = models(100, 7, 20)
    assert "not shown the same images" in difference(new, {CLEAN: replace(old[CLEAN], rows=np.arange(1, 101))}).reason


def test_what_was_not_kept_is_the_reason() -> None:
    found = difference(*models(100, 7, 20), "accuracy", recalibration="temperature")
    assert found.value is None
    assert "temperature could not be fitted" in found.reason


@pytest.mark.parametrize("metric", ["accuracy", "negative_log_likelihood", "expected_calibration_error"])
def test_of_runs_that_stopped_early_the_images_that_both_saw_in_random_order_are_compared(metric: str) -> None:
    right = np.random.default_rng(0).uniform(size=(2, 400)) < [[0.5], [0.9]]
    new, old = {CLEAN: outcome(right[0][:150], 400)}, {CLEAN: outcome(right[1][:300], 400)}
    found = difference(new, old, metric)
    assert found.images == 150
    assert "of the first 150 of 400 images, in random order: one of the runs stopped there" in found.reason
    if metric == "accuracy":
        assert found.difference == right[0][:150].mean() - right[1][:150].mean()
        assert found.low < found.difference < found.high < 0
        assert difference_limits(found.gained, found.lost, 150, 0.05)[1] < found.high  # wider, since it holds whenever one stops
    else:
        assert found.low is None


# -------------------------------------------------------------------------------------------- limits of accuracies


@cache
def limits_of(gained: int, lost: int, images: int, alpha: float) -> tuple[float, float]:
    return difference_limits(gained, lost, images, alpha)


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_no_pair_of_models_is_missed_more_often_than_alpha(alpha: float) -> None:
    """Every outcome on eight images, for every share of gained and lost ones on a grid: the coverage is exact, and suffices."""
    images = 8
    outcomes = [(gained, lost) for gained, lost in product(range(images + 1), repeat=2) if gained + lost <= images]
    for gain, loss in product(np.linspace(0, 1, 21), repeat=2):
        if gain + loss > 1:
            continue
        missed = np.zeros(2)
        for gained, lost in outcomes:
            same = images - gained - lost
            ways = comb(images, gained) * comb(images - gained, lost)
            low, high = limits_of(gained, lost, images, alpha)
            missed += ways * gain**gained * loss**lost * max(1 - gain - loss, 0) ** same * np.array([low > gain - loss, high < gain - loss])
        assert missed.max() <= alpha + 1e-9


def test_with_many_images_the_limits_are_nearly_the_normal_ones() -> None:
    low, high = difference_limits(2000, 2600, 50_000, 0.05)
    difference, spread = -600 / 50_000, sqrt(4600 / 50_000 - (600 / 50_000) ** 2) / sqrt(50_000)
    assert low == pytest.approx(difference - norm.isf(0.05) * spread, abs=0.1 * spread)
    assert high == pytest.approx(difference + norm.isf(0.05) * spread, abs=0.1 * spread)


@pytest.mark.parametrize(("gained", "lost"), [(40, 70), (10, 40), (0, 9), (300, 380)])
def test_what_mcnemar_calls_worse_by_far_is_beyond_the_limits(gained: int, lost: int) -> None:
    assert mcnemar(lost, gained) < 0.01
    assert difference_limits(gained, lost, 1000, 0.05)[1] < 0


@pytest.mark.parametrize("images", [1, 2, 50_000])
def test_limits_lie_between_minus_and_plus_one(images: int) -> None:
    for gained, lost in ((0, 0), (images, 0), (0, images)):
        low, high = difference_limits(gained, lost, images, 0.05)
        assert -1 <= low <= (gained - lost) / images <= high <= 1


@pytest.mark.parametrize("metric", ["accuracy", pytest.param("brier_score", marks=pytest.mark.slow)])
def test_limits_miss_the_truth_about_as_seldom_as_they_say(metric: str) -> None:
    """Images drawn anew 120 times: the new model gains 5 % and loses 12 %."""
    generator, missed = np.random.default_rng(0), np.zeros(2)
    wholes = []
    for _ in range(120):
        fate, right = generator.uniform(size=300), generator.uniform(size=300) < 0.8
        new, old = np.where(fate < 0.05, True, np.where(fate > 0.88, False, right)), np.where(fate < 0.05, False, right | (fate > 0.88))
        wholes.append(difference({CLEAN: outcome(new, 300)}, {CLEAN: outcome(old, 300)}, metric))
    # The truth for the Brier score follows from that for the accuracy: every image is right or wrong by the same confidence.
    per_flip = np.mean([one.difference / -0.07 for one in wholes]) if metric == "brier_score" else 1.0
    for one in wholes:
        missed += [one.low > -0.07 * per_flip, one.high < -0.07 * per_flip]
    assert (missed / 120).max() <= 0.05 + 0.04  # two standard errors


# ------------------------------------------------------------------------------------------------------------- flips


def test_flips_are_named() -> None:
    new, old = models(10, 1, 1)
    lost, gained = sorted(flips("new", new, "old", old, DATA), key=lambda flip: flip.image, reverse=True)
    assert (lost.image, lost.label, lost.prediction, lost.baseline_prediction) == ("9.png", "cat", "dog", "cat")
    assert (gained.image, gained.label, gained.prediction, gained.baseline_prediction) == ("0.png", "cat", "cat", "dog")
    assert (lost.model, lost.baseline, lost.condition) == ("new", "old", CLEAN)


def test_images_that_flip_under_most_conditions_come_first_and_lost_ones_before_gained_ones() -> None:
    (new, old), (fog, before) = models(10, 1, 3), models(10, 1, 1, FOG)
    found = flips("new", new | fog, "old", old | before, DATA)
    assert [(flip.image, flip.condition) for flip in found] == [
        ("9.png", CLEAN),
        ("9.png", FOG),
        ("0.png", CLEAN),
        ("0.png", FOG),
        ("7.png", CLEAN),
        ("8.png", CLEAN),
    ]
    assert {flip.image for flip in flips("new", new | fog, "old", old | before, DATA, most=2)} == {"9.png", "0.png"}


def test_conditions_are_counted_in_full() -> None:
    (new, old), (fog, before) = models(1000, 300, 150), models(1000, 0, 0, FOG)
    clean, foggy = by_condition("new", new | fog, "old", old | before)
    assert (clean.check, clean.gained, clean.lost, clean.difference) == ("data/clean", 300, 150, pytest.approx(0.15))
    assert (foggy.check, foggy.gained, foggy.lost, foggy.difference) == ("data/fog-1", 0, 0, 0)
    assert len(flips("new", new | fog, "old", old | before, DATA)) == 200


def test_frames_and_images_without_labels_flip_for_nobody() -> None:
    frame = Condition("data", Frame("tilt", "imagenet", 1))
    new, old = models(10, 1, 1, frame)
    assert flips("new", new, "old", old, DATA) == by_condition("new", new, "old", old) == ()
    new, old = models(10, 1, 1)
    unlabelled = [{CLEAN: replace(one[CLEAN], predictions=replace(one[CLEAN].predictions, labels=np.full(10, -1)))} for one in (new, old)]
    assert flips("new", unlabelled[0], "old", unlabelled[1], DATA) == ()
