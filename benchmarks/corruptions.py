"""How fast the corruptions are: against the package `imagecorruptions`, over batch sizes, and on a GPU beside a model.

    python benchmarks/corruptions.py [--device cpu|cuda] [--repeats 5] [--names fog frost ...]

224 x 224 pixels, severity 3, one thread. Prints tables in Markdown: milliseconds per image of the package's function and of
`robustsuite.corrupt`, taken in turn; of the corruptions that the package does not have; against the batch size, with the
first call beside the second; and on a GPU kernel launches, memory, and the share of a ResNet-50's forward pass.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torchvision.models import resnet50

from robustsuite import catalog
from robustsuite.api import corrupt
from robustsuite.corruptions._imagecorruptions import NAMES, package
from robustsuite.numerics.levels import to_unit
from robustsuite.roles import Levels

SEVERITY = 3
SIDE = 224  # pixels
BATCH = 32  # images
SIZES = (1, 8, 32, 128)  # images
FEWER = {"glass_blur": 2}  # images that the package is given where it takes about a second for one
OTHER_ALGORITHM = {"elastic_transform", "frost", "motion_blur", "snow"}  # in the package, which is not the official code there

SUM_OF_15 = 35  # ms per image, at most
SPEED_UP = 30  # at least
LAUNCHES = 100  # per batch, at most
SHARE_OF_RESNET = 0.10  # on average over the 15, at most
MEMORY = 12  # times the batch in float32, at most


def scenes(count: int) -> Levels:
    """Images with the spectrum of photos: the amplitude falls as 1 / frequency, with one sharp edge across."""
    generator = np.random.default_rng(0)
    frequency = np.maximum(np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None]), 1 / SIDE)
    spectrum = np.fft.rfft2(generator.normal(size=(count, 3, SIDE, SIDE)))
    smooth = np.fft.irfft2(spectrum / frequency, s=(SIDE, SIDE))
    smooth /= smooth.std(axis=(-2, -1), keepdims=True)
    smooth[..., : SIDE // 3] += 1
    return torch.from_numpy((120 + 35 * smooth).clip(0, 255).astype(np.uint8))


def ours(name: str, levels: Levels) -> None:
    """Our batch; on a GPU the work is done when this returns."""
    corrupt(levels, name, SEVERITY)
    if levels.is_cuda:
        torch.cuda.synchronize()


def theirs(name: str, levels: Levels) -> Tensor:
    """The package's function, as its own `corrupt` calls it, doing the same job: from a uint8 tensor to one, `[n, 3, height, width]`."""
    function = getattr(package(), name)
    photos = levels.permute(0, 2, 3, 1).contiguous().numpy()
    found = np.stack([np.uint8(function(Image.fromarray(photo), SEVERITY)) for photo in photos])
    return torch.from_numpy(found).permute(0, 3, 1, 2).contiguous()


def milliseconds(job: Callable[[], object], images: int) -> float:
    """Per image."""
    begun = time.perf_counter()
    job()
    return 1000 * (time.perf_counter() - begun) / images


def typical(job: Callable[[], object], images: int, repeats: int) -> float:
    """The median of milliseconds per image, after one call to warm up."""
    job()
    return statistics.median(milliseconds(job, images) for _ in range(repeats))


def literal(name: str, constant: str) -> Any:
    """A constant of the corruption's file, or nothing."""
    try:
        return catalog.constant("corruptions", name, constant)
    except LookupError:
        return ()


