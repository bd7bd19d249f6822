"""http.client and all that is built on it: urllib.request, urllib3, requests, botocore, httplib2.

Methods are wrapped, never class names, so connections that were pooled, subclassed or imported
earlier are seen. A connection whose request has a recorder gets a stand-in for its socket: that
collects the request, and when the response is asked for gives bytes to the library's own parser,
so the response is the library's own in every respect.
"""

from __future__ import annotations

import functools
import http.client
import threading
import weakref
from typing import TYPE_CHECKING, Any

from pytest_f3dx._clients._exchange import Patch
from pytest_f3dx._clients._stand_in import StandInSocket
from pytest_f3dx._routing import current

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_f3dx._routing import Recorder

MODULES: frozenset[str] = frozenset()  # connection classes defined later are announced, see `announcing`

_lock = threading.Lock()
_faked: weakref.WeakSet[Any] = weakref.WeakSet()


def patches() -> Iterator[Patch]:
    """Yield the methods to be wrapped: one for every request, and every ``connect`` there is."""
    yield Patch(http.client.HTTPConnection, "putrequest", _wrap_putrequest)
    for owner in _family(http.client.HTTPConnection):
        yield from connecting(owner)


def _family(owner: type[object]) -> Iterator[type[object]]:
    yield owner
    for child in type.__subclasses__(owner):
        yield from _family(child)


def connecting(owner: type) -> Iterator[Patch]:
    """Yield the patch of a class that connects in its own way."""
    if "connect" in vars(owner):
        yield Patch(owner, "connect", _wrap_connect)


def announcing(announce: Callable[[type], None]) -> Patch:
    """Return a patch that announces every connection class defined while it is in place."""

    def wrap(_: object) -> object:
        def announced(cls: type[http.client.HTTPConnection], /, **kwargs: object) -> None:
            super(http.client.HTTPConnection, cls).__init_subclass__(**kwargs)
            announce(cls)

        return classmethod(announced)

    return Patch(http.client.HTTPConnection, "__init_subclass__", wrap)


def _wrap_putrequest(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def putrequest(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        _choose_socket(self)
        return original(self, *args, **kwargs)

    return putrequest


def _wrap_connect(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def connect(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        recorder = current()
        if recorder is None:
            return original(self, *args, **kwargs)
        return _stand_in(self, recorder)

    return connect


def _choose_socket(connection: Any) -> None:  # noqa: ANN401
    """Give a connection the socket that its next request must have."""
    recorder, sock = current(), connection.sock
    if recorder is None:
        if isinstance(sock, StandInSocket):
            connection.sock = None  # so that it connects really
    elif isinstance(sock, StandInSocket) and sock.recorder is recorder:
        sock.close()
        sock.restart()
    else:
        if sock is not None:
            sock.close()  # not connection.close(): that forgets a tunnel
        _stand_in(connection, recorder)


def _stand_in(connection: Any, recorder: Recorder) -> None:  # noqa: ANN401
    connection.sock = StandInSocket(connection, recorder)
    if hasattr(connection, "is_verified"):
        connection.is_verified = True  # urllib3 warns of a connection that is not
    with _lock:
        _faked.add(connection)


def release() -> None:
    """Take the stand-ins out of pooled connections, so that these connect really when used again."""
    with _lock:
        connections = list(_faked)
        _faked.clear()
    for connection in connections:
        sock = connection.sock
        if isinstance(sock, StandInSocket) and sock.is_idle():
            connection.sock = None
