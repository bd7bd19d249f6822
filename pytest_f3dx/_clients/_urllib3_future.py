"""urllib3-future, which niquests (sync and async) sits on, and requests where it has replaced urllib3.

Its connections are not http.client's. What is wrapped is the step of its pools that makes one
request on one connection: below retries and redirects, above the opening of the connection.
"""

from __future__ import annotations

import functools
import inspect
import sys
import weakref
from typing import TYPE_CHECKING, Any

from pytest_f3dx._clients._exchange import (
    Patch,
    absolute,
    exchange,
    exchange_async,
    framed,
    has_body,
    raw,
    text,
)
from pytest_f3dx._clients._failures import is_timeout, name_of, standard
from pytest_f3dx._model import Request, Response
from pytest_f3dx._routing import current

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_f3dx._model import Failure

# The same code under two names: it takes the place of urllib3 unless told not to.
MODULES = frozenset({"urllib3", "urllib3_future"})

_tunnels: weakref.WeakSet[Any] = weakref.WeakSet()  # connections whose proxy was not told yet


def patches() -> Iterator[Patch]:
    """Yield the methods to be wrapped, if urllib3-future is imported."""
    for root in MODULES:
        library: Any = sys.modules.get(root)
        if not hasattr(library, "AsyncHTTPSConnectionPool"):
            continue
        sync, asynchronous = library.HTTPConnectionPool, library.AsyncHTTPConnectionPool
        yield Patch(sync, "_make_request", functools.partial(_wrap_sync, library))
        yield Patch(asynchronous, "_make_request", functools.partial(_wrap_async, library))
        yield Patch(library.HTTPSConnectionPool, "_prepare_proxy", _wrap_prepare)
        yield Patch(library.AsyncHTTPSConnectionPool, "_prepare_proxy", _wrap_prepare_async)


