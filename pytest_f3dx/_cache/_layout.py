"""What stands in the file of a cache: three tables, and how they are made and brought up to date.

A put dirties as few pages as three tables allow: they share a small number, by which `requests` and
`responses` grow at their end, and only `meta` is looked up by fingerprint, without an index beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

APPLICATION_ID = 0x66336478  # "f3dx"
VERSION = 2
PAGE_BYTES = (
    8192  # a request of 100 KB is half as many writes as in pages of 4 KB, one of 1 KB not more bytes
)
TABLES = {"requests", "responses", "meta"}
_REQUESTS = "CREATE TABLE requests (id INTEGER PRIMARY KEY, fingerprint BLOB NOT NULL, request BLOB NOT NULL)"
_RESPONSES = "CREATE TABLE responses (id INTEGER PRIMARY KEY, response BLOB NOT NULL)"
# The row whose fingerprint is empty counts the misses, in hit_count.
_META = """
CREATE TABLE meta (
    fingerprint BLOB PRIMARY KEY,
    id INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    hit_count INTEGER NOT NULL DEFAULT 0,
    model TEXT,
    system_fingerprint TEXT,
    response_duration_ms INTEGER
) WITHOUT ROWID
"""
_SCHEMA = (_REQUESTS, _RESPONSES, _META)
# Format 1 had the fingerprint as text in all three tables, so that each had an index beside it.
_FROM_1 = """
INSERT INTO requests SELECT rowid, unhex(fingerprint), request FROM requests_1;
INSERT INTO responses SELECT requests_1.rowid, response FROM requests_1 JOIN responses_1 USING (fingerprint);
INSERT INTO meta SELECT unhex(fingerprint), coalesce(requests_1.rowid, 0), created_at_ms, hit_count, model,
    system_fingerprint, response_duration_ms
FROM meta_1 LEFT JOIN requests_1 USING (fingerprint)
"""


def make(connection: sqlite3.Connection) -> None:
    """Make the tables in an empty database; in the caller's transaction."""
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={VERSION}")
    for statement in _SCHEMA:
        connection.execute(statement)


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Copy what a file of an older format holds into tables of this one; in the caller's transaction."""
    if version_of(connection) == VERSION:  # another process was first
        return
    connection.create_function("unhex", 1, bytes.fromhex, deterministic=True)  # SQLite has it from 3.41 on
    for table in TABLES:
        connection.execute(f"ALTER TABLE {table} RENAME TO {table}_1")
    make(connection)
    for statement in _FROM_1.split(";"):
        connection.execute(statement)
    for table in TABLES:
        connection.execute(f"DROP TABLE {table}_1")


def version_of(connection: sqlite3.Connection) -> int:
    """Return the format of a file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def missing_tables(connection: sqlite3.Connection) -> list[str]:
    """Return the names of tables that are not there."""
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    return sorted(TABLES - names)


class Committing:
    """Ends the transaction that was begun: commits, or rolls back if the body raises.

    A class, because every put is in one: as a generator it took 2 us more.
    """

    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Take a connection in a transaction."""
        self._connection = connection

    def __enter__(self) -> None:
        """Let the body write."""

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        """Commit; what the body raised, or the commit does, leaves no transaction open."""
        try:
            if kind is None:
                self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
