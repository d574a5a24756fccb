"""What actors of Ray cost beside one process: the same run, here and by one or two actors, and whether the records are the same.

    OMP_NUM_THREADS=1 python benchmarks/ray_overhead.py [--images 600] [--actors 1 2]

Judges the shared ResNet-20 on CIFAR-10 images under the 75 conditions of cifar10-c, a run of about a minute, by one process with one thread
and by actors with one thread each. Prints seconds from the first batch to the last (Ray is up, models are loaded), and from the
very beginning (Ray is started, every actor loads). Wanted: one actor at most 1.10 of one process. Needs the shared data.
"""

import argparse
import os
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from robustsuite import leasing, loading, suite_files
from robustsuite.records import Settings
from robustsuite.running import Run

SHARED = Path(os.environ.get("ROBUSTSUITE_SHARED", Path(__file__).parents[2] / "shared" / "data"))
BATCH = 32


def run(folder: Path, images: Path, cluster: leasing.Cluster | None) -> tuple[float, float, list[tuple[str, bytes]]]:
    """Seconds from the first batch and from the beginning, and the records."""
    begun = time.perf_counter()
    suite = suite_files.load("cifar10-c")
    suite = replace(suite, checks=tuple(check for check in suite.checks if not check.recalibration))
    (name,) = suite.data
    model = loading.load_model(f"{SHARED / 'models.py'}:cifar10_resnet20", "m")
    settings = Settings(device="cpu", batch_size=BATCH, workers=0)
    given = suite, {"m": suite.checks}, [model], loading.load_datasets(suite, {name: images}), settings, folder
    one = Run(*given, cluster=cluster, folders={name: images})
    one.advance()  # loads, and for actors waits until the first one has
    first = time.perf_counter()
    while one.advance():
        pass
    ended = time.perf_counter()
    one.close()
    return ended - first, ended - begun, [(path.name, path.read_bytes()) for path in sorted(folder.glob("blocks-*/*.safetensors"))]


def main() -> None:
    """Run here and there, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--actors", type=int, nargs="+", default=[1, 2])
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        images = Path(temporary) / "images"
        files = (SHARED / "cifar10" / "images").rglob("*.jpg")
        for path in sorted(files, key=lambda path: (path.name, path.parent.name))[: chosen.images]:  # as many of each class
            (images / path.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, images / path.parent.name)
        here, whole, records = run(Path(temporary) / "here", images, None)
        print(f"one process {here:7.1f} s ({whole:.1f} s with loading), {len(records)} blocks", flush=True)
        for actors in chosen.actors:
            there, whole, found = run(Path(temporary) / f"there-{actors}", images, leasing.Cluster(actors=actors))
            same = "the same bytes" if found == records else "OTHER BYTES"
            who = f"{actors} {'actor' if actors == 1 else 'actors'}"
            print(f"{who:11} {there:7.1f} s ({whole:.1f} s with starting Ray and loading): {there / here:.3f}, {same}", flush=True)


if __name__ == "__main__":
    main()
