"""Recorded transport errors, raised again as the exceptions of the client that meets them.

The kind in a cassette is a name and no more: it selects from the lists here, so that a cassette
cannot make us import or call anything.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_f3dx._model import Failure

_ERRNO = re.compile(r"\[(?:Errno|SSL:[^\]]*) ?(-?\d+)?\] ?(.*)", re.DOTALL)

_PLAIN: dict[str, type[OSError]] = {
    kind.__name__: kind
    for kind in (
        BrokenPipeError,
        ConnectionAbortedError,
        ConnectionError,
        ConnectionRefusedError,
        ConnectionResetError,
        OSError,
        TimeoutError,
        socket.gaierror,
    )
}
_SSL: dict[str, type[ssl.SSLError]] = {
    kind.__name__: kind
    for kind in (ssl.SSLError, ssl.SSLCertVerificationError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
}
_HTTP: dict[str, Callable[[str], Exception]] = {
    "BadStatusLine": http.client.BadStatusLine,
    "HTTPException": http.client.HTTPException,
    "IncompleteRead": lambda _: http.client.IncompleteRead(b""),
    "RemoteDisconnected": http.client.RemoteDisconnected,
}


def name_of(failure: Failure) -> str:
    """Return the last part of a failure's kind."""
    return failure.kind.rpartition(".")[2]


def is_timeout(failure: Failure) -> bool:
    """Say whether a failure was a timeout, whatever client met it."""
    return "timeout" in failure.kind.lower()


def standard(failure: Failure) -> Exception | None:
    """Return the exception of the standard library that a failure names, or None."""
    name, message = name_of(failure), failure.message
    if name in _PLAIN:
        return with_errno(_PLAIN[name], message)
    if name in _SSL:
        return _SSL[name](ssl.SSL_ERROR_SSL, message)
    if name in _HTTP:
        return _HTTP[name](message)
    return None


def nearest_standard(failure: Failure) -> Exception:
    """Return the exception a failure names, else a timeout or a connection error with its text."""
    found = standard(failure)
    if found is not None:
        return found
    kind = TimeoutError if is_timeout(failure) else ConnectionError
    return kind(f"{failure.kind}: {failure.message}")


def with_errno(kind: type[OSError], message: str) -> OSError:
    """Build an OSError; the number that its text starts with becomes its ``errno`` again."""
    match = _ERRNO.fullmatch(message)
    if match and match[1]:
        return kind(int(match[1]), match[2])
    return kind(message)


def by_name(module: Any, names: frozenset[str], failure: Failure) -> type[Exception] | None:  # noqa: ANN401
    """Return a client's own exception class if the failure's name is one of ``names``."""
    name = name_of(failure)
    return getattr(module, name, None) if name in names else None
