"""Conformal prediction: coverage that is exact in finite samples, sets that are the papers', and a gate that a correct predictor passes."""

from bisect import bisect_left
from collections.abc import Callable
from fractions import Fraction
from math import ceil, inf, sqrt

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from scipy.stats import beta, betabinom, binom, kstest

from robustsuite import UsageError, catalog
from robustsuite.conformal._ranked import ranked
from robustsuite.conformal.aps import aps
from robustsuite.conformal.raps import raps
from robustsuite.conformal.thr import thr
from robustsuite.numerics.exchangeable import limit, spared
from robustsuite.predictions import PredictionSets
from robustsuite.set_metrics import class_coverage_gap as gap
from robustsuite.set_metrics import worst_class_coverage as worst
from robustsuite.set_metrics.coverage import coverage
from robustsuite.set_metrics.coverage import interval as limits_of_coverage
from robustsuite.set_metrics.coverage_p_value import coverage_p_value
from robustsuite.set_metrics.mean_set_size import mean_set_size

every_predictor = pytest.mark.parametrize("conformal", catalog.names("conformal"))


def answers(images: int, classes: int = 6, seed: int = 0, told: float = 1.7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits of a model `told` times too sure, labels, and a draw of each image's own."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1.5, (images, classes))
    labels = (softmax(logits, axis=1).cumsum(axis=1) < generator.uniform(size=(images, 1))).sum(axis=1).clip(max=classes - 1)
    return told * logits, labels, generator.uniform(size=images)


def held(sets: np.ndarray, labels: np.ndarray, calibrated_on: int = 100, alpha: float = 0.1) -> PredictionSets:
    return PredictionSets(labels, sets[np.arange(len(labels)), labels], sets.sum(axis=1), calibrated_on, alpha)


def covered_of(images: int, covered: int, calibrated_on: int, alpha: float = 0.1) -> PredictionSets:
    return PredictionSets(np.zeros(images, int), np.arange(images) < covered, np.ones(images, int), calibrated_on, alpha)


# ------------------------------------------------------------------------------------------- the limit and its rank


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1, 0.29, 0.3, 0.5, 0.58, 0.93])
@pytest.mark.parametrize("images", [0, 1, 9, 19, 99, 100, 500, 999])
def test_the_limit_is_the_score_of_the_papers_rank(images: int, alpha: float) -> None:
    scores = np.random.default_rng(images).normal(size=images)
    rank = ceil((images + 1) * (1 - Fraction(str(alpha))))
    assert rank == images + 1 - spared(images, alpha)
    assert limit(scores, alpha) == (sorted(scores)[rank - 1] if rank <= images else inf)


def test_a_decimal_error_rate_is_meant_as_it_is_written() -> None:
    assert 0.29 * 100 < 29
    assert spared(99, 0.29) == 29
    assert spared(99, np.float64(0.29)) == 29


# ---------------------------------------------------------------------------------------- coverage, by simulation


@every_predictor
@pytest.mark.parametrize(("images", "alpha"), [(34, 0.1), pytest.param(33, 0.25, marks=pytest.mark.slow)])
def test_coverage_is_exact_in_finite_samples(conformal: str, images: int, alpha: float) -> None:
    """Over calibration images: `ceil((n + 1) (1 - alpha)) / (n + 1)`, however wrong the model; and spread as Beta(n + 1 - l, l) is."""
    runs, judged, fit = 800, 250, catalog.find("conformal", conformal)
    expected = ceil((images + 1) * (1 - Fraction(str(alpha)))) / (images + 1)
    found = []
    for seed in range(runs):
        logits, labels, draws = answers(images + judged, seed=seed)
        fitted = fit(logits[:images], labels[:images], alpha, draws[:images])
        found.append(fitted(logits[images:], draws[images:])[np.arange(judged), labels[images:]].mean())
    error = np.std(found) / sqrt(runs)
    assert 6 * error < 1 / (images + 1)  # so that a limit one rank too high or too low would be noticed
    assert np.mean(found) == pytest.approx(expected, abs=3 * error)
    left_out = spared(images, alpha)
    spread = betabinom.std(judged, images + 1 - left_out, left_out) / judged
    assert np.std(found) == pytest.approx(spread, rel=0.1)


