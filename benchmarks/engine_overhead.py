"""What the engine costs beside a bare loop: decode once, 20 corruptions, one model, and the records of every image.

    python benchmarks/engine_overhead.py [--images 2000] [--repeats 5] [--device cpu]

Prints wall seconds of `evaluate` and of a hand-written loop over the same decoded batches, the same corruptions and the
same forward passes, taken in turn, and their ratio. Needs the shared CIFAR-10 images and weights (ROBUSTSUITE_SHARED).
"""

import argparse
import os
import statistics
import time
from dataclasses import replace
from pathlib import Path

import torch

from robustsuite import corrupting, decoding, planning, suite_files
from robustsuite.api import load_dataset, load_model
from robustsuite.evaluation import evaluate
from robustsuite.numerics.levels import to_unit
from robustsuite.numerics.random import image_keys
from robustsuite.records import Corrupted, Dataset, Model, Preprocessing, Settings

SHARED = Path(os.environ.get("ROBUSTSUITE_SHARED", Path(__file__).parents[2] / "shared" / "data"))
SUITE = """
schema = 1
title = "overhead"
[data.images]
dataset = "image_folder"
[[check]]
name = "corruptions"
corruptions = ["gaussian_noise", "defocus_blur", "brightness", "contrast"]
"""
BATCH = 64


def engine(model: Model, dataset: Dataset, device: str) -> float:
    """Seconds of the engine, blocks thrown away."""
    suite = suite_files.parse(SUITE, Path("overhead.toml"))
    plan = planning.plan(suite, {model.alias: suite.checks})
    begun = time.perf_counter()
    for _ in evaluate(plan, [model], {"images": dataset}, {}, Settings(device, BATCH, workers=0), Preprocessing()):
        pass
    return time.perf_counter() - begun


def bare(model: Model, dataset: Dataset, device: str) -> float:
    """Seconds of what one would write by hand: the same images, corruptions and forward passes, and the predictions."""
    conditions = [
        Corrupted(name, severity) for name in ("brightness", "contrast", "defocus_blur", "gaussian_noise") for severity in range(1, 6)
    ]
    begun = time.perf_counter()
    keys = image_keys(dataset.ids).to(device)
    network = model.classifier.to(device).eval()
    right = 0
    rows = torch.arange(len(dataset.ids)).numpy()
    with torch.inference_mode():
        for batch in decoding.batches(dataset, rows, [Preprocessing()], BATCH, workers=0):
            levels, labels = batch.levels[Preprocessing()].to(device), batch.labels.to(device)
            right += int((network(to_unit(levels)).argmax(1) == labels).sum())
            for condition in conditions:
                changed = corrupting.corrupt(levels, condition, keys[batch.rows], 0)
                right += int((network(to_unit(changed)).argmax(1) == labels).sum())
    return time.perf_counter() - begun


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    dataset = load_dataset("image_folder", SHARED / "cifar10" / "images")
    chosen = list(range(0, len(dataset.ids), max(len(dataset.ids) // options.images, 1)))[: options.images]
    files = dataset.read.args[0]
    dataset = replace(
        dataset,
        ids=[dataset.ids[row] for row in chosen],
        labels=dataset.labels[chosen],
        read=type(dataset.read)(dataset.read.func, [files[row] for row in chosen]),
    )
    model = load_model(f"{SHARED / 'models.py'}:cifar10_resnet20")
    engine(model, dataset, options.device)  # once to warm up
    pairs = []
    for repeat in range(options.repeats):  # in turn, and each first every other time: the machine's speed drifts
        if repeat % 2:
            pairs.append((bare(model, dataset, options.device), engine(model, dataset, options.device)))
        else:
            mine = engine(model, dataset, options.device)
            pairs.append((bare(model, dataset, options.device), mine))
    ratios = [mine / theirs for theirs, mine in pairs]
    print(f"ResNet-20, {len(dataset.ids)} images, clean + 20 corruption conditions, {options.device}, {torch.get_num_threads()} threads")
    print(f"bare loop  {statistics.median(theirs for theirs, _ in pairs):8.2f} s (median of {options.repeats})")
    print(f"engine     {statistics.median(mine for _, mine in pairs):8.2f} s")
    print(f"ratio      {statistics.median(ratios):8.3f}   (pairs: {', '.join(f'{ratio:.3f}' for ratio in ratios)}; wanted: at most 1.10)")


if __name__ == "__main__":
    main()
