"""The corners of the clients: addresses behind proxies, framing, half-sent requests, what is refused."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
import socket
import threading
import warnings
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import httpx
import pytest
import requests
import urllib3
from tornado import httpclient  # type: ignore[attr-defined]  # mypy is told to skip it

from pytest_f3dx._clients import _aiohttp, _stand_in
from pytest_f3dx._clients._exchange import absolute, framed, raw
from pytest_f3dx._clients._switch import patched
from pytest_f3dx._model import Response
from pytest_f3dx.errors import CassetteMiss, Refusal
from tests.recorders import MemoryRecorder, recording

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.server import Server


@contextlib.contextmanager
def _missing() -> Iterator[MemoryRecorder]:
    """Replay nothing, and expect the miss."""
    with recording(MemoryRecorder("replay")) as recorder, pytest.raises(CassetteMiss):
        yield recorder


# -- addresses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "uri"),
    [
        (("http", "h.test", 80, "/a?b=c"), "http://h.test/a?b=c"),
        (("https", "h.test", 443, "/"), "https://h.test/"),
        (("https", "h.test", None, "/"), "https://h.test/"),
        (("http", "h.test", 443, "/"), "http://h.test:443/"),
        (("http", "::1", 8080, "/"), "http://[::1]:8080/"),
        (("http", "[::1]", 80, "/"), "http://[::1]/"),
        (("http", "proxy.test", 3128, "http://h.test/a"), "http://h.test/a"),
        (("http", "h.test", 80, "/?to=http://x"), "http://h.test/?to=http://x"),
        (("http", "h.test", 80, "*"), "http://h.test/*"),
    ],
)
def test_the_uri_is_absolute(arguments: tuple[str, str, int | None, str], uri: str) -> None:
    """Scheme, host and port are there, the usual port is not, a forwarding proxy changes nothing."""
    assert absolute(*arguments) == uri


def test_a_tunnel_is_no_part_of_the_uri() -> None:
    """What is asked through a CONNECT tunnel is keyed by the server, and the proxy is not contacted."""
    with _missing() as recorder, closing(http.client.HTTPSConnection("proxy.invalid", 3128)) as connection:
        connection.set_tunnel("api.test", 443)
        connection.request("GET", "/v1")
    assert recorder.asked[0].uri == "https://api.test/v1"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_requests_through_a_proxy_are_keyed_by_the_server(scheme: str) -> None:
    """The same holds for requests, forwarded or tunnelled."""
    proxies = {"http": "http://proxy.invalid:3128", "https": "http://proxy.invalid:3128"}
    with _missing() as recorder:
        requests.get(f"{scheme}://api.test/v1", proxies=proxies, timeout=60)
    assert recorder.asked[0].uri == f"{scheme}://api.test/v1"


def test_no_warning_of_an_unverified_connection() -> None:
    """A replay over https has verified nothing, and says nothing of it."""
    recorder = MemoryRecorder("replay")
    recorder.answers["GET", "https://api.test/", b""].append(Response(200, "OK", (), b"fine"))
    with recording(recorder), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert requests.get("https://api.test/", timeout=60).text == "fine"
        assert urllib3.PoolManager().request("GET", "https://api.test/").data == b"fine"


# -- framing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "method", "content_type", "added"),
    [
        (200, "GET", "application/json", True),
        (200, "HEAD", "application/json", False),
        (204, "GET", "application/json", False),
        (304, "GET", "application/json", False),
        (200, "GET", "text/event-stream; charset=utf-8", False),
        (200, "POST", "Application/X-NDJSON", False),
    ],
)
def test_a_length_is_given_to_what_has_one(
    *, status: int, method: str, content_type: str, added: bool
) -> None:
    """A stream ends with its connection, an empty answer has no length, everything else is counted."""
    response = Response(
        status, "", (("Content-Type", content_type), ("Transfer-Encoding", "chunked")), b"12345"
    )
    extra = (("content-length", "5"),) if added else ()
    assert framed(response, method) == (("Content-Type", content_type), *extra)


def test_a_length_that_is_there_is_kept() -> None:
    """A HEAD response says how long the body would be."""
    response = Response(200, "", (("Content-Length", "99"),))
    assert framed(response, "HEAD") == response.headers


def test_a_cassette_cannot_smuggle_headers() -> None:
    """A line break in a stored value stays within its value; what is not Latin-1 goes as UTF-8."""
    assert raw("a\r\nSet-Cookie: x") == b"a  Set-Cookie: x"
    assert raw("é") == b"\xe9"
    assert raw("→") == "→".encode()


def test_a_folded_header_is_one_line(server: Server) -> None:
    """A header that the server folds over two lines is recorded, and given to the client, as one."""
    recorder = MemoryRecorder()
    with recording(recorder), requests.Session() as session:
        assert session.get(f"{server.url}/folded").headers["x-folded"] == "a b"
    ((response,),) = recorder.answers.values()
    assert dict(response.headers)["X-Folded"] == "a b"


def test_a_folded_request_header_is_one_line() -> None:
    """Several values given to putheader are one value of the request."""
    with _missing() as recorder, closing(http.client.HTTPConnection("h.test")) as connection:
        connection.putrequest("GET", "/")
        connection.putheader("X-Many", "a", "b")
        connection.endheaders()
    assert ("X-Many", "a b") in recorder.asked[0].headers


# -- http.client, step by step -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b"plain", io.BytesIO(b"plain"), [b"pl", b"ain"], iter([b"pla", b"", b"in"]), memoryview(b"plain")],
    ids=["bytes", "file", "list", "iterator", "memoryview"],
)
def test_every_kind_of_body_is_the_same_request(body: Any) -> None:
    """However a body is passed, and whether it goes in chunks, its bytes are what is asked with."""
    with _missing() as recorder, closing(http.client.HTTPConnection("h.test")) as connection:
        connection.request("POST", "/", body)
    assert recorder.asked[0].body == b"plain"


def test_a_request_without_a_clear_end_is_asked_with_its_response(server: Server) -> None:
    """A body shorter than announced ends when the response is asked for; http.client sends what it has."""
    with (
        _missing() as recorder,
        closing(http.client.HTTPConnection(urlsplit(server.url).netloc)) as connection,
    ):
        connection.putrequest("POST", "/echo")
        connection.putheader("Content-Length", "not a number")
        connection.endheaders(b"half")
        assert recorder.asked == []
        connection.getresponse()
    assert recorder.asked[0].body == b"half"


def test_a_list_is_sent_item_by_item() -> None:
    """``send`` takes an iterable, as it does on a real socket."""
    with _missing() as recorder, closing(http.client.HTTPConnection("h.test")) as connection:
        connection.putrequest("POST", "/")
        connection.putheader("Content-Length", "4")
        connection.endheaders()
        connection.send([b"ab", b"cd"])
    assert recorder.asked[0].body == b"abcd"


def test_a_connection_closed_before_its_response_is_a_failure(server: Server) -> None:
    """A live request whose response nobody reads does not stay open."""
    with recording(MemoryRecorder()) as recorder:
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
        connection.request("GET", "/echo")
        connection.close()
        connection.close()
    assert [type(error) for error in recorder.failed] == [ConnectionAbortedError]


def test_two_requests_before_the_first_response_do_not_wait_for_one_another(server: Server) -> None:
    """A thread that sends on two connections and then reads both has had the first answer kept already."""
    target = urlsplit(server.url).netloc
    with (
        recording(MemoryRecorder()) as recorder,
        closing(http.client.HTTPConnection(target)) as one,
        closing(http.client.HTTPConnection(target)) as other,
    ):
        one.request("GET", "/echo?1")
        assert len(recorder.answers) == 0
        other.request("GET", "/echo?2")
        assert len(recorder.answers) == 1
        assert b"echo?2" in other.getresponse().read()
        assert b"echo?1" in one.getresponse().read()
        one.request("GET", "/short")
        other.request("GET", "/echo?3")
        with pytest.raises(http.client.IncompleteRead):
            one.getresponse()
        other.getresponse().read()
    assert (len(recorder.asked), len(recorder.failed), server.count) == (4, 1, 4)


def test_a_request_under_way_outlives_the_recording(server: Server) -> None:
    """A connection that waits for its answer when the test ends keeps it; the next request is real."""
    with closing(http.client.HTTPConnection(urlsplit(server.url).netloc)) as connection:
        with recording(MemoryRecorder()) as recorder:
            connection.request("GET", "/echo?first")
        assert b"first" in connection.getresponse().read()
        assert len(recorder.asked) == 1


def test_the_timeout_of_the_client_holds_while_recording() -> None:
    """A server that accepts and says nothing meets the client's own read timeout."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with recording(MemoryRecorder()) as recorder, pytest.raises(requests.ReadTimeout):
            requests.get(url, timeout=(60, 0.05))
    assert [type(error) for error in recorder.failed] == [TimeoutError]


