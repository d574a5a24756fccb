"""How close the corruptions are to the code that they come from, with its own random draws.

    python benchmarks/fidelity.py

Writes `docs/corruption_fidelity.md`: every corruption, severity and size against stored outputs of the official code
(hendrycks/robustness), and against the package `imagecorruptions`. Needs the shared data (ROBUSTSUITE_SHARED).
"""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
import torch

from robustsuite import catalog
from robustsuite.api import corrupt

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # the replayed draws, and the package as the tests call it

from corruption_reference import GOLDEN, SEVERITIES, apart, golden, ours  # pyright: ignore[reportMissingImports]
from test_against_imagecorruptions import NAMES, ours_named, theirs  # pyright: ignore[reportMissingImports]

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("ROBUSTSUITE_SHARED", ROOT.parent / "shared" / "data"))
PAGE = ROOT / "docs" / "corruption_fidelity.md"
LARGEST, MEAN = 1, 0.03  # levels: more is listed as an exception
NOT_REPLAYABLE = "impulse_noise"

Difference = tuple[int, float, float]
"""The largest and the mean difference in levels, and the share of values that differ."""


def difference(ones: np.ndarray, others: np.ndarray) -> Difference:
    """Of two arrays of levels."""
    found = apart(ones, others)
    return int(found.max()), float(found.mean()), float((found > 0).mean())


