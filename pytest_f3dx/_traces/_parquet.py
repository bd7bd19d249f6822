"""Rows of a Parquet bundle, as f3dx.analytics converts them from JSON Lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_f3dx._traces._fields import NAMED
from pytest_f3dx.errors import TraceError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

Row = dict[str, Any]

_BATCH_ROWS = 1024
_CALLS = "tool_calls"
_CALLS_TEXT = "tool_calls_json"  # the same as JSON text: f3dx.analytics writes it so for other readers


def read_parquet(path: str | os.PathLike[str]) -> list[Row]:
    """Read all rows of a Parquet bundle.

    Args:
        path: The file.

    Returns:
        A dict for each row, as `read_jsonl` gives it for the JSON Lines that f3dx converted.

    Raises:
        OSError: There is no such file, or it cannot be read.
        TraceError: It is no Parquet file or damaged, or the package pyarrow is not installed.
    """
    return list(iter_parquet(path))


def iter_parquet(path: str | os.PathLike[str]) -> Iterator[Row]:
    """Read the rows of a Parquet bundle one by one; never more than a row group is in memory.

    See `read_parquet` for argument, rows and errors.

    Yields:
        The rows, in order.
    """
    path = Path(path)
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        what, fix = "a Parquet bundle needs the package pyarrow", "pip install 'pytest-f3dx[parquet]'"
        raise TraceError(path, what, ("fix", fix)) from error
    with path.open("rb") as raw:
        batches = _batches(pq, raw)
        while True:
            try:
                batch = next(batches, None)
                rows = [] if batch is None else batch.to_pylist()
            except (pa.ArrowException, OSError) as error:
                what = f"the file is no Parquet, or damaged: {error}"
                raise TraceError(path, what, ("fix", "restore the file")) from error
            for row in rows:
                yield _as_jsonl(row)
            if batch is None:
                break


def _batches(pq: Any, raw: object) -> Iterator[Any]:  # noqa: ANN401 (a module without types)
    with pq.ParquetFile(raw) as file:
        yield from file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False)


def _as_jsonl(row: Row) -> Row:
    """Give a row as its JSON line had it; a column that is no JSON text stays as it is."""
    text = row.get(_CALLS_TEXT)
    if isinstance(text, str) and _CALLS not in row:
        try:
            calls = json.loads(text)
        except (ValueError, RecursionError):
            return {**NAMED, **row}
        row = {key: value for key, value in row.items() if key != _CALLS_TEXT}
        return {**NAMED, **row, _CALLS: calls}
    return {**NAMED, **row}