def test_without_tuning_raps_that_is_never_empty_covers_more() -> None:
    logits, labels, draws = answers(4000, told=0.3)
    plain = raps(logits, labels, 0.6, draws)(logits, draws)
    filled = raps(logits, labels, 0.6, draws, never_empty=True)(logits, draws)
    assert (plain.sum(axis=1) == 0).any()
    assert np.array_equal(filled, plain | np.eye(6, dtype=bool)[logits.argmax(axis=1)])


# ----------------------------------------------------------------------------- the papers' definitions, in loops


def slow_aps(logits: np.ndarray, draw: float, tau: float, k_reg: int, penalty: float) -> set[int]:
    """`{y : rho(y) + u pi(y) + lambda (o(y) - k_reg)^+ <= tau}`, Angelopoulos et al. 2021, equation 4."""
    found, before = set(), 0.0
    probabilities = softmax(logits)
    for rank, label in enumerate(sorted(range(len(logits)), key=lambda label: (-logits[label], label)), start=1):
        if before + draw * probabilities[label] + penalty * max(rank - k_reg, 0) <= tau:
            found.add(label)
        before += probabilities[label]
    return found


def smallest_taus(logits: np.ndarray, labels: np.ndarray, draws: np.ndarray, k_reg: int, penalty: float) -> list[float]:
    """The smallest tau that takes each label in, by bisection: the generalised inverse of the papers."""
    found = []
    for row, label, draw in zip(logits, labels, draws, strict=True):
        low, high = 0.0, 2.0 + penalty * len(row)
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if label in slow_aps(row, draw, middle, k_reg, penalty) else (middle, high)
        found.append(high)
    return found


@pytest.mark.parametrize(("k_reg", "penalty"), [(0, 0.0), (5, 0.01), (1, 0.2), (0, 1.0)])
@pytest.mark.parametrize("alpha", [0.1, 0.4])
def test_ranked_sets_are_those_of_the_papers_loops(k_reg: int, penalty: float, alpha: float) -> None:
    logits, labels, draws = answers(60, classes=8)
    others, _, own = answers(200, classes=8, seed=1)
    tau = sorted(smallest_taus(logits, labels, draws, k_reg, penalty))[ceil(61 * (1 - alpha)) - 1]
    expected = np.zeros((200, 8), dtype=bool)
    for row in range(200):
        expected[row, list(slow_aps(others[row], own[row], tau, k_reg, penalty))] = True
    assert np.array_equal(raps(logits, labels, alpha, draws, k_reg=k_reg, penalty=penalty)(others, own), expected)
    if penalty == 0:
        assert np.array_equal(aps(logits, labels, alpha, draws)(others, own), expected)


def test_thr_is_a_threshold_on_probabilities() -> None:
    logits, labels, draws = answers(200)
    others, _, own = answers(500, seed=1)
    strangest = sorted(1 - softmax(logits, axis=1)[np.arange(200), labels])[ceil(201 * 0.9) - 1]
    assert np.array_equal(thr(logits, labels, 0.1, draws)(others, own), 1 - softmax(others, axis=1) <= strangest)


def torchcp_sets(score: str, logits: np.ndarray, labels: np.ndarray, others: np.ndarray, alpha: float, **options: float) -> np.ndarray:
    """The sets of torchcp, without its draws."""
    pytest.importorskip("torchcp", reason="torchcp, or one of the packages that it imports, is not installed")
    import torch
    from torchcp.classification.predictor import SplitPredictor
    from torchcp.classification.score import APS, LAC, RAPS

    scores = {"thr": LAC, "aps": APS, "raps": RAPS}
    predictor = SplitPredictor(scores[score](**({} if score == "thr" else {"randomized": False}), **options), device="cpu")
    predictor.calculate_threshold(torch.from_numpy(logits), torch.from_numpy(labels), alpha)
    return np.asarray(predictor.predict_with_logits(torch.from_numpy(others))).astype(bool)


@pytest.mark.filterwarnings("ignore:The 'temperature' parameter is deprecated:DeprecationWarning")  # which is not given
@pytest.mark.parametrize("alpha", [0.1, 0.3])
def test_sets_are_torchcps(alpha: float) -> None:
    """Its scores without draws are ours with draws of 1: the class's own probability counts in full."""
    logits, labels, _ = answers(300, classes=12)
    others, _, _ = answers(500, classes=12, seed=1)
    ones = np.ones(500)
    found = {
        "thr": thr(logits, labels, alpha, ones[:300])(others, ones),
        "aps": aps(logits, labels, alpha, ones[:300])(others, ones),
        "raps": raps(logits, labels, alpha, ones[:300], k_reg=2, penalty=0.05)(others, ones),
    }
    for score, sets in found.items():
        options = {"kreg": 2, "penalty": 0.05} if score == "raps" else {}
        assert np.array_equal(sets, torchcp_sets(score, logits, labels, others, alpha, **options)), score


