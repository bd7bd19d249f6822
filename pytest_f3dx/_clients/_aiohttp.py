"""aiohttp, through its client middlewares: ours is the innermost.

Redirects, cookies and ``raise_for_status`` stay aiohttp's own, since what is recorded and replayed
is each request that would have gone over the wire.
"""

from __future__ import annotations

import functools
import inspect
import sys
from typing import TYPE_CHECKING, Any

from pytest_f3dx._clients._exchange import Patch, framed, raw, text
from pytest_f3dx._clients._failures import is_timeout, name_of, nearest_standard, standard
from pytest_f3dx._model import Request, Response, header
from pytest_f3dx._routing import current, live
from pytest_f3dx.errors import ClientError, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_f3dx._model import Failure, Headers
    from pytest_f3dx._routing import Recorder

MODULES = frozenset({"aiohttp"})

_DECODED = ("gzip", "deflate", "br", "zstd")  # content codings that aiohttp undoes while it parses
_WITH_TEXT = frozenset(
    {
        "ClientConnectionError",
        "ClientError",
        "ClientOSError",
        "ClientPayloadError",
        "ConnectionTimeoutError",
        "ServerConnectionError",
        "ServerDisconnectedError",
        "ServerTimeoutError",
        "SocketTimeoutError",
    }
)
_WITH_KEY = frozenset(
    {
        "ClientConnectorCertificateError",
        "ClientConnectorDNSError",
        "ClientConnectorError",
        "ClientConnectorSSLError",
    }
)


def patches() -> Iterator[Patch]:
    """Yield the method to be wrapped, if aiohttp is imported."""
    session = getattr(sys.modules.get("aiohttp"), "ClientSession", None)
    if session is not None:
        yield Patch(session, "_request", _wrap)


