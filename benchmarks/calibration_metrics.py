"""CPU time and memory of the calibration metrics on 50,000 x 1,000 logits, as ratios to torchmetrics' ECE in the same run.

    OMP_NUM_THREADS=1 python benchmarks/calibration_metrics.py [--rounds 5]

Ours begin at logits: all top-label metrics together (condensing the logits included), then the classwise and adaptive ones together.
Theirs is one number, `MulticlassCalibrationError(n_bins=15)`, updated once with the same logits. The order changes every round. Memory is
the highest resident size during the work above that before it; the pages of the logits themselves are touched before.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torchmetrics.classification import MulticlassCalibrationError

from robustsuite import catalog
from robustsuite.numerics.condense import condense

IMAGES, CLASSES = 50_000, 1_000


def resident(name: str) -> float:
    """A line of this process's status, in MB: `VmRSS` now, `VmHWM` at most since the last reset."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """CPU seconds, and MB above what was resident before."""
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    before, begun = resident("VmRSS"), time.process_time()
    work()
    return time.process_time() - begun, resident("VmHWM") - before


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    names = catalog.names("metrics")
    whole = [name for name in names if catalog.constant("metrics", name, "NEEDS_LOGITS", False)]
    top_label = [name for name in names if name not in whole]
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(CLASSES, (IMAGES,), generator=generator)
    logits = torch.randn(IMAGES, CLASSES, generator=generator).mul_(2)
    logits[torch.arange(IMAGES), labels] += 6

    def ours() -> None:
        predictions = condense(logits, labels)
        for name in top_label:
            catalog.find("metrics", name)(predictions)

    kept = replace(condense(logits, labels), logits=logits.numpy())

    def classwise() -> None:
        for name in whole:
            catalog.find("metrics", name)(kept)

    def torchmetrics_ece() -> None:
        metric = MulticlassCalibrationError(num_classes=CLASSES, n_bins=15)
        metric.update(logits, labels)
        metric.compute()

    works = {"all top-label metrics": ours, "classwise, adaptive, thresholded": classwise, "torchmetrics' ECE": torchmetrics_ece}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name in np.roll(list(works), number):
            result = measured(works[str(name)])
            if number:  # the first round warms up
                found[str(name)].append(result)
    peer = median(seconds for seconds, _ in found["torchmetrics' ECE"])
    print(
        f"{IMAGES} images, {CLASSES} classes, {torch.get_num_threads()} thread(s); medians of {rounds} rounds. {len(top_label)} top-label"
    )
    print(f"metrics: {', '.join(top_label)}.\n")
    print("| | CPU seconds | of torchmetrics' ECE | MB above the input |\n|---|---|---|---|")
    for name, results in found.items():
        seconds, most = median(each for each, _ in results), max(each for _, each in results)
        ratios = sorted(mine / theirs for (mine, _), (theirs, _) in zip(results, found["torchmetrics' ECE"], strict=True))
        print(f"| {name} | {seconds:.2f} | {seconds / peer:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) | {most:.0f} |")


if __name__ == "__main__":
    main()
