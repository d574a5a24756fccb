"""Evidence that may be looked at any time: its truths by enumeration of every order, and how soon it decides."""

from collections.abc import Iterator
from itertools import permutations, product
from math import comb, exp, inf, log

import numpy as np
import pytest
from scipy.stats import binom, hypergeom

from robustsuite.numerics import betting, paired, without_replacement
from robustsuite.numerics.without_replacement import DISTANCES, log_evidence, log_evidences

TINY = range(1, 9)


# ------------------------------------------------------------------------------------------------- zeros and ones


def states(total: int, truth: int) -> Iterator[tuple[int, int]]:
    """All counts that can be seen: successes, and how many were seen."""
    for seen in range(total + 1):
        yield from ((successes, seen) for successes in range(max(0, seen - total + truth), min(seen, truth) + 1))


def ever(total: int, truth: int, wrong: dict[tuple[int, int], bool]) -> float:
    """The probability that a random order ever comes to a state that is wrong: of all orders, the share."""
    clean = {(0, 0): 0 if wrong[0, 0] else 1}
    for successes, seen in states(total, truth):
        if seen and not wrong[successes, seen]:
            clean[successes, seen] = clean.get((successes, seen - 1), 0) + clean.get((successes - 1, seen - 1), 0)
    return 1 - clean.get((truth, total), 0) / comb(total, truth)


@pytest.mark.parametrize(("successes", "seen", "total", "most"), [(3, 4, 10, 5), (0, 6, 50, 20), (30, 60, 200, 70), (9, 300, 1000, 20)])
def test_the_evidence_is_the_mean_of_hypergeometric_likelihood_ratios(successes: int, seen: int, total: int, most: int) -> None:
    truths = np.minimum(most + np.ceil(DISTANCES * total), total)
    ratio = hypergeom.pmf(successes, total, truths, seen).mean() / hypergeom.pmf(successes, total, most, seen)
    assert exp(log_evidence(successes, seen, total, most)) == pytest.approx(ratio, rel=1e-9)


@pytest.mark.parametrize("total", TINY)
def test_the_next_image_raises_the_evidence_of_no_truth_below_the_hypothesis(total: int) -> None:
    for most in range(total + 1):
        assert log_evidence(0, 0, total, most) == pytest.approx(0, abs=1e-12)
        for truth in range(most + 1):
            for successes, seen in states(total, truth):
                if seen < total:
                    chance = (truth - successes) / (total - seen)
                    after = sum(
                        each * exp(log_evidence(successes + right, seen + 1, total, most))
                        for right, each in ((1, chance), (0, 1 - chance))
                        if each > 0
                    )
                    assert after <= exp(log_evidence(successes, seen, total, most)) * (1 + 1e-9)


@pytest.mark.parametrize("total", [*TINY, 20])
@pytest.mark.parametrize("alpha", [0.5, 0.2, 0.05])
def test_whoever_stops_at_the_first_evidence_is_wrong_no_more_often_than_alpha(total: int, alpha: float) -> None:
    for most in range(total):
        for truth in range(max(0, most - 3), most + 1):
            wrong = {state: log_evidence(*state, total, most) >= log(1 / alpha) for state in states(total, truth)}
            assert ever(total, truth, wrong) <= alpha + 1e-12


def test_evidence_is_infinite_where_the_hypothesis_is_impossible_and_none_where_it_is_certain() -> None:
    assert log_evidence(6, 9, 20, 5) == inf
    assert log_evidence(0, 16, 20, 5) == -inf  # only four are left
    assert log_evidence(5, 20, 20, 5) == -inf
    assert log_evidence(6, 20, 20, 5) == inf
    assert log_evidence(7, 7, 20, 20) == pytest.approx(0, abs=1e-12)  # of 20, at most 20 are
    assert log_evidence(0, 0, 20, -1) == inf
    assert log_evidence(7, 7, 20, 25) == pytest.approx(0, abs=1e-12)


