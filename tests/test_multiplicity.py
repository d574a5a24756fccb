"""Rejecting several hypotheses at once: by enumeration of all sets of them, and by simulation."""

from itertools import combinations
from math import inf, log

import numpy as np
import pytest

from robustsuite.numerics.multiplicity import e_holm, e_holm_adjusted, holm, holm_adjusted


def sets_with(member: int, many: int) -> list[list[int]]:
    """All sets of 0..many-1 that a member belongs to."""
    others = [each for each in range(many) if each != member]
    return [[member, *chosen] for size in range(many) for chosen in combinations(others, size)]


@pytest.mark.parametrize("seed", range(20))
def test_holm_is_bonferroni_over_all_sets_of_hypotheses(seed: int) -> None:
    p_values = np.random.default_rng(seed).uniform(size=6) ** 3
    expected = [max(min(len(each) * p_values[each].min(), 1) for each in sets_with(member, 6)) for member in range(6)]
    assert holm_adjusted(p_values) == pytest.approx(expected)
    for alpha in (0.01, 0.05, 0.3):
        assert holm(p_values, alpha).tolist() == [adjusted <= alpha for adjusted in expected]


@pytest.mark.parametrize("seed", range(20))
def test_e_holm_is_the_mean_over_all_sets_of_hypotheses(seed: int) -> None:
    e_values = np.exp(np.random.default_rng(seed).normal(0, 3, size=6))
    expected = [min(e_values[each].mean() for each in sets_with(member, 6)) for member in range(6)]
    assert np.exp(e_holm_adjusted(np.log(e_values))) == pytest.approx(expected)
    for alpha in (0.01, 0.05, 0.3):
        assert e_holm(np.log(e_values), alpha).tolist() == [adjusted >= 1 / alpha for adjusted in expected]


def test_holms_own_procedure_rejects_the_same() -> None:
    p_values = np.array([0.01, 0.04, 0.03, 0.005])
    assert holm_adjusted(p_values) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(p_values, 0.05).tolist() == [True, False, False, True]


def test_one_hypothesis_needs_no_correction() -> None:
    assert holm_adjusted(np.array([0.04])).tolist() == [0.04]
    assert e_holm_adjusted(np.array([2.5])).tolist() == [2.5]


def test_no_hypotheses_are_no_error() -> None:
    assert holm(np.array([]), 0.05).tolist() == []
    assert e_holm(np.array([]), 0.05).tolist() == []


def test_certain_evidence_stays_certain_and_none_stays_none() -> None:
    assert e_holm_adjusted(np.array([inf, -inf, 0.0, inf])).tolist() == [inf, -inf, -log(2), inf]


def test_suites_are_corrected_one_by_one() -> None:
    evidence = np.random.default_rng(0).normal(0, 3, size=(7, 5, 4))
    assert e_holm_adjusted(evidence)[3, 2].tolist() == e_holm_adjusted(evidence[3, 2]).tolist()


@pytest.mark.parametrize("shared", [False, True])
def test_any_true_hypothesis_is_rejected_no_more_often_than_alpha(shared: bool) -> None:
    generator, runs, many = np.random.default_rng(1), 2000, 20
    p_values = generator.uniform(size=(runs, 1 if shared else many)).repeat(many if shared else 1, axis=1)
    p_values[:, :3] = 1e-9  # hypotheses that are false, and found
    rejected = np.array([holm(each, 0.05) for each in p_values])
    assert rejected[:, :3].all()
    assert rejected[:, 3:].any(axis=1).mean() <= 0.05 + 0.015  # three standard errors
    evidence = np.log(0.5) - 0.5 * np.log(p_values)  # 1 / (2 sqrt(p)) is an e-value
    assert e_holm(evidence, 0.05)[:, 3:].any(axis=1).mean() <= 0.05 + 0.015
    assert e_holm(evidence, 0.05)[:, :3].all()
