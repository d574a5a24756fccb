"""What every summary keeps to. A new file in `robustsuite/summaries` is tested here by existing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robustsuite import UsageError, catalog

every_summary = pytest.mark.parametrize("summary", catalog.names("summaries"))
either_way = pytest.mark.parametrize("higher_is_better", [True, False], ids=["higher is better", "lower is better"])
quickly = settings(deadline=None, max_examples=60, derandomize=True)
several = st.lists(st.floats(0, 10, width=32), min_size=1, max_size=12)


@every_summary
@either_way
@quickly
@given(values=several)
def test_a_summary_lies_between_the_lowest_and_the_highest(summary: str, higher_is_better: bool, values: list[float]) -> None:
    folded = catalog.find("summaries", summary)(values, higher_is_better)
    assert isinstance(folded, float)
    assert min(values) - 1e-12 <= folded <= max(values) + 1e-12


@every_summary
@either_way
def test_one_condition_is_its_own_summary(summary: str, higher_is_better: bool) -> None:
    assert catalog.find("summaries", summary)([0.25], higher_is_better) == 0.25


@every_summary
@either_way
@quickly
@given(values=several)
def test_the_order_of_the_conditions_does_not_matter(summary: str, higher_is_better: bool, values: list[float]) -> None:
    fold = catalog.find("summaries", summary)
    assert fold(values[::-1], higher_is_better) == pytest.approx(fold(values, higher_is_better), rel=1e-12)


@every_summary
@either_way
@quickly
@given(values=several, place=st.integers(0, 11))
def test_a_better_condition_never_makes_a_worse_summary(summary: str, higher_is_better: bool, values: list[float], place: int) -> None:
    fold = catalog.find("summaries", summary)
    better = list(values)
    better[place % len(values)] += 1.0 if higher_is_better else -1.0
    change = fold(better, higher_is_better) - fold(values, higher_is_better)
    assert change >= -1e-12 if higher_is_better else change <= 1e-12


@every_summary
def test_the_file_says_what_it_is(summary: str) -> None:
    assert catalog.describe("summaries", summary)
    assert catalog.find("summaries", summary).__doc__


@quickly
@given(several, st.booleans())
def test_the_mean_is_numpys(values: list[float], higher_is_better: bool) -> None:
    assert catalog.find("summaries", "mean")(values, higher_is_better) == pytest.approx(np.mean(values), rel=1e-12)


def test_the_worst_case_depends_on_what_is_better() -> None:
    worst = catalog.find("summaries", "worst_case")
    assert worst([0.3, 0.1, 0.2], True) == 0.1
    assert worst([0.3, 0.1, 0.2], False) == 0.3


def test_an_unknown_summary_is_refused_in_one_sentence() -> None:
    with pytest.raises(UsageError, match=r"unknown summary 'worstcase'; did you mean 'worst_case'\?"):
        catalog.find("summaries", "worstcase")
