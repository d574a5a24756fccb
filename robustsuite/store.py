"""Runs on disk: small files, written whole or not at all, from which every verdict and report can be made again. No torch.

A run's folder holds, for each part of the run (one, or one for each worker), `run-<part>.json`, which says what was run, and
`blocks-<part>/000000-<checksum>.safetensors`, ..., one file for each `Block`. A run that was killed has lost its last block at most.
What was run is also kept beside the blocks as it was at the beginning (`begun.json`): with the blocks, all else can be made again.
"""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from robustsuite.errors import UsageError
from robustsuite.intact import check_calibration, check_description, check_heading, check_outcome, check_picture
from robustsuite.predictions import Block, CalibrationLogits, Outcome, Picture, Predictions
from robustsuite.records import Condition

SCHEMA_VERSION = 1
CHECKSUM = "checksum"  # of the rest of a description
BEGUN = "begun.json"
MEND = "delete it and take the run up again with --rs-resume, which makes it from the blocks, or run the suite anew"
MEASURED = "measured:"  # before the names of an outcome's further numbers


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part: temporary file, sync, rename.

    Raises `UsageError` where it cannot be written, as on a full disk.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise UsageError(
            f"expected to write {path}, got an error ({error.strerror or error}); make room and take the run up with --rs-resume"
        ) from error


def folder_for(reports: Path, suite: str, aliases: Sequence[str]) -> Path:
    """A new folder `<suite>-<model>-<time>` for a run. Raises `UsageError` where it cannot be made."""
    models = aliases[0] if len(aliases) == 1 else f"{len(aliases)}-models"
    stem = f"{suite}-{models}-{datetime.now():%Y%m%d-%H%M%S}"
    for suffix in ("", *(f"-{number}" for number in range(2, 100))):
        folder = reports / f"{stem}{suffix}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise UsageError(
                f"expected a folder for reports that can be written to, got {reports} ({error.strerror}); use --reports DIR"
            ) from error
        return folder
    raise UsageError(f"expected room for one more report named {stem} in {reports}; wait a second and run again")


def checksum(content: bytes) -> str:
    """16 hexadecimal digits that another content has only by intent or a chance of 2^-64."""
    return blake2b(content, digest_size=8).hexdigest()


def described(description: Mapping[str, Any]) -> bytes:
    """A description as a file holds it, with the version of the format and a checksum."""
    content = {"schema_version": SCHEMA_VERSION, **description}
    return json.dumps({**content, CHECKSUM: _own_checksum(content)}, indent=1, allow_nan=False).encode()


def _own_checksum(content: Mapping[str, Any]) -> str:
    return checksum(json.dumps({name: value for name, value in content.items() if name != CHECKSUM}, sort_keys=True).encode())


