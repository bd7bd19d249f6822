"""One call at a time for equal keys in a process; the others wait for its answer.

Who waits in a task leaves the event loop alone and takes no thread: the call waited for may need both.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Key = tuple[object, str]
"""Which cache, and the fingerprint of the request."""

_leading: ContextVar[frozenset[Key]] = ContextVar("f3dx_leading", default=frozenset())
_flights: dict[Key, Flight] = {}
_lock = threading.Lock()


class Flight:
    """A call that is being made."""

    def __init__(self) -> None:
        """Begin, in the thread that makes the call."""
        self.thread = threading.get_ident()
        self._landed = threading.Event()
        self._wake: list[Callable[[], object]] = []
        self._lock = threading.Lock()

    def land(self) -> None:
        """Wake all who wait, whether there is an answer or not."""
        with self._lock:
            self._landed.set()
            wake, self._wake = self._wake, []
        for one in wake:
            with suppress(RuntimeError):  # the event loop of that one has ended meanwhile
                one()

    def wait(self) -> None:
        """Wait in a thread."""
        self._landed.wait()

    async def waited(self) -> None:
        """Wait in a task of asyncio or trio."""
        import asyncio

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            await self._waited_in_trio()
            return
        future = loop.create_future()

        def land() -> None:
            if not future.done():  # nobody has cancelled it
                future.set_result(None)

        self._call(lambda: loop.call_soon_threadsafe(land))
        await future

    async def _waited_in_trio(self) -> None:
        import trio

        event, token = trio.Event(), trio.lowlevel.current_trio_token()
        self._call(lambda: token.run_sync_soon(event.set))
        await event.wait()

    def _call(self, wake: Callable[[], object]) -> None:
        with self._lock:
            if not self._landed.is_set():
                self._wake.append(wake)
                return
        wake()

    def must_not_be_waited_for(self, key: Key, *, in_task: bool) -> bool:
        """Whether waiting would never end: the leader waits for the caller, in its call or its event loop."""
        return key in _leading.get() or (not in_task and self.thread == threading.get_ident())


def boarded(key: Key) -> tuple[Flight, bool]:
    """Return the flight of a key, and whether this call began it; who began it must be `leading`."""
    with _lock:
        flight = _flights.get(key)
        if flight is not None:
            return flight, False
        flight = _flights[key] = Flight()
        return flight, True


@contextmanager
def leading(key: Key, flight: Flight) -> Iterator[None]:
    """Make the call in the body; then the flight has landed."""
    token = _leading.set(_leading.get() | {key})
    try:
        yield
    finally:
        _leading.reset(token)
        with _lock:
            del _flights[key]
        flight.land()


def _after_in_child() -> None:
    """Forget the flights of the parent: their leaders are not in this process."""
    global _lock  # noqa: PLW0603 (it may be held by a thread that is not in this process)
    _lock = threading.Lock()
    _flights.clear()


if hasattr(os, "register_at_fork"):  # pragma: no branch (absent on Windows)
    os.register_at_fork(after_in_child=_after_in_child)
