"""The stand-in for a connection's socket: collects a request, and answers it through a recorder."""

from __future__ import annotations

import functools
import io
import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from pytest_f3dx._clients._failures import name_of, nearest_standard
from pytest_f3dx._clients._wire import headers_of, parsed, read_response, written
from pytest_f3dx._model import header
from pytest_f3dx._routing import live
from pytest_f3dx.errors import ClientError, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_f3dx._clients._exchange import T
    from pytest_f3dx._model import Failure, Response
    from pytest_f3dx._routing import Recorder, Ticket

_LAST_CHUNK = b"0\r\n\r\n"  # how both http.client and urllib3 write it, alone
_BEFORE_AN_ANSWER = frozenset(
    {
        "ConnectTimeoutError",
        "ConnectionRefusedError",
        "NameResolutionError",
        "NewConnectionError",
        "OSError",
        "SSLCertVerificationError",
        "SSLError",
        "gaierror",
    }
)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_thread = threading.local()  # .unread: the stand-in whose live response this thread has not read yet


@functools.cache
def _descriptors() -> tuple[int, int]:
    """Return two file descriptors to poll: one is never readable, the other always.

    urllib3 polls a pooled connection to see whether it was dropped, botocore one that waits for
    ``100 Continue``.
    """
    idle, keep_open = os.pipe()
    ready, closed = os.pipe()
    os.close(closed)
    del keep_open  # an open end that nobody writes to
    return idle, ready