def _wrap_prepare(original: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    @functools.wraps(original)
    def _prepare_proxy(self: Any, conn: Any) -> None:  # noqa: ANN401
        if current() is None:
            original(self, conn)
        else:
            _tunnels.add(conn)

    return _prepare_proxy


def _wrap_prepare_async(original: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    @functools.wraps(original)
    async def _prepare_proxy(self: Any, conn: Any) -> None:  # noqa: ANN401
        if current() is None:
            await original(self, conn)
        else:
            _tunnels.add(conn)

    return _prepare_proxy


class _Call:
    """One call of ``_make_request``, its arguments by name."""

    def __init__(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        self._bound = inspect.signature(original).bind(*args, **kwargs)
        self._bound.apply_defaults()
        self._original = original

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401
        return self._bound.arguments[name]

    def needs_tunnel(self) -> bool:
        """Say whether the proxy must be told where to, which was put off; it is asked once."""
        is_new = self["conn"] in _tunnels
        _tunnels.discard(self["conn"])
        return is_new

    def run(self, body: bytes) -> Any:  # noqa: ANN401
        """Make the request, alone on its connection, and leave the response's body as it is."""
        arguments = self._bound.arguments
        arguments.update(multiplexed=False, preload_content=False, decode_content=False)
        if arguments["body"] is not None:
            arguments["body"] = body
        return self._original(*self._bound.args, **self._bound.kwargs)


def _wrap_sync(library: Any, original: Callable[..., Any]) -> Callable[..., Any]:  # noqa: ANN401
    @functools.wraps(original)
    def _make_request(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        recorder = current()
        if recorder is None:
            return original(self, *args, **kwargs)
        call = _Call(original, self, *args, **kwargs)
        wanted = {name: call[name] for name in ("preload_content", "decode_content")}
        body = _read(call["body"])

        def send() -> tuple[Response, Response]:
            if call.needs_tunnel():
                self._prepare_proxy(call["conn"])
            answer = call.run(body)
            answer._pool = None  # noqa: SLF001 (what the client gets returns the connection, not this)
            response = _received(answer, answer.read(decode_content=False))
            return response, response

        response = exchange(recorder, _asked(call, body), send, functools.partial(_served, library, call))
        result = _build(library.HTTPResponse, _low_level(library, call, response), call, response, wanted)
        result.retries, result._pool = call["retries"], self  # noqa: SLF001 (as the original does)
        return result

    return _make_request


def _wrap_async(library: Any, original: Callable[..., Any]) -> Callable[..., Any]:  # noqa: ANN401
    @functools.wraps(original)
    async def _make_request(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        recorder = current()
        if recorder is None:
            return await original(self, *args, **kwargs)
        call = _Call(original, self, *args, **kwargs)
        wanted = {name: call[name] for name in ("preload_content", "decode_content")}
        body = await _read_async(call["body"])

        async def send() -> tuple[Response, Response]:
            if call.needs_tunnel():
                await self._prepare_proxy(call["conn"])
            answer = await call.run(body)
            answer._pool = None  # noqa: SLF001 (as above)
            response = _received(answer, await answer.read(decode_content=False))
            return response, response

        serve = functools.partial(_served, library, call)
        response = await exchange_async(recorder, _asked(call, body), send, serve)
        low = _low_level_async(library, call, response)
        result = _build(library.AsyncHTTPResponse, low, call, response, wanted)
        if wanted["preload_content"]:
            result._body = await result.read(decode_content=wanted["decode_content"])  # noqa: SLF001 (likewise)
        result.retries, result._pool = call["retries"], self  # noqa: SLF001
        return result

    return _make_request


# -- the request ---------------------------------------------------------------------------------


def _asked(call: _Call, body: bytes) -> Request:
    pool = call["self"]
    pairs = (call["headers"] or {}).items()
    headers = tuple((_plain(name), _plain(value)) for name, value in pairs)
    uri = absolute(pool.scheme, pool.host, pool.port, call["url"])
    return Request(call["method"].upper(), uri, headers, body)


def _plain(value: str | bytes) -> str:
    return text(value) if isinstance(value, bytes) else value


def _bytes(part: str | bytes) -> bytes:
    return part.encode() if isinstance(part, str) else bytes(part)


def _read(body: Any) -> bytes:  # noqa: ANN401
    """Read a body of whatever kind once."""
    if body is None:
        return b""
    if hasattr(body, "read"):
        return _bytes(body.read())
    if isinstance(body, str | bytes | bytearray | memoryview):
        return _bytes(body)  # type: ignore[arg-type]  # bytes() takes every buffer
    return b"".join(map(_bytes, body))


async def _read_async(body: Any) -> bytes:  # noqa: ANN401
    if hasattr(body, "__aiter__"):
        return b"".join([_bytes(part) async for part in body])
    return _read(body)


# -- the response --------------------------------------------------------------------------------


def _received(answer: Any, body: bytes) -> Response:  # noqa: ANN401
    headers = tuple((_plain(name), _plain(value)) for name, value in answer.headers.items())
    return Response(answer.status, answer.reason or "", headers, body)


def _served(library: Any, call: _Call, response: Response) -> Response:  # noqa: ANN401
    if response.failure:
        raise _error(library, call, response.failure)
    return response


def _build(
    kind: Any,  # noqa: ANN401
    low: Any,  # noqa: ANN401
    call: _Call,
    response: Response,
    wanted: dict[str, bool],
) -> Any:  # noqa: ANN401
    """Build the library's own response over a body that is at hand."""
    return kind(
        body=low,
        headers=low.msg,
        status=response.status,
        version=11,
        reason=response.reason,
        original_response=low,
        enforce_content_length=False,
        request_method=call["method"],
        request_url=call["url"],
        connection=call["conn"],
        police_officer=call["self"].pool,
        **wanted,
    )


def _low_level(library: Any, call: _Call, response: Response) -> Any:  # noqa: ANN401
    def read(_size: int | None, _stream: int | None) -> tuple[list[bytes], bool, None]:
        return [response.body], True, None

    kind = sys.modules[f"{library.__name__}.backend._base"].LowLevelResponse
    return _start(library, kind, call, response, read)


def _low_level_async(library: Any, call: _Call, response: Response) -> Any:  # noqa: ANN401
    async def read(_size: int | None, _stream: int | None) -> tuple[list[bytes], bool, None]:
        return [response.body], True, None

    kind = sys.modules[f"{library.__name__}.backend._async._base"].AsyncLowLevelResponse
    return _start(library, kind, call, response, read)


def _start(library: Any, kind: Any, call: _Call, response: Response, read: Any) -> Any:  # noqa: ANN401
    headers = library.HTTPHeaderDict()
    for name, value in framed(response, call["method"]):
        headers.add(text(raw(name)), text(raw(value)))
    has_one = response.body and has_body(call["method"], response.status)
    return kind(call["method"], response.status, 11, response.reason, headers, read if has_one else None)


def _error(library: Any, call: _Call, failure: Failure) -> Exception:  # noqa: ANN401
    """Return the exception that the connection raised, else the nearest general one."""
    errors, message = library.exceptions, failure.message.rpartition("): ")[2]
    name = name_of(failure)
    if name in ("NewConnectionError", "NameResolutionError"):
        error: Exception = errors.NewConnectionError(call["conn"], message)
    elif name == "ConnectTimeoutError":
        error = errors.ConnectTimeoutError(call["conn"], message)
    elif is_timeout(failure):
        error = errors.ReadTimeoutError(call["self"], call["url"], failure.message)
    else:
        found = standard(failure)  # http.client's own are unknown here
        error = found if isinstance(found, OSError) else errors.ProtocolError(failure.message)
    return error
