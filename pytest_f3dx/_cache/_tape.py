"""A cache in a cassette; `_tape_file` is one that is no test's."""

from __future__ import annotations

import json
import threading
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from pytest_f3dx._cache._entry import Entry, Meta, as_request
from pytest_f3dx._fingerprint import fingerprint
from pytest_f3dx._model import Response, header
from pytest_f3dx.errors import F3dxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_f3dx._model import Interaction, Request

_OK = 200
_MODEL, _SYSTEM = "model", "system-fingerprint"


class Calls(Protocol):
    """What answers calls; see `pytest_f3dx._calls.CallRecorder`."""

    def recall(self, request: Request) -> Response | None:
        """Look for the answer to a call."""

    def refuse(self, request: Request) -> None:
        """Refuse a call whose answer could not be kept."""

    def remember(self, request: Request, response: Response) -> None:
        """Keep the answer to a call."""

    def calls(self) -> dict[str, Interaction]:
        """Return the calls that are answered now."""


class Noted(Protocol):
    """Is told of each call that was answered."""

    def __call__(self, request: Request, response: Response, /, *, is_replayed: bool) -> None:
        """Take note."""


def _unnoted(_request: Request, _response: Response, *, is_replayed: bool) -> None:
    """Take no note of a call that was answered."""
    del is_replayed


class TapeBackend:
    """A cache over a recorder; see `pytest_f3dx._cache._entry.Backend`."""

    def __init__(self, recorder: Callable[[], Calls], noted: Noted = _unnoted) -> None:
        """Start with nothing counted: a cassette keeps no counts.

        Args:
            recorder: Gives what answers calls.
            noted: Told of each call that was answered.
        """
        self._recorder, self._noted = recorder, noted
        self._lock = threading.Lock()
        self._hits = self._misses = 0

    def get(self, request: object) -> bytes | None:
        """Return the answer to a request and count a hit or a miss."""
        response = self.peek(request)
        with self._lock:
            self._hits += response is not None
            self._misses += response is None
        return response

    def peek(self, request: object) -> bytes | None:
        """Return the answer to a request, and count nothing; it is replayed all the same."""
        asked = as_request(request)
        response = self._recorder().recall(asked)
        if response is None:
            return None
        self._noted(asked, response, is_replayed=True)
        return response.body

    def put(self, request: object, response: bytes, meta: Meta) -> str:
        """Keep an answer; it is pending, on the disk, when this returns."""
        asked, named = as_request(request), {_MODEL: meta.model, _SYSTEM: meta.system_fingerprint}
        headers = tuple((name, value) for name, value in named.items() if value is not None)
        answer = Response(_OK, "", headers, response, took_ms=meta.response_duration_ms)
        self._recorder().remember(asked, answer)
        self._noted(asked, answer, is_replayed=False)
        return fingerprint(request)

    def before_fetch(self, request: object) -> None:
        """Miss, if what is fetched could not be kept."""
        self._recorder().refuse(as_request(request))

    def entries(self) -> Iterator[Entry]:
        """Yield the calls in the cassette and those that are pending, in order."""
        for interaction in self._recorder().calls().values():
            yield _entry(interaction)

    def stats(self) -> dict[str, int]:
        """Count; hits and misses are those of this object: a cassette does not change when it is read."""
        found = self._recorder().calls().values()
        return {
            "entries": len(found),
            "hits": self._hits,
            "misses": self._misses,
            "bytes_requests": sum(len(each.request.body) for each in found),
            "bytes_responses": sum(len(each.responses[-1].body) for each in found),
        }

    def has(self, key: str) -> bool:
        """Whether there is an entry."""
        return any(entry.fingerprint == key for entry in self.entries())

    def delete(self, key: str) -> bool:
        """Refuse: what is recorded is taken out by hand, or by recording anew."""
        del key
        raise F3dxError(
            "an entry of a cassette is not deleted by a test",
            ("fix", "take it out of the file by hand, or record anew with --f3dx-record=all"),
        )

    def close(self) -> None:
        """Do nothing: the cassette is the test's."""


def _entry(interaction: Interaction) -> Entry:
    request, response = json.loads(interaction.request.body), interaction.responses[-1]
    created = datetime.fromisoformat(response.recorded_at).timestamp() if response.recorded_at else None
    meta = Meta(header(response.headers, _MODEL), header(response.headers, _SYSTEM), response.took_ms)
    created_at_ms = None if created is None else round(created * 1000)
    return Entry(fingerprint(request), request, response.body, created_at_ms, 0, meta)
