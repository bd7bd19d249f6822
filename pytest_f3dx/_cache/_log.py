"""The write-ahead log beside the file of a cache: how long it gets, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

# Of pages, when SQLite copies them into the file, which waits for the disk twice, and begins the log anew:
# with half as much a put of 100 KB takes 8 % longer.
LOG_BYTES = 8 * 1024 * 1024
_CACHE_KB = 2000  # SQLite's own default


def bound(connection: sqlite3.Connection) -> None:
    """Let a log be begun anew at `LOG_BYTES`, whatever the size of a page."""
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    connection.execute(f"PRAGMA wal_autocheckpoint={LOG_BYTES // page_bytes}")


def grow(connection: sqlite3.Connection, path: Path, begin: Callable[[sqlite3.Connection], object]) -> None:
    """Make the log as long as it ever gets, unless it is.

    A commit within its length costs the disk one write; one that makes it longer costs a second one, of
    the file's new size. So what is too much for SQLite's memory is written to the log and rolled back.

    Args:
        connection: Writes to the file.
        path: The file.
        begin: Begins a transaction that writes.

    Raises:
        OSError: There is no log.
        sqlite3.Error: There is no room, or another process writes.
    """
    if path.with_name(f"{path.name}-wal").stat().st_size >= LOG_BYTES:
        return
    begin(connection)
    try:
        connection.execute("PRAGMA cache_size=8")
        # An eighth more: the transaction that reaches the limit goes beyond it.
        connection.execute("INSERT INTO responses VALUES (NULL, zeroblob(?))", (LOG_BYTES * 9 // 8,))
    finally:
        if connection.in_transaction:  # pragma: no branch (a full disk ends it)
            connection.execute("ROLLBACK")
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KB}")