def test_aps_with_the_true_probabilities_covers_every_image_alike() -> None:
    """Romano et al. 2020, section 1.2: the oracle's sets at level tau hold the label with probability tau, whatever the image."""
    generator = np.random.default_rng(0)
    draws = (np.arange(20_000) + 0.5) / 20_000
    for tau in (0.3, 0.9, 0.95):
        for sharpness in (0.3, 2.0, 8.0):
            one = log_softmax(sharpness * generator.normal(size=(1, 7)), axis=1)
            scores = ranked(one.repeat(20_000, axis=0), draws)
            assert ((scores <= tau - 1) * np.exp(one)).sum(axis=1).mean() == pytest.approx(tau, abs=1e-4)


def test_sets_begin_with_the_likeliest_class() -> None:
    """Of APS and RAPS every set that is not empty; of THR too, for another reason: the likeliest reaches any threshold first."""
    logits, labels, draws = answers(1000)
    for fit in (thr, aps, raps):
        sets = fit(logits, labels, 0.3, draws)(logits, draws)
        order = np.argsort(-logits, axis=1)
        inside = np.take_along_axis(sets, order, axis=1)
        assert (inside[:, 1:] <= inside[:, :-1]).all()
        assert sets[np.arange(1000), logits.argmax(axis=1)].sum() == (sets.sum(axis=1) > 0).sum()


def test_a_penalty_shortens_the_largest_sets() -> None:
    logits, labels, draws = answers(4000, classes=50)
    others, truth, own = answers(4000, classes=50, seed=1)
    sizes = {penalty: raps(logits, labels, 0.1, draws, k_reg=2, penalty=penalty)(others, own).sum(axis=1) for penalty in (0.0, 0.01, 0.1)}
    assert sizes[0.0].max() > sizes[0.01].max() > sizes[0.1].max()
    assert np.array_equal(sizes[0.0], aps(logits, labels, 0.1, draws)(others, own).sum(axis=1))
    covered = raps(logits, labels, 0.1, draws)(others, own)[np.arange(4000), truth].mean()
    assert covered == pytest.approx(0.9, abs=0.02)


def test_scores_tell_the_last_classes_of_a_confident_model_apart() -> None:
    """Summed from the front, the last ones would all be 1: a label among them would let in every class."""
    logits = np.array([[0.0, -50.0, -60.0, -70.0, -80.0]]).repeat(20, axis=0)
    labels, draws = np.full(20, 2), np.full(20, 0.5)
    assert aps(logits, labels, 0.1, draws)(logits, draws)[0].tolist() == [True, True, True, False, False]


def test_negative_options_of_raps_are_refused() -> None:
    with pytest.raises(UsageError, match=r"^expected a k_reg and a penalty of at least 0, got 5 and -1$"):
        raps(*answers(20)[:2], 0.1, answers(20)[2], penalty=-1)


# ----------------------------------------------------------------------------------------------- the coverage gate


@pytest.mark.parametrize(("calibrated_on", "expected"), [(500, 0.8771), (1000, 0.8838), (10_000, 0.8941), (25_000, 0.8956)])
def test_the_least_coverage_that_passes_at_5_percent(calibrated_on: int, expected: float) -> None:
    counts = range(20_000, 25_001)
    least = counts[bisect_left(counts, 0.05, key=lambda count: coverage_p_value(covered_of(25_000, count, calibrated_on)))]
    assert round(least / 25_000, 4) == expected
    assert coverage_p_value(covered_of(25_000, least - 1, calibrated_on)) < 0.05


def test_the_p_value_is_the_mean_of_a_binomial_tail_over_the_coverage() -> None:
    coverages = beta.ppf((np.arange(200_000) + 0.5) / 200_000, 91, 10)  # of predictors fitted on 100 images, alpha 0.1
    for covered in (150, 175, 190):
        assert coverage_p_value(covered_of(200, covered, 100)) == pytest.approx(binom.cdf(covered, 200, coverages).mean(), abs=1e-5)