def in_benchmark(name: str) -> bool:
    """Whether it is one of the 15 of ImageNet-C."""
    return "imagenet-c" in literal(name, "BENCHMARKS")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print it in Markdown."""
    rule = ["---"] + ["--:"] * (len(header) - 1)
    print("\n" + "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows)) + "\n", flush=True)


def met(wanted: bool) -> str:
    """In words."""
    return "met" if wanted else "NOT MET"


# ------------------------------------------------------------------------------------------------------------ tables


def set_up(names: Sequence[str], levels: Levels) -> dict[str, tuple[float, float]]:
    """Milliseconds of the first and the second call with a batch, before anything else was called."""
    torch.fft.rfft2(torch.rand(8, 8, device=levels.device))  # what torch itself sets up is not counted
    return {
        name: (milliseconds(partial(ours, name, levels), images=1), milliseconds(partial(ours, name, levels), images=1)) for name in names
    }


def against_the_package(names: Sequence[str], levels: Levels, repeats: int) -> None:
    """Both, taken in turn."""
    package().np.random = np.random.RandomState(0)
    photos = levels.cpu()
    slow, fast, ratios = {}, {}, {}
    for name in names:
        few = photos[: FEWER.get(name, len(photos))]
        ours(name, levels)
        theirs(name, few[:1])
        pairs = [
            (milliseconds(partial(theirs, name, few), len(few)), milliseconds(partial(ours, name, levels), len(levels)))
            for _ in range(repeats)
        ]
        slow[name], fast[name] = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratios[name] = sorted(there / here for there, here in pairs)

    def total(chosen: Sequence[str]) -> tuple[float, float]:
        return sum(slow[name] for name in chosen), sum(fast[name] for name in chosen)

    def line(label: str, chosen: Sequence[str]) -> list[str]:
        there, here = total(chosen)
        return [f"**{label}, {len(chosen)}**", f"{there:.2f}", f"{here:.2f}", f"{there / here:.1f}", ""]

    rows = [
        [
            name + " ¹" * (name in OTHER_ALGORITHM) + " ²" * (name in FEWER),
            f"{slow[name]:.2f}",
            f"{fast[name]:.2f}",
            f"{statistics.median(ratios[name]):.1f}",
            f"{ratios[name][0]:.1f} to {ratios[name][-1]:.1f}",
        ]
        for name in names
    ]
    benchmark = [name for name in names if in_benchmark(name)]
    sums = {group: [name for name in benchmark if literal(name, "GROUP") == group] for group in ("noise", "blur", "weather", "digital")}
    sums |= {"benchmark": benchmark, "all": list(names)}
    rows += [line(label, chosen) for label, chosen in sums.items() if chosen]
    table(["corruption", "package, ms/image", "ours, ms/image", "ratio", "ratios"], rows)
    print("¹ the package computes something else than the official code, which ours follows.")
    print("² " + ", ".join(f"{name}: the package is timed on {count} images" for name, count in FEWER.items()) + " of the batch.")
    if len(benchmark) == 15:
        there, here = total(benchmark)
        print(f"Sum of the 15: {here:.1f} ms per image (wanted: at most {SUM_OF_15}: {met(here <= SUM_OF_15)}),")
        print(f"{there / here:.1f} times faster than the package (wanted: at least {SPEED_UP}: {met(there / here >= SPEED_UP)}).")
        there, here = total([name for name in benchmark if name != "glass_blur"])
        print(f"Without glass_blur, which is most of the package's time, {there / here:.1f} times faster.")
    slower = [name for name in names if statistics.median(ratios[name]) < 1]
    print(f"Slower than the package: {', '.join(slower) or 'none'} (wanted: none of the {len(NAMES)}).")


def not_in_the_package(names: Sequence[str], levels: Levels, repeats: int) -> None:
    """Ours alone."""
    table(
        ["corruption", "ours, ms/image"],
        ([name, f"{typical(partial(ours, name, levels), len(levels), repeats):.2f}"] for name in names),
    )


def over_batch_sizes(
    names: Sequence[str], levels: Levels, repeats: int, first: dict[str, tuple[float, float]]
) -> dict[int, dict[str, float]]:
    """Milliseconds per image by size of the batch; printed with the two first calls."""
    found = {size: {name: typical(partial(ours, name, levels[:size]), size, repeats) for name in names} for size in SIZES}
    rows = [[name, *(f"{taken:.0f}" for taken in first[name]), *(f"{found[size][name]:.3f}" for size in SIZES)] for name in names]
    table(["corruption", f"first call of {BATCH}, ms", "second, ms", *(f"{size}, ms/image" for size in SIZES)], rows)
    print("The first calls were made in this order; the first that needs a library also loads it.")
    return found


# ------------------------------------------------------------------------------------------------------------- a GPU


def calls(name: str, levels: Levels) -> dict[str, int]:
    """How often one batch calls into CUDA: launches of kernels, copies, waits for the device."""
    ours(name, levels)
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as recorded:
        corrupt(levels, name, SEVERITY)
        torch.cuda.synchronize()
    events = recorded.key_averages()
    return {
        kind: sum(event.count for event in events if part in event.key)
        for kind, part in (("launches", "LaunchKernel"), ("copies", "cudaMemcpy"), ("waits", "cudaStreamSynchronize"))
    }


def memory(name: str, levels: Levels) -> float:
    """The most that is held at once beyond what was held before, as multiples of the batch in float32."""
    ours(name, levels)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    ours(name, levels)
    return (torch.cuda.max_memory_allocated() - before) / (4 * levels.numel())


def resnet(levels: Levels, repeats: int) -> float:
    """Milliseconds per image of a ResNet-50's forward pass: random weights, half precision, channels last."""
    network = resnet50().to(levels.device).to(memory_format=torch.channels_last).eval()
    images = to_unit(levels).contiguous(memory_format=torch.channels_last)

    def forward() -> None:
        with torch.inference_mode(), torch.autocast("cuda"):
            network(images)
        torch.cuda.synchronize()

    for _ in range(3):
        forward()
    return typical(forward, len(levels), repeats)


