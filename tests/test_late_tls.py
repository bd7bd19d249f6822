"""Certificates are loaded when a client connects, and what connects while only replaying fails."""

from __future__ import annotations

import asyncio
import http.client
import ssl
import threading
import urllib.error
import urllib.request
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import certifi
import httpx
import httpx2
import openai
import pytest
import requests

from pytest_f3dx._clients._tls import LateContext
from pytest_f3dx._routing import live, routed
from pytest_f3dx._traffic import Traffic, Watching
from pytest_f3dx._vcr import patched
from tests.recorders import MemoryRecorder
from tests.server import Server
from tests.test_client_tls import _certificate

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Suite

_loaded: Any = ssl.SSLContext.__mro__[1].cert_store_stats  # type: ignore[attr-defined]  # of the C class, which loads nothing


class Marked(MemoryRecorder):
    """The recorder of a marked test."""

    has_late_tls = True

    def is_replaying(self) -> bool:
        return self.mode == "replay"


@contextmanager
def marked(mode: str = "replay") -> Iterator[Marked]:
    """Be in a marked test."""
    recorder = Marked(mode)
    with patched(), routed(recorder):
        yield recorder


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Trust the loopback server like an authority of certifi's, and nobody else."""
    path = _certificate(tmp_path)
    monkeypatch.setattr(certifi, "where", lambda: str(path))
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    return path


@pytest.fixture
def secure(bundle: Path) -> Iterator[Server]:
    """Serve over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle)
    with Server(context) as server:
        yield server


def trusting() -> ssl.SSLContext:
    """Make a context as httpx does."""
    return ssl.create_default_context(cafile=certifi.where())


def is_late(context: ssl.SSLContext) -> bool:
    """Whether nothing has been loaded yet."""
    assert (type(context) is LateContext) == (_loaded(context)["x509"] == 0)
    return type(context) is LateContext


CLIENTS: list[Callable[[], ssl.SSLContext]] = [
    trusting,
    lambda: httpx.Client()._transport._pool._ssl_context,  # type: ignore[attr-defined]  # where httpx keeps it
    lambda: httpx.AsyncClient()._transport._pool._ssl_context,  # type: ignore[attr-defined]
    lambda: httpx2.Client()._transport._pool._ssl_context,  # type: ignore[attr-defined]
    lambda: openai.OpenAI(api_key="x")._client._transport._pool._ssl_context,  # type: ignore[attr-defined]
    lambda: http.client.HTTPSConnection("h.test")._context,  # type: ignore[attr-defined]
    ssl.create_default_context,
]


@pytest.mark.parametrize("build", CLIENTS)
def test_a_client_built_in_a_marked_test_reads_no_certificate(
    build: Callable[[], ssl.SSLContext], bundle: Path
) -> None:
    """httpx, httpx2, openai, http.client and ssl itself; outside everything is as ever."""
    with marked():
        context = build()
        assert is_late(context)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert not is_late(build())


@pytest.mark.parametrize("watch", [False, True])
def test_a_call_that_leaks_fails_and_nothing_is_sent(secure: Server, watch: bool) -> None:
    """A handshake in a test that only replays fails for want of certificates, also one forced past us."""
    with marked() as recorder, routed(Watching(recorder, Traffic()) if watch else recorder):
        context = trusting()
        for wrap in (context.wrap_socket, lambda sock, **to: ssl.SSLContext.wrap_socket(context, sock, **to)):
            with closing(_connection(secure)) as sock, pytest.raises(ssl.SSLCertVerificationError) as caught:
                wrap(sock, server_hostname="127.0.0.1")
            assert "CERTIFICATE_VERIFY_FAILED" in str(caught.value)
            assert "f3dx: the test only replays" in str(caught.value)
            assert is_late(context)
    assert secure.count == 0


def test_a_call_that_leaks_from_asyncio_fails(secure: Server) -> None:
    """wrap_bio is like wrap_socket."""

    async def leak() -> None:
        url = urlsplit(secure.url)
        await asyncio.open_connection(url.hostname, url.port, ssl=trusting())

    with marked(), pytest.raises(ssl.SSLCertVerificationError, match="f3dx: the test only replays"):
        asyncio.run(leak())


def _connection(server: Server) -> socket.socket:
    import socket

    url = urlsplit(server.url)
    return socket.create_connection((url.hostname, url.port), timeout=60)


def _by_aiohttp(url: str) -> int:
    async def get() -> int:
        connector = aiohttp.TCPConnector(ssl=trusting())
        async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as answer:
            return answer.status

    return asyncio.run(get())


def _by_urllib(url: str) -> int:
    with urllib.request.urlopen(url, context=trusting()) as answer:
        return int(answer.status)


def _by_httpx2(url: str) -> int:
    with httpx2.Client(verify=trusting()) as client:
        return client.get(url).status_code


GETS: list[Callable[[str], int]] = [
    lambda url: httpx.get(url).status_code,
    _by_httpx2,
    lambda url: requests.get(url, timeout=60, verify=certifi.where()).status_code,
    _by_aiohttp,
    _by_urllib,
]


@pytest.mark.parametrize("get", GETS)
def test_recording_verifies_as_ever(get: Callable[[str], int], secure: Server) -> None:
    """A live handshake loads what the client would have loaded; replayed, nothing connects."""
    with marked("record") as recorder:
        assert get(f"{secure.url}/echo") == 200
    assert secure.count == 1
    replay = Marked("replay", recorder.answers)
    with patched(), routed(replay):
        assert get(f"{secure.url}/echo") == 200
    assert secure.count == 1


@pytest.mark.parametrize("get", GETS[:2])
def test_recording_refuses_whom_nobody_trusts(
    get: Callable[[str], int], secure: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is loaded late is what would have been loaded, not more."""
    (tmp_path / "other").mkdir()
    other = _certificate(tmp_path / "other")
    monkeypatch.setattr(certifi, "where", lambda: str(other))
    with marked("record"), pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
        get(f"{secure.url}/echo")
    assert secure.count == 0