class _Failing(io.RawIOBase):
    """A file of which every read raises an error."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, _: object) -> int:
        raise self._error


class StandInSocket:
    """Stands in for the socket of a connection while a recorder answers its requests.

    Attributes:
        recorder: Answers.
    """

    def __init__(self, connection: Any, recorder: Recorder) -> None:  # noqa: ANN401
        """Belong to a connection; nothing is sent."""
        self.recorder = recorder
        self._connection = connection
        self._timeouts: list[float | None] = []
        self._real: Any = None
        self.restart()

    def restart(self) -> None:
        """Forget what an earlier request left."""
        self._sent = bytearray()
        self._body_at = 0  # 0: the headers are not complete
        self._body_bytes: int | None = 0  # None: chunked
        self._continued = False
        self._ticket: Ticket | None = None
        self._early: bytes | None = None
        self._error: BaseException | None = None

    def is_idle(self) -> bool:
        """Say whether no request is under way."""
        return not self._sent and self._ticket is None and self._early is None

    # -- what libraries call on a socket ---------------------------------------------------------

    def sendall(self, data: Any) -> None:  # noqa: ANN401
        """Collect a part of the request, and ask once it is complete.

        A TypeError makes http.client iterate over the data.
        """
        self._sent += memoryview(data).cast("B")
        if not self._body_at:
            self._note_head()
        if self._body_at and self._ticket is None and self._is_complete(data):
            self._ask()

    def send(self, data: Any) -> int:  # noqa: ANN401
        """Do the same, and count."""
        self.sendall(data)
        return memoryview(data).nbytes

    def makefile(self, mode: str = "rb", buffering: int | None = None, **_: object) -> io.BufferedIOBase:
        """Give the response as the parser wants it, or ``100 Continue`` before the body.

        An error is raised by the first read, as a real socket would: a response whose file was never
        made complains again when it is collected (from Python 3.13 on, aloud).
        """
        del mode
        if buffering == 0 and self._awaits_continue():  # botocore peeks before it sends the body
            self._continued = True
            return io.BytesIO(_CONTINUE)
        try:
            return io.BufferedReader(io.BytesIO(self._data()))
        except BaseException as error:  # noqa: BLE001 (whatever the live call raised: a timeout of the test, too)
            return io.BufferedReader(_Failing(error))

    def _data(self) -> bytes:
        """Return the bytes of the response."""
        if self._error is not None:  # urllib3 overlooks some errors of sending
            raise self._error
        if self._ticket is None and self._early is None:
            self._ask()
        data, self._early = self._answer() if self._early is None else self._early, None
        return data

    def fileno(self) -> int:
        """Return a descriptor that says whether there is something to read."""
        idle, ready = _descriptors()
        return ready if self._awaits_continue() else idle

    def settimeout(self, seconds: float | None) -> None:
        """Note the timeout for the live connection."""
        self._timeouts[:] = [seconds]

    def gettimeout(self) -> float | None:
        """Return it."""
        return self._timeouts[0] if self._timeouts else None

    def setsockopt(self, *_: object) -> None:
        """Do nothing."""

    def shutdown(self, how: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Drop a live request whose response nobody wants; the connection may be used again."""
        ticket, self._ticket = self._ticket, None
        if self._real is not None and ticket is not None:
            self.recorder.fail(ticket, ConnectionAbortedError("closed before its response was read"))
            self._hang_up()

    def recv(self, *_: object) -> bytes:
        """Refuse: whoever reads past the parser of http.client speaks another protocol (HTTP/2)."""
        raise Refusal(
            ClientError(
                "this kind of connection cannot be recorded",
                ("client", f"{type(self._connection).__module__}.{type(self._connection).__qualname__}"),
                ("fix", "use HTTP/1.1, or send this request outside the marked test"),
            )
        )

    recv_into = recv

    # -- the exchange ----------------------------------------------------------------------------

    def _note_head(self) -> None:
        """Find the end of the headers, and in them how long the body is."""
        head, end, _ = self._sent.partition(b"\r\n\r\n")
        if end:
            headers = headers_of(bytes(head))
            self._body_at = len(head) + len(end)
            is_chunked = "chunked" in (header(headers, "transfer-encoding") or "").lower()
            length = header(headers, "content-length") or "0"
            self._body_bytes = None if is_chunked or not length.isdigit() else int(length)

    def _is_complete(self, data: Any) -> bool:  # noqa: ANN401
        """Say whether the request ends with this part; if in doubt, no: asking for the response ends it."""
        if self._body_bytes is None:
            return len(data) == len(_LAST_CHUNK) and bytes(data) == _LAST_CHUNK
        return len(self._sent) - self._body_at >= self._body_bytes

    def _awaits_continue(self) -> bool:
        head, end, body = self._sent.partition(b"\r\n\r\n")
        return bool(end) and not body and not self._continued and b"expect: 100-continue" in head.lower()

    def _ask(self) -> None:
        """Ask the recorder; then go live, or fail, as far as a connection does before it answers."""
        sent = bytes(self._sent)
        self._sent.clear()
        _read_early()
        ticket = self.recorder.ask(parsed(self._connection, sent))
        self._ticket = ticket
        if ticket.response is None:
            self._following(ticket, functools.partial(self._go_live, sent))
            _thread.unread = self
        elif ticket.response.failure and name_of(ticket.response.failure) in _BEFORE_AN_ANSWER:
            self._ticket = None
            self._error = _error(self._connection, ticket.response.failure)
            raise self._error

    def _answer(self) -> bytes:
        """Give the bytes of the response."""
        ticket, self._ticket = self._ticket, None
        assert ticket is not None
        method = ticket.request.method
        response = ticket.response
        if response is None:
            response = self._following(ticket, functools.partial(self._read, method))
            self.recorder.answer(ticket, response)
        elif response.failure:
            raise _error(self._connection, response.failure)
        return written(response, method)

    def read_early(self) -> None:
        """Read a live response before it is asked for; an error waits until then."""
        if self._ticket is not None and self._ticket.response is None:
            with suppress(Exception):
                self._early = self._answer()

    def _following(self, ticket: Ticket, step: Callable[[], T]) -> T:
        """Take a step of a live request, and tell the recorder if it fails."""
        try:
            with live():
                return step()
        except BaseException as error:
            self._hang_up()
            self._ticket, self._error = None, error
            self.recorder.fail(ticket, error)
            raise

    def _go_live(self, sent: bytes) -> None:
        """Connect really, with the connection's own method, and send."""
        connection = self._connection
        connection.sock = None
        try:
            connection.connect()
        finally:
            self._real, connection.sock = connection.sock, self
        with suppress(BrokenPipeError):  # the answer may have come before the end of the request
            self._real.sendall(sent)

    def _read(self, method: str) -> Response:
        for seconds in self._timeouts:
            self._real.settimeout(seconds)
        response = read_response(self._real, method)
        self._hang_up()
        return response

    def _hang_up(self) -> None:
        real, self._real = self._real, None
        if real is not None:
            real.close()


def _read_early() -> None:
    """Finish this thread's request before its next one.

    A recorder makes equal requests wait for one another: a thread that sends the same on two
    connections before it reads would wait for itself.
    """
    unread: StandInSocket | None = getattr(_thread, "unread", None)
    _thread.unread = None
    if unread is not None:
        unread.read_early()


def _error(connection: Any, failure: Failure) -> Exception:  # noqa: ANN401
    """Return the exception that the connection raised when it was recorded."""
    urllib3: Any = sys.modules.get("urllib3.exceptions")
    if urllib3 is not None and type(connection).__module__.startswith(("urllib3.", "botocore.")):
        message = failure.message.rpartition("): ")[2]
        name = name_of(failure)
        if name in ("NewConnectionError", "NameResolutionError"):
            return cast(Exception, urllib3.NewConnectionError(connection, message))
        if name == "ConnectTimeoutError":
            return cast(Exception, urllib3.ConnectTimeoutError(connection, message))
    return nearest_standard(failure)
