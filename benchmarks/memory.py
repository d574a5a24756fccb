"""What an image costs in memory: peak size of the process at 2,000 and at 20,000 images (the same ones again and again).

    python benchmarks/memory.py

Each size runs in a process of its own, through everything a run does: decoding, 21 conditions, records, writing, and the
report. Prints the growth of the peak per image and condition. The model is tiny, so that the images are what is measured.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SUITE = """
schema = 1
title = "memory"
[data.images]
dataset = "image_folder"
[[check]]
name = "corruptions"
corruptions = ["gaussian_noise", "defocus_blur", "brightness", "contrast"]
"""
CONDITIONS = 21


def run(images: int, conditions: int = CONDITIONS) -> None:
    """Judge a tiny model on that many images, and print the peak size of this process in bytes, and the seconds."""
    import torch

    from robustsuite.api import evaluate
    from robustsuite.datasets.digits import digits
    from robustsuite.records import Dataset

    torch.set_num_threads(1)
    few = digits()
    rows = [row for row in range(len(few.ids)) if row not in set(few.calibration)]
    read = few.read
    repeated = Dataset(
        "repeated",
        [f"{number:06}" for number in range(images)],
        np.array([few.labels[rows[number % len(rows)]] for number in range(images)]),
        few.classes,
        lambda index: read(rows[index % len(rows)]),
    )
    weights = torch.randn(10, 3, generator=torch.Generator().manual_seed(0))
    with tempfile.TemporaryDirectory() as folder:
        suite = Path(folder) / "memory.toml"
        suite.write_text(SUITE)
        begun = time.perf_counter()
        classifier = {"tiny": lambda shown: shown.mean(dim=(2, 3)) @ weights.T}
        evaluate(str(suite), classifier, {"images": repeated}, device="cpu", batch_size=64, workers=0, reports=folder)
        seconds = time.perf_counter() - begun
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, round(seconds, 1))


def main() -> None:
    """Measure both sizes, several times, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, help="only this many, in this process")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if options.images:
        run(options.images)
        return
    small, large = 2_000, 20_000
    growths = []
    for _ in range(options.repeats):
        peaks = []
        for images in (small, large):
            told = subprocess.run(
                [sys.executable, __file__, "--images", str(images)], capture_output=True, text=True, check=True
            ).stdout.split()
            peaks.append(int(told[0]))
            print(f"{images:6} images x {CONDITIONS} conditions: peak {peaks[-1] / 2**20:7.1f} MiB, {told[1]} s")
        growths.append((peaks[1] - peaks[0]) / (large - small) / CONDITIONS)
    growths.sort()
    print(f"growth {growths[len(growths) // 2]:.1f} bytes per image and condition (median of {len(growths)}; wanted: below 100)")


if __name__ == "__main__":
    main()
