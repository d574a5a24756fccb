"""How often a verdict that stops as soon as it may is wrong, and how many images it takes, by simulation.

    OMP_NUM_THREADS=1 python benchmarks/verdict_errors.py [--runs 2000] [--only a b c d e]

Every verdict is looked at after each 64 images and stops at the first evidence of log(1 / 0.05): a false pass and a false fail are asked
to have probabilities of at most 5 % each, at any truth. Distances are percent points between the truth and the threshold; at distance 0
the truth of the pass side is the threshold itself, and that of the fail side one image less. Seeds are fixed.
"""

import argparse
from collections.abc import Callable, Iterator
from math import ceil, log
from typing import NamedTuple

import numpy as np
from scipy.stats import binom

from robustsuite.numerics import betting, paired
from robustsuite.numerics.multiplicity import e_holm
from robustsuite.numerics.without_replacement import log_evidences
from robustsuite.summaries._alexnet import ERRORS

ALPHA = 0.05
ENOUGH = log(1 / ALPHA)
IMAGES = 50_000
EVERY = 64
PREFIXES = (1024, 4096, 16_384)  # values that are looked at before all of them are


class Verdicts(NamedTuple):
    """Of every run, `[runs]`."""

    images: np.ndarray  # seen until decided, or all
    passed: np.ndarray
    failed: np.ndarray

    def needed(self) -> str:
        """Mean and 90th percentile of the images."""
        return f"{self.images.mean():,.0f} ({np.quantile(self.images, 0.9):,.0f})"


# ------------------------------------------------------------------------------------------------- zeros and ones