def test_evidence_of_many_counts_is_that_of_each() -> None:
    seen = np.arange(0, 101, 10)
    successes = seen * 7 // 10
    assert log_evidences(successes, seen, 100, 60).tolist() == [
        log_evidence(*each, 100, 60) for each in zip(successes.tolist(), seen.tolist(), strict=True)
    ]


@pytest.mark.parametrize("total", [*TINY, 16])
def test_limits_on_successes_are_what_trying_every_number_refutes(total: int) -> None:
    for seen in range(total + 1):
        for successes in range(seen + 1):
            low, high = without_replacement.limits(successes, seen, total, 0.1)
            refuted = [log_evidence(successes, seen, total, most) >= log(10) for most in range(total)]
            assert refuted == [most < low for most in range(total)], "the refuted hypotheses must be the smallest ones"
            assert (total - high, total - low) == without_replacement.limits(seen - successes, seen, total, 0.1)
            assert 0 <= low <= successes + (total - seen)
            assert high >= successes
            assert seen < total or low == high == successes


@pytest.mark.parametrize("total", TINY)
@pytest.mark.parametrize("alpha", [0.3, 0.1])
def test_limits_on_successes_hold_the_truth_at_all_times(total: int, alpha: float) -> None:
    for truth in range(total + 1):
        limits = {state: without_replacement.limits(*state, total, alpha) for state in states(total, truth)}
        assert ever(total, truth, {state: low > truth for state, (low, _) in limits.items()}) <= alpha + 1e-12
        assert ever(total, truth, {state: high < truth for state, (_, high) in limits.items()}) <= alpha + 1e-12


@pytest.mark.parametrize(("points", "most_images"), [(10, 300), (5, 1000), (2, 5000)])
def test_a_clear_verdict_on_50000_images_takes_few(points: int, most_images: int) -> None:
    generator, total, runs, every = np.random.default_rng(points), 50_000, 200, 64
    threshold, truth = 35_000, 35_000 + points * 500
    left = np.full(runs, truth)
    seen, images = 0, np.full(runs, total)
    while seen < 20_000:
        left -= generator.hypergeometric(left, total - seen - left, every)
        seen += every
        decided = log_evidences(truth - left, np.array(seen), total, threshold - 1) >= log(20)
        images = np.where(decided & (images == total), seen, images)
    assert images.mean() <= most_images


# ------------------------------------------------------------------------------------------------- numbers in [0, 1]

FEW = {
    "all zero": [0.0] * 6,
    "all one": [1.0] * 6,
    "one of six": [0, 0, 0, 0, 0, 1.0],
    "five of six": [1, 1, 1, 1, 1, 0.0],
    "halves": [0.5] * 6,
    "spread": [0.0, 0.1, 0.25, 0.6, 0.9, 1.0],
}


@pytest.mark.parametrize("higher", [0.0, 0.1])
@pytest.mark.parametrize("name", FEW)
def test_stopping_at_any_evidence_wins_nothing_on_average_over_all_orders(name: str, higher: float) -> None:
    orders = np.array(sorted(set(permutations(FEW[name]))))
    weights = np.full(len(orders), 1 / len(orders))  # each different order stands for equally many
    mean = float(orders[0].mean())
    for evidence, hypothesis in (
        (betting.log_evidence_of_more, min(mean + higher, 1.0)),
        (betting.log_evidence_of_less, max(mean - higher, 0.0)),
    ):
        running = np.exp(evidence(orders, hypothesis, total=6))
        assert (weights @ running <= 1 + 1e-9).all()
        for goal in (1.01, 1.2, 2, 5):
            first = np.where((running >= goal).any(axis=1), (running >= goal).argmax(axis=1), 5)
            assert weights @ running[np.arange(len(orders)), first] <= 1 + 1e-9


