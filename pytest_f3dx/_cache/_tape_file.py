"""A cache in a cassette of its own: what is put is pending until the cache is closed."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pytest_f3dx._cache._tape import TapeBackend
from pytest_f3dx._calls import CallRecorder
from pytest_f3dx._config import Config
from pytest_f3dx._fingerprint import fingerprint
from pytest_f3dx._ini import settings
from pytest_f3dx._journal import Journal, tidy
from pytest_f3dx._ledger import Facts
from pytest_f3dx._redaction import environment_values
from pytest_f3dx._session import new_run_id
from pytest_f3dx._store import Store
from pytest_f3dx.errors import CacheError, MissError, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_f3dx._model import Interaction, Request, Response
    from pytest_f3dx._view import View

_in_use: weakref.WeakSet[FileBackend] = weakref.WeakSet()


class FileBackend(TapeBackend):
    """See `pytest_f3dx._cache._entry.Backend`."""

    def __init__(self, path: Path) -> None:
        """Open a cassette; one that is not there is made when something has been put.

        Raises:
            CassetteError: It cannot be read or understood; it is left as it is.
        """
        super().__init__(self._current)
        self._path = Path(os.path.abspath(path))  # noqa: PTH100 (a later chdir must not lead elsewhere)
        given = settings(Path.cwd())  # what the project calls a secret and what none; a cache is no test
        rules = {name: given[name] for name in ("allow", "redact") if name in given}
        self._config = Config(record="new_episodes", name=self._path.stem, **rules)
        self._opening = threading.Lock()
        self._own: _Plain | None = None
        self._pid = 0
        self._is_closed = False
        self._current().calls()
        _in_use.add(self)

    def _current(self) -> _Plain:
        """Return the recorder of this process: a fork has a journal of its own."""
        if self._pid != os.getpid():
            self._opening, self._own, self._pid = threading.Lock(), None, os.getpid()
        with self._opening:
            if self._is_closed:
                raise CacheError(self._path, "the cache is closed", ("fix", "open it again: Cache(path)"))
            if self._own is None:
                self._own = _Plain(self._recorder_of_file())
            return self._own

    def _recorder_of_file(self) -> CallRecorder:
        self._run = new_run_id()
        folder, path = self._path.parent, self._path
        journal = Journal(folder, PurePosixPath(path.name), self._run)
        store = Store(folder, path, self._config, "", journal)
        return CallRecorder(
            self._config,
            store,
            journal,
            Facts(),
            explain=_unasked,
            secrets=lambda: environment_values(os.environ),
        )

    def delete(self, key: str) -> bool:
        """Remove an entry; False if there is none."""
        self._current()
        self._fold()
        return _removed(self._path, key)

    def close(self) -> None:
        """Fold what was put into the cassette; again, it does nothing."""
        _in_use.discard(self)
        if not self._is_closed:
            self._fold()
            self._is_closed = True

    def _fold(self) -> None:
        if self._pid != os.getpid():
            return
        with self._opening:
            recorder, self._own = self._own, None
            if recorder is not None:
                recorder.close()
                tidy(self._path.parent, self._run)

    def __del__(self) -> None:
        """Close what nobody has closed; what cannot be folded stays pending."""
        with suppress(Exception):
            self.close()


class _Plain:
    """A recorder outside a test: it raises errors, not refusals that no ``except Exception`` catches."""

    def __init__(self, recorder: CallRecorder) -> None:
        self._recorder = recorder

    def recall(self, request: Request) -> Response | None:
        with _raising():
            return self._recorder.recall(request)

    def refuse(self, request: Request) -> None:
        with _raising():
            self._recorder.refuse(request)

    def remember(self, request: Request, response: Response) -> None:
        with _raising():
            self._recorder.remember(request, response)

    def calls(self) -> dict[str, Interaction]:
        with _raising():
            return self._recorder.calls()

    def close(self) -> None:
        self._recorder.close(passed=True)


@contextmanager
def _raising() -> Iterator[None]:
    try:
        yield
    except Refusal as refusal:
        raise refusal.error from None


def _unasked(request: Request, fingerprint: str, view: View | None) -> MissError:  # pragma: no cover
    """Build the error of a miss, which the record mode rules out."""
    del fingerprint, view
    return MissError("no recording answers this request", ("request", request.uri))


def _removed(path: Path, key: str) -> bool:
    """Take the call of a fingerprint out of a cassette, under the lock of all writers."""
    from pytest_f3dx import _cassette
    from pytest_f3dx._blobs import BlobStore
    from pytest_f3dx._canonical import parse_json
    from pytest_f3dx._files import read_bytes, write_atomic

    if not path.exists():
        return False
    run = new_run_id()
    journal, blobs = Journal(path.parent, PurePosixPath(path.name), run), BlobStore(path.parent / "_blobs")
    with journal.rewriting():
        cassette = _cassette.load(read_bytes(path), path, blobs)
        found = [
            name
            for name, each in cassette.interactions.items()
            if each.request.method == "CALL" and fingerprint(parse_json(each.request.body)) == key
        ]
        for name in found:
            del cassette.interactions[name]
        if found:
            data = _cassette.encode(cassette, blobs)
            blobs.flush()
            write_atomic(path, data)
    tidy(path.parent, run)
    return bool(found)


def _close_all() -> None:
    for backend in list(_in_use):
        with suppress(Exception):  # what was put is pending, and the interpreter is ending
            backend.close()


atexit.register(_close_all)
