"""HTTP/1.1 as it stands on the wire: requests that a library wrote, responses for its parser."""

from __future__ import annotations

import http.client
import io
import re
from typing import Any

from pytest_f3dx._clients._exchange import absolute, framed, has_body, raw, text
from pytest_f3dx._model import Headers, Request, Response, header

_HTTPS_PORT = 443
_FOLD = re.compile(rb"\r\n[ \t]+")


def read_response(sock: Any, method: str) -> Response:  # noqa: ANN401
    """Read a response to its end.

    Raises:
        http.client.IncompleteRead: It broke off.
    """
    answer = http.client.HTTPResponse(sock, method=method)
    try:
        answer.begin()
        body = answer.read()
    finally:
        answer.close()
    headers = tuple((name, _unfolded(value)) for name, value in answer.headers.items())
    return Response(answer.status, answer.reason, headers, body)


def _unfolded(value: str) -> str:
    return text(_FOLD.sub(b" ", value.encode("latin-1")))


def written(response: Response, method: str) -> bytes:
    """Write a response as it stands on the wire, whole and with a length."""
    lines = [b"HTTP/1.1 %d %b" % (response.status, raw(response.reason))]
    lines += [b"%b: %b" % (raw(name), raw(value)) for name, value in framed(response, method)]
    body = response.body if has_body(method, response.status) else b""
    return b"\r\n".join([*lines, b"", body])


def parsed(connection: Any, sent: bytes) -> Request:  # noqa: ANN401
    """Read the request that was collected."""
    head, _, body = sent.partition(b"\r\n\r\n")
    method, _, rest = text(head.partition(b"\r\n")[0]).partition(" ")
    target = rest.rpartition(" ")[0]
    headers = headers_of(head)
    if "chunked" in (header(headers, "transfer-encoding") or "").lower():
        body = _dechunked(body)
    return Request(method.upper(), _uri(connection, target), headers, body)


def headers_of(head: bytes) -> Headers:
    """Return the headers that follow the first line, each on one line."""
    _, *lines = text(_FOLD.sub(b" ", head)).split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return tuple((name, value.strip()) for name, _, value in pairs)


def _dechunked(body: bytes) -> bytes:
    """Undo the chunked transfer coding (RFC 9112, sec. 7.1) of what a library has just written."""
    parts = []
    stream = io.BytesIO(body)
    while size := int(stream.readline().partition(b";")[0].strip() or b"0", 16):
        parts.append(stream.read(size))
        stream.readline()
    return b"".join(parts)


def _uri(connection: Any, target: str) -> str:  # noqa: ANN401
    is_https = isinstance(connection, http.client.HTTPSConnection) or connection.default_port == _HTTPS_PORT
    tunnel = getattr(connection, "_tunnel_host", None)
    host, port = (tunnel, connection._tunnel_port) if tunnel else (connection.host, connection.port)  # noqa: SLF001
    return absolute("https" if is_https else "http", host, port, target)
