"""What goes wrong on the wire is a failure of the recording, and is raised again as the client's own error."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
import urllib.error
import urllib.request
from contextlib import closing
from typing import TYPE_CHECKING, Any

import aiohttp
import httplib2
import httpx
import httpx2
import pytest
import requests
import urllib3
from tornado import httpclient, simple_httpclient  # type: ignore[attr-defined]  # mypy is told to skip it

from pytest_f3dx._clients import kind_of
from pytest_f3dx._clients._failures import nearest_standard
from pytest_f3dx._model import Failure, Request, Response
from pytest_f3dx._routing import Ticket
from tests.recorders import MemoryRecorder, recording
from tests.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable


def _aiohttp_get(url: str) -> bytes:
    async def get() -> bytes:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return await answer.read()

    return asyncio.run(get())


def _httpx_get_async(url: str) -> bytes:
    async def get() -> bytes:
        async with httpx.AsyncClient() as client:
            return (await client.get(url)).content

    return asyncio.run(get())


def _tornado_get(url: str) -> bytes:
    async def get() -> bytes:
        with closing(httpclient.AsyncHTTPClient(force_instance=True)) as client:
            body: bytes = (await client.fetch(url)).body
            return body

    return asyncio.run(get())


def _urllib3_get(url: str) -> bytes:
    with urllib3.PoolManager(retries=False) as pool:
        return pool.request("GET", url).data


def _urllib_get(url: str) -> bytes:
    with urllib.request.urlopen(url) as response:
        body: bytes = response.read()
        return body


def _httplib2_get(url: str) -> bytes:
    with closing(httplib2.Http()) as client:
        body: bytes = client.request(url)[1]
        return body


CLIENTS: dict[str, Callable[[str], bytes]] = {
    "httpx": lambda url: httpx.get(url).content,
    "httpx2": lambda url: httpx2.get(url).content,
    "async httpx": _httpx_get_async,
    "requests": lambda url: requests.get(url, timeout=60).content,
    "urllib3": _urllib3_get,
    "urllib.request": _urllib_get,
    "httplib2": _httplib2_get,
    "aiohttp": _aiohttp_get,
    "tornado": _tornado_get,
}
BROKEN = ["/short", "/unterminated", "/silent"]


@pytest.mark.parametrize("path", [*BROKEN, "refused"])
@pytest.mark.parametrize("name", CLIENTS)
def test_a_broken_answer_is_never_a_complete_one(name: str, path: str) -> None:
    """A body that broke off, an answer that never came, a port that nobody listens on: failures, replayed alike."""
    get, recorder = CLIENTS[name], MemoryRecorder()
    with Server() as server:
        url = f"{server.url}{path}" if path != "refused" else "http://127.0.0.1:1/refused"
        with recording(recorder), pytest.raises(Exception) as recorded:
            get(url)
    (answers,) = recorder.answers.values()
    assert recorder.failed
    assert all(answer.failure for answer in answers)
    with recording(recorder.replaying()), pytest.raises(Exception) as replayed:
        get(url)
    assert type(replayed.value) is type(recorded.value)
    assert isinstance(recorded.value, (OSError, http.client.HTTPException, *_OWN))


_OWN = (
    httpx.TransportError,
    httpx2.TransportError,
    urllib3.exceptions.HTTPError,
    aiohttp.ClientError,
    httpclient.HTTPError,
    httplib2.HttpLib2Error,
)


class _Failing(MemoryRecorder):
    """Answers everything with one failure."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__("replay")
        self.response = Response(0, failure=Failure(kind, message))

    def ask(self, request: Request) -> Ticket:
        return Ticket(request, self.response)


