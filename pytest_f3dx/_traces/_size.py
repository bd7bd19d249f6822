"""How many rows a bundle has, where that is cheap to know; for a progress bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK_BYTES = 1024 * 1024
_MOST_BYTES = 2 * 1024**3  # counting is a second or so; beyond, a bar without an end does


def rows_in(path: Path) -> int | None:
    """Count the rows of a bundle.

    Returns:
        The rows of a Parquet file, the line ends of a plain file; None for a compressed, special, huge or
        unreadable one.
    """
    try:
        if path.suffix.lower() == ".parquet":
            return _rows_of_parquet(path)
        if path.suffix.lower() in {".gz", ".zst"} or not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return None
        with path.open("rb") as file:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_CHUNK_BYTES), b""))
    except (OSError, ValueError, ImportError):  # whoever reads the rows says what is wrong
        return None


def _rows_of_parquet(path: Path) -> int:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return int(file.metadata.num_rows)
