"""A cache in one SQLite file: three tables, and hit counts that never make a hit slow."""

from __future__ import annotations

import atexit
import json
import os
import sqlite3
import threading
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pytest_f3dx._cache._clean import Cleaner
from pytest_f3dx._cache._database import Database
from pytest_f3dx._cache._entry import Entry, Meta
from pytest_f3dx._cache._group import ID, Group, put
from pytest_f3dx._fingerprint import digest
from pytest_f3dx.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_FLUSH_S = 1.0  # counts of the last moments are what a kill -9 may lose
_BATCH = 64  # entries read at a time, so that no reader stands in the way of a checkpoint
_MISSES = b""  # the row of `meta` that counts them
_GET = "SELECT response FROM meta CROSS JOIN responses USING (id) WHERE fingerprint=?"
_HITS = "UPDATE meta SET hit_count = hit_count + ? WHERE fingerprint = ?"
_FIRST_MISS = "INSERT OR IGNORE INTO meta (fingerprint, id, created_at_ms) VALUES (x'', 0, 0)"
_ENTRIES = """
SELECT id, fingerprint, request, response, created_at_ms, hit_count, model, system_fingerprint,
    response_duration_ms
FROM requests CROSS JOIN responses USING (id) CROSS JOIN meta USING (id, fingerprint)
WHERE id > ? ORDER BY id LIMIT ?
"""
_STATS = {
    "entries": "SELECT count(*) FROM responses",
    "hits": "SELECT coalesce(sum(hit_count), 0) FROM meta WHERE fingerprint != x''",
    "misses": "SELECT coalesce(sum(hit_count), 0) FROM meta WHERE fingerprint = x''",
    "bytes_requests": "SELECT coalesce(sum(length(request)), 0) FROM requests",
    "bytes_responses": "SELECT coalesce(sum(length(response)), 0) FROM responses",
}
_in_use: weakref.WeakSet[SqliteBackend] = weakref.WeakSet()