@pytest.mark.parametrize(
    ("name", "kind", "message", "error", "text"),
    [
        ("httpx", "httpx.ReadTimeout", "too late", httpx.ReadTimeout, "too late"),
        ("httpx", "httpx2.ConnectError", "no", httpx.ConnectError, "no"),
        ("httpx", "elsewhere.SocketTimeout", "late", httpx.ReadTimeout, "late"),
        ("httpx", "os.system", "rm", httpx.TransportError, "rm"),
        ("httpx2", "httpx.PoolTimeout", "full", httpx2.PoolTimeout, "full"),
        ("async httpx", "httpx.WriteError", "cut", httpx.WriteError, "cut"),
        (
            "urllib.request",
            "socket.gaierror",
            "[Errno -2] Name or service not known",
            urllib.error.URLError,
            "Name",
        ),
        ("urllib.request", "TimeoutError", "timed out", TimeoutError, "timed out"),
        ("urllib.request", "ssl.SSLError", "bad certificate", urllib.error.URLError, "bad certificate"),
        ("urllib.request", "builtins.eval", "1", ConnectionError, "builtins.eval: 1"),
        (
            "urllib3",
            "urllib3.exceptions.NewConnectionError",
            "HTTPConnection(host='h'): no",
            urllib3.exceptions.NewConnectionError,
            ": no",
        ),
        (
            "urllib3",
            "urllib3.exceptions.ConnectTimeoutError",
            "late",
            urllib3.exceptions.ConnectTimeoutError,
            "late",
        ),
        ("urllib3", "ConnectionResetError", "[Errno 104] reset", urllib3.exceptions.ProtocolError, "reset"),
        (
            "requests",
            "urllib3.exceptions.NameResolutionError",
            "HTTPSConnection(host='h', port=1): no",
            requests.ConnectionError,
            ": no",
        ),
        ("requests", "httpx.ReadTimeout", "late", requests.ReadTimeout, "timed out"),
        (
            "aiohttp",
            "aiohttp.client_exceptions.ServerDisconnectedError",
            "gone",
            aiohttp.ServerDisconnectedError,
            "gone",
        ),
        (
            "aiohttp",
            "aiohttp.client_exceptions.ClientConnectorDNSError",
            "no such host",
            aiohttp.ClientConnectorDNSError,
            "host",
        ),
        ("aiohttp", "TimeoutError", "late", TimeoutError, "late"),
        ("aiohttp", "httpx.ReadTimeout", "late", aiohttp.ServerTimeoutError, "late"),
        ("aiohttp", "odd.Error", "cut", aiohttp.ClientConnectionError, "cut"),
        (
            "tornado",
            "tornado.simple_httpclient.HTTPTimeoutError",
            "HTTP 599: late",
            simple_httpclient.HTTPTimeoutError,
            "late",
        ),
        ("tornado", "ConnectionRefusedError", "[Errno 111] refused", ConnectionRefusedError, "refused"),
        ("tornado", "httpx.ReadTimeout", "late", simple_httpclient.HTTPTimeoutError, "late"),
        ("tornado", "odd.Error", "cut", simple_httpclient.HTTPStreamClosedError, "cut"),
    ],
)
def test_a_recorded_failure_is_raised_as_the_clients_own(
    name: str, kind: str, message: str, error: type[Exception], text: str
) -> None:
    """The kind selects from a fixed list; an unknown one becomes the client's nearest general error."""
    with recording(_Failing(kind, message)), pytest.raises(error) as caught:
        CLIENTS[name]("http://127.0.0.1:1/")
    assert type(caught.value) is error
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionRefusedError(111, "refused"), "ConnectionRefusedError"),
        (socket.gaierror(-2, "no such host"), "socket.gaierror"),
        (ssl.SSLError(1, "bad"), "ssl.SSLError"),
        (http.client.RemoteDisconnected("gone"), "http.client.RemoteDisconnected"),
        (httpx.ReadTimeout("late"), "httpx.ReadTimeout"),
        (aiohttp.ServerDisconnectedError("gone"), "aiohttp.client_exceptions.ServerDisconnectedError"),
    ],
)
def test_the_kind_of_an_error_names_its_class(error: Exception, kind: str) -> None:
    """A cassette names the class with its module, a built-in one without; the standard library's come back alike."""
    assert kind_of(error) == kind
    if not kind.startswith(("httpx", "aiohttp")):
        again = nearest_standard(Failure(kind, str(error)))
        assert (type(again), str(again)) == (type(error), str(error))


def test_a_cut_off_body_comes_back_as_one() -> None:
    """IncompleteRead has no text to be built from."""
    assert isinstance(
        nearest_standard(Failure("http.client.IncompleteRead", "x")), http.client.IncompleteRead
    )


def test_a_cancelled_request_is_told_to_the_recorder(server: Server) -> None:
    """A task that is cancelled while its request is live does not leave the request open."""

    async def ask() -> None:
        async with httpx.AsyncClient() as client:
            await client.get(f"{server.url}/slow")

    async def cancel() -> Any:
        task = asyncio.ensure_future(ask())
        while server.count == 0:  # it is live once it has arrived
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with recording(MemoryRecorder()) as recorder:
        asyncio.run(cancel())
    assert [type(error) for error in recorder.failed] == [asyncio.CancelledError]
