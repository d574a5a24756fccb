"""How often the limits of the detection metrics contain the value of the population.

    python benchmarks/detection_coverage.py [--runs 2000]

Scores are drawn from populations of which the value is known; every limit should hold in at least 95 % of the samples, the lower and
the upper one each. Prints tables in Markdown. The usual limits are simulated beside ours: DeLong's `area +- 1.645 s`, the percentile
bootstrap, and Clopper and Pearson's as if the threshold were known.
"""

import argparse
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from scipy.stats import norm

from robustsuite import catalog
from robustsuite.numerics.intervals import clopper_pearson

ALPHA = 0.05
SIZES = ((50, 50), (200, 200), (1000, 1000), (2000, 100), (100, 2000))  # familiar and other images
POINTS = 400_000  # evenly spread over the populations, whose value is the truth
RESAMPLES = 200
BOOTSTRAPPED = 300  # runs of the bootstrap, and images at most

Quantile = Callable[[np.ndarray], np.ndarray]
"""From numbers evenly spread over (0, 1) to scores."""


def gaussian(mean: float, deviation: float = 1.0) -> Quantile:
    return lambda draws: mean + deviation * norm.ppf(draws)


def coarse(quantile: Quantile) -> Quantile:
    """Steps of a half, and everything above 1 the same, as saturated confidences are."""
    return lambda draws: np.minimum(np.round(2 * quantile(draws)) / 2, 1)


def rare(quantile: Quantile, share: float, score: float) -> Quantile:
    """All but a share, which has one score."""
    return lambda draws: np.where(draws < share, score, quantile(np.clip((draws - share) / (1 - share), 1e-15, None)))


POPULATIONS: dict[str, tuple[Quantile, Quantile]] = {
    "no difference": (gaussian(0), gaussian(0)),
    "1 deviation apart": (gaussian(1), gaussian(0)),
    "3.3 apart": (gaussian(3.3), gaussian(0)),
    "4.4 apart": (gaussian(4.4), gaussian(0)),
    "others 3 times as wide": (gaussian(2.3), gaussian(0, 3)),
    "many equal scores": (coarse(gaussian(1)), coarse(gaussian(0))),
    "1 % of the others above all": (gaussian(3.3), rare(gaussian(0), 0.01, 50)),
    "0.3 % of the others above all": (gaussian(4.4), rare(gaussian(0), 0.003, 50)),
    "1 % of the familiar below all": (rare(gaussian(3.3), 0.01, -50), gaussian(0)),
}


@functools.cache
def truth(metric: str, population: str, images: int, others: int) -> float:
    """The metric on so many points that their number no longer matters, in the proportion of the sample."""
    one, other = POPULATIONS[population]
    count = POINTS * images // (images + others)
    spread = ((np.arange(number) + 0.5) / number for number in (count, POINTS - count))
    return catalog.find("detection_metrics", metric)(one(next(spread)), other(next(spread)))


# ------------------------------------------------------------------------------------------------- the usual limits


def delong(inside: np.ndarray, outside: np.ndarray) -> tuple[float, float]:
    """`area +- z s`."""
    ranks = (inside[:, None] > outside) + 0.5 * (inside[:, None] == outside)
    deviation = np.sqrt(ranks.mean(axis=1).var(ddof=1) / len(inside) + ranks.mean(axis=0).var(ddof=1) / len(outside))
    radius = norm.ppf(1 - ALPHA) * deviation
    return float(ranks.mean() - radius), float(ranks.mean() + radius)


def resampled(metric: str, inside: np.ndarray, outside: np.ndarray) -> tuple[float, float]:
    """The percentile bootstrap, either sample by itself."""
    generator, find = np.random.default_rng(0), catalog.find("detection_metrics", metric)
    found = [find(generator.choice(inside, len(inside)), generator.choice(outside, len(outside))) for _ in range(RESAMPLES)]
    low, high = np.quantile(found, [ALPHA, 1 - ALPHA])
    return float(low), float(high)


