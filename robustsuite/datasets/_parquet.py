"""Images in parquet files, as Hugging Face's hub stores them: a column `image` of {bytes, path}, and columns of labels and the like."""

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from typing import Any

from PIL.Image import Image

from robustsuite.datasets._bytes import image_of, stamp_of
from robustsuite.datasets._wordnet_folders import needed, refusal
from robustsuite.errors import EvaluationError, UsageError

BESIDE = ("README.md", "dataset_infos.json")  # what a snapshot of the hub has beside its parquet files
SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})(?:-[0-9a-f]+)?")


@dataclass(frozen=True)
class Rows:
    """The rows of a folder of parquet files, in the order of the files' names and within them.

    Attributes:
        ids: `file/number of the row`, the file relative to the folder.
        columns: by name, the values of each column asked for.
        classes: by name, the class names of those columns for which the files' metadata has them.
        read: decodes the image of a row; holds one group of rows in memory at a time.
    """

    ids: list[str]
    columns: dict[str, list[Any]]
    classes: dict[str, tuple[str, ...]]
    read: Callable[[int], Image]


@dataclass(frozen=True)
class _Lazy:
    """Reads images by row number; can be sent to another process. `starts` are the first rows of the groups, numbered over all files."""

    groups: tuple[tuple[str, int, tuple[int, int]], ...]
    starts: tuple[int, ...]
    ids: list[str]

    def __call__(self, index: int) -> Image:
        place = bisect_right(self.starts, index) - 1
        content = _images(*self.groups[place])[index - self.starts[place]]["bytes"].as_py()
        if content is None:
            raise EvaluationError(f"expected the bytes of an image, got none in {self.ids[index]}; embed the images in the parquet files")
        return image_of(content, self.ids[index])


@lru_cache(maxsize=1)
def _images(file: str, group: int, stamp: tuple[int, int]) -> Any:
    """The column `image` of one group of rows, of a file that had this stamp when it was opened."""
    import pyarrow
    from pyarrow import parquet

    try:
        if stamp_of(Path(file)) != stamp:
            raise EvaluationError(f"expected {file} as it was when it was opened, got one that was changed since; open it again")
        with parquet.ParquetFile(file) as content:
            return content.read_row_group(group, columns=["image.bytes"]).column("image")
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise EvaluationError(f"expected readable images in {file}, got an error ({_line(error)}); download the file again") from error


def opened(root: Path | None, name: str, columns: Sequence[str] | None = None) -> Rows:
    """The images and small columns of a folder of parquet files; no image is read.

    Args:
        root: the folder; the files may lie deeper. Hidden ones are passed over.
        name: the data set's, for errors.
        columns: to be read; `None` reads every column of strings or whole numbers.

    Raises:
        UsageError: pyarrow is missing, the folder holds no parquet files or those of several splits, one is missing or damaged, or lacks
            one of the columns.
    """
    root = needed(root, name, "parquet files")
    files = _files(root, name)
    if find_spec("pyarrow") is None:
        raise UsageError(f"data set {name!r}: expected the package pyarrow, got none; pip install 'robustsuite[parquet]'")
    ids: list[str] = []
    values: dict[str, list[Any]] = {}
    groups: list[tuple[str, int, tuple[int, int]]] = []
    sizes: list[int] = []
    classes: dict[str, tuple[str, ...]] = {}
    for number, file in enumerate(files):
        found, rows, named = _table(file, name, columns)
        if number and (found.keys() != values.keys() or named != classes):
            expected = f"the same columns and classes as in {files[0].name}"
            raise refusal(name, expected, "others", file, "keep one split of one revision in the folder")
        classes = named
        for column, content in found.items():
            values.setdefault(column, []).extend(content)
        ids += [f"{file.relative_to(root).as_posix()}/{row}" for row in range(sum(rows))]
        groups += [(str(file), group, stamp_of(file)) for group in range(len(rows))]
        sizes += rows
    if not ids:
        raise refusal(name, "rows in the parquet files", "none", root, "download them again")
    starts = tuple(accumulate(sizes, initial=0))[:-1]
    return Rows(ids, values, classes, _Lazy(tuple(groups), starts, ids))


