"""A folder of runs, looked over: what is there, whether it is intact, and what may go. No torch."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from robustsuite import store
from robustsuite.errors import UsageError

LEFT_FOR = 3600
"""Seconds after which a temporary file is nobody's any more."""


@dataclass(frozen=True)
class Kept:
    """One stored run: `state` is `finished`, `cut short`, `shard 1 of 4` or `unreadable`; sizes in bytes."""

    folder: Path
    models: tuple[str, ...]
    state: str
    conditions: int
    size: int
    modified: float


def runs(reports: Path) -> list[Kept]:
    """Every run in a folder, by name. Raises `UsageError` where there is no such folder."""
    if not reports.is_dir():
        raise UsageError(f"expected a folder of runs at {reports}, got nothing there; give the folder that --reports was given")
    folders = {path.parent for path in reports.glob("*/run-*.json")} | {
        path.parent.parent for path in reports.glob(f"*/blocks-*/{store.BEGUN}")
    }
    return [_kept(folder) for folder in sorted(folders)]


def _kept(folder: Path) -> Kept:
    files = [path for path in folder.rglob("*") if path.is_file()]
    size, modified = sum(path.stat().st_size for path in files), max(path.stat().st_mtime for path in files)
    try:
        parts = store.descriptions(folder)
    except UsageError:
        return Kept(folder, (), "unreadable", 0, size, modified)
    models = tuple(dict.fromkeys(alias for told in parts.values() for alias in told["selected"]))
    shard = next((told["shard"] for told in parts.values() if tuple(told.get("shard", (1, 1))) != (1, 1)), None)
    whole = all(told["finished"] and not told["broken"] for told in parts.values())
    state = ("shard {} of {}".format(*shard) if shard else "finished") if whole else "cut short"
    return Kept(folder, models, state, max(len(told["conditions"]) for told in parts.values()), size, modified)


def damage(folder: Path) -> Iterator[str]:
    """A sentence for each file of a run that is not as it was written, or is missing."""
    try:
        parts = store.descriptions(folder)
    except UsageError as error:
        yield str(error)
        parts = {path.name.removeprefix("blocks-"): {} for path in sorted(folder.glob("blocks-*"))}
    for part, told in parts.items():
        paths = sorted((folder / f"blocks-{part}").glob("*.safetensors"))
        for number, path in enumerate(paths):
            name, _, digest = path.stem.partition("-")
            if name != f"{number:06}":
                yield f"{path.parent}: block {number:06} is missing"
                break
            if digest and digest != store.checksum(path.read_bytes()):
                yield f"{path}: its checksum is another"
        if len(paths) < told.get("blocks", 0):
            yield f"{folder / f'blocks-{part}'}: {told['blocks']} blocks were written, {len(paths)} are there"


def waste(reports: Path, days: float | None = None) -> list[Path]:
    """What may go: what killed processes left half written, and with `days` the runs that nobody has touched for longer than that."""
    now = time.time()
    left = [path for path in reports.rglob(".*.[0-9]*") if path.is_file() and now - path.stat().st_mtime > LEFT_FOR]
    left += [path for path in reports.glob("*/.baseline.[0-9]*") if path.is_dir()]
    old = [] if days is None else [one.folder for one in runs(reports) if now - one.modified > 86400 * days]
    return [*(path for path in left if not any(folder in path.parents for folder in old)), *old]


def remove(path: Path) -> int:
    """Delete a file or a folder; the number of bytes that it held."""
    if path.is_dir():
        size = sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
        shutil.rmtree(path)
        return size
    size = path.stat().st_size
    path.unlink()
    return size