def known_threshold(metric: str, inside: np.ndarray, outside: np.ndarray) -> tuple[float, float]:
    """Clopper and Pearson's, as if the threshold were not estimated."""
    negatives = len(outside if metric == "fpr_at_95" else inside)
    return clopper_pearson(round(catalog.find("detection_metrics", metric)(inside, outside) * negatives), negatives, ALPHA)


def usual(metric: str, inside: np.ndarray, outside: np.ndarray) -> tuple[float, float]:
    if metric == "auroc":
        return delong(inside, outside)
    return resampled(metric, inside, outside) if metric.startswith("aupr") else known_threshold(metric, inside, outside)


# --------------------------------------------------------------------------------------------------------- tables


def simulated(metric: str, population: str, images: int, others: int, runs: int, ours: bool) -> tuple[float, float, float]:
    """How often the lower and the upper limit hold, and their mean distance."""
    one, other = POPULATIONS[population]
    expected = truth(metric, population, images, others)
    generator = np.random.default_rng([images, others, sorted(POPULATIONS).index(population)])
    limits = np.empty((runs, 2))
    for run in range(runs):
        inside, outside = one(generator.uniform(size=images)), other(generator.uniform(size=others))
        limits[run] = (
            catalog.module("detection_metrics", metric).interval(inside, outside, ALPHA) if ours else usual(metric, inside, outside)
        )
    tiny = 1e-5  # how well the truth is known, of so many points
    below, above = (limits[:, 0] <= expected + tiny).mean(), (limits[:, 1] >= expected - tiny).mean()
    return float(below), float(above), float((limits[:, 1] - limits[:, 0]).mean())


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Lines of Markdown."""
    yield ""
    for row in (header, ["---"] + ["--:"] * (len(header) - 1), *rows):
        yield f"| {' | '.join(row)} |"
    yield ""


def coverage(metric: str, runs: int) -> Iterator[str]:
    """Three tables of one metric."""
    header = [metric, *(f"{images} + {others}" for images, others in SIZES)]
    found = {(name, size): simulated(metric, name, *size, runs, ours=True) for name in POPULATIONS for size in SIZES}

    def rows(cell: Callable[[str, tuple[int, int]], str]) -> Iterator[list[str]]:
        yield from ([name, *(cell(name, size) for size in SIZES)] for name in POPULATIONS)

    yield f"## {metric}"
    yield ""
    yield f"Lower and upper limit hold in so many of 100 samples ({runs} runs for each cell), and the mean distance between them."
    yield from table(header, rows(lambda name, size: "{:.1f} / {:.1f}, {:.4f}".format(*_percent(found[name, size]))))
    worst = min(found, key=lambda key: min(found[key][:2]))
    yield f"The least: {100 * min(found[worst][:2]):.1f} ({worst[0]}, {worst[1][0]} + {worst[1][1]})."
    yield ""

    def beside(name: str, size: tuple[int, int]) -> str:
        few = metric.startswith("aupr")
        if few and sum(size) > 500:
            return "–"
        return "{:.1f} / {:.1f}, {:.4f}".format(
            *_percent(simulated(metric, name, *size, BOOTSTRAPPED if few else min(runs, 500), ours=False))
        )

    yield "The usual limits instead:"
    yield from table(header, rows(beside))


def _percent(found: tuple[float, float, float]) -> tuple[float, float, float]:
    return 100 * found[0], 100 * found[1], found[2]


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=2000)
    options = parser.parse_args()
    print("# Coverage of the limits of detection metrics")
    print()
    error = 100 * np.sqrt(ALPHA * (1 - ALPHA) / options.runs)
    print(f"Every limit is to hold in at least {100 * (1 - ALPHA):.0f} of 100 samples; the standard error of a cell is {error:.1f}.")
    print("Columns: familiar + other images.")
    print()
    for metric in catalog.names("detection_metrics"):
        for line in coverage(metric, options.runs):
            print(line, flush=True)


if __name__ == "__main__":
    main()