class Writer:
    """One part of a run's folder, while it is being filled."""

    def __init__(self, folder: Path, part: str, description: Mapping[str, Any]):
        """Create the folder and say what is about to be run.

        Args:
            folder: the run's folder; made where it does not exist.
            part: a name of this part, unique within the folder.
            description: JSON-able; what `descriptions` gives back.
        """
        self.folder, self.part, self.written = folder, part, 0
        (folder / f"blocks-{part}").mkdir(parents=True, exist_ok=True)
        if not self.begun.is_file():
            write_whole(self.begun, described(description))
        self.describe(description)

    @property
    def begun(self) -> Path:
        """What was to be run, as it was known at the beginning."""
        return self.folder / f"blocks-{self.part}" / BEGUN

    def describe(self, description: Mapping[str, Any]) -> None:
        """Replace the description of this part."""
        write_whole(self.folder / f"run-{self.part}.json", described(description))

    def add(self, block: Block, conditions: Mapping[Condition, int]) -> None:
        """Write a block. `conditions` numbers the conditions; the reader must be given the same."""
        arrays: dict[str, np.ndarray] = {}
        entries: list[dict[str, Any]] = []

        def keep(entry: dict[str, Any], columns: Mapping[str, np.ndarray]) -> None:
            arrays.update({f"{len(entries)}/{name}": np.ascontiguousarray(column) for name, column in columns.items()})
            entries.append(entry)

        for outcome in block.outcomes:
            own = {"model": outcome.model, "condition": conditions[outcome.condition], "expected": outcome.expected}
            keep({**own, "counts": dict(outcome.counts), "error": outcome.error}, _columns(outcome))
        for part in block.calibration:
            keep({"model": part.model, "dataset": part.dataset}, {"rows": part.rows, "labels": part.labels, "logits": part.logits})
        for picture in block.pictures:
            arrays_of = {"pixels": picture.pixels} | ({} if picture.heat is None else {"heat": picture.heat})
            keep({"model": picture.model, "condition": conditions[picture.condition], "row": picture.row}, arrays_of)
        if entries:
            told = {"notes": [*block.notes], "facts": dict(block.facts)}
            header = {"dataset": block.dataset, "images": block.images, **told, "entries": entries}
            content = save(arrays, metadata={"robustsuite": json.dumps(header, allow_nan=False)})
            write_whole(self.folder / f"blocks-{self.part}" / f"{self.written:06}-{checksum(content)}.safetensors", content)
            self.written += 1


class Found:
    """What the blocks of a run say together, as they come or as they are read."""

    def __init__(self, groups: Mapping[str, Mapping[str, np.ndarray]] | None = None) -> None:
        """Nothing yet. `groups` are those of all images, by data set and attribute, str `[images]`."""
        self._groups = groups or {}
        self._gathered: dict[tuple[str, Condition], _Gathered] = {}
        self._calibration: dict[tuple[str, str], list[CalibrationLogits]] = defaultdict(list)
        self.pictures: list[Picture] = []

    def add(self, block: Block) -> None:
        """Take in one block."""
        for outcome in block.outcomes:
            self._gathered.setdefault((outcome.model, outcome.condition), _Gathered(outcome.expected)).add(outcome)
        for part in block.calibration:
            self._calibration[part.model, part.dataset].append(part)
        self.pictures += block.pictures

    def decided(self, model: str, condition: Condition) -> bool:
        """Whether every judged image has been shown, or the condition has been given up."""
        gathered = self._gathered.get((model, condition))
        return gathered is not None and (bool(gathered.error) or gathered.filled == gathered.expected)

    def seen(self, model: str, condition: Condition) -> int:
        """How many judged images have been shown."""
        gathered = self._gathered.get((model, condition))
        return gathered.filled if gathered else 0

    def outcome(self, model: str, condition: Condition, broken: str = "") -> Outcome:
        """The outcome so far; without rows where nothing is known yet. `broken` is why nothing more will come, if so."""
        gathered = self._gathered.get((model, condition), _Gathered(-1))
        error = gathered.error or (broken if gathered.filled != gathered.expected else "")
        if error or not gathered.filled:
            return Outcome(model, condition, np.zeros(0, np.int64), None, gathered.expected, error=error)
        found = _outcome(model, condition, gathered.expected, gathered.counts, gathered.rows())
        groups = {attribute: names[found.rows] for attribute, names in self._groups.get(condition.dataset, {}).items()}
        return replace(found, groups=groups)

    def check(self, data: Mapping[str, Any]) -> None:
        """Raises `ValueError` or `KeyError` for what no run finds out about these data, which are as in its description."""
        for (model, condition), gathered in self._gathered.items():
            if not isinstance(gathered.error, str) or not isinstance(gathered.expected, int):
                raise ValueError(f"{condition} with an error or a number of images of another type")
            if gathered.filled:
                check_outcome(_outcome(model, condition, gathered.expected, gathered.counts, gathered.rows()), data[condition.dataset])
        for part in self.calibration():
            check_calibration(part, data[part.dataset])
        for picture in self.pictures:
            check_picture(picture, data[picture.condition.dataset])

    def calibration(self) -> list[CalibrationLogits]:
        """The calibration logits of every model and data set."""
        return [CalibrationLogits.join(parts) for parts in self._calibration.values()]


