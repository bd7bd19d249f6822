"""One SQLite file: opened only if it is ours, shared by processes, threads and forks.

A process has two connections, one to read and one to write, so that a hit never waits for a put. Neither
outlives a fork: SQLite's locks belong to a process, and a child that closes an inherited connection can
destroy the file (sqlite.org/howtocorrupt.html, 2.6). So both are closed before a fork and opened again when
next needed. For the same reason nobody but SQLite opens a file that a connection of this process is open on:
closing it would drop the locks of that connection (2.2), and another process would take the log away from it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from pytest_f3dx._cache import _layout, _log
from pytest_f3dx._cache._layout import APPLICATION_ID, VERSION, Committing
from pytest_f3dx.errors import CacheError, CacheFormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

R = TypeVar("R")
BUSY_S = 60.0
_PAUSE_S = 0.01
_GROWN_AT = 8  # transactions of a process: one that writes a few answers does not pay for many
_MAGIC = b"SQLite format 3\0"
_REDB = b"redb"
_IDENTITY = slice(68, 72)  # where SQLite's header has the application id
_HEADER_BYTES = 100
_RETRIED = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")
_Identity = tuple[int, int]  # device and inode
_open: weakref.WeakSet[Database] = weakref.WeakSet()
_opening = threading.RLock()  # taken after the locks of a database
_forking = threading.Lock()
_held: list[Database] = []


class Database:
    """The file of a cache.

    Attributes:
        path: The file.
        reading: Lock of the connection that reads.
        writing: Lock of the connection that writes; taken before `reading` if both are needed.
        is_read_only: Whether the file or its directory cannot be written.
    """

    def __init__(self, path: Path) -> None:
        """Open a file, or make it.

        Raises:
            CacheError: It cannot be used; it is left as it is.
            CacheFormatError: It is no cache of ours, or of a newer version.
        """
        self.path = Path(os.path.abspath(path))  # noqa: PTH100 (a later chdir must not lead elsewhere)
        self.reading, self.writing = threading.Lock(), threading.RLock()
        self.is_read_only = False
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None
        self._is_closed = False
        self._identity: _Identity | None = None
        self._writes = 0
        self._path = str(self.path)
        with self.translating(), _opening:
            self._prepare()
            _open.add(self)

    # -- opening -------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Make the file if there is none, and refuse one that is not ours; the caller holds `_opening`."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            head = self._head()
        except OSError as error:
            raise self._refused(error.strerror or str(error)) from error
        if head:
            self._check_head(head)
        self.is_read_only = self._size() > 0 and not _is_writable(self.path)
        connection = self._connect()
        try:
            self._agree(connection)
            self._identity = self._found()
        finally:
            connection.close()

    def _head(self) -> bytes:
        """Return how the file begins; nothing if there is none, or a database of this process is on it."""
        found = self._found()
        if found is None or any(other.is_on(found) for other in _open):
            return b""
        with self.path.open("rb") as file:
            return file.read(_HEADER_BYTES)

    def _found(self) -> _Identity | None:
        """Return which file stands at the path now."""
        try:
            status = os.stat(self._path)  # noqa: PTH116 (each put asks; a third of the time of `Path.stat`)
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _size(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def is_on(self, identity: _Identity) -> bool:
        """Whether this is the file that the connections of this database are open on."""
        return identity == self._identity

    def _check_head(self, head: bytes) -> None:
        """Look at a file before SQLite does, which would recover a foreign database by writing to it."""
        if head.startswith(_REDB):
            raise self._foreign("it is a redb file, of f3dx itself", f"pytest-f3dx import-redb {self.path}")
        if not head.startswith(_MAGIC) or len(head) < _HEADER_BYTES:
            raise self._foreign("it is no SQLite file")
        if int.from_bytes(head[_IDENTITY], "big") != APPLICATION_ID:
            raise self._foreign("it is a SQLite file of another program")

    def _foreign(self, why: str, fix: str = "give the cache a path of its own") -> CacheFormatError:
        return CacheFormatError(self.path, f"this file is no cache of ours: {why}", ("fix", fix))

    def _connect(self) -> sqlite3.Connection:
        mode = "mode=rwc"
        if self.is_read_only:  # without write access to its directory there can be no -shm beside it
            has_log = self.path.with_name(f"{self.path.name}-wal").exists()
            mode = "mode=ro" if has_log else "immutable=1"
        uri = f"file:{quote(str(self.path))}?{mode}"
        connection = sqlite3.connect(
            uri, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA synchronous=FULL")  # a put is on the disk before it returns
        except BaseException:  # the file is cut off, for example; tests/test_cache.py holds that it is closed
            connection.close()
            raise
        return connection

    def _agree(self, connection: sqlite3.Connection) -> None:
        """Make the tables in an empty file; the first of several processes does, the others wait."""
        if not self.is_read_only and not self._size():
            connection.execute(f"PRAGMA page_size={_layout.PAGE_BYTES}")
            with self._exclusive(connection):
                if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    _layout.make(connection)
        if self._check(connection) < VERSION:
            if self.is_read_only:
                what = (
                    f"the cache is of format {VERSION - 1}; this version writes {VERSION}, and may not here"
                )
                raise CacheFormatError(self.path, what, ("fix", "open it once where it can be written"))
            with self._exclusive(connection):
                _layout.bring_up_to_date(connection)
        if not self.is_read_only:
            self.retried(lambda: connection.execute("PRAGMA journal_mode=WAL"))

    @contextmanager
    def _exclusive(self, connection: sqlite3.Connection) -> Iterator[None]:
        self.retried(lambda: connection.execute("BEGIN EXCLUSIVE"))
        with Committing(connection):
            yield

    def _check(self, connection: sqlite3.Connection) -> int:
        """Return the format of the file."""
        (identity,) = self.retried(lambda: connection.execute("PRAGMA application_id").fetchone())
        if identity != APPLICATION_ID:
            raise self._foreign("it is a SQLite file of another program")
        version = _layout.version_of(connection)
        if version > VERSION:
            raise CacheFormatError(
                self.path,
                f"the cache is of format {version}; this version reads {VERSION}",
                ("fix", "pip install --upgrade pytest-f3dx"),
            )
        if missing := _layout.missing_tables(connection):
            raise self._damaged(f"no table {', '.join(missing)}")
        return version

    # -- using ---------------------------------------------------------------------------------

    def reader(self) -> sqlite3.Connection:
        """Return the connection that reads; hold `reading` meanwhile."""
        if self._reader is None:
            self._refuse_closed()
            self._reader = self._connect()
        return self._reader

    def write(self, action: Callable[[sqlite3.Connection], R]) -> R:
        """Do something in a transaction, which is on the disk when this returns.

        Args:
            action: Given the connection that writes.

        Returns:
            What the action does.

        Raises:
            CacheError: The file cannot be written; nothing of the action is kept.
        """
        with self.writing:
            try:
                connection = self._current_writer()
                self._writes += 1
                if self._writes == _GROWN_AT:
                    with suppress(OSError, sqlite3.Error):  # there is no room: the commit itself will say so
                        _log.grow(connection, self.path, self._begin)
                self._begin(connection)
                with Committing(connection):
                    return action(connection)
            except sqlite3.Error as error:
                raise self.explained(error) from error

    def _begin(self, connection: sqlite3.Connection) -> None:
        self.retried(lambda: connection.execute("BEGIN IMMEDIATE"))

    def _current_writer(self) -> sqlite3.Connection:
        """Return the connection that writes to the file that stands at the path now."""
        self._refuse_closed()
        if self.is_read_only:
            raise self._refused("the file or its directory is read-only")
        if self._writer is None or self._found() != self._identity:
            with self.reading, _opening:
                self._disconnect()
                self._identity = None
                self._prepare()  # somebody may have removed or replaced the file
                self._writer = self._connect()
                _log.bound(self._writer)
        return self._writer

    def retried(self, action: Callable[[], sqlite3.Cursor | tuple[int]]) -> tuple[int]:
        """Do what SQLite may refuse at once because another process opens, closes or recovers the file."""
        deadline = time.monotonic() + BUSY_S
        while True:
            try:
                return action()  # type: ignore[return-value]  # the rows of a cursor are not looked at
            except sqlite3.OperationalError as error:
                name = getattr(error, "sqlite_errorname", "")
                if not name.startswith(_RETRIED) or time.monotonic() > deadline:
                    raise
            time.sleep(_PAUSE_S)

    # -- ending --------------------------------------------------------------------------------

    def close(self) -> None:
        """Close both connections, for good."""
        with self.writing, self.reading:
            self._is_closed = True
            self._disconnect()
        _open.discard(self)

    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._is_closed

    def _disconnect(self) -> None:
        """Close both connections; the caller holds both locks."""
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()
        self._reader = self._writer = None

    def _refuse_closed(self) -> None:
        if self._is_closed:
            raise CacheError(self.path, "the cache is closed", ("fix", "open it again: Cache(path)"))

    # -- errors --------------------------------------------------------------------------------

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Turn an error of SQLite into one that names the file and what to do."""
        try:
            yield
        except sqlite3.Error as error:
            raise self.explained(error) from error

    def explained(self, error: sqlite3.Error) -> CacheError:
        """Say what an error of SQLite means."""
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR", "SQLITE_FORMAT")):
            return self._damaged(str(error))
        if name.startswith(_RETRIED):
            fix = "end the process that holds it, or wait"
            return CacheError(self.path, f"the cache is held by another process: {error}", ("fix", fix))
        return self._refused(str(error))

    def _damaged(self, why: str) -> CacheError:
        fix = "restore the file, or move it away to begin anew; nothing was written to it"
        return CacheError(self.path, "the cache is damaged", ("reason", why), ("fix", fix))

    def _refused(self, why: str) -> CacheError:
        fix = "make room or mend its permissions, then try again"
        return CacheError(self.path, "the cache cannot be read or written", ("reason", why), ("fix", fix))

    # -- forks ---------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Close the connections; no other thread uses one until `after_fork`."""
        self.writing.acquire()
        self.reading.acquire()
        self._disconnect()

    def after_fork(self) -> None:
        """Let threads go on, in the parent and in the child."""
        self.reading.release()
        self.writing.release()


def _is_writable(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _before_fork() -> None:
    _forking.acquire()
    _held[:] = list(_open)
    for database in _held:
        database.before_fork()
    _opening.acquire()


def _after_fork() -> None:
    _opening.release()
    for database in _held:
        database.after_fork()
    _held.clear()
    _forking.release()


if hasattr(os, "register_at_fork"):  # pragma: no branch (absent on Windows)
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
