"""niquests, sync and async, and whoever else sits on urllib3-future."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest

from pytest_f3dx._model import Failure, Response
from pytest_f3dx._routing import Ticket
from pytest_f3dx._vcr import patched
from pytest_f3dx.errors import CassetteMiss
from tests.recorders import MemoryRecorder, recording
from tests.server import Server

niquests = pytest.importorskip(
    "niquests",
    reason="urllib3-future takes the place of urllib3: CI runs these in an environment of their own",
)


def _sync(url: str) -> list[Any]:
    with niquests.Session() as session:
        found = [session.post(f"{url}/echo", json={"at": at}).json() for at in range(2)]
        moved = session.get(f"{url}/redirect")
        found += [moved.json(), [each.status_code for each in moved.history], session.cookies.get_dict()]
        found.append(session.get(f"{url}/gzip").json())
        found.append(list(session.get(f"{url}/chunked", stream=True).iter_lines()))
        found.append(session.post(f"{url}/echo", data=iter([b"a", b"b"])).json())
        found += [session.get(f"{url}/204").status_code, session.head(f"{url}/echo").status_code]
        return [*found, session.get(f"{url}/large").content, session.get(f"{url}/reason").reason]


def _multiplexed(url: str) -> list[Any]:
    with niquests.Session(multiplexed=True) as session:
        answers = [session.get(f"{url}/echo?{at}") for at in range(3)]
        session.gather()
        return [answer.json() for answer in answers]


def _async(url: str) -> list[Any]:
    async def parts() -> Any:
        yield b"a"
        yield b"b"

    async def ask() -> list[Any]:
        async with niquests.AsyncSession() as session:
            moved = await session.get(f"{url}/redirect")
            streamed = await session.get(f"{url}/ndjson", stream=True)
            found = [moved.json(), [line async for line in streamed.iter_lines()]]
            found.append((await session.post(f"{url}/echo", data=parts())).json())
            found.append((await session.post(f"{url}/echo", data={"a": "ü"})).json())
            many = await asyncio.gather(*(session.get(f"{url}/slow?{at}") for at in range(8)))
            return [*found, [answer.json() for answer in many], (await session.get(f"{url}/gzip")).json()]

    return asyncio.run(ask())


def _requests_on_it(url: str) -> list[Any]:
    requests = pytest.importorskip("requests")
    with requests.Session() as session:
        found = [session.get(f"{url}/redirect").json(), session.cookies.get_dict()]
        return [
            *found,
            session.get(f"{url}/gzip").json(),
            session.get(f"{url}/duplicates").headers["x-twice"],
        ]


def _urllib3_future(url: str) -> list[Any]:
    urllib3_future = pytest.importorskip("urllib3_future")
    with urllib3_future.PoolManager() as pool:
        found = [
            pool.request("GET", f"{url}/echo").json(),
            pool.request("PUT", f"{url}/echo", body="x").json(),
        ]
        late = pool.request("GET", f"{url}/binary", preload_content=False)
        return [*found, late.read(10), late.read()]


def _urllib3_future_async(url: str) -> list[Any]:
    urllib3_future = pytest.importorskip("urllib3_future")

    async def ask() -> list[Any]:
        async with urllib3_future.AsyncPoolManager() as pool:
            plain = await pool.request("POST", f"{url}/echo", body=io.BytesIO(b"a file"))
            late = await pool.request("GET", f"{url}/binary", preload_content=False)
            return [await plain.json(), await late.read()]

    return asyncio.run(ask())


FLOWS = {
    "sync": (_sync, 11),
    "multiplexed": (_multiplexed, 3),
    "async": (_async, 14),
    "requests on urllib3-future": (_requests_on_it, 4),
    "urllib3-future": (_urllib3_future, 3),
    "async urllib3-future": (_urllib3_future_async, 2),
}


@pytest.mark.parametrize("name", FLOWS)
def test_a_recorded_flow_is_replayed_without_a_server(name: str) -> None:
    """Each request reaches the server once, and the replay gives the client the same answers, byte for byte."""
    run, requests = FLOWS[name]
    recorder = MemoryRecorder()
    with Server() as server:
        with recording(recorder):
            recorded = run(server.url)
        assert (server.count, len(recorder.asked), recorder.failed) == (requests, requests, [])
        assert run(server.url) != recorded
        count = server.count
    with recording(recorder.replaying()):
        assert run(server.url) == recorded
    assert server.count == count


def test_in_between_nothing_is_recorded(server: Server) -> None:
    """With the patches in place but no recorder active, requests are simply sent."""
    with patched():
        _urllib3_future(server.url)
        _urllib3_future_async(server.url)
    assert server.count == 5


@pytest.mark.parametrize("run", [_sync, _multiplexed, _async, _requests_on_it, _urllib3_future])
def test_a_miss_surfaces_at_once_and_nothing_goes_live(run: Any, server: Server) -> None:
    """A miss comes out as it is."""
    with recording(MemoryRecorder("replay")), pytest.raises(CassetteMiss):
        run(server.url)
    assert server.count == 0


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_is_not_contacted(scheme: str) -> None:
    """A request through a proxy is keyed by its server, sync and async."""
    proxies = {scheme: "http://proxy.invalid:3128"}

    async def ask() -> None:
        async with niquests.AsyncSession() as session:
            await session.get(f"{scheme}://api.test/v1", proxies=proxies)

    with recording(MemoryRecorder("replay")) as recorder:
        with pytest.raises(CassetteMiss):
            niquests.get(f"{scheme}://api.test/v1", proxies=proxies)
        with pytest.raises(CassetteMiss):
            asyncio.run(ask())
    assert [request.uri for request in recorder.asked] == [f"{scheme}://api.test/v1"] * 2


def test_a_proxy_that_is_gone_is_a_failure() -> None:
    """While recording the tunnel is really asked for."""

    async def ask() -> None:
        async with niquests.AsyncSession() as session:
            await session.get("https://api.test/", proxies=proxies)

    proxies = {"https": "http://127.0.0.1:1"}
    with recording(MemoryRecorder()) as recorder:
        with pytest.raises(niquests.exceptions.ConnectionError):
            niquests.get("https://api.test/", proxies=proxies)
        with pytest.raises(niquests.exceptions.ConnectionError):
            asyncio.run(ask())
    assert len(recorder.failed) == 2


@pytest.mark.parametrize("path", ["/short", "/silent", ":1"])
def test_a_broken_answer_is_a_failure(path: str, server: Server) -> None:
    """It is recorded as one, and raised again as niquests' own."""
    url = "http://127.0.0.1:1/" if path == ":1" else f"{server.url}{path}"
    recorder = MemoryRecorder()
    with recording(recorder), pytest.raises(niquests.exceptions.RequestException):
        niquests.get(url)
    assert recorder.failed
    with recording(recorder.replaying()), pytest.raises(niquests.exceptions.RequestException):
        niquests.get(url)


class _Failing(MemoryRecorder):
    def __init__(self, kind: str) -> None:
        super().__init__("replay")
        self.kind = kind

    def ask(self, request: Any) -> Ticket:
        return Ticket(request, Response(0, failure=Failure(self.kind, "HTTPConnection(host='h'): no")))


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("urllib3_future.exceptions.NewConnectionError", "ConnectionError"),
        ("urllib3_future.exceptions.ConnectTimeoutError", "ConnectTimeout"),
        ("urllib3_future.exceptions.ReadTimeoutError", "ReadTimeout"),
        ("ConnectionResetError", "ConnectionError"),
        ("unknown.Kind", "ConnectionError"),
    ],
)
def test_a_recorded_failure_is_raised_as_the_clients_own(kind: str, error: str) -> None:
    """The kind selects from a fixed list; an unknown one becomes the nearest general error."""
    with recording(_Failing(kind)), pytest.raises(niquests.exceptions.RequestException) as caught:
        niquests.get("http://h.test/")
    assert type(caught.value).__name__ == error
