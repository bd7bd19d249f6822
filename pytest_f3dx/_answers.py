"""Answers of earlier replays, kept in pytest's cache: a cassette that has not changed is not read again.

What is known of a cassette holds for the very file it was read from (by its inode, size and times), for the
settings that its fingerprints depend on, and for the installation that read it. In all other cases nothing is
known: of a cassette that was edited or checked out anew, in a copy of the cache, in a damaged file of ours.
Nothing here raises or warns; the worst that can happen is that a cassette is read.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from blake3 import blake3

from pytest_f3dx import _answers_file
from pytest_f3dx._answers_file import Record, Records
from pytest_f3dx._fingerprint import raw_digest

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_f3dx._model import Request, Response

_DIRECTORIES = 2  # tests of one directory run one after the other, with fixtures of another in between
_CASSETTE_BYTES = 1024 * 1024  # of answers; those of a larger cassette are read as fast from there
_CASSETTE_REQUESTS = 64
_UNWRITTEN_BYTES = 4 * 1024 * 1024
_SETTLED_NS = 2_000_000_000  # a file changed later than that may change again and keep its times (FAT: 2 s)


class Answers:
    """What is known of the cassettes of a run. It and `Known` may be used from any thread.

    Attributes:
        lock: Held while anything is changed.
    """

    def __init__(self, folder: Path) -> None:
        """Read nothing yet.

        Args:
            folder: A directory of our own in pytest's cache.
        """
        self._folder = folder
        self._directories: dict[str, _Directory] = {}
        self.lock = threading.RLock()

    def of(self, path: str, settings: str) -> Known | None:
        """Return what is known of a cassette, which may be nothing yet.

        Args:
            path: The cassette.
            settings: Those that its fingerprints depend on.

        Returns:
            None if it is no regular file; then nothing is to be learnt either.
        """
        state = _state(path)
        if state is None:
            return None
        is_settled = time.time_ns() - max(state[2:]) > _SETTLED_NS
        directory, name = os.path.split(path)
        with self.lock:
            record = self._directory(directory).get(name)
        if record is None or record.state != state or record.settings != settings:
            record = Record(state, settings, [])
        return Known(self, path, record, is_settled=is_settled)

    def keep(self, path: str, record: Record) -> None:
        """Keep what is known of a cassette now; the caller holds the lock."""
        directory, name = os.path.split(path)
        self._directory(directory).keep(name, record)

    def flush(self) -> None:
        """Write what was learnt."""
        with self.lock:
            for directory in self._directories.values():
                directory.flush()

    def _directory(self, path: str) -> _Directory:
        found = self._directories.pop(path, None)
        if found is None:
            found = _Directory(path, self._folder / blake3(os.fsencode(path)).hexdigest(length=16))
            while len(self._directories) >= _DIRECTORIES:
                self._directories.pop(next(iter(self._directories))).flush()
        self._directories[path] = found  # the one used last comes last
        return found


class Known:
    """What is known of one cassette."""

    def __init__(self, answers: Answers, path: str, record: Record, *, is_settled: bool) -> None:
        """Know a record.

        Args:
            answers: Keeps what is learnt.
            path: The cassette.
            record: Without fingerprints if nothing is known.
            is_settled: Whether any change of the cassette from now on changes its state.
        """
        self._answers, self._path, self._record, self._is_settled = answers, path, record, is_settled

    @property
    def fingerprints(self) -> list[str]:
        """All that are in the cassette, in its order; none if nothing is known of it."""
        return self._record.fingerprints

    def fingerprint_of(self, request: Request) -> str | None:
        """Return the fingerprint of a request if it was sent like this before; None if it was not."""
        asked = self._record.asked
        return asked.get(raw_digest(request)) if asked else None

    def responses(self, fingerprint: str) -> list[Response] | None:
        """Return the responses of a fingerprint; None if they are not known."""
        return self._record.answers.get(fingerprint)

    def learn(
        self, request: Request, fingerprint: str, responses: list[Response], fingerprints: list[str]
    ) -> None:
        """Keep what a request, as it is sent, is answered.

        Args:
            request: As the client sent it, content encoding undone.
            fingerprint: Of it.
            responses: All that the cassette has for it.
            fingerprints: All that are in the cassette, in its order.
        """
        record = self._record
        size = record.size() + sum(len(each.body) for each in responses)
        is_small = size <= _CASSETTE_BYTES and len(record.asked) < _CASSETTE_REQUESTS
        if self._is_settled and is_small and not any(each.failure for each in responses):
            with self._answers.lock:
                record.fingerprints = fingerprints
                record.asked[raw_digest(request)] = fingerprint
                record.answers[fingerprint] = responses
                self._answers.keep(self._path, record)


class _Directory:
    """What is known of the cassettes of one directory."""

    def __init__(self, path: str, file: Path) -> None:
        """Read what earlier runs have written.

        Args:
            path: The directory of the cassettes.
            file: Our file.
        """
        self._path, self._file = path, file
        self._records = _answers_file.read(file)
        self._news: dict[str, Record] = {}
        self._news_bytes = 0

    def get(self, name: str) -> Record | None:
        return self._news.get(name) or self._records.get(name)

    def keep(self, name: str, record: Record) -> None:
        self._news[name] = record
        self._news_bytes += record.size()
        if self._news_bytes > _UNWRITTEN_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is new, and what other processes have written if it is still true."""
        news, self._news, self._news_bytes = self._news, {}, 0
        if not news:
            return
        from pytest_f3dx._lock import locked

        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with locked(self._file.with_name("lock")):
                records = _answers_file.read(self._file)
                _answers_file.write(self._file, news | self._still_true(records, news))
            self._records = _answers_file.read(self._file)

    def _still_true(self, records: Records, news: dict[str, Record]) -> dict[str, Record]:
        found = {name: records.get(name) for name in records.names() if name not in news}
        return {
            name: record
            for name, record in found.items()
            if record and record.state == _state(os.path.join(self._path, name))  # noqa: PTH118 - as the rest
        }


def _state(path: str) -> list[int] | None:
    """Return inode, size, mtime and ctime: one changes with the file. None if it is no regular file."""
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
