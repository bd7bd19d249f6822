"""What every client patch does with a request: ask, then serve the recording or go live and keep it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pytest_f3dx._model import header
from pytest_f3dx._routing import live

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import ModuleType

    from pytest_f3dx._model import Headers, Request, Response
    from pytest_f3dx._routing import Recorder

T = TypeVar("T")

_USUAL_PORTS = {"http": 80, "https": 443}
_STREAMED = ("text/event-stream", "application/x-ndjson")
_FIRST_FINAL, _NO_CONTENT, _NOT_MODIFIED = 200, 204, 304


class Patch(NamedTuple):
    """A method to be wrapped while a recorder is active.

    Attributes:
        owner: The class, or the module.
        name: Of the method.
        wrap: Makes the replacement from the original (None: the class inherits it).
    """

    owner: type | ModuleType
    name: str
    wrap: Callable[[Any], Any]


def exchange(
    recorder: Recorder,
    request: Request,
    send: Callable[[], tuple[Response, T]],
    serve: Callable[[Response], T],
) -> T:
    """Answer a request from its recording, or send it and keep what comes.

    Args:
        recorder: Decides which of the two.
        request: What the client asks.
        send: Goes live; gives the response as received, and what the client gets of it.
        serve: Makes what the client gets from a recorded response; raises its failure.

    Returns:
        What the client gets.

    Raises:
        Refusal: No recording answers, and none may be made.
    """
    ticket = recorder.ask(request)
    if ticket.response is not None:
        return serve(ticket.response)
    try:
        with live():
            response, result = send()
    except BaseException as error:
        recorder.fail(ticket, error)
        raise
    recorder.answer(ticket, response)
    return result


async def exchange_async(
    recorder: Recorder,
    request: Request,
    send: Callable[[], Awaitable[tuple[Response, T]]],
    serve: Callable[[Response], T],
) -> T:
    """Do the same as `exchange` without blocking the event loop."""
    ticket = await recorder.ask_async(request)
    if ticket.response is not None:
        return serve(ticket.response)
    try:
        with live():
            response, result = await send()
    except BaseException as error:
        recorder.fail(ticket, error)
        raise
    recorder.answer(ticket, response)
    return result


def has_body(method: str, status: int) -> bool:
    """Say whether a response may carry a body (RFC 9112, sec. 6.3)."""
    return method != "HEAD" and status >= _FIRST_FINAL and status not in (_NO_CONTENT, _NOT_MODIFIED)


def framed(response: Response, method: str) -> Headers:
    """Return headers that tell how long the body is, as the whole of it is served at once.

    A stream (server-sent events, NDJSON) has no length; its end is the end of the connection.
    """
    headers = tuple(pair for pair in response.headers if pair[0].lower() != "transfer-encoding")
    content_type = (header(headers, "content-type") or "").partition(";")[0].strip().lower()
    is_free = not has_body(method, response.status) or content_type in _STREAMED
    if is_free or header(headers, "content-length") is not None:
        return headers
    return (*headers, ("content-length", str(len(response.body))))


def absolute(scheme: str, host: str, port: int | None, target: str) -> str:
    """Return the absolute URI of a request, behind whatever proxy it goes through.

    Args:
        scheme: ``http`` or ``https``.
        host: Of the server, not of a proxy; an IPv6 address with or without brackets.
        port: Of the server; None is the usual one.
        target: What stands in the request line; a forwarding proxy is told the whole URI.
    """
    if "://" in target.partition("?")[0]:
        return target
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    where = host if port in (None, _USUAL_PORTS[scheme]) else f"{host}:{port}"
    return f"{scheme}://{where}{'' if target.startswith('/') else '/'}{target}"


def text(raw: bytes) -> str:
    """Decode a header value or reason phrase, one character a byte, so that nothing is lost."""
    return raw.decode("latin-1")


def raw(text: str) -> bytes:
    """Encode it again; line breaks in a cassette must not become headers of their own."""
    flat = text.replace("\r", " ").replace("\n", " ")
    try:
        return flat.encode("latin-1")
    except UnicodeEncodeError:
        return flat.encode("utf-8")