class SqliteBackend:
    """See `pytest_f3dx._cache._entry.Backend`."""

    def __init__(self, path: Path) -> None:
        """Open a file, or make it.

        Raises:
            CacheError: It cannot be used; it is left as it is.
        """
        self._counts: dict[bytes, int] = {}
        self._timer: threading.Timer | None = None
        self._cleaner = Cleaner()
        self._database = Database(path)
        self._group = Group(self._database)
        _in_use.add(self)

    # -- reading -------------------------------------------------------------------------------

    def get(self, request: object) -> bytes | None:
        """Return the answer to a request and count a hit or a miss."""
        key = digest(request)
        with self._database.reading:
            row = self._row(key)
            counted = _MISSES if row is None else key
            self._counts[counted] = self._counts.get(counted, 0) + 1
            if self._timer is None:
                self._start_timer()
        return None if row is None else row[0]

    def peek(self, request: object) -> bytes | None:
        """Return the answer to a request, and count nothing."""
        key = digest(request)
        with self._database.reading:
            row = self._row(key)
        return None if row is None else row[0]

    def has(self, fingerprint: str) -> bool:
        """Whether there is an entry."""
        with self._database.reading:
            return self._row(key_of(fingerprint)) is not None

    def _row(self, key: bytes) -> tuple[bytes] | None:
        """Read the answer of a fingerprint; the caller holds the lock."""
        try:
            row: tuple[bytes] | None = self._database.reader().execute(_GET, (key,)).fetchone()
        except sqlite3.Error as error:
            raise self._database.explained(error) from error
        return row

    def entries(self) -> Iterator[Entry]:
        """Yield all entries in the order they were first put, a few read at a time."""
        last = 0
        while rows := self._rows(last):
            for last, *fields in rows:  # noqa: B007 (`last` is where the next batch begins)
                yield _entry(tuple(fields))

    def _rows(self, last: int) -> list[tuple[Any, ...]]:
        with self._database.reading, self._database.translating():
            return self._database.reader().execute(_ENTRIES, (last, _BATCH)).fetchall()

    def stats(self) -> dict[str, int]:
        """Return true counts: of all processes, and of this one to the last hit."""
        database = self._database
        with database.writing:
            with suppress(CacheError):  # a file that cannot be written has counts all the same
                self.flush()
            with database.reading, database.translating():
                reader = database.reader()
                found = {name: int(reader.execute(query).fetchone()[0]) for name, query in _STATS.items()}
                found["misses"] += self._counts.get(_MISSES, 0)
                found["hits"] += sum(count for key, count in self._counts.items() if key != _MISSES)
        return found

    # -- writing -------------------------------------------------------------------------------

    def put(self, request: object, response: bytes, meta: Meta) -> str:
        """Keep an answer; it is on the disk when this returns.

        Args:
            request: Any JSON value; it is stored redacted.
            response: Stored as it is.
            meta: What is known of the answer.

        Returns:
            The fingerprint of the request as it was given.

        Raises:
            SecretError: A secret is left in the request that redaction does not reach.
        """
        name, stored = self._cleaner.clean(request)
        self._group.put((bytes.fromhex(name), stored, response, _now_ms(), meta))
        return name

    def restore(self, entries: Iterable[Entry]) -> None:
        """Put entries as they once were, their hits and times with them, all or none."""

        def restore(connection: sqlite3.Connection) -> None:
            for entry in entries:
                name, stored = self._cleaner.clean(entry.request)
                key = bytes.fromhex(name)
                created_at_ms = _now_ms() if entry.created_at_ms is None else entry.created_at_ms
                put(connection, key, stored, entry.response, created_at_ms, entry.meta)
                connection.execute(_HITS, (entry.hit_count, key))

        self._database.write(restore)

    def before_fetch(self, request: object) -> None:
        """Refuse what `put` would refuse."""
        self._cleaner.clean(request)

    def delete(self, fingerprint: str) -> bool:
        """Remove an entry, its hits with it; False if there is none."""
        key = key_of(fingerprint)
        return self._database.write(lambda connection: _deleted(connection, key))

    # -- hit counts ----------------------------------------------------------------------------

    def _start_timer(self) -> None:
        timer = threading.Timer(_FLUSH_S, self._flush_quietly)
        timer.daemon = True
        with suppress(RuntimeError):  # the interpreter is ending: `_flush_all` comes after this
            timer.start()
        self._timer = timer

    def flush(self) -> None:
        """Write the counts that are only in memory; after an error they still are.

        Raises:
            CacheError: The file cannot be written.
        """
        with self._database.writing:
            with self._database.reading:
                counts, self._counts, timer, self._timer = self._counts, {}, self._timer, None
            if timer:
                timer.cancel()
            if not counts:
                return
            try:
                self._write(counts)
            except BaseException:
                with self._database.reading:
                    for key, count in counts.items():
                        self._counts[key] = self._counts.get(key, 0) + count
                raise

    def _write(self, counts: dict[bytes, int]) -> None:
        def write(connection: sqlite3.Connection) -> None:
            if _MISSES in counts:
                connection.execute(_FIRST_MISS)
            connection.executemany(_HITS, [(count, key) for key, count in counts.items()])

        self._database.write(write)

    def _flush_quietly(self) -> None:
        """Flush if that is possible now; hit counts are not worth an error where nobody asked for them."""
        with suppress(CacheError):
            self.flush()

    def forget_counts(self) -> None:
        """Leave counts and puts to the parent of a fork; its timer and threads are not in this process."""
        self._counts, self._timer = {}, None
        self._group.forget()

    def close(self) -> None:
        """Write the hit counts and close the file; again, it does nothing."""
        _in_use.discard(self)
        if not self._database.is_closed():
            self._flush_quietly()
            self._database.close()

    def __del__(self) -> None:
        """Close what nobody has closed."""
        with suppress(Exception):
            self.close()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _deleted(connection: sqlite3.Connection, key: bytes) -> bool:
    """Delete an entry; False if there is none."""
    found = connection.execute(ID, (key,)).fetchone()
    if found is None:
        return False
    connection.execute("DELETE FROM requests WHERE id=?", found)
    connection.execute("DELETE FROM responses WHERE id=?", found)
    connection.execute("DELETE FROM meta WHERE fingerprint=?", (key,))
    return True


def key_of(fingerprint: str) -> bytes:
    """Return how a fingerprint stands in the file; for what is none, a key that nothing has."""
    try:
        return bytes.fromhex(fingerprint)
    except ValueError:
        return fingerprint.encode()


def _entry(fields: tuple[Any, ...]) -> Entry:
    key, request, response, created_at_ms, hit_count, *facts = fields
    return Entry(key.hex(), json.loads(request), response, created_at_ms, hit_count, Meta(*facts))


def _flush_all() -> None:
    for backend in list(_in_use):
        backend.close()


def _after_in_child() -> None:
    for backend in list(_in_use):
        backend.forget_counts()


atexit.register(_flush_all)
if hasattr(os, "register_at_fork"):  # pragma: no branch (absent on Windows)
    os.register_at_fork(after_in_child=_after_in_child)