def on_a_gpu(names: Sequence[str], levels: Levels, repeats: int, taken: dict[int, dict[str, float]]) -> None:
    """What only a GPU has: launches, memory on the device, and a model that outruns a processor."""
    few = {name: calls(name, levels[:8]) for name in names}
    many = {name: calls(name, levels) for name in names}
    held = {name: memory(name, levels) for name in names}
    model = {size: resnet(levels[:size], repeats) for size in (BATCH, len(levels))}
    kinds = ("launches", "copies", "waits")
    rows = [
        [
            name,
            *(f"{few[name][kind]} / {many[name][kind]}" for kind in kinds),
            f"{held[name]:.1f}",
            *(f"{taken[size][name] / model[size]:.1%}" for size in model),
        ]
        for name in names
    ]
    header = [
        "corruption",
        *(f"{kind}, 8 / {len(levels)} images" for kind in kinds),
        f"memory / float batch, {len(levels)}",
        *(f"share of ResNet-50, {size}" for size in model),
    ]
    table(header, rows)
    for size, forward in model.items():
        print(f"ResNet-50, batch {size}: {forward:.4f} ms per image.")
    benchmark = [name for name in names if in_benchmark(name)]
    for size in model:
        share = statistics.mean(taken[size][name] for name in benchmark or names) / model[size]
        wanted = f"wanted: at most {SHARE_OF_RESNET:.0%}: {met(share <= SHARE_OF_RESNET)}"
        print(f"Mean of the {len(benchmark or names)} at batch {size}: {share:.1%} of ResNet-50 ({wanted}).")
    busy = [name for name in names if max(few[name]["launches"], many[name]["launches"]) > LAUNCHES]
    print(f"More than {LAUNCHES} launches: {', '.join(busy) or 'none'} (wanted: none).")
    growing = [name for name in names if few[name]["launches"] != many[name]["launches"]]
    print(f"Launches that change with the batch: {', '.join(growing) or 'none'} (wanted: none).")
    large = [name for name in names if held[name] > MEMORY]
    print(f"More than {MEMORY} float batches of memory: {', '.join(large) or 'none'} (wanted: none).")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--names", nargs="+", default=catalog.names("corruptions"))
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("expected a CUDA device, and this machine has none")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    levels = scenes(max(SIZES)).to(options.device)
    first = set_up(options.names, levels[:BATCH])
    print(f"{SIDE} x {SIDE} pixels, severity {SEVERITY}, batches of {BATCH}, {options.device}, one thread, median of {options.repeats}.")
    shared = sorted(set(options.names) & set(NAMES), key=lambda name: (not in_benchmark(name), str(literal(name, "GROUP")), name))
    if shared:
        print("\n### Against the package imagecorruptions (on the CPU, image by image)")
        against_the_package(shared, levels[:BATCH], options.repeats)
    own = [name for name in options.names if name not in NAMES]
    if own:
        print("\n### What the package does not have")
        not_in_the_package(own, levels[:BATCH], options.repeats)
    print("\n### Size of the batch, and the first call")
    taken = over_batch_sizes(options.names, levels, options.repeats, first)
    if options.device == "cuda":
        print("\n### On the GPU")
        on_a_gpu(options.names, levels, options.repeats, taken)


if __name__ == "__main__":
    main()
