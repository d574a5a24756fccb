"""Rows as a parquet file, by pyarrow."""

from collections.abc import Mapping, Sequence
from io import BytesIO

from robustsuite.errors import UsageError
from robustsuite.reporting.table import Value


def to_parquet(rows: Sequence[Mapping[str, Value]], columns: Mapping[str, type]) -> bytes:
    """The rows as the bytes of a parquet file, with columns of the given types; `None` is null.

    Text is kept as it is, except for halves of characters, which UTF-8 cannot hold. Raises `UsageError` where pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UsageError("expected pyarrow to write parquet, got none; pip install 'robustsuite[parquet]'") from None
    kinds = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    table = {name: pyarrow.array([_whole(row[name]) for row in rows], kinds[kind]) for name, kind in columns.items()}
    file = BytesIO()
    parquet.write_table(pyarrow.table(table), file)
    return file.getvalue()


def _whole(value: Value) -> Value:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
