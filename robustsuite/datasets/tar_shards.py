"""Tar files of images and labels in WebDataset's layout, read where they lie: nothing is unpacked."""

import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL.Image import Image

from robustsuite.datasets._bytes import image_of, stamp_of
from robustsuite.datasets._files import SUFFIXES
from robustsuite.datasets._tables import MOST_CLASSES
from robustsuite.datasets._wordnet_folders import needed, refusal
from robustsuite.errors import EvaluationError
from robustsuite.records import Dataset

LAYOUT = "*.tar with 000123.jpg and 000123.cls, or 000123.json with a label; classes.txt"
LICENCE = "your own"
WHERE = "your own images"

CLASSES = "classes.txt"
LARGEST_LABEL = 1_000_000  # bytes; a .cls holds a number, a .json what else is known of an image
LARGEST_IMAGE = 1 << 29  # bytes; 64 megapixels of 16 bits, not compressed, are less
DAMAGED = "write or download the shard again"


@dataclass(frozen=True)
class _Sample:
    """An image and its label, and where the image's bytes lie in the shard."""

    member: str
    label: int
    start: int
    size: int


@dataclass(frozen=True)
class _Lazy:
    """Reads images from the shards; can be sent to another process."""

    root: Path
    ids: list[str]
    shards: list[str]
    starts: np.ndarray
    sizes: np.ndarray
    stamps: dict[str, tuple[int, int]]

    def __call__(self, index: int) -> Image:
        path = self.root / self.shards[index]
        try:
            with path.open("rb") as file:
                if stamp_of(path) != self.stamps[self.shards[index]]:
                    raise EvaluationError(f"expected {path} as it was when it was opened, got one that was changed since; open it again")
                file.seek(int(self.starts[index]))
                content = file.read(int(self.sizes[index]))
        except OSError as error:
            raise EvaluationError(f"expected a readable shard, got {path} ({error}); restore it and open the data set again") from error
        return image_of(content, str(self.root / self.ids[index]))


def tar_shards(root: Path | None) -> Dataset:
    """The images of all shards, in the order of the shards' names and within them.

    The parts of a sample are the members whose names are equal up to the first dot after the folder; one is an image, and `.cls` or else
    `.json` (its `label`) has the label, a whole number. Others are passed over. The numbers' names are the lines of `classes.txt`.

    Raises:
        UsageError: the folder holds other files, a shard is compressed, damaged or cut short or holds links or devices, or a sample has no
            image, two, or no label.
    """
    root = needed(root, "tar_shards", "shards *.tar")
    shards = _shards(root)
    stamps = {shard: stamp_of(root / shard) for shard in shards}
    samples = [(shard, sample) for shard in shards for sample in _samples(root / shard)]
    if not samples:
        raise refusal("tar_shards", "images", "none", root, "point at the folder that holds the shards")
    labels = np.array([sample.label for _, sample in samples])
    ids = [f"{shard}/{sample.member}" for shard, sample in samples]
    starts, sizes = (np.array(each) for each in zip(*((sample.start, sample.size) for _, sample in samples), strict=True))
    read = _Lazy(root, ids, [shard for shard, _ in samples], starts, sizes, stamps)
    return Dataset("tar_shards", ids, labels, _classes(root, int(labels.max())), read, source=f"{root} ({len(shards)} shards)")


def _shards(root: Path) -> list[str]:
    names = sorted(path.name for path in root.iterdir() if not path.name.startswith(".") and path.name != CLASSES)
    if other := [name for name in names if not name.endswith(".tar")]:
        raise refusal("tar_shards", f"only *.tar and {CLASSES}", repr(other[0]), root, "move it out, or unpack it if it is compressed")
    if not names:
        raise refusal("tar_shards", "shards *.tar", "none", root, "point at the folder that holds them")
    return names


def _samples(path: Path) -> list[_Sample]:
    """The samples of a shard, from one pass over its headers."""
    parts: dict[str, dict[str, tarfile.TarInfo]] = {}
    try:
        with tarfile.open(path, "r:") as shard:
            for member in _regular(shard, path):
                folder, slash, file = member.name.rpartition("/")
                if file.startswith("."):
                    continue
                stem, _, kind = file.partition(".")
                sample = parts.setdefault(f"{folder}{slash}{stem}", {})
                if kind in sample:
                    raise refusal("tar_shards", "every member once", f"{member.name!r} twice", path, DAMAGED)
                sample[kind] = member
            _check_end(shard, path)
            return [_sample(shard, path, key, sample) for key, sample in parts.items()]
    except (OSError, tarfile.TarError, ValueError, OverflowError, MemoryError) as error:  # the last three of sizes that cannot be
        raise refusal("tar_shards", "a tar file, not compressed", str(error), path, DAMAGED) from error


def _regular(shard: tarfile.TarFile, path: Path) -> Iterator[tarfile.TarInfo]:
    """The files of a shard; folders are passed over, and all else is refused."""
    for member in shard:
        if member.isreg() and not member.issparse():
            yield member
        elif not member.isdir():
            raise refusal("tar_shards", "files and folders only", f"{member.name!r}, a link or a device,", path, "write it without")


def _check_end(shard: tarfile.TarFile, path: Path) -> None:
    """Refuses a shard that does not end as tar files do: it was cut short between two members, or a header within it is damaged."""
    with path.open("rb") as file:
        file.seek(shard.offset)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise refusal("tar_shards", "a tar file with its end", f"one that breaks off at byte {shard.offset:,}", path, DAMAGED)


def _sample(shard: tarfile.TarFile, path: Path, key: str, parts: dict[str, tarfile.TarInfo]) -> _Sample:
    images = [member for kind, member in parts.items() if f".{kind.lower()}" in SUFFIXES]
    if len(images) != 1:
        raise refusal("tar_shards", "one image in each sample", f"{len(images)} in {key!r}", path, DAMAGED)
    member = parts.get("cls") or parts.get("json")
    if member is None:
        raise refusal("tar_shards", f"a label beside {images[0].name!r}", "none", path, "add a member .cls, or .json with a label")
    if images[0].size > LARGEST_IMAGE:
        raise refusal("tar_shards", f"images of at most {LARGEST_IMAGE >> 20} MiB", f"{images[0].size:,} bytes in {key!r}", path, DAMAGED)
    return _Sample(images[0].name, _label(shard, path, member), images[0].offset_data, images[0].size)


def _label(shard: tarfile.TarFile, path: Path, member: tarfile.TarInfo) -> int:
    content = shard.extractfile(member) if member.size <= LARGEST_LABEL else None
    text = content.read().decode(errors="replace").strip() if content else ""
    try:
        label = json.loads(text) if member.name.endswith(".cls") else json.loads(text)["label"]
    except (ValueError, KeyError, TypeError, RecursionError):
        label = None
    if type(label) is not int or not 0 <= label < MOST_CLASSES:
        raise refusal("tar_shards", f"a whole number from 0 in {member.name!r}", repr(text[:40]), path, "write the number of the class")
    return label


def _classes(root: Path, largest: int) -> Sequence[str]:
    """The lines of `classes.txt`, or the numbers up to the largest."""
    path = root / CLASSES
    if not path.is_file():
        return tuple(map(str, range(largest + 1)))
    names = path.read_text(encoding="utf-8-sig").splitlines()
    if len(names) <= largest or len(set(names)) < len(names) or "" in names:
        expected = f"a different name for each class from 0 to {largest}, one on a line"
        raise refusal("tar_shards", expected, f"{len(set(names))} names on {len(names)} lines", path, "complete the list")
    return tuple(names)
