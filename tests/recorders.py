"""A recorder in memory, for the tests of clients: no cassette, no redaction, no journal."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_f3dx._clients import kind_of
from pytest_f3dx._content import decoded
from pytest_f3dx._model import Failure, Request, Response, header
from pytest_f3dx._routing import Ticket, routed
from pytest_f3dx._vcr import patched
from pytest_f3dx.errors import CassetteMiss, MissError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FRAMING = ("content-length", "transfer-encoding", "connection", "date", "server")
Key = tuple[str, str, bytes]


@dataclass
class MemoryRecorder:
    """Records what is not there, or with ``mode="replay"`` misses it."""

    mode: str = "record"
    answers: dict[Key, list[Response]] = field(default_factory=lambda: defaultdict(list))
    asked: list[Request] = field(default_factory=list)
    failed: list[BaseException] = field(default_factory=list)
    played: dict[Key, int] = field(default_factory=lambda: defaultdict(int))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def _key(self, request: Request) -> Key:
        content_type = header(request.headers, "content-type") or ""
        body = request.body
        if "boundary=" in content_type:
            body = body.replace(content_type.partition("boundary=")[2].strip('"').encode(), b"-")
        return request.method, request.uri, body

    def ask(self, request: Request) -> Ticket:
        with self.lock:
            self.asked.append(request)
            key = self._key(request)
            if self.mode == "record":
                return Ticket(request)
            if not self.answers.get(key):
                raise CassetteMiss(MissError("no recording answers this request", ("request", request.uri)))
            answers = self.answers[key]
            at = min(self.played[key], len(answers) - 1)
            self.played[key] += 1
            return Ticket(request, answers[at])

    async def ask_async(self, request: Request) -> Ticket:
        return self.ask(request)

    def answer(self, ticket: Any, response: Response) -> None:
        headers, body = decoded(response.headers, response.body)
        kept = tuple((name, value) for name, value in headers if name.lower() not in _FRAMING)
        with self.lock:
            self.answers[self._key(ticket.request)].append(
                Response(response.status, response.reason, kept, body)
            )

    def fail(self, ticket: Any, error: BaseException) -> None:
        with self.lock:
            self.failed.append(error)
            failure = Failure(kind_of(error), str(error))
            self.answers[self._key(ticket.request)].append(Response(0, failure=failure))

    def replaying(self) -> MemoryRecorder:
        """Return a recorder that only replays what this one has."""
        return MemoryRecorder("replay", self.answers)


@contextmanager
def recording(recorder: MemoryRecorder) -> Iterator[MemoryRecorder]:
    """Send every request inside to a recorder."""
    with patched(), routed(recorder):
        yield recorder
