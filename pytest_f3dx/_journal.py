"""Pending exchanges: recorded and paid for, not yet in a cassette.

Every finished exchange is one line of a journal below ``<cassette dir>/.pending/``, redacted,
flushed and fsynced before the test sees the response. A journal belongs to one process, which
holds a lock on it; the kernel drops the lock when the process dies, and the next recording run
takes the exchanges over instead of paying again.

    .pending/<cassette>-<hash>/<process>.jsonl     first line: what it is; then ``crc32 json`` lines
    .pending/<cassette>-<hash>/run-<run id>        this run has created or rewritten the cassette
    .pending/setup-<cassette>-<hash>               held while a worker records the set-up of a fixture
    .pending/lock                                  held while a cassette is rewritten or a folder here
                                                   is made or removed
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
import zlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pytest_f3dx._lock import locked, try_lock
from pytest_f3dx._model import Failure, Request, Response
from pytest_f3dx.errors import F3dxError, PendingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FORMAT = "f3dx-pending/1"
FOLDER = ".pending"
_ALONE = "setup-"
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # nor does a FIFO keep us waiting
_STALE_MARK_S = 86_400  # marks of runs that ended a day ago are swept


@dataclass(frozen=True, slots=True)
class Exchange:
    """One finished request and what came back.

    Attributes:
        seq: Place of the request in the order in which the test asked.
        fingerprint: ``b3:`` and 64 hex digits.
        request: Redacted, content encoding undone.
        response: Redacted, content encoding undone.
    """

    seq: int
    fingerprint: str
    request: Request
    response: Response


def _encode(exchange: Exchange) -> bytes:
    request, response = exchange.request, exchange.response
    fact: dict[str, Any] = {
        "seq": exchange.seq,
        "fingerprint": exchange.fingerprint,
        "request": [request.method, request.uri, request.headers, _b64(request.body)],
        "response": [
            response.status,
            response.reason,
            response.headers,
            _b64(response.body),
            response.recorded_at,
            response.took_ms,
        ],
    }
    if response.failure:
        fact["failure"] = [response.failure.kind, response.failure.message]
    return _line(json.dumps(fact).encode("ascii"))


def _decode(fact: dict[str, Any]) -> Exchange:
    method, uri, headers, body = fact["request"]
    status, reason, response_headers, response_body, recorded_at, took_ms = fact["response"]
    failure = Failure(*fact["failure"]) if "failure" in fact else None
    return Exchange(
        fact["seq"],
        fact["fingerprint"],
        Request(method, uri, _pairs(headers), base64.b64decode(body)),
        Response(
            status,
            reason,
            _pairs(response_headers),
            base64.b64decode(response_body),
            recorded_at,
            took_ms,
            failure,
        ),
    )


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _pairs(items: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in items)


def _line(data: bytes) -> bytes:
    return b"%08x %s\n" % (zlib.crc32(data), data)


def _exchanges(path: Path) -> Iterator[Exchange]:
    """Yield the exchanges of a journal; a torn last line was never acknowledged and is left out."""
    from pytest_f3dx._files import read_bytes  # a replay never comes here
    from pytest_f3dx._sound import is_sound

    *lines, torn = read_bytes(path).split(b"\n")
    for number, line in enumerate(lines, start=1):
        crc, _, data = line.partition(b" ")
        if crc != b"%08x" % zlib.crc32(data):
            raise _damaged(path, number)
        try:
            fact = json.loads(data)
            if "format" not in fact:
                exchange = _decode(fact)
                if not is_sound(exchange):
                    raise _damaged(path, number)
                yield exchange
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise _damaged(path, number) from error
    del torn


def _damaged(path: Path, line: int) -> PendingError:
    return PendingError(
        "a journal of pending exchanges is damaged",
        ("journal", f"{path}:{line}"),
        ("fix", "remove this line to keep the others, or the file to record anew"),
    )


class Journal:
    """The pending exchanges of one cassette, those of this process and those that dead ones left.

    Methods may be called from any thread, one at a time: the recorder holds its own lock.
    """

    def __init__(self, root: Path, cassette: PurePosixPath | str, run: str) -> None:
        """Note where the journals of a cassette stand; nothing is read or made yet.

        Args:
            root: The cassette directory.
            cassette: Path of the cassette in it, its parts joined by ``/``.
            run: Id of the test run, the same in all its workers.
        """
        self._root, self._cassette, self._run = root, cassette, run
        self._own: int | None = None
        self._own_path: Path | None = None
        self._held: dict[Path, int] = {}

    @cached_property
    def _pending(self) -> Path:
        return self._root / FOLDER

    @cached_property
    def folder(self) -> Path:
        """Where the journals of the cassette stand; a replay never asks."""
        digest = hashlib.blake2b(str(self._cassette).encode()).hexdigest()[:16]
        return self._pending / f"{PurePosixPath(self._cassette).stem[:60]}-{digest}"

    @cached_property
    def _mark(self) -> Path:
        return self.folder / f"run-{self._run}"

    # -- writing -------------------------------------------------------------------------------

    def open(self) -> None:
        """Make sure that an exchange can be kept, before anything is paid for.

        Raises:
            PendingError: The directory cannot be written.
        """
        try:
            if self._own is None:
                self._own = self._open_own()
        except OSError as error:
            raise self._refused(error) from error

    def append(self, exchange: Exchange) -> None:
        """Write an exchange and do not return before it is on the disk.

        Raises:
            PendingError: The disk is full or the directory cannot be written; nothing of the
                exchange is left in the journal.
        """
        self.open()
        assert self._own is not None
        try:
            self._write(self._own, _encode(exchange))
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> PendingError:
        return PendingError(
            "a recorded exchange cannot be kept",
            ("journal", str(self.folder)),
            ("reason", error.strerror or str(error)),
            ("fix", "make room or make the directory writable, then record again"),
        )

    @staticmethod
    def _write(handle: int, data: bytes) -> None:
        start = os.lseek(handle, 0, os.SEEK_END)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
        except BaseException:  # a test that times out is interrupted anywhere
            with suppress(OSError):  # works on a full disk; if not, reading drops the torn line
                os.ftruncate(handle, start)
            raise

    def _refuse_links(self) -> None:
        """Refuse directories that are links: they could lead anywhere, and what is in them is removed."""
        for folder in (self._pending, self.folder):
            if folder.is_symlink():
                raise PendingError(
                    "the directory of pending exchanges is a symbolic link",
                    ("journal", str(folder)),
                    ("fix", "remove the link"),
                )

    def _make_folder(self) -> None:
        self.folder.mkdir(exist_ok=True)
        ignore = self._pending / ".gitignore"
        if not os.path.lexists(ignore):
            ignore.write_bytes(b"# pending exchanges are never committed\n*\n")

    def _open_own(self) -> int:
        path = self.folder / f"{os.getpid()}-{time.time_ns():x}.jsonl"
        with self.rewriting():
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
            try_lock(handle)
        head = {"format": FORMAT, "cassette": str(self._cassette)}
        self._own_path = path
        self._write(handle, _line(json.dumps(head).encode()))
        return handle

    # -- taking over ---------------------------------------------------------------------------

    def adopt(self) -> list[Exchange]:
        """Return what dead processes left, and hold it until `release` or `settle`.

        Raises:
            PendingError: A journal is damaged other than by being cut off.
        """
        found: list[Exchange] = []
        if not self.folder.is_dir():
            return found
        self._refuse_links()
        for path in sorted(self.folder.glob("*.jsonl")):
            if path != self._own_path and self._hold(path):
                found += _exchanges(path)
        return found

    def is_waiting(self) -> bool:
        """Whether anything was recorded that is in no cassette yet."""
        return any(self.folder.glob("*.jsonl"))

    def _hold(self, path: Path) -> bool:
        """Lock a journal; False if a living process has it or has just settled it."""
        try:
            handle = os.open(path, os.O_RDWR | _NO_LINK)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._refused(error) from error
        if try_lock(handle) and path.exists():
            self._held[path] = handle
            return True
        os.close(handle)
        return False

    def drop_own(self) -> None:
        """Drop what this process has noted, which is in the cassette now; more opens a new journal."""
        if self._own is not None and self._own_path is not None:
            self._own_path.unlink(missing_ok=True)
            os.close(self._own)
        self._own = self._own_path = None

    def release(self) -> None:
        """Let go of every journal; the exchanges stay for the next recording run."""
        for handle in self._let_go():
            os.close(handle)

    def _let_go(self) -> list[int]:
        """Forget the journals that are held; returns their handles."""
        handles = [*self._held.values(), *([self._own] if self._own is not None else [])]
        self._held.clear()
        self._own = self._own_path = None
        return handles

    def settle(self, unused: list[Exchange]) -> None:
        """Drop the journals whose exchanges are in the cassette now; keep those not asked for.

        Args:
            unused: Adopted exchanges that the passing test did not ask for. They were paid for, so
                they move to a journal of their own.
        """
        done = [*self._held, *([self._own_path] if self._own_path else [])]
        handles = self._let_go()
        for exchange in unused:
            self.append(exchange)
        for path in done:
            path.unlink(missing_ok=True)
        for handle in handles:  # unlocked only now that nobody can take over what is folded
            os.close(handle)
        self.release()

    # -- the run -------------------------------------------------------------------------------

    def is_marked(self) -> bool:
        """Whether this run has created or rewritten the cassette, in whatever worker."""
        return self._mark.exists()

    def mark(self, origins: Mapping[str, Any] | None = None) -> None:
        """Note for all workers of this run that the cassette is of this run; call it while `rewriting`.

        Args:
            origins: Where what this run has added comes from, fit for JSON; None: as noted before.
        """
        if origins is None:
            self._mark.touch()
            return
        new = self._mark.with_suffix(".new")
        new.write_bytes(json.dumps(origins).encode())
        new.replace(self._mark)

    def origins(self) -> dict[str, Any]:
        """Return what `mark` has noted last; nothing if this run has not marked the cassette."""
        try:
            noted = self._mark.read_bytes()
        except FileNotFoundError:
            return {}
        return dict(json.loads(noted)) if noted else {}

    @contextmanager
    def rewriting(self) -> Iterator[None]:
        """Hold the lock under which a cassette is read, merged and replaced."""
        self._refuse_links()
        self._pending.mkdir(parents=True, exist_ok=True)
        with locked(self._pending / "lock"):
            self._make_folder()
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other process record into the cassette meanwhile: one pays, the others replay."""
        self._refuse_links()
        self._pending.mkdir(parents=True, exist_ok=True)
        with locked(self._pending / f"{_ALONE}{self.folder.name}"):
            yield


