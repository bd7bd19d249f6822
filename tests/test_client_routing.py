"""Which requests are seen: from every thread, task, pool and import, exactly once, and only while recording."""

from __future__ import annotations

import asyncio
import http.client
import importlib
import importlib.machinery
import json
import subprocess
import sys
import textwrap
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import httplib2
import httpx
import httpx2
import pytest
import requests
import urllib3
from tornado import simple_httpclient  # type: ignore[attr-defined]  # mypy is told to skip it

from pytest_f3dx._clients import _switch
from pytest_f3dx._routing import live
from pytest_f3dx._vcr import patched
from pytest_f3dx.errors import CassetteMiss
from tests.recorders import MemoryRecorder, recording
from tests.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SEEN = (
    (http.client.HTTPConnection, "putrequest"),
    (http.client.HTTPConnection, "connect"),
    (http.client.HTTPSConnection, "connect"),
    (urllib3.connection.HTTPSConnection, "connect"),
    (httplib2.HTTPSConnectionWithTimeout, "connect"),
    (httpx.HTTPTransport, "handle_request"),
    (httpx.AsyncHTTPTransport, "handle_async_request"),
    (httpx2.HTTPTransport, "handle_request"),
    (httpx2.AsyncHTTPTransport, "handle_async_request"),
    (aiohttp.ClientSession, "_request"),
    (simple_httpclient.SimpleAsyncHTTPClient, "fetch_impl"),
)


def _state() -> list[Any]:
    return [vars(owner).get(name) for owner, name in SEEN]


def test_outside_a_recording_every_library_is_as_it_was() -> None:
    """A test that is not recorded sees the very methods the libraries define, before and after."""
    before, finders = _state(), list(sys.meta_path)
    with patched():
        within = _state()
        with patched():
            assert _state() == within
        assert _state() == within
        assert not any(one is other for one, other in zip(before, within, strict=True))
        assert "__init_subclass__" in vars(http.client.HTTPConnection)
    assert all(one is other for one, other in zip(before, _state(), strict=True))
    assert "__init_subclass__" not in vars(http.client.HTTPConnection)
    assert sys.meta_path == finders


def test_the_patches_are_made_once() -> None:
    """A second recording puts the same replacements in place: there is nothing to build for a test."""
    with patched():
        first = _state()
    with patched():
        assert all(one is other for one, other in zip(first, _state(), strict=True))


def _mocked(_: Any, __: httpx.Request) -> httpx.Response:
    return httpx.Response(200, text="mocked")


def test_another_patch_on_top_of_ours_is_not_lost() -> None:
    """A mock that wrapped ours while it was in place stays, and nothing of ours is left once it has gone."""
    real = httpx.HTTPTransport.handle_request
    with pytest.MonkeyPatch.context() as mock:
        with patched():
            mock.setattr(httpx.HTTPTransport, "handle_request", _mocked)
        assert httpx.get("http://nowhere.test").text == "mocked"
        with recording(MemoryRecorder()) as recorder:
            assert httpx.get("http://nowhere.test").text == "mocked"
        assert len(recorder.asked) == 1
    assert httpx.HTTPTransport.handle_request is not real  # what the mock found
    with patched():
        pass
    assert httpx.HTTPTransport.handle_request is real


def test_in_between_nothing_is_recorded(server: Server) -> None:
    """With the patches in place but no recorder active, every client talks to the server as ever."""
    with patched():
        urllib.request.urlopen(f"{server.url}/echo").close()
        requests.get(f"{server.url}/echo", timeout=60)
        httpx.get(f"{server.url}/echo")

        async def ask() -> None:
            async with httpx.AsyncClient() as client:
                await client.get(f"{server.url}/echo")
            async with aiohttp.ClientSession() as session, session.get(f"{server.url}/echo"):
                pass
            with closing(simple_httpclient.SimpleAsyncHTTPClient(force_instance=True)) as client:
                await client.fetch(f"{server.url}/echo")

        asyncio.run(ask())
    assert server.count == 6


# -- threads and tasks -------------------------------------------------------------------------------


def _by_requests(url: str) -> bytes:
    return requests.get(url, timeout=60).content


def _by_httpx(url: str) -> bytes:
    return httpx.get(url).content


def _by_urllib3(url: str) -> bytes:
    with urllib3.PoolManager() as pool:
        return pool.request("GET", url).data


def _by_urllib(url: str) -> bytes:
    with urllib.request.urlopen(url) as response:
        body: bytes = response.read()
        return body


