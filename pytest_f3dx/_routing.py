"""Which recorder answers a request that is being sent right now.

A client patch asks `current()`. The answer comes from the context (so that tasks and
context-copying threads of one test stay with it), else from the test that started the thread, else
from the one test that is running (event loops made earlier have no context of ours; the threads and
tasks of a fixture, such as a live server, work for whichever test is running). A
request sent from within a live request that we already follow is not seen: a layered client counts
once.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextvars import Token

    from pytest_f3dx._model import Request, Response


@dataclass(slots=True)
class Ticket:
    """A request that was asked for, with its place in the order of the cassette.

    Attributes:
        request: As the client sent it; what goes live, never redacted.
        response: The recorded response with its content encoding undone; None: go live, then
            call `Recorder.answer` or `Recorder.fail`.
        seq: Its place.
        stored: The request as a cassette holds it; None: it passes through unrecorded, or was answered
            as it was sent, without being redacted.
        fingerprint: Of the request as the cassette holds it.
        asked: Monotonic seconds when it was asked for.
        at: UTC of the same moment, ISO 8601.
    """

    request: Request
    response: Response | None = None
    seq: int = 0
    stored: Request | None = None
    fingerprint: str = ""
    asked: float = 0.0
    at: str = ""


class Recorder(Protocol):
    """What a client patch needs of the recorder of a test. Every method may be called from any thread."""

    def ask(self, request: Request) -> Ticket:
        """Reserve the request's place and look for its recording.

        Raises:
            Refusal: No recording answers and none may be made (a miss), or the cassette is damaged.
        """

    async def ask_async(self, request: Request) -> Ticket:
        """Do the same without ever blocking the event loop while another task records the same request."""

    def answer(self, ticket: Ticket, response: Response) -> None:
        """Keep a live response as it was received, encoded body and all, before the test sees it."""

    def fail(self, ticket: Ticket, error: BaseException) -> None:
        """Note that the live request raised instead; the caller raises the error again."""


_context: ContextVar[Recorder | None] = ContextVar("f3dx_recorder", default=None)
_live: ContextVar[bool] = ContextVar("f3dx_live", default=False)
_active: list[Recorder] = []
_waiting: list[Recorder] = []  # of fixtures that are set up and not yet torn down
OWNER = "_f3dx_recorder"  # attribute of a thread: who ran when it was started (`_clients._threads`)


def current() -> Recorder | None:
    """Return the recorder that must answer a request sent here and now; None: leave it alone."""
    if not (_active or _waiting) or _live.get():
        return None
    found = _context.get()
    if found is None or (_active and found is not _active[-1]):
        return _elsewhere(found)
    return found


def _elsewhere(found: Recorder | None) -> Recorder | None:
    """Decide for a thread without a context of ours, and for contexts that outlive what they belong to.

    What a fixture has started, a live server say, works for the test that is running; between marked
    tests it works for the fixture.
    """
    if found is None:
        found = getattr(threading.current_thread(), OWNER, None)
    if _active and (found is None or found in _waiting or _is_shared_task()):
        return _active[-1]
    return found


def _is_shared_task() -> bool:
    """Whether this is the task in which anyio's pytest plugin runs one test after another.

    Its context is that of whichever test or fixture came first, so it says nothing.
    """
    if "anyio" not in sys.modules:
        return False
    import asyncio  # anyio has loaded it; a run that needs neither does not

    coroutine: object = None
    try:
        task = asyncio.current_task()
        coroutine = task.get_coro() if task else None
    except RuntimeError:
        if trio := sys.modules.get("trio"):
            try:
                coroutine = trio.lowlevel.current_task().coro
            except RuntimeError:
                return False
    return getattr(coroutine, "__name__", "") == "_run_tests_and_fixtures"


@contextmanager
def live() -> Iterator[None]:
    """Mark the requests sent inside as parts of a live request that is already followed."""
    token = _live.set(True)
    try:
        yield
    finally:
        _live.reset(token)


def begin(recorder: Recorder) -> Token[Recorder | None]:
    """Send every request made from now on to a recorder, until `end`."""
    _active.append(recorder)
    return _context.set(recorder)


def end(recorder: Recorder, token: Token[Recorder | None]) -> None:
    """Undo `begin`, in the same context."""
    _active.remove(recorder)
    _context.reset(token)


@contextmanager
def routed(recorder: Recorder) -> Iterator[None]:
    """Send every request made inside to a recorder."""
    token = begin(recorder)
    try:
        yield
    finally:
        end(recorder, token)


@contextmanager
def waiting(recorder: Recorder) -> Iterator[None]:
    """Keep a recorder for the threads and tasks of a fixture, also while no test is routed."""
    _waiting.append(recorder)
    try:
        yield
    finally:
        _waiting.remove(recorder)


@contextmanager
def carried(recorder: Recorder | None, *, is_live: bool) -> Iterator[None]:
    """Do in a pooled thread what was submitted elsewhere, as part of what submitted it."""
    tokens = _context.set(recorder), _live.set(is_live)
    try:
        yield
    finally:
        _context.reset(tokens[0])
        _live.reset(tokens[1])


def is_live() -> bool:
    """Whether this is part of a live request that is already followed."""
    return _live.get()
