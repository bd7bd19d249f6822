"""httpx, httpx2 and what plugs into them as a transport; openai, anthropic and others send through these.

Only transports that touch the network are wrapped: a MockTransport, or one for ASGI or WSGI, answers
as ever.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

from pytest_f3dx._clients._exchange import Patch, exchange, exchange_async, framed, raw, text
from pytest_f3dx._clients._failures import by_name, is_timeout
from pytest_f3dx._model import Request, Response
from pytest_f3dx._routing import current

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# (module, class, is async, module with the classes of requests and responses)
_TRANSPORTS = (
    ("httpx", "HTTPTransport", False, "httpx"),
    ("httpx", "AsyncHTTPTransport", True, "httpx"),
    ("httpx2", "HTTPTransport", False, "httpx2"),
    ("httpx2", "AsyncHTTPTransport", True, "httpx2"),
    ("httpx_curl_cffi", "CurlTransport", False, "httpx"),
    ("httpx_curl_cffi", "AsyncCurlTransport", True, "httpx"),
    ("pyreqwest.compatibility.httpx", "SyncHttpxTransport", False, "httpx"),
    ("pyreqwest.compatibility.httpx", "HttpxTransport", True, "httpx"),
)
MODULES = frozenset(module for module, *_ in _TRANSPORTS)

_ERRORS = frozenset(
    {
        "CloseError",
        "ConnectError",
        "ConnectTimeout",
        "LocalProtocolError",
        "NetworkError",
        "PoolTimeout",
        "ProtocolError",
        "ProxyError",
        "ReadError",
        "ReadTimeout",
        "RemoteProtocolError",
        "UnsupportedProtocol",
        "WriteError",
        "WriteTimeout",
    }
)


def patches() -> Iterator[Patch]:
    """Yield the methods to be wrapped in the transports that are imported."""
    for module, name, is_async, home in _TRANSPORTS:
        owner = getattr(sys.modules.get(module), name, None)
        httpx = sys.modules.get(home)
        if owner is not None and httpx is not None:
            wrap, method = (
                (_wrap_async, "handle_async_request") if is_async else (_wrap_sync, "handle_request")
            )
            yield Patch(owner, method, functools.partial(wrap, httpx))


def _wrap_sync(httpx: Any, original: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:  # noqa: ANN401
    @functools.wraps(original)
    def handle_request(self: Any, request: Any) -> Any:  # noqa: ANN401
        recorder = current()
        if recorder is None:
            return original(self, request)

        def send() -> tuple[Response, Any]:
            response = original(self, request)
            try:
                body = b"".join(response.stream)
            finally:
                response.stream.close()
            return _received(httpx, response, body)

        asked = _asked(request, request.read())
        return exchange(recorder, asked, send, functools.partial(_served, httpx, request))

    return handle_request


def _wrap_async(httpx: Any, original: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:  # noqa: ANN401
    @functools.wraps(original)
    async def handle_async_request(self: Any, request: Any) -> Any:  # noqa: ANN401
        recorder = current()
        if recorder is None:
            return await original(self, request)

        async def send() -> tuple[Response, Any]:
            response = await original(self, request)
            try:
                body = b"".join([part async for part in response.stream])
            finally:
                await response.stream.aclose()
            return _received(httpx, response, body)

        asked = _asked(request, await request.aread())
        return await exchange_async(recorder, asked, send, functools.partial(_served, httpx, request))

    return handle_async_request


def _asked(request: Any, body: bytes) -> Request:  # noqa: ANN401
    headers = tuple((text(name), text(value)) for name, value in request.headers.raw)
    return Request(request.method.upper(), str(request.url), headers, body)


def _received(httpx: Any, response: Any, body: bytes) -> tuple[Response, Any]:  # noqa: ANN401
    """Take a live response over, and give the client its body to read once more."""
    response.stream = httpx.ByteStream(body)
    headers = tuple((text(name), text(value)) for name, value in response.headers.raw)
    reason = text(response.extensions.get("reason_phrase", b""))
    return Response(response.status_code, reason, headers, body), response


def _served(httpx: Any, request: Any, response: Response) -> Any:  # noqa: ANN401
    if response.failure:
        fallback = httpx.ReadTimeout if is_timeout(response.failure) else httpx.TransportError
        kind: Any = by_name(httpx, _ERRORS, response.failure) or fallback
        raise kind(response.failure.message, request=request)
    extensions: dict[str, Any] = {"http_version": b"HTTP/1.1"}
    if response.reason:
        extensions["reason_phrase"] = raw(response.reason)
    return httpx.Response(
        response.status,
        headers=[(raw(name), raw(value)) for name, value in framed(response, request.method)],
        stream=httpx.ByteStream(response.body),
        extensions=extensions,
    )