def test_the_p_value_of_every_class_in_every_set() -> None:
    assert coverage_p_value(covered_of(50, 50, 8)) == 1
    assert coverage_p_value(covered_of(50, 49, 8)) == 0
    assert coverage_p_value(covered_of(50, 50, 500)) == 1


def simulated(runs: int, calibrated_on: int, judged: int, alpha: float = 0.1, ties: int = 0) -> list[PredictionSets]:
    """What correct predictors cover: their scores are exchangeable, and that is all that coverage depends on."""
    generator, found = np.random.default_rng(0), []
    for _ in range(runs):
        scores = generator.uniform(size=calibrated_on + judged)
        scores = np.floor(scores * ties) if ties else scores
        covered = scores[calibrated_on:] <= limit(scores[:calibrated_on], alpha)
        found.append(PredictionSets(np.zeros(judged, int), covered, np.ones(judged, int), calibrated_on, alpha))
    return found


def test_the_p_values_of_a_correct_predictor_are_uniform() -> None:
    values = [coverage_p_value(sets) for sets in simulated(2000, 300, 3000)]
    assert kstest(values, "uniform").pvalue > 0.01


def test_a_correct_predictor_fails_the_gate_in_5_percent_of_runs_and_the_naive_one_in_half() -> None:
    runs = simulated(2000, 500, 5000)
    assert np.mean([coverage_p_value(sets) < 0.05 for sets in runs]) == pytest.approx(0.05, abs=3 * sqrt(0.05 * 0.95 / 2000))
    assert np.mean([coverage(sets) < 0.9 for sets in runs]) == pytest.approx(0.48, abs=0.04)


def test_ties_never_make_the_gate_fail_more_often() -> None:
    assert np.mean([coverage_p_value(sets) < 0.05 for sets in simulated(1000, 300, 2000, ties=20)]) <= 0.05 + 3 * sqrt(0.05 * 0.95 / 1000)


def test_a_predictor_that_covers_too_little_fails() -> None:
    """Calibrated on other images than it is judged on: exchangeability is broken, and the gate says so."""
    logits, labels, draws = answers(2000)
    surer, truth, own = answers(5000, seed=1, told=3)
    sets = held(thr(logits, labels, 0.1, draws)(surer, own), truth, 2000)
    assert coverage(sets) < 0.87
    assert coverage_p_value(sets) < 1e-6


# ------------------------------------------------------------------------------------------------ numbers for sets


def test_numbers_for_sets_by_hand() -> None:
    sets = held(np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 1, 1]], dtype=bool), np.array([0, 0, 1, 1]), alpha=0.25)
    assert coverage(sets) == 0.75
    assert mean_set_size(sets) == 1.5
    assert gap.class_coverage_gap(sets) == pytest.approx((abs(1 - 0.75) + abs(0.5 - 0.75)) / 2)
    assert worst.worst_class_coverage(sets) == 0.5


def by_class(seed: int, images: int, coverages: np.ndarray) -> PredictionSets:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, len(coverages), images)
    return PredictionSets(labels, generator.uniform(size=images) < coverages[labels], labels, 500, 0.1)


@pytest.mark.parametrize("images", [60, 2000])
@pytest.mark.parametrize("coverages", [np.full(12, 0.9), np.linspace(0.7, 1, 12), np.array([0.2] + [0.95] * 11), np.ones(12)])
@pytest.mark.parametrize(
    ("limits", "truth"),
    [
        (limits_of_coverage, np.mean),
        (gap.interval, lambda coverages: np.abs(coverages - 0.9).mean()),
        (worst.interval, np.min),
    ],
)
def test_the_limits_hold_the_truth(
    limits: Callable[[PredictionSets, float], tuple[float, float]], truth: Callable[[np.ndarray], float], coverages: np.ndarray, images: int
) -> None:
    alpha, runs = 0.05, 400
    found = np.array([limits(by_class(seed, images, coverages), alpha) for seed in range(runs)])
    allowed = alpha * runs + 3 * sqrt(alpha * (1 - alpha) * runs)
    assert (found[:, 0] > truth(coverages) + 1e-12).sum() <= allowed
    assert (found[:, 1] < truth(coverages) - 1e-12).sum() <= allowed
    assert (found[:, 1] - found[:, 0]).mean() < (0.25 if images == 2000 else 0.95)