def test_a_client_that_outlives_its_test_connects_as_ever(secure: Server) -> None:
    """One kept in a module works in a test without the marker, and one that lets a request pass."""
    with marked(), live():
        assert httpx.get(f"{secure.url}/echo").status_code == 200
    with marked():
        client = httpx.Client()
    with client:
        assert client.get(f"{secure.url}/echo").status_code == 200
        assert client.get(f"{secure.url}/echo").status_code == 200
    assert secure.count == 3


def test_who_looks_at_certificates_sees_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """What can be asked of a context has the answer it would have had."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    wanted = trusting()
    assert wanted.get_ca_certs()
    with marked():
        asked = [trusting() for _ in range(3)]
        assert all(map(is_late, asked))
        assert repr(asked[0]).startswith("<ssl.SSLContext object at")
        assert asked[0].get_ca_certs() == wanted.get_ca_certs()
        assert asked[1].cert_store_stats() == wanted.cert_store_stats()
        assert type(asked[0]) is type(asked[1]) is type(wanted)
        asked[2].load_verify_locations(cafile=certifi.where())
        asked[2].set_default_verify_paths()
        assert is_late(asked[2])
        asked[2].load_verify_locations(cadata=wanted.get_ca_certs(binary_form=True)[0])
        assert _loaded(asked[2])["x509"] == 1
        assert asked[2].cert_store_stats()["x509"] >= wanted.cert_store_stats()["x509"]


def test_what_is_not_of_the_default_is_left_alone(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files and directories of the user's, data, no verification, a class of one's own: loaded at once."""
    custom, pem = (
        tmp_path / "custom.pem",
        bundle.read_text(encoding="ascii").partition("END PRIVATE KEY-----\n-----B")[2],
    )
    custom.write_bytes(bundle.read_bytes())
    with marked():
        for context in (
            ssl.create_default_context(cafile=str(custom)),
            ssl.create_default_context(cafile=custom),
            ssl.create_default_context(cadata="-----B" + pem),
        ):
            assert not is_late(context)
        assert type(ssl.create_default_context(capath=str(tmp_path))) is ssl.SSLContext
        assert type(httpx.Client(verify=False)._transport._pool._ssl_context) is ssl.SSLContext  # type: ignore[attr-defined]
        own = type("Own", (ssl.SSLContext,), {})(ssl.PROTOCOL_TLS_CLIENT)
        own.load_verify_locations(cafile=certifi.where())
        assert _loaded(own)["x509"] == 1
        with pytest.raises(FileNotFoundError):
            ssl.create_default_context(cafile=str(tmp_path / "absent.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(custom))
        assert not is_late(ssl.create_default_context())
    with patched(), routed(MemoryRecorder("replay")):
        assert not is_late(trusting())


def test_a_server_in_a_marked_test_serves(bundle: Path) -> None:
    """Who serves, and who does not verify, gets what it would have got."""
    with marked():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_verify_locations(cafile=certifi.where())
        assert is_late(context)
        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
        careless = trusting()
        careless.check_hostname = False
        careless.verify_mode = ssl.CERT_NONE
        careless.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())
    assert not is_late(context)


def test_threads_that_connect_at_once_all_have_certificates(secure: Server) -> None:
    """None of them sees a context whose certificates another one is still loading."""
    with marked():
        client = httpx.Client()
    failed: list[BaseException] = []

    def get() -> None:
        try:
            client.get(f"{secure.url}/echo")
        except BaseException as error:  # for the assertion
            failed.append(error)

    threads = [threading.Thread(target=get) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()
    assert failed == []


@pytest.mark.parametrize(("options", "loaded"), [((), 0), (("-o", "f3dx_fast_tls=off"), 1)])
def test_an_ini_setting_turns_it_off(
    suite: Suite, bundle: Path, options: tuple[str, ...], loaded: int
) -> None:
    """Off, certificates are loaded when the client is built; in a test without the marker always."""
    suite.write(f"""
        import ssl, certifi
        def count():
            context = ssl.create_default_context(cafile=certifi.where())
            return ssl.SSLContext.__mro__[1].cert_store_stats(context)["x509"]
        @pytest.mark.f3dx_cache
        def test_marked(): assert count() == {loaded}
        def test_not_marked(): assert count() == 1
    """)
    suite.run(*options).assert_outcomes(passed=2)


def test_a_wrong_value_of_the_setting_is_refused(suite: Suite) -> None:
    """It stops the run and names what is accepted."""
    suite.write("def test_it(): pass")
    result = suite.run("-o", "f3dx_fast_tls=onn")
    result.stderr.fnmatch_lines(["*f3dx_fast_tls of the ini file is 'onn'; did you mean 'on'?*"])