def cells(found: Difference | None) -> list[str]:
    """Three cells of a table; a dash where there is nothing to compare with."""
    if found is None:
        return ["–"] * 3
    largest, mean, share = found
    if not largest:
        return ["0", "0", "0"]
    return [str(largest), f"{mean:.5f}" if mean >= 1e-5 else "< 0.00001", f"{share:.3%}" if share >= 1e-5 else "< 0.001%"]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Lines of Markdown."""
    yield ""
    rule = ["---"] + ["--:"] * (len(header) - 1)
    yield from (f"| {' | '.join(row)} |" for row in (header, rule, *rows))
    yield ""


def extremes(found: dict[str, Difference]) -> Iterator[str]:
    """The worst of a table in a sentence, and what exceeds the bounds."""
    largest = max(one[0] for one in found.values())
    widest = max(found, key=lambda name: found[name][1])
    beyond = [name for name, (largest, mean, _) in found.items() if largest > LARGEST or mean > MEAN]
    yield (
        f"The largest difference is {largest}, the largest mean {found[widest][1]:.5f} ({widest}). "
        f"More than {LARGEST} level, or {MEAN} on average: {', '.join(beyond) or 'none'}."
    )


# ---------------------------------------------------------------------------------------------------------- sections


def official(archives: dict[str, dict[str, np.ndarray]]) -> Iterator[str]:
    """Our levels against those that the official code wrote."""
    found = {
        (name, severity, profile): difference(ours(name, arrays["photos"], severity, profile), arrays[f"{name}-{severity}"])
        for profile, arrays in archives.items()
        for name in catalog.names("corruptions")
        for severity in SEVERITIES
        if f"{name}-{severity}" in arrays and name != NOT_REPLAYABLE
    }
    sizes = {profile: arrays["photos"].shape[1] for profile, arrays in archives.items()}
    counts = " and ".join(f"{len(arrays['photos'])} photos of {sizes[profile]} pixels" for profile, arrays in archives.items())
    yield "## Against the official code"
    yield ""
    yield (
        f"hendrycks/robustness, ImageNet-C/create_c, on {counts}, before they are saved as JPEG. Photo `i` was corrupted right after "
        "`numpy.random.seed(i)`, and our kernels are given the same draws. Differences are in levels of 255."
    )
    header = ["corruption", "severity", *(f"{size} px: {what}" for size in sizes.values() for what in ("largest", "mean", "share"))]
    shown = sorted({(name, severity) for name, severity, _ in found})
    yield from table(
        header,
        (
            [name, str(severity), *(cell for profile in sizes for cell in cells(found.get((name, severity, profile))))]
            for name, severity in shown
        ),
    )
    yield from extremes({f"{name}-{severity} at {sizes[profile]} px": one for (name, severity, profile), one in found.items()})


def package(photos: np.ndarray) -> Iterator[str]:
    """Our levels against those of the package."""
    found = {
        (ours_named(name), severity): difference(ours(ours_named(name), photos, severity, "imagenet"), theirs(name, photos, severity))
        for name in NAMES
        if ours_named(name) in catalog.names("corruptions") and name != NOT_REPLAYABLE
        for severity in SEVERITIES
    }
    yield "## Against the package imagecorruptions"
    yield ""
    yield (
        f"imagecorruptions 1.1.2 on the same {len(photos)} photos of {photos.shape[1]} pixels, with the same draws. Where it is not the "
        "official algorithm, the corruption whose name ends in `_imagecorruptions` is compared."
    )
    yield from table(
        ["corruption", "severity", "largest", "mean", "share"],
        ([name, str(severity), *cells(one)] for (name, severity), one in found.items()),
    )
    yield from extremes({f"{name}-{severity}": one for (name, severity), one in found.items()})


def struck(photos: np.ndarray, corrupted: np.ndarray) -> str:
    """The share of values struck, and of those the share that turned white; where the photo is neither black nor white."""
    inside = (photos > 0) & (photos < 255)
    hit = corrupted[inside] != photos[inside]
    return f"{hit.mean():.4f}, {(corrupted[inside][hit] == 255).mean():.3f}"


def impulses(archives: dict[str, dict[str, np.ndarray]]) -> Iterator[str]:
    """The statistics of the one corruption that cannot be replayed."""
    amounts = catalog.module("corruptions", NOT_REPLAYABLE).REPLACED

    def row(profile: str, severity: int) -> list[str]:
        photos = archives[profile]["photos"]
        given = torch.from_numpy(photos.transpose(0, 3, 1, 2).copy())
        here = corrupt(given, NOT_REPLAYABLE, severity, profile=profile).numpy().transpose(0, 2, 3, 1)
        there = archives[profile].get(f"{NOT_REPLAYABLE}-{severity}")
        packages = struck(photos, theirs(NOT_REPLAYABLE, photos, severity)) if profile == "imagenet" else "–"
        written = "–" if there is None else struck(photos, there)
        return [f"{photos.shape[1]} px", str(severity), str(amounts[profile][severity - 1]), struck(photos, here), written, packages]

    yield f"## {NOT_REPLAYABLE}"
    yield ""
    yield (
        "The official code and the package let scikit-image draw from a generator of its own, which no seed of numpy's reaches: their "
        "draws cannot be had again, and only statistics compared. Shown are the share of values struck, and of those the share that "
        "turned white (the others turn black), where the photo is neither black nor white."
    )
    header = ["size", "severity", "published share", "ours", "official code", "package"]
    yield from table(header, (row(profile, severity) for profile in archives for severity in SEVERITIES))


def main() -> None:
    """Compare and write the page."""
    torch.set_num_threads(1)
    archives = {profile: golden(SHARED, profile) for profile in GOLDEN}
    lines = [
        "# Fidelity of the corruptions",
        "",
        "This page shows how far each corruption is, at every severity, from the code that it comes from, when both are given the same "
        "random draws. It is written by `python benchmarks/fidelity.py`.",
        "",
        *official(archives),
        "",
        *package(archives["imagenet"]["photos"]),
        "",
        *(impulses(archives) if NOT_REPLAYABLE in catalog.names("corruptions") else ()),
    ]
    wrapped = (line if line.startswith("|") else fill(line, 140, break_on_hyphens=False) for line in lines)
    PAGE.write_text("\n".join(wrapped).rstrip() + "\n", encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {len(lines)} lines")


if __name__ == "__main__":
    main()