def _files(root: Path, name: str) -> list[Path]:
    """The parquet files of one split, sorted, all of them there."""
    inside = sorted(path for path in root.rglob("*") if path.is_file())
    seen = [path for path in inside if not any(part.startswith(".") for part in path.relative_to(root).parts)]
    files = [path for path in seen if path.suffix.lower() == ".parquet"]
    if not files:
        raise refusal(name, "parquet files", "none", root, "download the data set's folder 'data'")
    if other := [path for path in seen if path not in files and path.name not in BESIDE]:
        raise refusal(name, "only parquet files", repr(other[0].name), other[0].parent, "move it out of the data folder")
    _check_shards(files, name, root)
    return files


def _check_shards(files: list[Path], name: str, root: Path) -> None:
    parts = [SHARD.fullmatch(path.stem) for path in files]
    splits = sorted({part[1] if part else path.stem for part, path in zip(parts, files, strict=True)})
    if len(splits) > 1:
        expected = "the files of one split, such as test-00000-of-00004.parquet"
        raise refusal(name, expected, ", ".join(splits), root, "point at a folder with those that are to be judged")
    if not all(parts):
        return
    wanted = {int(part[3]) for part in parts if part}
    numbers = [int(part[2]) for part in parts if part]
    if wanted != {len(files)} or numbers != list(range(len(files))):
        expected = f"files 0 to {max(wanted) - 1} of the split {splits[0]!r}, each once"
        raise refusal(name, expected, f"{len(files):,} files", root, "download the missing ones")


def _table(file: Path, name: str, columns: Sequence[str] | None) -> tuple[dict[str, list[Any]], list[int], dict[str, tuple[str, ...]]]:
    """The small columns of a file, the number of rows in each of its groups, and the class names of its columns."""
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(file) as content:
            schema = content.schema_arrow
            if columns is None:
                columns = [field.name for field in schema if _is_small(field.type)]
            if missing := [column for column in ("image", *columns) if column not in schema.names]:
                raise refusal(name, f"a column {missing[0]!r}", ", ".join(schema.names), file, "rename the column that holds it")
            stored = schema.field("image").type
            if not (pyarrow.types.is_struct(stored) and "bytes" in [field.name for field in stored]):
                raise refusal(name, "a column 'image' of bytes and path", str(stored), file, "save it as images of the hub")
            values = {column: content.read(columns=[column]).column(column).to_pylist() for column in columns}
            rows = [content.metadata.row_group(group).num_rows for group in range(content.num_row_groups)]
            return values, rows, _classes(schema.metadata, values)
    except (OSError, ValueError, pyarrow.ArrowException) as error:  # ValueError: of metadata that are no UTF-8 or no JSON
        raise refusal(name, "a parquet file", _line(error), file, "download it again") from error


def _is_small(kind: Any) -> bool:
    from pyarrow import types

    return types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind)


def _classes(metadata: dict[bytes, bytes] | None, columns: dict[str, list[Any]]) -> dict[str, tuple[str, ...]]:
    """The names of the classes that whole numbers stand for, by column, from what Hugging Face's library writes into a file."""
    stated = json.loads((metadata or {}).get(b"huggingface", b"{}"))
    for key in ("info", "features"):
        stated = stated.get(key) if isinstance(stated, dict) else None
    features = stated if isinstance(stated, dict) else {}
    named = {column: feature.get("names") for column in columns if isinstance(feature := features.get(column), dict)}
    return {column: tuple(map(str, names)) for column, names in named.items() if isinstance(names, list) and names}


def _line(error: Exception) -> str:
    return str(error).split("\n")[0]
