"""A request sent again as it was, to compare what it is answered now. One way for all clients.

The recorded request of any client is bytes and headers, so the standard library can send it: through the
proxies of the environment, with the CA certificates of Python (``SSL_CERT_FILE``), following no redirect, as
the client that does sends another request for it.
"""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.request
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urldefrag, urlsplit

from pytest_f3dx._clients._exchange import raw, text
from pytest_f3dx._model import Request, Response
from pytest_f3dx._routing import live

if TYPE_CHECKING:
    from typing import IO

# Of the connection or the framing, which are made anew. (RFC 9110 sec. 7.6.1, RFC 9113 sec. 8.3)
_OF_THE_CONNECTION = {
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
_PIECE_BYTES = 65_536


class LiveFailedError(Exception):
    """Nothing could be had from the server; the text says why."""


def send(request: Request, *, timeout_s: float) -> Response:
    """Send a request and return what it is answered, as received.

    Args:
        request: As the client sent it, not redacted.
        timeout_s: For the whole exchange, a stream included.

    Raises:
        LiveFailedError: There is no whole answer.
    """
    if urlsplit(request.uri).scheme not in ("http", "https"):
        raise LiveFailedError(f"cannot send to {urlsplit(request.uri).scheme!r} addresses")
    until = time.monotonic() + timeout_s
    try:
        with live(), _opener().open(_prepared(request), timeout=timeout_s) as answer:
            body = _body(answer, until)
            headers = tuple((text(raw(name)), text(raw(value))) for name, value in answer.headers.items())
            return Response(answer.status, answer.reason or "", headers, body)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise LiveFailedError(f"{type(error).__name__}: {error}") from None


def _prepared(request: Request) -> urllib.request.Request:
    body = request.body or (b"" if request.method in ("POST", "PUT", "PATCH") else None)
    prepared = urllib.request.Request(urldefrag(request.uri).url, body, method=request.method)  # noqa: S310
    headers: dict[str, str] = {}
    for name, value in request.headers:
        lower = name.lower()
        if lower not in _OF_THE_CONNECTION and not lower.startswith((":", "proxy-")):
            joint = "; " if lower == "cookie" else ", "
            headers[lower] = f"{headers[lower]}{joint}{value}" if lower in headers else value
    if body is not None:
        headers.setdefault("content-type", "application/octet-stream")  # urllib would say it is a form
    for name, value in headers.items():
        prepared.add_header(name, value)
    return prepared


def _body(answer: IO[bytes], until: float) -> bytes:
    pieces = []
    while piece := answer.read(_PIECE_BYTES):
        pieces.append(piece)
        if time.monotonic() > until:
            raise LiveFailedError("the answer did not end in time")
    if getattr(answer, "length", 0):  # read(n) does not say that the connection broke off
        raise LiveFailedError("the answer was cut off")
    return b"".join(pieces)


class _AsItIs(urllib.request.HTTPErrorProcessor):
    """Lets every status through: an error is an answer, and a redirect is not followed."""

    def http_response(
        self, request: urllib.request.Request, response: http.client.HTTPResponse
    ) -> http.client.HTTPResponse:
        """Return the answer as it is."""
        del request
        return response

    https_response = http_response


@cache
def _opener() -> urllib.request.OpenerDirector:
    context = ssl.create_default_context()  # tens of milliseconds, once a process
    return urllib.request.build_opener(_AsItIs, urllib.request.HTTPSHandler(context=context))
