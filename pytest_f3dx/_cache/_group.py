"""Puts that wait for the disk at once are put together: one transaction, one wait for all of them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

    from pytest_f3dx._cache._database import Database
    from pytest_f3dx._cache._entry import Meta

    Row = tuple[bytes, bytes, bytes, int, Meta]  # fingerprint, request, response, milliseconds, what is known

ID = "SELECT id FROM meta WHERE fingerprint=?"
_NEW = (
    "INSERT INTO responses VALUES (NULL, ?)",
    "INSERT INTO requests VALUES (?, ?, ?)",
    """
INSERT INTO meta (fingerprint, id, created_at_ms, model, system_fingerprint, response_duration_ms)
VALUES (?, ?, ?, ?, ?, ?)
""",
)
_CHANGED = (
    "UPDATE responses SET response=? WHERE id=?",
    "UPDATE requests SET request=? WHERE id=?",
    """
UPDATE meta SET created_at_ms=?, model=?, system_fingerprint=?, response_duration_ms=? WHERE fingerprint=?
""",
)


@dataclass(slots=True, eq=False)
class _Waiting:
    row: Row
    is_done: bool = False


class Group:
    """Puts rows into a file; who has the lock to write writes for all who wait for it."""

    def __init__(self, database: Database) -> None:
        """Start with nobody waiting."""
        self._database = database
        self._queue: deque[_Waiting] = deque()

    def put(self, row: Row) -> None:
        """Put a row; it is on the disk when this returns.

        Raises:
            CacheError: It cannot be kept.
        """
        mine = _Waiting(row)
        self._queue.append(mine)
        with self._database.writing:
            if mine.is_done:
                return
            waiting = self._taken(mine)
            try:
                self._commit(waiting)
            except Exception:
                if len(waiting) == 1:
                    raise
                self._commit(
                    [mine]
                )  # what one of the others has is no fault of this one; they try themselves

    def forget(self) -> None:
        """Leave those who wait to the parent of a fork."""
        self._queue.clear()

    def _taken(self, mine: _Waiting) -> list[_Waiting]:
        """Take all that wait; the one in hand may have been taken by a writer that failed."""
        waiting = [mine]
        while self._queue:
            one = self._queue.popleft()
            if one is not mine:
                waiting.append(one)
        return waiting

    def _commit(self, waiting: list[_Waiting]) -> None:
        def action(connection: sqlite3.Connection) -> None:
            for one in waiting:
                put(connection, *one.row)

        self._database.write(action)
        for one in waiting:
            one.is_done = True


def put(
    connection: sqlite3.Connection, key: bytes, stored: bytes, response: bytes, created_at_ms: int, meta: Meta
) -> None:
    """Put a row in place of the one that was there; in the caller's transaction."""
    facts = (created_at_ms, meta.model, meta.system_fingerprint, meta.response_duration_ms)
    found = connection.execute(ID, (key,)).fetchone()
    if found is None:
        answers, requests, metas = _NEW
        number = connection.execute(answers, (response,)).lastrowid
        connection.execute(requests, (number, key, stored))
        connection.execute(metas, (key, number, *facts))
    else:
        answers, requests, metas = _CHANGED
        connection.execute(answers, (response, *found))
        connection.execute(requests, (stored, *found))
        connection.execute(metas, (*facts, key))