@pytest.mark.parametrize("get", [_by_requests, _by_httpx, _by_urllib3, _by_urllib])
def test_threads_lose_nothing(get: Callable[[str], bytes]) -> None:
    """16 requests from 8 threads are 16 recorded, and each is replayed with its own answer."""
    recorder = MemoryRecorder()
    with Server() as server:
        urls = [f"{server.url}/slow?{at}" for at in range(16)]
        with recording(recorder), ThreadPoolExecutor(8) as threads:
            recorded = list(threads.map(get, urls))
        assert (server.count, len(recorder.asked), len(set(recorded))) == (16, 16, 16)
    with recording(recorder.replaying()) as replayer, ThreadPoolExecutor(8) as threads:
        assert list(threads.map(get, urls)) == recorded
    assert len(replayer.asked) == 16


def test_a_bare_thread_belongs_to_the_running_test(server: Server) -> None:
    """A thread that was started without a context of ours is recorded too."""
    with recording(MemoryRecorder()) as recorder:
        thread = threading.Thread(target=_by_urllib, args=(f"{server.url}/echo",))
        thread.start()
        thread.join()
    assert len(recorder.asked) == 1


async def _gather_httpx(urls: list[str]) -> list[bytes]:
    async with httpx.AsyncClient() as client:
        return [answer.content for answer in await asyncio.gather(*map(client.get, urls))]


async def _gather_aiohttp(urls: list[str]) -> list[bytes]:
    async def get(session: aiohttp.ClientSession, url: str) -> bytes:
        async with session.get(url) as answer:
            return await answer.read()

    async with aiohttp.ClientSession() as session:
        return await asyncio.gather(*(get(session, url) for url in urls))


@pytest.mark.parametrize("gather", [_gather_httpx, _gather_aiohttp])
def test_tasks_lose_nothing(gather: Callable[[list[str]], Any]) -> None:
    """16 requests at once on one event loop are 16 recorded, and each is replayed with its own answer."""
    recorder = MemoryRecorder()
    with Server() as server:
        urls = [f"{server.url}/slow?{at}" for at in range(16)]
        with recording(recorder):
            recorded = asyncio.run(gather(urls))
        assert (server.count, len(recorder.asked), len(set(recorded))) == (16, 16, 16)
    with recording(recorder.replaying()):
        assert asyncio.run(gather(urls)) == recorded


def test_a_request_within_a_live_request_is_not_seen(server: Server) -> None:
    """What a layer sends to carry out a request that is followed already passes, on whatever client."""

    class Layered(httpx.HTTPTransport):
        """Sends with requests, as a transport over another library does."""

    def send(_: Any, request: httpx.Request) -> httpx.Response:
        answer = requests.get(str(request.url), timeout=60)
        return httpx.Response(answer.status_code, stream=httpx.ByteStream(answer.content))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx.HTTPTransport, "handle_request", send)
        with recording(MemoryRecorder()) as recorder, httpx.Client(transport=Layered()) as client:
            client.get(f"{server.url}/echo")
    assert (len(recorder.asked), server.count) == (1, 1)


# -- connections that are older than the recording, or outlive it ------------------------------------------


def test_clients_made_earlier_are_seen(server: Server) -> None:
    """Sessions, pools and connections made, and used, before the recording do not go live in a replay."""
    target = urlsplit(server.url).netloc
    with (
        requests.Session() as session,
        urllib3.PoolManager() as pool,
        httpx.Client() as client,
        closing(http.client.HTTPConnection(target)) as connection,
    ):
        url = f"{server.url}/echo"

        def by_connection() -> None:
            connection.request("GET", "/echo")
            connection.getresponse().read()

        calls: list[Callable[[], Any]] = [
            lambda: session.get(url),
            lambda: pool.request("GET", url),
            lambda: client.get(url),
            by_connection,
        ]
        for call in calls:
            call()
        assert server.count == 4
        with recording(MemoryRecorder("replay")):
            for call in calls:
                with pytest.raises(CassetteMiss):
                    call()
        assert server.count == 4
        connection.close()  # http.client wants that after a request whose answer never came
        for call in calls:
            call()
        assert server.count == 8


def test_connections_are_real_again_after_the_recording(server: Server) -> None:
    """A pooled connection that was replayed connects really when it is used outside of a recording."""
    target = urlsplit(server.url).netloc
    recorder = MemoryRecorder()
    with (
        requests.Session() as session,
        closing(http.client.HTTPConnection(target)) as connection,
        closing(httplib2.Http()) as old,
    ):

        def ask() -> list[Any]:
            connection.request("GET", "/echo")
            found = [connection.getresponse().read(), session.get(f"{server.url}/echo").json()]
            return [*found, old.request(f"{server.url}/echo")[1]]

        with recording(recorder):
            recorded = ask()
        assert server.count == 3
        unrecorded = ask()
        assert server.count == 6
        with recording(recorder.replaying()):
            assert ask() == recorded
            assert server.count == 6
            with live():
                ask()
        assert server.count == 9
        assert unrecorded != recorded