def tidy(root: Path, run: str) -> None:
    """Remove what a run leaves beside its journals, at its end: its marks and what is empty.

    What cannot be removed stays: nothing depends on it.
    """
    pending = root / FOLDER
    if pending.is_dir() and not pending.is_symlink():
        with suppress(OSError, F3dxError):
            _tidy(pending, run)


def _tidy(pending: Path, run: str) -> None:
    with locked(pending / "lock"):
        for mark in (path for path in pending.glob("*/run-*") if not path.parent.is_symlink()):
            if mark.stem == f"run-{run}" or time.time() - mark.stat().st_mtime > _STALE_MARK_S:
                mark.unlink(missing_ok=True)
        for folder in pending.iterdir():
            with suppress(OSError):
                folder.rmdir()
        for path in pending.glob(f"{_ALONE}*"):
            _sweep(path)
        if {path.name for path in pending.iterdir()} <= {".gitignore", "lock"}:
            (pending / ".gitignore").unlink(missing_ok=True)
            (pending / "lock").unlink(missing_ok=True)
    pending.rmdir()


def _sweep(path: Path) -> None:
    """Remove the file of a lock that nobody holds; who waits for it then takes a new one."""
    handle = os.open(path, os.O_RDWR)
    try:
        if try_lock(handle):
            path.unlink()
    finally:
        os.close(handle)