def test_a_reset_while_sending_is_raised_though_urllib3_overlooks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """urllib3 passes over a reset connection while it sends; asking for the response raises it again."""

    def reset(*_: object) -> None:
        raise ConnectionResetError(104, "reset")

    monkeypatch.setattr(_stand_in.StandInSocket, "_go_live", reset)
    with (
        recording(MemoryRecorder()) as recorder,
        pytest.raises(urllib3.exceptions.ProtocolError, match="reset"),
        urllib3.PoolManager(retries=False) as pool,
    ):
        pool.request("GET", "http://127.0.0.1:1/")
    assert len(recorder.failed) == 1


@pytest.mark.parametrize("kind", [GeneratorExit, pytest.fail.Exception, ValueError])
def test_whatever_ends_a_live_call_is_raised_by_reading(
    server: Server, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    """The file of the response is made all the same: http.client's response without one complains later."""

    def end(*_: object) -> None:
        raise kind("now")

    recorder = MemoryRecorder()
    monkeypatch.setattr(recorder, "answer", end)
    with recording(recorder), closing(http.client.HTTPConnection(urlsplit(server.url).netloc)) as connection:
        connection.request("GET", "/echo")
        made = connection.sock.makefile("rb")
        with pytest.raises(kind, match="now"):
            made.readline()


def test_the_stand_in_behaves_like_a_socket() -> None:
    """What libraries ask of a socket is answered; what would read past the parser is refused."""
    with recording(MemoryRecorder("replay")), closing(http.client.HTTPConnection("h.test")) as connection:
        connection.connect()
        sock: Any = connection.sock
        assert sock.gettimeout() is None
        sock.settimeout(3)
        assert sock.gettimeout() == 3
        sock.setsockopt(1, 2, 3)
        sock.shutdown(socket.SHUT_WR)
        assert sock.send(b"x") == 1
        with pytest.raises(Refusal, match="client-unsupported"):
            sock.recv(1)


def test_an_answer_before_the_end_of_the_request_is_read() -> None:
    """A server that answers and hangs up without reading the body has answered."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
                while connection.recv(1 << 20):
                    pass

        thread = threading.Thread(target=answer)
        thread.start()
        with recording(MemoryRecorder()):
            got = requests.post(f"http://127.0.0.1:{listener.getsockname()[1]}/", b"x" * 300_000, timeout=60)
        thread.join()
    assert (got.status_code, got.text) == (413, "no")


# -- aiohttp -----------------------------------------------------------------------------------------


def _with_session(ask: Any, **options: Any) -> Any:
    async def run() -> Any:
        async with aiohttp.ClientSession(**options) as session:
            return await ask(session)

    return asyncio.run(run())


def test_a_websocket_is_refused(server: Server) -> None:
    """It cannot be replayed, so it is refused while recording as well, and never goes live."""

    async def connect(session: aiohttp.ClientSession) -> None:
        async with session.ws_connect(server.url):
            pass

    with recording(MemoryRecorder()), pytest.raises(Refusal, match="a WebSocket cannot be recorded"):
        _with_session(connect)
    assert server.count == 0


def test_an_old_aiohttp_is_refused() -> None:
    """An aiohttp without client middlewares does not go live unseen; unrecorded it works on."""

    async def _request(_: object, method: str) -> str:
        return method

    wrapped = _aiohttp._wrap(_request)
    assert asyncio.run(wrapped(None, "GET")) == "GET"
    with recording(MemoryRecorder()), pytest.raises(Refusal, match=r"aiohttp>=3\.12\.2"):
        asyncio.run(wrapped(None, "GET"))


def test_the_middlewares_of_the_user_stay() -> None:
    """Ours comes last, so that a request is asked as the user's middlewares leave it."""

    async def sign(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        request.headers["X-Signed"] = "yes"
        return await handler(request)

    async def ask(session: aiohttp.ClientSession) -> None:
        await session.get("http://h.test/")

    with _missing() as recorder:
        _with_session(ask, middlewares=(sign,))
    assert ("X-Signed", "yes") in recorder.asked[0].headers


def test_a_session_that_outlives_the_recording_goes_on(server: Server) -> None:
    """A request started in a recording that has ended when its middleware runs is simply sent."""
    entered = contextlib.ExitStack()

    async def leave(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        entered.close()
        return await handler(request)

    async def ask(session: aiohttp.ClientSession) -> int:
        recorder = entered.enter_context(recording(MemoryRecorder("replay")))
        async with session.get(f"{server.url}/echo", middlewares=(leave,)) as answer:
            assert recorder.asked == []
            return answer.status

    assert _with_session(ask) == 200


def test_a_compressed_upload_is_asked_in_plain(server: Server) -> None:
    """Since aiohttp encodes while it sends, what is asked with is the body before, without the coding's header."""

    async def ask(session: aiohttp.ClientSession) -> None:
        async with session.post(f"{server.url}/echo", data=b"x" * 100, compress=True):
            pass

    with recording(MemoryRecorder()) as recorder:
        _with_session(ask)
    assert recorder.asked[0].body == b"x" * 100
    assert "content-encoding" not in {name.lower() for name, _ in recorder.asked[0].headers}
    assert server.requests[0].headers["content-encoding"] == "deflate"


def test_a_body_that_is_not_to_be_decoded_is_recorded_as_it_is(server: Server) -> None:
    """With ``auto_decompress=False`` the client gets the coded bytes while it records."""

    async def ask(session: aiohttp.ClientSession) -> bytes:
        async with session.get(f"{server.url}/gzip") as answer:
            return await answer.read()

    recorder = MemoryRecorder()
    with recording(recorder):
        assert _with_session(ask, auto_decompress=False).startswith(b"\x1f\x8b")
    ((response,),) = recorder.answers.values()
    assert response.body.startswith(b"{")


# -- tornado -----------------------------------------------------------------------------------------


def test_a_body_producer_of_tornado_is_refused() -> None:
    """It writes to the connection itself, so there is no body to ask with."""

    async def ask() -> None:
        with closing(httpclient.AsyncHTTPClient(force_instance=True)) as client:
            await client.fetch("http://h.test/", method="POST", body_producer=lambda _: None)

    with recording(MemoryRecorder()), pytest.raises(Refusal, match="body_producer"):
        asyncio.run(ask())


# -- httpx -------------------------------------------------------------------------------------------


def test_a_response_without_a_reason_gets_the_usual_one() -> None:
    """HTTP/2 has no reason phrases; httpx derives one from the status."""
    recorder = MemoryRecorder("replay")
    recorder.answers["GET", "http://h.test/", b""].append(Response(404))
    with recording(recorder):
        assert httpx.get("http://h.test/").reason_phrase == "Not Found"


def test_a_nested_use_keeps_the_patches() -> None:
    """The patches go with the last user, not with the first."""
    with patched():
        with patched():
            pass
        with _missing():
            httpx.get("http://h.test/")