def test_a_second_recording_answers_on_the_same_connection(server: Server) -> None:
    """A connection that stays in a pool from one recorder to the next asks the next one."""
    first, second = MemoryRecorder(), MemoryRecorder()
    with patched(), requests.Session() as session:
        with recording(first):
            session.get(f"{server.url}/echo")
        with recording(second):
            session.get(f"{server.url}/echo")
    assert (len(first.asked), len(second.asked)) == (1, 1)


def test_names_imported_earlier_and_subclasses_are_seen(server: Server) -> None:
    """A class that connects in its own way is seen, whether it is defined before or during the recording."""

    def define() -> type[http.client.HTTPConnection]:
        class Own(http.client.HTTPConnection):
            def connect(self) -> None:
                super().connect()

        return Own

    early = define()
    with recording(MemoryRecorder("replay")):
        late = define()
        for kind in (early, late):
            with closing(kind(urlsplit(server.url).netloc)) as connection:
                connection.connect()
                with pytest.raises(CassetteMiss):
                    connection.request("GET", "/echo")
    assert server.count == 0
    for kind in (early, late):
        assert vars(kind)["connect"].__module__ == __name__
        assert not hasattr(vars(kind)["connect"], "__wrapped__")


# -- imports -----------------------------------------------------------------------------------------

IMPORTED = """
    import sys
    from tests.recorders import MemoryRecorder, recording
    from pytest_f3dx.errors import CassetteMiss

    url, name = sys.argv[1:]

    def main():
        assert name not in sys.modules, "already imported: the test would show nothing"
        if name == "aiohttp":
            import asyncio, aiohttp

            async def ask():
                async with aiohttp.ClientSession() as session:
                    await session.get(url)

            asyncio.run(ask())
        elif name == "tornado.simple_httpclient":
            import asyncio
            from tornado.httpclient import AsyncHTTPClient

            async def ask():
                await AsyncHTTPClient().fetch(url)

            asyncio.run(ask())
        elif name == "requests":
            import requests

            requests.get(url.replace("http:", "https:"))
        else:
            __import__(name).get(url)

    with recording(MemoryRecorder("replay")) as recorder:
        try:
            main()
        except CassetteMiss:
            print(len(recorder.asked), sys.modules[name].__loader__.__class__.__name__)
"""


@pytest.mark.parametrize("name", ["httpx", "httpx2", "aiohttp", "tornado.simple_httpclient", "requests"])
def test_a_client_imported_while_recording_is_seen(name: str, server: Server) -> None:
    """A library whose first import happens in the recorded test cannot escape, and keeps its own loader."""
    command = [sys.executable, "-c", textwrap.dedent(IMPORTED), f"{server.url}/echo", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (["1", "SourceFileLoader"], "")
    assert server.count == 0


def test_an_import_while_recording_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client found on the path while patched is wrapped, and keeps the loader it would have had."""
    source = "class CurlTransport:\n    def handle_request(self, request):\n        return request\n"
    (tmp_path / "httpx_curl_cffi.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "httpx_curl_cffi", None)
    monkeypatch.delitem(sys.modules, "httpx_curl_cffi")
    with patched():
        module = importlib.import_module("httpx_curl_cffi")
        assert hasattr(module.CurlTransport.handle_request, "__wrapped__")
        assert module.CurlTransport().handle_request("passed on") == "passed on"
    assert not hasattr(module.CurlTransport.handle_request, "__wrapped__")
    assert isinstance(module.__loader__, importlib.machinery.SourceFileLoader)
    assert module.__spec__ is not None
    assert module.__spec__.loader is module.__loader__


def test_a_client_that_is_not_installed_stays_so() -> None:
    """Looking out for a client's import neither imports it nor changes the error of its absence."""
    with patched(), pytest.raises(ModuleNotFoundError, match="pyreqwest"):
        __import__("pyreqwest.compatibility.httpx")
    assert _switch._Finder(print).find_spec("httpx_curl_cffi", None) is None


def test_transports_of_others_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transport for httpx from another package is wrapped once that is imported."""
    import types

    class CurlTransport(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            raise AssertionError("this went live")

    module = types.ModuleType("httpx_curl_cffi")
    module.CurlTransport = CurlTransport  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "httpx_curl_cffi", module)
    with (
        recording(MemoryRecorder("replay")),
        httpx.Client(transport=CurlTransport()) as client,
        pytest.raises(CassetteMiss),
    ):
        client.get("http://127.0.0.1/")


def test_transports_that_touch_no_network_are_left_alone() -> None:
    """A mock transport answers as ever, even in a replay."""
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json={"path": request.url.path}))
    with recording(MemoryRecorder("replay")) as recorder, httpx.Client(transport=transport) as client:
        assert json.loads(client.get("http://x.test/a").content) == {"path": "/a"}
    assert recorder.asked == []
