"""A stored run judged again by another threshold: 96 conditions of 50,000 images and 1,000 classes, from their records.

    python benchmarks/warm_rejudge.py

Writes the records of such a run (of answers drawn at random; the numbers are as many and as large as real ones), and runs
`robustsuite judge` on them in a process of its own. Prints the size on disk (wanted: at most 0.3 GB), the seconds and the peak memory of
that process (wanted: below 10 s and 1 GB), and whether it imported torch (wanted: no).
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

SUITE = """
schema = 1
title = "warm"
preprocessing = {{ resize = 256, crop = 224 }}
[data.imagenet]
dataset = "imagenet"
[[check]]
name = "clean"
at_least = {threshold}
[[check]]
name = "corruptions"
corruptions = "imagenet-c"
per = "corruption"
at_least = 0.1
[[check]]
name = "extra"
corruptions = "imagenet-c-extra"
at_least = 0.1
[[check]]
name = "calibrated"
corruptions = "imagenet-c"
metric = "expected_calibration_error"
at_most = 0.5
"""
CLASSES, BATCH = 1000, 256
AGAIN = """
import resource, sys
from robustsuite.cli import main
code = main(["judge", sys.argv[1], "--suite", sys.argv[2], "--reports", sys.argv[3]])
print("torch" in sys.modules, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def predictions(images: int, generator: np.random.Generator) -> object:
    """Answers drawn at random."""
    from robustsuite.predictions import Predictions

    labels = generator.integers(CLASSES, size=images).astype(np.int16)
    top = generator.integers(CLASSES, size=(images, 5)).astype(np.int16)
    top[:, 0] = np.where(generator.random(images) < 0.6, labels, top[:, 0])
    sure = np.sort(np.log(generator.dirichlet([1] * 6, images)[:, :5].astype(np.float32) + 1e-6), axis=1)[:, ::-1]
    ranks = np.where(top[:, 0] == labels, 0, generator.integers(1, CLASSES, images)).astype(np.int16)
    rest = generator.normal(size=(3, images)).astype(np.float32)
    return Predictions(labels, top, np.ascontiguousarray(sure), -np.abs(rest[0]), ranks, rest[1], np.exp(-np.abs(rest[2])))


def write(folder: Path, suite: Path, images: int) -> int:
    """The records of a run; returns the number of conditions."""
    from robustsuite import assembling, store, suite_files
    from robustsuite.predictions import Block, Outcome

    loaded = suite_files.load(str(suite))
    plan = assembling.plan_of(loaded, {"m": [check.name for check in loaded.checks]})
    data = {"dataset": "imagenet", "ids": [f"val/n{row % CLASSES:08}/image_{row:08}.JPEG" for row in range(images)]}
    data |= {"classes": [f"n{number:08}" for number in range(CLASSES)], "judged": images, "calibration": 0}
    description = {
        "suite": {"path": loaded.path, "text": loaded.text},
        "decision": asdict(loaded.decision),
        "finished": True,
        "broken": "",
        "selected": {"m": [check.name for check in loaded.checks]},
        "conditions": [str(condition) for condition in plan.conditions],
        "data": {"imagenet": data},
        "notes": [],
        "provenance": {"seed": 0},
    }
    writer, generator = store.Writer(folder, "0", description), np.random.default_rng(0)
    numbers = {condition: number for number, condition in enumerate(plan.conditions)}
    for begin in range(0, images, BATCH):
        rows = np.arange(begin, min(begin + BATCH, images))
        outcomes = [Outcome("m", one, rows, predictions(len(rows), generator), images) for one in plan.conditions]
        writer.add(Block("imagenet", len(rows), tuple(outcomes)), numbers)
    return len(plan.conditions)


def main() -> None:
    """Write, judge again, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=50_000)
    images = parser.parse_args().images
    with tempfile.TemporaryDirectory() as temporary:
        folder, suite, other = (Path(temporary) / name for name in ("run", "warm.toml", "other.toml"))
        suite.write_text(SUITE.format(threshold=0.5))
        other.write_text(SUITE.format(threshold=0.7))
        conditions = write(folder, suite, images)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        print(f"{images:,} images, {conditions} conditions: {size / 1e9:.3f} GB on disk (wanted: at most 0.3)", flush=True)
        began, command = time.perf_counter(), [sys.executable, "-c", AGAIN, str(folder), str(other), str(Path(temporary) / "reports")]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - began
        torch, peak = done.stdout.split()[-2:]
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(
            f"judged again in {seconds:.1f} s ({used.ru_utime + used.ru_stime:.1f} s of CPU; wanted: below 10), "
            f"peak {int(peak) / 1e9:.2f} GB (wanted: below 1), torch imported: {'yes' if torch == 'True' else 'no'} (wanted: no)"
        )


if __name__ == "__main__":
    main()