@pytest.mark.parametrize("chance", [0.02, 0.3, 0.5, 0.95])
def test_coins_win_exactly_nothing_on_average(chance: float) -> None:
    tosses = np.array(list(product([0.0, 1.0], repeat=10)))
    weights = np.prod(np.where(tosses == 1, chance, 1 - chance), axis=1)
    for evidence in (betting.log_evidence_of_more, betting.log_evidence_of_less):
        assert np.allclose(weights @ np.exp(evidence(tosses, chance)), 1, atol=1e-9)
    assert (weights @ np.exp(betting.log_evidence_of_more(tosses, chance + 0.04)) < 1).all()
    assert (weights @ np.exp(betting.log_evidence_of_less(tosses, chance - 0.01)) < 1).all()


@pytest.mark.parametrize("total", [None, 400])
@pytest.mark.parametrize("name", ["zeros", "ones", "coins", "rare", "often", "uniform", "near one"])
def test_no_distribution_is_refuted_more_often_than_asked(name: str, total: int | None) -> None:
    generator, shape = np.random.default_rng(3), (2000, 400)
    draw = {
        "zeros": lambda size: np.zeros(size),
        "ones": lambda size: np.ones(size),
        "coins": lambda size: generator.integers(2, size=size).astype(float),
        "rare": lambda size: (generator.uniform(size=size) < 0.02).astype(float),
        "often": lambda size: (generator.uniform(size=size) < 0.98).astype(float),
        "uniform": lambda size: generator.uniform(size=size),
        "near one": lambda size: generator.beta(9, 1, size=size),
    }[name]
    truth = {"zeros": 0.0, "ones": 1.0, "rare": 0.02, "often": 0.98, "near one": 0.9}.get(name, 0.5)
    if total:
        values = draw(total)
        values, truth = generator.permuted(np.tile(values, (shape[0], 1)), axis=1), float(values.mean())
    else:
        values = draw(shape)
    for evidence in (betting.log_evidence_of_more, betting.log_evidence_of_less):
        running = evidence(values, truth, total)
        assert (running >= log(20)).any(axis=1).mean() <= 0.05 + 0.015  # three standard errors
        assert np.exp(running[:, 4]).mean() <= 1.1  # later capitals vary too much for a mean of 2000


def test_the_order_of_independent_values_does_not_matter() -> None:
    values = np.random.default_rng(0).uniform(size=500)
    assert betting.log_evidence_of_more(values, 0.45)[-1] == pytest.approx(betting.log_evidence_of_more(np.sort(values), 0.45)[-1])


def test_a_mean_that_the_rest_cannot_reach_is_refuted_with_certainty() -> None:
    values = np.array([1.0, 1.0, 1.0, 0.0, 0.0])
    assert np.isinf(betting.log_evidence_of_more(values, 0.2, total=10)).tolist() == [False, False, True, True, True]
    assert np.isinf(betting.log_evidence_of_less(values, 0.9, total=10)).tolist() == [False, False, False, False, True]
    # 0.3 ten times is more than 3 in floats.
    assert not np.isinf(betting.log_evidence_of_more(np.full(10, 0.3), 0.3, total=10)).any()


@pytest.mark.parametrize("total", [None, 300])
@pytest.mark.parametrize("seen", [1, 20, 299])
def test_limits_on_a_mean_are_where_the_evidence_is_enough(seen: int, total: int | None) -> None:
    values = np.random.default_rng(1).beta(2, 1, size=seen)
    low, high = betting.limits(values, 0.05, total)
    assert 0 <= low <= values.mean() <= high <= 1
    for evidence, limit, outside in ((betting.log_evidence_of_more, low, -1e-6), (betting.log_evidence_of_less, high, 1e-6)):
        if 0 < limit < 1:
            assert evidence(values, limit + outside, total)[-1] >= log(20)
            assert evidence(values, limit - outside, total)[-1] < log(20)


def test_limits_on_a_mean_are_everything_before_and_the_mean_after_all_values() -> None:
    values = np.random.default_rng(2).uniform(size=1000)
    assert betting.limits(values[:0], 0.05, 1000) == (0, 1)
    assert betting.limits(values, 0.05, 1000) == pytest.approx((values.mean(), values.mean()), abs=3e-9)
    assert betting.limits(np.zeros(5), 0.05, 5) == pytest.approx((0, 0), abs=3e-9)


