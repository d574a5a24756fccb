"""What changes when nothing should: batch size, order, workers, repetition.

    python benchmarks/determinism.py [--images 500]

Judges the shared ResNet-20 on CIFAR-10 images in each way and compares with batches of 64: corrupted pixels, attacked
pixels, predictions, verdicts and confidences. Needs the shared images and weights.
"""

import argparse
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from robustsuite import judging, planning, suite_files
from robustsuite.api import load_dataset, load_model
from robustsuite.evaluation import evaluate
from robustsuite.records import Attacked, Condition, Dataset, Decision, Preprocessing, Settings
from robustsuite.store import Found

SHARED = Path(os.environ.get("ROBUSTSUITE_SHARED", Path(__file__).parents[2] / "shared" / "data"))
SUITE = """
schema = 1
title = "determinism"
[data.images]
dataset = "image_folder"
calibration = 0.2
[[check]]
name = "corruptions"
corruptions = ["gaussian_noise", "defocus_blur", "brightness", "contrast"]
at_least = 0.5
[[check]]
name = "fgsm"
attack = "fgsm"
epsilon = "1/255"
at_least = 0.5
[[check]]
name = "pgd-linf"
attack = "pgd"
epsilon = "1/255"
at_least = 0.05
[[check]]
name = "pgd-l2"
attack = "pgd"
norm = "l2"
epsilon = 0.1
at_least = 0.3
[[check]]
name = "calibration"
metric = "expected_calibration_error"
recalibration = "temperature"
at_most = 0.1
"""
VARIANTS = {
    "the same again": Settings("cpu", 64, 0),
    "batches of 1": Settings("cpu", 1, 0),
    "batches of 7": Settings("cpu", 7, 0),
    "batches: auto": Settings("cpu", None, 0),
    "shuffled": Settings("cpu", 64, 0, shuffle=True),
    "1 worker": Settings("cpu", 64, 1),
    "2 workers": Settings("cpu", 64, 2),
}


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=500)
    options = parser.parse_args()
    whole = load_dataset("image_folder", SHARED / "cifar10" / "images")
    chosen = list(range(0, len(whole.ids), len(whole.ids) // options.images))[: options.images]
    files = whole.read.args[0]  # pyright: ignore[reportFunctionMemberAccess]
    read = partial(whole.read.func, [files[row] for row in chosen])  # pyright: ignore[reportFunctionMemberAccess]
    data = replace(whole, ids=[whole.ids[row] for row in chosen], labels=whole.labels[chosen], read=read)
    model = load_model(f"{SHARED / 'models.py'}:cifar10_resnet20")
    suite = suite_files.parse(SUITE, Path("determinism.toml"))
    plan = planning.plan(suite, {model.alias: suite.checks})
    plan = replace(plan, pictured=plan.conditions)

    def judged(data: Dataset, settings: Settings) -> Found:
        found = Found()
        rows = range(len(data.ids))
        for block in evaluate(plan, [model], {"images": data}, {"images": 0.2}, settings, Preprocessing(), {"images": rows}):
            found.add(block)
        return found

    def verdicts(found: Found) -> list[tuple[str, float]]:
        outcomes = {condition: found.outcome(model.alias, condition) for condition in plan.conditions}
        told = [judging.judge(check, model.alias, outcomes, Decision()) for check in suite.checks]
        return [(verdict.status, verdict.measurement.value if verdict.measurement else 0.0) for verdict in told]

    def pixels(found: Found) -> dict[tuple[int, Condition], bytes]:
        return {(picture.row, picture.condition): picture.pixels.tobytes() for picture in found.pictures}

    expected = judged(data, Settings("cpu", 64, 0))
    images = len(expected.outcome(model.alias, plan.conditions[0]).rows)
    print(f"ResNet-20, {images} images judged, {len(plan.conditions)} conditions; differences from batches of 64:")
    widths = {"corrupted": 12, "attacked": 12, "predictions": 13, "of attacked": 13, "verdicts": 10, "confidence": 12, "of attacked ": 13}
    print(" " * 16 + "".join(f"{title.strip():>{width}}" for title, width in widths.items()))
    for name, settings in VARIANTS.items():
        other = judged(data, settings)
        mine, theirs = pixels(expected), pixels(other)
        assert mine.keys() == theirs.keys()
        unequal = [key for key in mine if mine[key] != theirs[key]]
        attacked = [key for key in unequal if isinstance(key[1].perturbation, Attacked)]
        flips, worst = {True: 0, False: 0}, {True: 0.0, False: 0.0}
        for condition in plan.conditions:
            ours, yours = (found.outcome(model.alias, condition).predictions for found in (expected, other))
            assert ours is not None
            assert yours is not None
            kind = isinstance(condition.perturbation, Attacked)
            flips[kind] += int((ours.prediction != yours.prediction).sum())
            worst[kind] = max(worst[kind], float(np.abs(ours.confidence - yours.confidence).max()))
        changed = sum(one[0] != two[0] for one, two in zip(verdicts(expected), verdicts(other), strict=True))
        print(
            f"{name:16}{len(unequal) - len(attacked):>12}{len(attacked):>12}{flips[False]:>13}{flips[True]:>13}{changed:>10}"
            f"{worst[False]:>12.1e}{worst[True]:>13.1e}"
        )


if __name__ == "__main__":
    main()
