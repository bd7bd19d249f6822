"""tornado's HTTP clients, at the one method that each of them fetches with.

A redirect that the client follows by itself is part of its request: the final answer is recorded.
"""

from __future__ import annotations

import copy
import functools
import io
import sys
from typing import TYPE_CHECKING, Any

from pytest_f3dx._clients._exchange import Patch, exchange_async, framed, raw, text
from pytest_f3dx._clients._failures import is_timeout, name_of, standard
from pytest_f3dx._model import Request, Response
from pytest_f3dx._routing import current
from pytest_f3dx.errors import ClientError, Refusal

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from pytest_f3dx._model import Failure
    from pytest_f3dx._routing import Recorder

_CLIENTS = {
    "tornado.simple_httpclient": "SimpleAsyncHTTPClient",
    "tornado.curl_httpclient": "CurlAsyncHTTPClient",
}
MODULES = frozenset(_CLIENTS)
_NO_ANSWER = 599

_tasks: set[asyncio.Task[None]] = set()  # the loop itself holds them weakly


def patches() -> Iterator[Patch]:
    """Yield the methods to be wrapped in the clients that are imported."""
    for module, name in _CLIENTS.items():
        owner = getattr(sys.modules.get(module), name, None)
        if owner is not None:
            yield Patch(owner, "fetch_impl", _wrap)


def _wrap(original: Callable[..., None]) -> Callable[..., None]:
    import asyncio  # tornado has loaded it; a test without tornado need not

    @functools.wraps(original)
    def fetch_impl(self: Any, request: Any, callback: Callable[[Any], None]) -> None:  # noqa: ANN401
        recorder = current()
        if recorder is None:
            original(self, request, callback)
            return
        fetch = functools.partial(_fetch, functools.partial(original, self))
        task = asyncio.ensure_future(_answer(recorder, request, fetch, callback))
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)

    return fetch_impl


async def _answer(
    recorder: Recorder,
    request: Any,  # noqa: ANN401
    fetch: Callable[[Any], Any],
    callback: Callable[[Any], None],
) -> None:
    """Exchange, and call back in any case, as that is the only way back to the caller."""
    from tornado.httpclient import HTTPResponse

    try:
        if request.body_producer is not None:
            _refuse()
        response = await exchange_async(
            recorder, _asked(request), functools.partial(fetch, request), functools.partial(_served, request)
        )
        _stream(request, response)
    except BaseException as error:  # noqa: BLE001 (the caller gets it, whatever it is)
        response = HTTPResponse(request, _NO_ANSWER, error=error)
    callback(response)


def _refuse() -> None:
    raise Refusal(
        ClientError("tornado's body_producer cannot be recorded", ("fix", "pass the whole body= instead"))
    )


async def _fetch(original: Callable[..., None], request: Any) -> tuple[Response, Any]:  # noqa: ANN401
    """Go live, without the caller's streaming callbacks, which want the whole body to be there."""
    import asyncio

    from tornado.httpclient import _RequestProxy

    plain = copy.copy(request.request)
    plain.streaming_callback = plain.header_callback = None
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    original(_RequestProxy(plain, request.defaults), future.set_result)
    response = await future
    if response.error is not None and not response._error_is_response_code:  # noqa: SLF001 (says just that)
        raise response.error
    response.request = request.request
    headers = tuple(response.headers.get_all())
    return Response(response.code, response.reason, headers, response.body), response


def _asked(request: Any) -> Request:  # noqa: ANN401
    headers = list(request.headers.get_all())
    if request.user_agent:
        headers.append(("User-Agent", request.user_agent))
    return Request(request.method.upper(), request.url, tuple(headers), request.body or b"")


def _served(request: Any, response: Response) -> Any:  # noqa: ANN401
    from tornado.httpclient import HTTPResponse
    from tornado.httputil import HTTPHeaders

    if response.failure:
        raise _error(response.failure)
    headers = HTTPHeaders()
    for name, value in framed(response, request.method):
        headers.add(name, text(raw(value)))
    return HTTPResponse(
        request,
        response.status,
        headers=headers,
        buffer=io.BytesIO(response.body),
        reason=response.reason or None,
    )


def _stream(request: Any, response: Any) -> None:  # noqa: ANN401
    """Give the response to the callbacks of a caller who wants it in pieces."""
    if request.header_callback is not None:
        request.header_callback(f"HTTP/1.1 {response.code} {response.reason}\r\n")
        for name, value in response.headers.get_all():
            request.header_callback(f"{name}: {value}\r\n")
        request.header_callback("\r\n")
    if request.streaming_callback is not None:
        request.streaming_callback(response.body)
        response.buffer, response._body = io.BytesIO(), None  # noqa: SLF001 (as tornado leaves it)


def _error(failure: Failure) -> Exception:
    from tornado.simple_httpclient import HTTPStreamClosedError, HTTPTimeoutError

    kinds: dict[str, type[Exception]] = {
        "HTTPStreamClosedError": HTTPStreamClosedError,
        "HTTPTimeoutError": HTTPTimeoutError,
    }
    kind = kinds.get(name_of(failure))
    if kind is None:
        found = standard(failure)
        if found is not None:
            return found
        kind = HTTPTimeoutError if is_timeout(failure) else HTTPStreamClosedError
    return kind(failure.message.removeprefix("HTTP 599: "))
