"""Sockets: what no patch of a client has seen is refused where it connects, or looks a name up.

Every Python client ends in these methods, asyncio and trio too. Clients in Rust or C, uvloop's
own transports and child processes do not come by here.
"""

from __future__ import annotations

import functools
import socket
from typing import TYPE_CHECKING, Any

from pytest_f3dx import _guard
from pytest_f3dx._clients._exchange import Patch
from pytest_f3dx._routing import current, is_live
from pytest_f3dx.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODULES = frozenset[str]()
_INTERNET = (socket.AF_INET, socket.AF_INET6)
_known: set[str] = set()  # addresses that an allowed name was looked up as
watchers: list[Callable[[str, str], bool]] = []
"""Asked about connections of tests that have no recorder: (host, with port); True if it is allowed."""


def patches() -> Iterator[Patch]:
    """Yield the methods that connect or look up."""
    yield Patch(socket.socket, "connect", functools.partial(_connecting, "connect"))
    yield Patch(socket.socket, "connect_ex", functools.partial(_connecting, "connect_ex"))
    yield Patch(socket.socket, "sendto", functools.partial(_connecting, "sendto"))
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        yield Patch(socket, name, _looking_up)


def _connecting(name: str, original: Any) -> Callable[..., Any]:  # noqa: ANN401
    inherited = original or getattr(socket.socket.__base__, name)

    @functools.wraps(inherited)
    def connect(self: socket.socket, *args: Any) -> Any:  # noqa: ANN401
        if self.family in _INTERNET and args and isinstance(args[-1], tuple):
            host, port = args[-1][:2]
            try:
                _judge(_text(host), port)
            except Refusal:
                self.close()  # those who would close it wait for an OSError
                raise
        return inherited(self, *args)

    return connect


def _looking_up(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        name = _text(host)
        is_allowed = bool(name) and _guard.is_name(name) and _judge(name, args[0] if args else None)
        found = original(host, *args, **kwargs)
        if is_allowed:
            _known.update(_addresses(found))
        return found

    return look_up


def _addresses(found: Any) -> Iterator[str]:  # noqa: ANN401 (of one of three functions)
    if isinstance(found, str):
        yield found
    elif isinstance(found, tuple):
        yield from found[2]
    else:
        yield from (str(entry[4][0]) for entry in found)


def _text(host: Any) -> str:  # noqa: ANN401
    return host.decode("ascii", "replace") if isinstance(host, (bytes, bytearray)) else host or ""


def _judge(host: str, port: object) -> bool:
    """Whether a host is allowed by its name.

    Raises:
        Refusal: It is not allowed at all.
    """
    if _guard.is_local(host) or host in _known or is_live():
        return False
    shown = f"{host}:{port}" if port else host
    recorder: Any = current()
    if recorder is not None:
        judge = getattr(recorder, "connecting", None)
        return judge is not None and judge(host, shown)
    return any(watch(host, shown) for watch in watchers)