@pytest.mark.parametrize(("points", "reference"), [(10, 209), (5, 712)])
def test_bets_decide_as_soon_as_those_of_the_reference(points: int, reference: int) -> None:
    """The reference: seven fixed bets averaged, threshold 0.7, 50,000 images, looked at after every image; means of 300 runs."""
    generator, runs, total = np.random.default_rng(points), 150, 50_000
    outcomes = (np.arange(total) < 35_000 + 500 * points).astype(float)
    running = betting.log_evidence_of_more(np.stack([generator.permutation(outcomes)[:6000] for _ in range(runs)]), 0.7, total)
    reached = running >= log(20)
    assert reached.any(axis=1).all()
    assert 0.6 * reference <= 1 + reached.argmax(axis=1).mean() <= 1.1 * reference


# ------------------------------------------------------------------------------------------------- two models


@pytest.mark.parametrize(("worse", "better"), [(0, 0), (5, 5), (10, 2), (0, 7), (7, 0), (30, 60)])
def test_mcnemars_p_value_counts_the_ways_to_share_the_discordant_images(worse: int, better: int) -> None:
    discordant = worse + better
    ways = sum(comb(discordant, lost) for lost in range(worse, discordant + 1))
    assert paired.mcnemar(worse, better) == pytest.approx(ways / 2**discordant)


@pytest.mark.parametrize(("images", "share", "alpha"), [(40, 0.5, 0.05), (90, 0.2, 0.1), (30, 1.0, 0.01)])
def test_the_detectable_drop_is_found_as_often_as_asked(images: int, share: float, alpha: float) -> None:
    drop = paired.detectable(images, share, alpha)
    found = sum(
        binom.pmf(discordant, images, share) * binom.pmf(worse, discordant, (1 + drop / share) / 2)
        for discordant in range(images + 1)
        for worse in range(discordant + 1)
        if paired.mcnemar(worse, discordant - worse) <= alpha
    )
    assert found == pytest.approx(0.8, abs=1e-6)


def test_the_detectable_drop_shrinks_with_images_and_may_not_exist() -> None:
    drops = [paired.detectable(images, 0.1, 0.05) for images in (500, 5000, 50_000)]
    assert drops == sorted(drops, reverse=True)
    assert drops[-1] == pytest.approx(2.486 * (0.1 / 50_000) ** 0.5, rel=0.02)  # the normal approximation
    assert paired.detectable(20, 0.05, 0.05) == inf
    assert paired.detectable(100, 0, 0.05) == inf


@pytest.mark.parametrize("total", [None, 2000])
def test_a_drop_of_the_margin_is_rarely_called_none_or_more(total: int | None) -> None:
    generator, differences = np.random.default_rng(5), np.repeat([-1, 1, 0], [130, 70, 1800])  # 3 points
    order = generator.permuted if total else lambda rows, axis: rows[0][generator.integers(2000, size=rows.shape)]
    seen = order(np.tile(differences, (1000, 1)), axis=1)
    for evidence in (paired.log_evidence_no_worse, paired.log_evidence_worse):
        assert (evidence(seen, 0.03, total) >= log(20)).any(axis=1).mean() <= 0.05 + 0.02


def test_equal_models_are_soon_known_to_be_no_worse_by_a_margin() -> None:
    differences = np.random.default_rng(6).permutation(np.repeat([-1, 1, 0], [500, 500, 9000]))
    assert paired.log_evidence_no_worse(differences, 0.02, 10_000)[4000] >= log(20)
    low, high = paired.limits(differences[:4000], 0.05, 10_000)
    assert -0.02 < low < 0 < high < 0.02
    assert paired.limits(differences, 0.05, 10_000) == pytest.approx((0, 0), abs=1e-8)
    wider = paired.limits(differences[:4000], 0.05)
    assert wider[0] < low
    assert wider[1] > high
