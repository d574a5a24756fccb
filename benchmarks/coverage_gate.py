"""How often a coverage gate is wrong: `coverage` held against what is promised, and `coverage_p_value` held against 0.05.

    python benchmarks/coverage_gate.py

Correct predictors first: calibration and judged images are exchangeable, and every fail is a false one. Then predictors that are not:
the judged images' labels are covered less often than those that the predictor was fitted on. Coverage depends on the ranks of the
scores alone, so scores are drawn; the last row of correct ones goes through `aps` itself, on logits. Seeds are fixed.
"""

import argparse
from collections.abc import Callable, Iterator

import numpy as np
from scipy.special import softmax

from robustsuite.conformal.aps import aps
from robustsuite.numerics.exchangeable import limit
from robustsuite.predictions import PredictionSets
from robustsuite.set_metrics.coverage import coverage
from robustsuite.set_metrics.coverage_p_value import coverage_p_value

ALPHA, LEVEL = 0.1, 0.05
Drawn = Callable[[np.random.Generator, int, int, float], PredictionSets]


def of_scores(generator: np.random.Generator, calibrated_on: int, judged: int, lost: float) -> PredictionSets:
    """What a predictor covers; with some probability a judged image's label has a score beyond all others, and is lost."""
    highest = limit(generator.uniform(size=calibrated_on), ALPHA)
    covered = (generator.uniform(size=judged) <= highest) & (generator.uniform(size=judged) >= lost)
    return PredictionSets(np.zeros(judged, int), covered, np.ones(judged, int), calibrated_on, ALPHA)


def of_logits(generator: np.random.Generator, calibrated_on: int, judged: int, lost: float) -> PredictionSets:
    """The same of `aps` on a model of ten classes that is too sure of itself."""
    logits = generator.normal(0, 1.5, (calibrated_on + judged, 10))
    labels = (softmax(logits, axis=1).cumsum(axis=1) < generator.uniform(size=(len(logits), 1))).sum(axis=1).clip(max=9)
    draws = generator.uniform(size=len(logits))
    fitted = aps(2 * logits[:calibrated_on], labels[:calibrated_on], ALPHA, draws[:calibrated_on])
    sets = fitted(2 * logits[calibrated_on:], draws[calibrated_on:])
    covered = sets[np.arange(judged), labels[calibrated_on:]] & (generator.uniform(size=judged) >= lost)
    return PredictionSets(labels[calibrated_on:], covered, sets.sum(axis=1), calibrated_on, ALPHA)


def rows(runs: int) -> Iterator[str]:
    """The lines of the table."""
    yield f"| predictor | fitted on | judged | coverage, mean | `coverage` < {1 - ALPHA:g} | `coverage_p_value` < {LEVEL:g} |"
    yield "|---|---|---|---|---|---|"
    sizes = [(100, 1000), (500, 5000), (500, 25_000), (1000, 25_000), (10_000, 25_000)]
    cases: list[tuple[str, Drawn, int, int, float]] = [("correct", of_scores, *size, 0.0) for size in sizes]
    cases.append(("correct, `aps` on logits", of_logits, 500, 2000, 0.0))
    cases += [(f"loses {lost:.0%} of the labels", of_scores, *size, lost) for lost in (0.02, 0.05) for size in sizes[1:]]
    for seed, (name, drawn, calibrated_on, judged, lost) in enumerate(cases):
        generator = np.random.default_rng(seed)
        found = [drawn(generator, calibrated_on, judged, lost) for _ in range(runs)]
        shares = [coverage(sets) for sets in found]
        naive, valid = np.mean(np.array(shares) < 1 - ALPHA), np.mean([coverage_p_value(sets) < LEVEL for sets in found])
        yield f"| {name} | {calibrated_on:,} | {judged:,} | {np.mean(shares):.4f} | {naive:.1%} | {valid:.1%} |"


def main() -> None:
    """Simulate, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=2000)
    options = parser.parse_args()
    print(
        f"Share of {options.runs:,} runs that fail, error rate {ALPHA:g}. Of a correct predictor every fail is a false one.\n", flush=True
    )
    for line in rows(options.runs):
        print(line, flush=True)


if __name__ == "__main__":
    main()
