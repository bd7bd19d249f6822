"""Over TLS, directly and through a CONNECT tunnel: recording connects as the client would, replaying not at all."""

from __future__ import annotations

import datetime as dt
import http.client
import socket
import ssl
import threading
import urllib.request
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httplib2
import httpx
import pytest
import requests
import urllib3

from tests.recorders import MemoryRecorder, recording
from tests.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

x509 = pytest.importorskip("cryptography.x509", reason="makes the certificate of the loopback server")


def _certificate(directory: Path) -> Path:
    """Make a self-signed certificate for 127.0.0.1, with its key in the same file."""
    import ipaddress

    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = (
        built.serial_number(1).not_valid_before(now - dt.timedelta(1)).not_valid_after(now + dt.timedelta(1))
    )
    signed = built.add_extension(names, critical=False).sign(key, hashes.SHA256())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = directory / "server.pem"
    path.write_bytes(pem + signed.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def secure(certificate: Path) -> Iterator[Server]:
    """Serve over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Server(context) as server:
        yield server


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[bytes]]]:
    """Run a proxy that tunnels; gives its URL and the CONNECT lines it saw."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, seen), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, seen: list[bytes]) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            line = head.partition(b"\r\n")[0]
            seen.append(line)
            host, _, port = line.split()[1].decode().rpartition(":")
            server = socket.create_connection((host, int(port)))
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            for pair in ((client, server), (server, client)):
                threading.Thread(target=_pump, args=pair, daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
    source.close()


def _by_requests(url: str, certificate: Path, **options: Any) -> bytes:
    with requests.Session() as session:
        session.get(url, verify=str(certificate), timeout=60, **options)
        return session.get(url, verify=str(certificate), timeout=60, **options).content


def _by_urllib3(url: str, certificate: Path) -> bytes:
    with urllib3.PoolManager(ca_certs=str(certificate)) as pool:
        pool.request("GET", url)
        return pool.request("GET", url).data


def _by_urllib(url: str, certificate: Path) -> bytes:
    context = ssl.create_default_context(cafile=certificate)
    with urllib.request.urlopen(url, context=context):
        pass
    with urllib.request.urlopen(url, context=context) as response:
        body: bytes = response.read()
        return body


def _by_http_client(url: str, certificate: Path) -> bytes:
    context = ssl.create_default_context(cafile=certificate)
    with closing(http.client.HTTPSConnection(urlsplit(url).netloc, context=context)) as connection:
        connection.request("GET", urlsplit(url).path)
        connection.getresponse().read()
        connection.request("GET", urlsplit(url).path)
        return connection.getresponse().read()


def _by_httplib2(url: str, certificate: Path) -> bytes:
    with closing(httplib2.Http(ca_certs=str(certificate))) as client:
        client.request(url)
        body: bytes = client.request(url)[1]
        return body


def _by_httpx(url: str, certificate: Path) -> bytes:
    with httpx.Client(verify=ssl.create_default_context(cafile=certificate)) as client:
        client.get(url)
        return client.get(url).content


@pytest.mark.parametrize(
    "get", [_by_requests, _by_urllib3, _by_urllib, _by_http_client, _by_httplib2, _by_httpx]
)
def test_tls_is_recorded_and_replayed(get: Callable[..., bytes], secure: Server, certificate: Path) -> None:
    """Certificates are checked while recording, and the replay needs none of it."""
    recorder, url = MemoryRecorder(), f"{secure.url}/echo"
    with recording(recorder):
        recorded = get(url, certificate)
    assert (secure.count, {request.uri for request in recorder.asked}) == (2, {url})
    secure.stop()
    with recording(recorder.replaying()):
        assert get(url, certificate) == recorded


def test_an_untrusted_certificate_fails_while_recording(secure: Server) -> None:
    """A client that does not trust the server does not record it, and fails alike in the replay."""
    recorder = MemoryRecorder()
    with recording(recorder), pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{secure.url}/echo", timeout=60)
    with recording(recorder.replaying()), pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{secure.url}/echo", timeout=60)
    assert secure.count == 0


def test_a_tunnel_is_dug_while_recording(
    secure: Server, certificate: Path, proxy: tuple[str, list[bytes]]
) -> None:
    """Through a proxy the request is keyed by its server, and the replay contacts neither."""
    recorder, url = MemoryRecorder(), f"{secure.url}/echo"
    address, seen = proxy
    with recording(recorder):
        recorded = _by_requests(url, certificate, proxies={"https": address})
    assert [line.split()[:2] for line in seen] == [[b"CONNECT", urlsplit(url).netloc.encode()]] * 2
    assert {request.uri for request in recorder.asked} == {url}
    secure.stop()
    with recording(recorder.replaying()):
        assert _by_requests(url, certificate, proxies={"https": address}) == recorded
    assert len(seen) == 2