class _Gathered:
    """The rows of one outcome, copied into arrays that were made for all of them.

    Kept as they come, the small arrays of many blocks would lie scattered between the large ones that come and go, and keep
    the allocator from using that memory again: sixty times what they hold.
    """

    def __init__(self, expected: int):
        self.expected, self.filled, self.error = expected, 0, ""
        self.arrays: dict[str, np.ndarray] = {}
        self.counts: Counter[str] = Counter()

    def add(self, part: Outcome) -> None:
        """Copy the rows of a part. Raises `ValueError` for more rows than were expected."""
        self.error = self.error or part.error
        if part.error or not len(part.rows):
            return
        columns, until = _columns(part), self.filled + len(part.rows)
        if until > self.expected:
            raise ValueError(f"expected {self.expected} rows, got {until}")
        if not self.arrays:
            self.arrays = {name: np.empty((self.expected, *column.shape[1:]), column.dtype) for name, column in columns.items()}
        for name, column in columns.items():
            if column.dtype != self.arrays[name].dtype:
                raise ValueError(f"expected {name} as {self.arrays[name].dtype}, got {column.dtype}")
            self.arrays[name][self.filled : until] = column
        self.filled = until
        self.counts.update(part.counts)

    def rows(self) -> dict[str, np.ndarray]:
        """The columns so far, by ascending row number."""
        found = {name: column[: self.filled] for name, column in self.arrays.items()}
        if bool((np.diff(found["rows"]) < 0).any()):
            order = np.argsort(found["rows"])
            found = {name: column[order] for name, column in found.items()}
        return found


def descriptions(folder: Path) -> dict[str, dict[str, Any]]:
    """What each part of a run said it would do, by part. Raises `UsageError` for a folder that holds no readable run.

    Where a part's description is lost, the one of its beginning is taken: the run then looks killed, and can be taken up.
    """
    begun = {path.parent.name.removeprefix("blocks-"): path for path in sorted(folder.glob(f"blocks-*/{BEGUN}"))}
    files = begun | {path.stem.removeprefix("run-"): path for path in sorted(folder.glob("run-*.json"))}
    if not files:
        raise UsageError(f"expected a run's folder with run-*.json in it, got {folder}; give the folder that a run printed as its report's")
    return {part: _description(path) for part, path in sorted(files.items())}


def _description(file: Path) -> dict[str, Any]:
    try:
        description = json.loads(file.read_text())
        version = description["schema_version"]
        known = isinstance(version, int) and version <= SCHEMA_VERSION
        intact = description.pop(CHECKSUM, None) == _own_checksum(description)
        if known and intact:
            check_description(description)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"expected a run's description in {file}, got something else ({error}); {MEND}") from error
    if not known:
        raise UsageError(f"{file} was written by a newer robustsuite (version {version} of the format, known: {SCHEMA_VERSION}); upgrade")
    if not intact:
        raise UsageError(f"expected {file} as a run wrote it, got one that was changed or damaged since; {MEND}")
    return description


