"""How much of a whole run is the model: seconds in its forward passes, of all the seconds from opening the images to the written report.

    python benchmarks/efficiency.py [--images 1000] [--device cpu]

A whole `evaluate`: decoding, every corruption of the suite, forward passes, records, verdicts, report. On a CPU ResNet-20 on CIFAR-10
images, on a GPU ResNet-50 (random weights, mixed precision, channels last) on the shared photos repeated under other names. Needs the
shared data (ROBUSTSUITE_SHARED). Prints the share (wanted: at least 0.85), what takes the rest, and the seconds of a bare loop of as many
forward passes of the same batches.
"""

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from robustsuite import corrupting, decoding, suite_files
from robustsuite.api import evaluate, load_dataset, load_model
from robustsuite.records import Dataset, Model, Preprocessing
from robustsuite.store import Writer

SHARED = Path(os.environ.get("ROBUSTSUITE_SHARED", Path(__file__).parents[2] / "shared" / "data"))
WANTED = 0.85


class Timed(torch.nn.Module):
    """A model that adds up the seconds of its forward passes and counts the images, by the size of the batch."""

    def __init__(self, inner: torch.nn.Module, synchronise: Callable[[], None]):
        super().__init__()
        self.inner, self.synchronise, self.seconds, self.batches = inner, synchronise, 0.0, Counter()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The logits."""
        self.synchronise()
        begun = time.perf_counter()
        logits = self.inner(images)
        self.synchronise()
        self.seconds += time.perf_counter() - begun
        self.batches[tuple(images.shape)] += 1
        return logits


def repeated(dataset: Dataset, images: int) -> Dataset:
    """The data set's images again and again, under names of their own."""
    count = len(dataset.ids)
    ids = [f"{number:06}" for number in range(images)]
    labels = np.array([dataset.labels[number % count] for number in range(images)])
    return Dataset(dataset.name, ids, labels, dataset.classes, lambda index: dataset.read(index % count))


def subject(device: torch.device) -> tuple[Model, Dataset, str]:
    """Model, images and suite."""
    if device.type == "cpu":
        model = load_model(f"{SHARED / 'models.py'}:cifar10_resnet20")
        return model, load_dataset("image_folder", SHARED / "cifar10" / "images"), "cifar10-c"
    import torchvision

    network = torchvision.models.resnet50(weights=None, num_classes=10).to(memory_format=torch.channels_last)
    return (
        Model("resnet50", "random", network, Preprocessing(None, 256, 224)),
        load_dataset("image_folder", SHARED / "imagenet" / "images"),
        "",
    )


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args()
    device = torch.device(chosen.device)
    synchronise = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    model, dataset, name = subject(device)
    suite = suite_files.load(name or "imagenet-c")
    timed = Timed(model.classifier, synchronise)
    timed.preprocessing = model.preprocessing  # pyright: ignore[reportAttributeAccessIssue]
    spent: Counter[str] = Counter()

    def watched(what: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            begun = time.perf_counter()
            found = function(*given, **named)
            synchronise()
            spent[what] += time.perf_counter() - begun
            return found

        return call

    def read_ahead(*given: Any) -> Any:
        batches = decode(*given)
        while True:
            begun = time.perf_counter()
            batch = next(batches, None)
            spent["decoding"] += time.perf_counter() - begun
            if batch is None:
                return
            yield batch

    decode = decoding.batches
    data = next(iter(suite.data))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        stack.enter_context(patch.object(corrupting, "corrupt", watched("corruptions", corrupting.corrupt)))
        stack.enter_context(patch.object(decoding, "batches", read_ahead))
        stack.enter_context(patch.object(Writer, "add", watched("writing", Writer.add)))
        begun = time.perf_counter()
        images = {data: repeated(dataset, chosen.images)}
        evaluate(suite, {"m": timed}, images, device=chosen.device, amp="off" if device.type == "cpu" else "fp16", reports=folder)
        whole = time.perf_counter() - begun
    begun = time.perf_counter()
    with torch.inference_mode(), torch.autocast(device.type, torch.float16, enabled=device.type == "cuda"):
        for shape, times in timed.batches.items():
            shown = torch.rand(shape, device=device)
            for _ in range(times):
                timed.inner(shown)
        synchronise()
    floor = time.perf_counter() - begun
    passes = sum(shape[0] * times for shape, times in timed.batches.items())
    print(f"{suite.name}, {chosen.images:,} images, {passes:,} forward passes, {chosen.device}, {torch.get_num_threads()} threads")
    print(f"whole run {whole:8.1f} s")
    print(f"model     {timed.seconds:8.1f} s: {timed.seconds / whole:.3f} of it (wanted: at least {WANTED})")
    for what, seconds in spent.most_common():
        print(f"{what:12}{seconds:6.1f} s: {seconds / whole:.3f}")
    print(f"bare loop {floor:8.1f} s of forward passes: the run takes {whole / floor:.2f} of it")
    print(f"50,000 images would take {50_000 / chosen.images * whole / 60:.0f} min, bare {50_000 / chosen.images * floor / 60:.0f}")


if __name__ == "__main__":
    main()