def by_evidence(successes: np.ndarray, seen: int, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Whether runs pass and whether they fail "at least `least` of all images are right"."""
    passed = log_evidences(successes, np.array(seen), IMAGES, least - 1) >= ENOUGH
    return passed, log_evidences(seen - successes, np.array(seen), IMAGES, IMAGES - least) >= ENOUGH


def by_interval(successes: np.ndarray, seen: int, least: int) -> tuple[np.ndarray, np.ndarray]:
    """The same by the first 95 % interval of Clopper and Pearson without the threshold in it, as if nobody had looked before."""
    threshold = least / IMAGES
    return binom.sf(successes - 1, seen, threshold) <= ALPHA / 2, binom.cdf(successes, seen, threshold) <= ALPHA / 2


def of_counts(generator: np.random.Generator, truth: int, least: int, runs: int, decide: Callable = by_evidence) -> Verdicts:
    """Verdicts on test sets with `truth` right images, in random order."""
    found = Verdicts(np.full(runs, IMAGES), np.zeros(runs, dtype=bool), np.zeros(runs, dtype=bool))
    going, successes, seen = np.arange(runs), np.zeros(runs, dtype=np.int64), 0
    while len(going) and seen < IMAGES:
        batch = min(EVERY, IMAGES - seen)
        successes = successes + generator.hypergeometric(truth - successes, IMAGES - seen - truth + successes, batch)
        seen += batch
        passed, failed = decide(successes, seen, least)
        found.passed[going], found.failed[going], found.images[going] = passed, failed, seen
        undecided = ~(passed | failed)
        going, successes = going[undecided], successes[undecided]
    return found


def accuracy(runs: int) -> Iterator[str]:
    """The lines of table a."""
    yield f"a. Accuracy on a test set of {IMAGES:,} images\n"
    yield "| threshold | distance | false pass | false fail | images to pass (90 %) | to fail | speed-up | peeking at intervals: wrong |"
    yield "|---|---|---|---|---|---|---|---|"
    for threshold in (0.5, 0.7):
        least = ceil(threshold * IMAGES)
        for seed, distance in enumerate((0, 0.02, 0.5, 1, 2, 5, 10)):
            generator, step = np.random.default_rng(seed), round(distance / 100 * IMAGES)
            good, bad = (of_counts(generator, truth, least, runs) for truth in (least + step, least - 1 - step))
            peeked = [of_counts(generator, truth, least, runs, by_interval) for truth in (least + step, least - 1 - step)]
            naive = (peeked[0].failed.mean() + peeked[1].passed.mean()) / 2
            speed_up = IMAGES / np.mean([good.images.mean(), bad.images.mean()])
            yield (
                f"| {threshold:g} | {distance:g} | {bad.passed.mean():.2%} | {good.failed.mean():.2%} | {good.needed()} | {bad.needed()} "
                f"| {speed_up:.3g} | {naive:.1%} |"
            )


# ------------------------------------------------------------------------------------------------- numbers in [0, 1]


def of_values(draw: Callable[[], np.ndarray], more: Callable, less: Callable, runs: int) -> Verdicts:
    """Verdicts on values in the order that `draw` gives them: passed by the evidence of `more`, failed by that of `less`."""
    found = Verdicts(np.empty(runs, dtype=np.int64), np.zeros(runs, dtype=bool), np.zeros(runs, dtype=bool))
    for run in range(runs):
        values = draw()
        for seen in (*PREFIXES, len(values)):  # most runs are decided early
            looks = np.append(np.arange(EVERY, seen, EVERY), seen) - 1
            passed, failed = (each(values[:seen])[looks] >= ENOUGH for each in (more, less))
            if (decided := passed | failed).any():
                first = decided.argmax()
                found.passed[run], found.failed[run], seen = passed[first], failed[first], looks[first] + 1
                break
        found.images[run] = seen
    return found


def drawn(generator: np.random.Generator, values: np.ndarray, total: int | None) -> Callable[[], np.ndarray]:
    """All of the values in random order; or, without a total, as many independent ones, each of them equally likely."""
    return lambda: generator.permutation(values) if total else values[generator.integers(len(values), size=len(values))]


def bounded(runs: int) -> Iterator[str]:
    """The lines of table b."""
    yield f"b. A mean of Brier-like values (beta, mean 0.3, standard deviation 0.26), at most {IMAGES:,} images\n"
    yield "| about | distance | false pass | false fail | images to pass (90 %) | to fail | undecided |"
    yield "|---|---|---|---|---|---|---|"
    values = np.random.default_rng(0).beta(0.6, 1.4, IMAGES)
    for about, total in (("these images", IMAGES), ("the distribution", None)):
        for seed, distance in enumerate((0, 0.5, 1, 2, 5, 10)):
            generator, found = np.random.default_rng(seed), []
            for sign in (1, -1) if distance else (1,):  # both hypotheses hold at the threshold itself
                threshold = float(values.mean()) - sign * distance / 100
                found.append(
                    of_values(
                        drawn(generator, values, total),
                        lambda seen, threshold=threshold, total=total: betting.log_evidence_of_more(seen, threshold, total),
                        lambda seen, threshold=threshold, total=total: betting.log_evidence_of_less(seen, threshold, total),
                        runs,
                    )
                )
            good, bad = found[0], found[-1]
            undecided = np.mean([~(each.passed | each.failed) for each in found])
            yield (
                f"| {about} | {distance:g} | {bad.passed.mean():.2%} | {good.failed.mean():.2%} | {good.needed()} | {bad.needed()} "
                f"| {undecided:.1%} |"
            )


# ------------------------------------------------------------------------------------------------- two models


def compared(runs: int) -> Iterator[str]:
    """The lines of table c."""
    margin = 0.01
    yield f"c. A new model against an old one on the same images, margin {100 * margin:g} point, at most {IMAGES:,} images\n"
    yield "| about | discordant | true drop, points | called no worse | called worse | images, mean (90 %) | undecided |"
    yield "|---|---|---|---|---|---|---|"
    for about, total in (("these images", IMAGES), ("the population", None)):
        for discordant in (0.03, 0.1):
            for seed, drop in enumerate((1, 0, 2)):
                generator = np.random.default_rng(seed)
                found = of_values(
                    drawn(generator, differences(discordant, drop / 100), total),
                    lambda seen, total=total: paired.log_evidence_no_worse(seen, margin, total),
                    lambda seen, total=total: paired.log_evidence_worse(seen, margin, total),
                    runs,
                )
                undecided = np.mean(~(found.passed | found.failed))
                yield (
                    f"| {about} | {discordant:g} | {drop:g} | {found.passed.mean():.2%} | {found.failed.mean():.2%} | {found.needed()} "
                    f"| {undecided:.1%} |"
                )
    generator, alarms = np.random.default_rng(0), []
    for _ in range(runs):
        seen = drawn(generator, differences(0.1, 0), None)()
        lost, apart = (np.cumsum(each)[EVERY - 1 :: EVERY] for each in (seen < 0, seen != 0))
        p_values = np.where(apart > 0, binom.sf(lost - 1, apart, 0.5), 1)
        alarms.append([p_values[-1] <= ALPHA, (p_values <= ALPHA).any()])
    once, peeked = np.mean(alarms, axis=0)
    yield f"\nEqual models by McNemar's p-value, which is for one look: false alarms {once:.2%} at the end, {peeked:.1%} with peeking."


def differences(discordant: float, drop: float) -> np.ndarray:
    """One in {-1, 0, 1} for each image, with exactly these shares."""
    worse, better = round((discordant + drop) / 2 * IMAGES), round((discordant - drop) / 2 * IMAGES)
    return np.repeat([-1, 1, 0], [worse, better, IMAGES - worse - better])


# ------------------------------------------------------------------------------------------------- mCE


def mean_corruption_error(runs: int) -> Iterator[str]:
    """The lines of table d."""
    passes, true = 50_000, 0.767
    yield f"d. mCE of a model with {100 * true:g}, at most {passes:,} of 3,750,000 forward passes\n"
    yield "| margin, mCE points | truth | wrong | undecided | forward passes, mean (90 %) | of 3.75 million |"
    yield "|---|---|---|---|---|---|"
    alexnet = np.array(list(ERRORS.values()))
    weights = 1 / alexnet.mean(axis=1)
    largest = float(weights.max())

    def draw(generator: np.random.Generator) -> np.ndarray:
        """Errors at random images, corruptions and severities, relative to AlexNet's, on a scale where the largest is 1."""
        corruptions, severities = (generator.integers(many, size=passes) for many in alexnet.shape)
        wrong = generator.uniform(size=passes) < true * alexnet[corruptions, severities]
        return wrong * (weights / largest)[corruptions]

    for seed, margin in enumerate((10, 5, 2)):
        for truth, sign in (("below the limit", 1), ("above the limit", -1)):
            generator, limit = np.random.default_rng(seed), (true + sign * margin / 100) / largest
            found = of_values(
                lambda generator=generator: draw(generator),
                lambda seen, limit=limit: betting.log_evidence_of_less(seen, limit),
                lambda seen, limit=limit: betting.log_evidence_of_more(seen, limit),
                runs,
            )
            wrong, undecided = found.failed if sign > 0 else found.passed, ~(found.passed | found.failed)
            share = f"1/{3_750_000 / found.images.mean():,.0f}"
            yield f"| {margin} | {truth} | {wrong.mean():.2%} | {undecided.mean():.2%} | {found.needed()} | {share} |"


# ------------------------------------------------------------------------------------------------- suites


def suites(runs: int) -> Iterator[str]:
    """The lines of table e."""
    gates, images, least = 100, 10_000, 7000
    yield f"e. Suites of {gates} independent gates on {images:,} images, threshold {least / images:g}, looked at to the end\n"
    yield "| right images | any fail, each gate at 5 % | any fail, e-Holm at 5 % | the suite passes, each gate at 5 % |"
    yield "|---|---|---|---|"
    cases = {
        "of all: as many as asked for": np.full(gates, least),
        "of one: one too few; of the others: 10 points more": np.append(least - 1, np.full(gates - 1, least + images // 10)),
        "of one: 1 point too few; of the others: 10 points more": np.append(
            least - images // 100, np.full(gates - 1, least + images // 10)
        ),
    }
    for seed, (name, truths) in enumerate(cases.items()):
        generator = np.random.default_rng(seed)
        right, seen = np.zeros((runs, gates), dtype=np.int64), 0
        passed, (failed, failed_corrected) = np.zeros((runs, gates), dtype=bool), np.zeros((2, runs), dtype=bool)
        while seen < images:
            batch = min(EVERY, images - seen)
            right += generator.hypergeometric(truths - right, images - seen - truths + right, batch)
            seen += batch
            passed[~passed] = log_evidences(right[~passed], np.array(seen), images, least - 1) >= ENOUGH
            against = log_evidences(seen - right, np.array(seen), images, images - least)
            alarmed = (against >= ENOUGH).any(axis=-1)
            failed |= alarmed
            failed_corrected[alarmed] |= e_holm(against[alarmed], ALPHA).any(axis=-1)
        yield f"| {name} | {failed.mean():.1%} | {failed_corrected.mean():.2%} | {passed.all(axis=-1).mean():.2%} |"


TABLES = {"a": accuracy, "b": bounded, "c": compared, "d": mean_corruption_error, "e": suites}


def main() -> None:
    """Simulate, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--only", nargs="*", choices=TABLES, default=[*TABLES])
    options = parser.parse_args()
    print(f"{options.runs:,} runs of each truth.", flush=True)
    for table in options.only:
        print(flush=True)
        for line in TABLES[table](options.runs):
            print(line, flush=True)


if __name__ == "__main__":
    main()
