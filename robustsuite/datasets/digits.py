"""Handwritten digits that come with scikit-learn: 1,797 real scans, so that a suite can run without any download.

Source: E. Alpaydin and C. Kaynak (1998), "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository,
https://doi.org/10.24432/C50P49 (its test part, 13 writers), as `sklearn.datasets.load_digits` ships it: 8 x 8 counts of ink,
0 to 16. They are shown as 32 x 32 RGB, light ink on black.
"""

from collections.abc import Mapping
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image

from robustsuite.errors import UsageError
from robustsuite.records import Dataset

SIDE = 32  # pixels
FULL_INK = 16  # the largest count of a scan
TRAINING = 900  # images
CALIBRATION = 297  # images; the 600 that are left are judged


@cache
def _scans() -> tuple[UInt8[np.ndarray, "images 8 8"], Int64[np.ndarray, " images"]]:
    """Every scan, counts of ink in 0..16, and its digit, in scikit-learn's order; read-only, for they are shared."""
    from sklearn.datasets import load_digits

    data, target = load_digits(return_X_y=True)
    scans, labels = np.asarray(data, np.uint8).reshape(-1, 8, 8), np.asarray(target, np.int64)
    scans.setflags(write=False)
    labels.setflags(write=False)
    return scans, labels


def _identity(position: int) -> str:
    """The id of the scan at this position in scikit-learn's order, as in `digit-0042`."""
    return f"digit-{position:04d}"


def _render(scan: UInt8[np.ndarray, "8 8"]) -> Image.Image:
    """Counts of ink to a 32 x 32 RGB picture: 16 becomes 255 (8, the only tie, becomes 128), then Pillow's bicubic."""
    levels = np.rint(scan * (255 / FULL_INK)).astype(np.uint8)
    return Image.fromarray(levels).resize((SIDE, SIDE), Image.Resampling.BICUBIC).convert("RGB")


def _read(positions: tuple[int, ...], index: int) -> Image.Image:
    """Image number `index` of a data set that shows the scans at these positions."""
    return _render(_scans()[0][positions[index]])


@cache
def split() -> Mapping[str, tuple[int, ...]]:
    """Which scans are for what: `train` (900), `calibration` (297) and `test` (600), as ascending positions in `load_digits`.

    Scans are ranked by the 64-bit BLAKE2b hash of their id; the first 900 train, the next 297 calibrate, the others are
    judged. No two of the 1,797 scans are identical, so none can be in two parts; but the parts share their 13 writers.
    """
    count = len(_scans()[0])
    ranked = sorted(range(count), key=lambda position: blake2b(_identity(position).encode(), digest_size=8).digest())
    bounds = {"train": (0, TRAINING), "calibration": (TRAINING, TRAINING + CALIBRATION), "test": (TRAINING + CALIBRATION, count)}
    return MappingProxyType({part: tuple(sorted(ranked[start:stop])) for part, (start, stop) in bounds.items()})


def training_images() -> tuple[UInt8[np.ndarray, "images 3 height width"], Int64[np.ndarray, " images"]]:
    """What the bundled models were trained on: uint8 levels `[900, 3, 32, 32]` and digits `[900]`. Never shown in a run."""
    positions = list(split()["train"])
    scans, labels = _scans()
    return np.stack([np.asarray(_render(scan)).transpose(2, 0, 1) for scan in scans[positions]]), labels[positions]


def digits(root: Path | None = None) -> Dataset:
    """The 897 images that no bundled model was trained on: 600 to be judged, and 297 set aside for calibration.

    In scikit-learn's order. `root` must be `None`: the images are inside scikit-learn. Raises `UsageError` for a folder.
    """
    if root is not None:
        raise UsageError(f"data set 'digits' is embedded in scikit-learn: expected no folder, got {root}; leave the folder out")
    parts = split()
    positions = tuple(sorted(parts["calibration"] + parts["test"]))
    calibration = set(parts["calibration"])
    return Dataset(
        name="digits",
        ids=tuple(_identity(position) for position in positions),
        labels=_scans()[1][list(positions)],
        classes=tuple(str(digit) for digit in range(10)),
        read=partial(_read, positions),
        calibration=tuple(index for index, position in enumerate(positions) if position in calibration),
        source="UCI Optical Recognition of Handwritten Digits (Alpaydin & Kaynak 1998), as in scikit-learn's load_digits",
    )