def _wrap(original: Callable[..., Any]) -> Callable[..., Any]:
    from aiohttp.payload import Payload

    is_known = "middlewares" in inspect.signature(original).parameters and hasattr(Payload, "as_bytes")

    @functools.wraps(original)
    async def _request(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        if current() is None:
            return await original(self, *args, **kwargs)
        if not is_known:
            raise _refusal("aiohttp before 3.12.2 cannot be recorded", "pip install 'aiohttp>=3.12.2'")
        chosen = kwargs.get("middlewares")
        decodes = kwargs.get("auto_decompress")
        ours = functools.partial(_middleware, decodes=self.auto_decompress if decodes is None else decodes)
        kwargs["middlewares"] = (*(self._middlewares if chosen is None else chosen), ours)
        return await original(self, *args, **kwargs)

    return _request


def _refusal(what: str, fix: str) -> Refusal:
    return Refusal(ClientError(what, ("fix", fix)))


async def _middleware(request: Any, handler: Callable[[Any], Any], *, decodes: bool) -> Any:  # noqa: ANN401
    """Answer one request of a session; see `pytest_f3dx._clients._exchange.exchange`."""
    recorder = current()
    if recorder is None:
        return await handler(request)
    if request.headers.get("Upgrade", "").lower() == "websocket":
        raise _refusal("a WebSocket cannot be recorded", "connect outside the marked test")
    response = await _exchange(recorder, request, handler, decodes=decodes)
    if response.failure:
        raise _error(request, response.failure)
    return await _client_response(request, response)


async def _exchange(
    recorder: Recorder,
    request: Any,  # noqa: ANN401
    handler: Callable[[Any], Any],
    *,
    decodes: bool,
) -> Response:
    ticket = await recorder.ask_async(await _asked(request))
    if ticket.response is not None:
        return Response(
            ticket.response.status,
            ticket.response.reason,
            framed(ticket.response, request.method),
            ticket.response.body,
            failure=ticket.response.failure,
        )
    try:
        with live():
            answer = await handler(request)
            body = await _read(answer)
    except BaseException as error:
        recorder.fail(ticket, error)
        raise
    headers = tuple((text(name), text(value)) for name, value in answer.raw_headers)
    reason = text((answer.reason or "").encode("utf-8", "surrogateescape"))
    received = _without_coding(headers) if decodes else headers
    recorder.answer(ticket, Response(answer.status, reason, received, body))
    return Response(answer.status, reason, headers, body)


async def _read(answer: Any) -> bytes:  # noqa: ANN401
    """Read a live response past its own ``read()``, which would tell the session's traces of a chunk."""
    try:
        body: bytes = await answer.content.read()
    except BaseException:
        answer.close()
        raise
    await answer.wait_for_close()
    return body


async def _asked(request: Any) -> Request:  # noqa: ANN401
    body = await request.body.as_bytes() if request.body else b""
    headers = tuple((name, value) for name, value in request.headers.items())
    if request.compress:  # aiohttp encodes while it sends
        headers = _without_coding(headers)
    return Request(request.method.upper(), str(request.url), headers, body)


def _without_coding(headers: Headers) -> Headers:
    """Drop the content coding, and the length it gave, from headers whose body is decoded already."""
    coding = (header(headers, "content-encoding") or "").strip().lower()
    if coding not in _DECODED:
        return headers
    return tuple(pair for pair in headers if pair[0].lower() not in ("content-encoding", "content-length"))


# -- a response of aiohttp's own class -----------------------------------------------------------


class _Arrived:
    """A connection on which one response has arrived as a whole."""

    upgraded = False
    should_close = False

    def __init__(self, message: Any, payload: Any) -> None:  # noqa: ANN401
        self.protocol = self
        self.transport = None
        self._arrived = (message, payload)

    async def read(self) -> Any:  # noqa: ANN401
        return self._arrived

    def release(self) -> None:
        """Do nothing: nothing is held."""

    close = release


class _Sent:
    """What is left of the writer of a request: how much it wrote."""

    def __init__(self, output_size: int) -> None:
        self.output_size = output_size


async def _client_response(request: Any, response: Response) -> Any:  # noqa: ANN401
    """Build the session's response and let it start as if it came over the wire."""
    from aiohttp import ClientResponse, StreamReader
    from aiohttp.base_protocol import BaseProtocol

    arguments: dict[str, Any] = {
        "writer": None,
        "continue100": None,
        "timer": request._timer,  # noqa: SLF001 (what aiohttp itself passes on)
        "request_info": request.request_info,
        "traces": request._traces,  # noqa: SLF001
        "loop": request.loop,
        "session": request._session,  # noqa: SLF001
    }
    if "stream_writer" in inspect.signature(ClientResponse.__init__).parameters:
        arguments["stream_writer"] = _Sent(0)
    result = (request.response_class or ClientResponse)(request.method, request.original_url, **arguments)
    limit = max(2**16, len(response.body))  # so that a body that is there is never to be paused
    payload = StreamReader(BaseProtocol(request.loop), limit, loop=request.loop)
    if response.body:
        payload.feed_data(response.body)
    payload.feed_eof()
    arrived: Any = _Arrived(_message(response), payload)
    return await result.start(arrived)


def _message(response: Response) -> Any:  # noqa: ANN401
    from aiohttp import HttpVersion11
    from aiohttp.http_parser import RawResponseMessage
    from multidict import CIMultiDict, CIMultiDictProxy

    raw_headers = tuple((raw(name), raw(value)) for name, value in response.headers)
    decoded = [(_decoded(name), _decoded(value)) for name, value in raw_headers]
    return RawResponseMessage(
        version=HttpVersion11,
        code=response.status,
        reason=_decoded(raw(response.reason)),
        headers=CIMultiDictProxy(CIMultiDict(decoded)),
        raw_headers=raw_headers,
        should_close=False,
        compression=None,
        upgrade=False,
        chunked=False,
    )


def _decoded(wire: bytes) -> str:
    return wire.decode("utf-8", "surrogateescape")


def _error(request: Any, failure: Failure) -> Exception:  # noqa: ANN401
    """Return the exception of aiohttp that a failure names, else its nearest general one."""
    import aiohttp

    name = name_of(failure)
    if name in _WITH_KEY:
        cause = nearest_standard(failure)
        kind: Any = getattr(aiohttp, name, aiohttp.ClientConnectorError)
    elif name in _WITH_TEXT and failure.kind.startswith("aiohttp."):
        kind = getattr(aiohttp, name, aiohttp.ClientConnectionError)
    else:
        kind = aiohttp.ServerTimeoutError if is_timeout(failure) else aiohttp.ClientConnectionError
        return standard(failure) or kind(failure.message)
    error: Exception = kind(request.connection_key, cause) if name in _WITH_KEY else kind(failure.message)
    return error
