"""Runs killed at random moments, and taken up again: how many end with the bytes of one that was not killed.

    python benchmarks/kills.py [--kills 200] [--decided]

Each run is a process of its own (forked, so that it need not import torch) that judges a tiny model on scans of digits under corruptions,
an attack and a recalibration, in batches of 4. It is killed by SIGKILL at a moment drawn at random between its beginning and its
usual end, taken up again (and, one time in four, killed and taken up once more), and compared with the whole run: its blocks byte
for byte, its report but for times.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import torch

import robustsuite
from robustsuite.datasets.digits import digits
from robustsuite.records import Dataset

SUITE = """
schema = 1
title = "killed"
[decision]
stop = "{stop}"
[data.images]
dataset = "digits"
calibration = "own"
[[check]]
name = "clean"
at_least = 0.1
[[check]]
name = "corrupted"
corruptions = ["gaussian_noise", "fog", "contrast"]
severities = [2]
recalibration = "temperature"
metric = "expected_calibration_error"
at_most = 0.9
[[check]]
name = "attacked"
attack = "fgsm"
epsilon = "2/255"
at_least = 0.01
"""
TIMES = ("started", "seconds")


class Tiny(torch.nn.Module):
    """A linear model of the mean colours of a coarse grid."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = torch.nn.Parameter(torch.randn(10, 48, generator=torch.Generator().manual_seed(0)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of ten classes."""
        return torch.nn.functional.adaptive_avg_pool2d(images, 4).flatten(1) @ self.weights.T


def few(images: int) -> Dataset:
    """The first scans: as many to judge, and half as many to fit on."""
    whole = digits()
    aside, judged = (
        list(whole.calibration)[: images // 2],
        [row for row in range(len(whole.ids)) if row not in {*whole.calibration}][:images],
    )
    rows = [*judged, *aside]
    ids, labels = [whole.ids[row] for row in rows], whole.labels[rows]
    return Dataset("digits", ids, labels, whole.classes, lambda index: whole.read(rows[index]), range(images, len(rows)))


def forked(suite: str, data: Dataset, **given: object) -> int:
    """Start a run in a process of its own; its number."""
    if child := os.fork():
        return child
    try:
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 - for as long as the process lives
        robustsuite.evaluate(suite, {"m": Tiny()}, {"images": data}, device="cpu", batch_size=4, workers=0, **given)
    except BaseException:
        os._exit(1)
    os._exit(0)


def begun(reports: Path) -> float:
    """The time at which a run has said what it is about to do."""
    while not [*reports.glob("*/run-*.json")]:
        time.sleep(0.001)
    return time.perf_counter()


def content(folder: Path) -> tuple[list[tuple[str, bytes]], object]:
    """The blocks, and the report but for times."""
    report = json.loads((folder / "results.json").read_text())
    report["provenance"] = {name: fact for name, fact in report["provenance"].items() if name not in TIMES}
    return [(path.name, path.read_bytes()) for path in sorted(folder.glob("blocks-*/*.safetensors"))], report


def main() -> None:
    """Kill, take up again, compare, count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--images", type=int, default=160)
    parser.add_argument("--decided", action="store_true", help="with stop = decided")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    data, draw, counts = few(chosen.images), random.Random(0), Counter()
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        suite = place / "killed.toml"
        suite.write_text(SUITE.format(stop="decided" if chosen.decided else "never"))
        times = []
        for name in ("first", "second", "whole"):
            child = forked(str(suite), data, reports=place / name)
            began = begun(place / name)
            os.waitpid(child, 0)
            times.append(time.perf_counter() - began)
        usual = min(times)
        (folder,) = (place / "whole").iterdir()
        whole = content(folder)
        for _ in range(chosen.kills):
            child = forked(str(suite), data, reports=place / "killed")
            begun(place / "killed")
            time.sleep(draw.uniform(0, usual))
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            (left,) = (place / "killed").iterdir()
            blocks = len([*left.glob("blocks-*/*.safetensors")])
            ended = os.WIFEXITED(status)
            counts["ended before the kill" if ended else "killed before the first block" if not blocks else "killed between blocks"] += 1
            if draw.random() < 0.25:
                child = forked(str(suite), data, resume=left)
                time.sleep(draw.uniform(0, usual / 2))
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                counts["of which killed twice"] += 1
            _, status = os.waitpid(forked(str(suite), data, resume=left), 0)
            same = os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0 and content(left) == whole
            counts["taken up, same bytes" if same else "taken up, OTHER BYTES"] += 1
            shutil.rmtree(place / "killed", ignore_errors=True)
    print(f"{chosen.kills} kills of a run of {usual:.2f} s in {len(whole[0])} blocks{' (stop = decided)' if chosen.decided else ''}")
    for what, count in sorted(counts.items()):
        print(f"{count:5} {what}")


if __name__ == "__main__":
    main()