def described_groups(groups: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The groups of all images, by attribute, as a description holds them: each name once."""
    told = {}
    for attribute, belongs in groups.items():
        names, codes = np.unique(np.asarray(belongs, dtype=np.str_), return_inverse=True)
        told[attribute] = {"names": names.tolist(), "codes": codes.tolist()}
    return told


def groups_in(data: Mapping[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """The groups that a description's data hold, by data set and attribute, str `[images]`."""
    return {
        name: {attribute: np.array(told["names"])[told["codes"]] for attribute, told in one.get("groups", {}).items()}
        for name, one in data.items()
    }


def read(folder: Path, part: str, conditions: Mapping[int, Condition], data: Mapping[str, Any] | None = None) -> Found:
    """Everything that the blocks of one part say; `data` as in its description. Raises `UsageError` for a damaged block."""
    found = Found(groups_in(data or {}))
    try:
        for block in blocks(folder, part, conditions):
            found.add(block)
        if data is not None:
            found.check(data)
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        raise UsageError(
            f"expected the records of one run in {folder}, got some that do not fit together ({error}); run it anew"
        ) from error
    return found


def blocks(folder: Path, part: str, conditions: Mapping[int, Condition]) -> Iterator[Block]:
    """The blocks of one part, as they were written. Raises `UsageError` for a damaged one, and for a gap between them."""
    for number, path in enumerate(sorted((folder / f"blocks-{part}").glob("*.safetensors"))):
        name, _, digest = path.stem.partition("-")
        if name != f"{number:06}":
            raise UsageError(f"expected block {number:06} in {path.parent}, got {name}: one is missing; delete those after it, or run anew")
        try:
            if digest and digest != checksum(path.read_bytes()):
                raise ValueError("its checksum is another")
            block = _block(path, conditions)
            check_heading(block)
        except (SafetensorError, OSError, LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise UsageError(
                f"expected a block of results in {path}, got a damaged file ({error}); delete it and run the suite again"
            ) from error
        yield block


def _block(path: Path, conditions: Mapping[int, Condition]) -> Block:
    with safe_open(path, framework="np") as file:
        header = json.loads(file.metadata()["robustsuite"])
        arrays: dict[str, dict[str, np.ndarray]] = defaultdict(dict)  # of each entry, by its number
        for name in file.keys():  # noqa: SIM118 - it is no dictionary
            number, _, column = name.partition("/")
            arrays[number][column] = file.get_tensor(name)
    outcomes, calibration, pictures = [], [], []
    for number, entry in enumerate(header["entries"]):
        own = arrays[str(number)]
        if "pixels" in own:
            pictures.append(Picture(entry["row"], conditions[entry["condition"]], own["pixels"], entry["model"], own.get("heat")))
        elif "dataset" in entry:
            calibration.append(CalibrationLogits(entry["model"], entry["dataset"], own["rows"], own["labels"], own["logits"]))
        else:
            condition, error = conditions[entry["condition"]], entry["error"]
            made = _outcome(entry["model"], condition, entry["expected"], entry["counts"], own)
            outcomes.append(replace(made, error=error))
    told = tuple(header.get("notes", ())), header.get("facts", {})
    return Block(header["dataset"], header["images"], tuple(outcomes), tuple(calibration), tuple(pictures), *told)


def _columns(outcome: Outcome) -> dict[str, np.ndarray]:
    """All arrays of an outcome, by name; those of a recalibration as `temperature:labels`."""
    columns = {"rows": outcome.rows}
    for prefix, predictions in (("", outcome.predictions), *((f"{name}:", found) for name, found in outcome.recalibrated.items())):
        if predictions is not None:
            columns |= {prefix + name: column for name, column in predictions.columns.items()}
    columns |= {f"{MEASURED}{name}": column for name, column in outcome.measured.items()}
    further = {"distance": outcome.distance, "arrival": outcome.arrival}
    return columns | {name: column for name, column in further.items() if column is not None}


def _outcome(model: str, condition: Condition, expected: int, counts: Mapping[str, int], columns: Mapping[str, np.ndarray]) -> Outcome:
    """The outcome whose `_columns` these are."""
    names = Predictions.__dataclass_fields__
    prefixes = [name.removesuffix("labels") for name in columns if name.endswith("labels") and not name.startswith(MEASURED)]
    found = {prefix: Predictions(**{name: columns[prefix + name] for name in names if prefix + name in columns}) for prefix in prefixes}
    return Outcome(
        model,
        condition,
        columns["rows"],
        found.pop("", None),
        expected,
        {prefix.removesuffix(":"): predictions for prefix, predictions in found.items()},
        columns.get("distance"),
        dict(counts),
        measured={name.removeprefix(MEASURED): column for name, column in columns.items() if name.startswith(MEASURED)},
        arrival=columns.get("arrival"),
    )
