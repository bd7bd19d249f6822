"""Nothing goes live by accident: what no client patch has seen is refused where it connects."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from pytest_f3dx import _guard
from pytest_f3dx._clients import _sockets
from pytest_f3dx._routing import live, routed
from pytest_f3dx.errors import Refusal

if TYPE_CHECKING:
    from tests.conftest import Suite

WAYS = {
    "connect": 'with socket.socket() as sock: sock.connect(("192.0.2.1", 80))',
    "connect_ex": 'with socket.socket() as sock: sock.connect_ex(("192.0.2.1", 80))',
    "create_connection": 'socket.create_connection(("mail.example.org", 25))',
    "sendto": 'with socket.socket(type=socket.SOCK_DGRAM) as sock: sock.sendto(b"x", ("192.0.2.1", 53))',
    "sendto with flags": 'with socket.socket(type=socket.SOCK_DGRAM) as sock: sock.sendto(b"x", 0, ("192.0.2.1", 53))',
    "ipv6": 'with socket.socket(socket.AF_INET6) as sock: sock.connect(("2001:db8::1", 80))',
    "getaddrinfo": 'socket.getaddrinfo("mail.example.org", 25)',
    "bytes": 'socket.getaddrinfo(b"mail.example.org", 25)',
    "gethostbyname": 'socket.gethostbyname("mail.example.org")',
    "asyncio": 'asyncio.run(asyncio.open_connection("mail.example.org", 25))',
    "asyncio by address": 'asyncio.run(asyncio.open_connection("192.0.2.1", 25))',
    "smtplib": 'smtplib.SMTP("mail.example.org", timeout=1)',
    "thread": 'ThreadPoolExecutor(1).submit(socket.getaddrinfo, "mail.example.org", 25).result()',
}
ESCAPE = """
    import asyncio
    import smtplib
    import socket
    from concurrent.futures import ThreadPoolExecutor

    {marker}
    def test_it():
        try:
            {way}
        except BaseException:
            pass
"""
FREE = """
    import asyncio
    import socket
    import socketserver
    import threading

    {marker}
    def test_it(tmp_path, monkeypatch):
        class Echo(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.sendall(self.request.recv(9))

        with socketserver.ThreadingTCPServer(("", 0), Echo) as server:
            threading.Thread(target=server.serve_forever).start()
            port = server.server_address[1]
            for host in ("127.0.0.1", "localhost", "0.0.0.0", socket.gethostname()):
                try:
                    found = socket.getaddrinfo(host, port)
                except socket.gaierror:
                    continue
                if host != socket.gethostname():
                    with socket.create_connection((host, port)) as client:
                        client.sendall(b"x")
                        assert client.recv(9) == b"x"

            async def ask():
                reader, writer = await asyncio.open_connection("localhost", port)
                writer.write(b"y")
                assert await reader.read(9) == b"y"
                writer.close()
                await writer.wait_closed()

            asyncio.run(ask())
            server.shutdown()
        one, other = socket.socketpair()
        with one, other, socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
            one.sendall(b"z")
            assert other.recv(9) == b"z"
            monkeypatch.chdir(tmp_path)  # the path of a socket is at most about 100 bytes
            listener.bind("s")
            listener.listen()
            client.connect("s")
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            sender.sendto(b"x", ("127.0.0.1", port))
"""
CACHE = "@pytest.mark.f3dx_cache"


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_marked_test_in_replay_connects_nowhere(suite: Suite, way: str) -> None:
    """Whatever a test does by itself is refused, and fails it even if it swallows the refusal."""
    suite.write(ESCAPE.format(marker=CACHE, way=way))
    result = suite.run("-W", "ignore")
    result.assert_outcomes(failed=1)
    host = (
        "mail.example.org" if "mail.example.org" in way else "2001:db8::1" if "2001" in way else "192.0.2.1"
    )
    result.stdout.fnmatch_lines(
        [
            "f3dx: a connection to the network was refused [[]network-blocked[]]",
            "  test      test_it.py::test_it",
            f"  host      {host}*",
            "  reason    record mode none, and no client that f3dx intercepts sends this",
            f'  fix       if it belongs to the test: f3dx_cache(allow_hosts=[[]"{host}"[]]), or f3dx_allow_hosts for all',
        ]
    )


@pytest.mark.parametrize("way", [WAYS["connect"], WAYS["asyncio"], WAYS["thread"]])
def test_unmarked_tests_are_refused_on_demand(suite: Suite, way: str) -> None:
    """With `f3dx_block_network` a test without marker is refused alike, and told how to go on."""
    suite.write(ESCAPE.format(marker="", way=way))
    for option in (["--f3dx-block-network"], ["-o", "f3dx_block_network=true"]):
        result = suite.run("-W", "ignore", *option)
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(
            [
                "f3dx: a connection to the network was refused [[]network-blocked[]]",
                "  reason    f3dx_block_network is on, and the test is not marked with f3dx_cache",
                "  fix       mark it with f3dx_cache to record it, or let it: @pytest.mark.f3dx_network(*)",
            ]
        )


@pytest.mark.parametrize("marker", [CACHE, ""])
def test_this_machine_is_free(suite: Suite, marker: str) -> None:
    """Loopback, unix sockets, socket pairs and asyncio's own pipes work as ever, in replay and blocked."""
    suite.write(FREE.format(marker=marker))
    suite.run("--f3dx-block-network").assert_outcomes(passed=1)


def test_what_is_imported_and_fixtures_of_any_scope_are_refused(suite: Suite) -> None:
    """While the network is blocked neither collection nor a session fixture gets out."""
    suite.write('    import socket\n    socket.create_connection(("192.0.2.1", 80))\n', name="test_import")
    suite.write(
        """
    import socket

    @pytest.fixture(scope="session")
    def base():
        with pytest.raises(BaseException):
            socket.create_connection(("192.0.2.1", 80))
        yield
        with pytest.raises(BaseException):
            socket.create_connection(("192.0.2.1", 81))

    def test_it(base):
        pass
    """
    )
    result = suite.run("--f3dx-block-network", "--continue-on-collection-errors")
    result.assert_outcomes(errors=3)  # the import, the set-up and the teardown
    result.stdout.fnmatch_lines(["*  test      the collection of test_import.py"])


def test_a_fixture_of_a_marked_test_is_named(suite: Suite) -> None:
    """A refusal in a wider fixture names the fixture."""
    suite.write(
        f"""
    import socket

    @pytest.fixture(scope="session")
    def base():
        socket.create_connection(("192.0.2.1", 80))

    {CACHE}
    def test_it(base):
        pass
    """
    )
    result = suite.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*  fixture   base of test_it.py"])


@pytest.mark.parametrize("given", ["", '"192.0.2.*", "192.0.2.0/24"', '"other.org"'])
def test_the_marker_of_an_unmarked_test_lets_it(suite: Suite, given: str) -> None:
    """`f3dx_network` names the hosts of a test, or lets it talk to any."""
    suite.write(
        f"""
    import socket
    import pytest_f3dx._clients._sockets as sockets

    @pytest.mark.f3dx_network({given})
    def test_it():
        assert sockets._judge("192.0.2.1", 80)
    """
    )
    passed = int("other" not in given)
    suite.run("--f3dx-block-network").assert_outcomes(passed=passed, failed=1 - passed)


def test_recording_is_free(suite: Suite) -> None:
    """A test that is being recorded may talk to whom it likes, blocked or not."""
    suite.write(
        f"""
    import pytest_f3dx._clients._sockets as sockets

    {CACHE}
    def test_it():
        assert not sockets._judge("192.0.2.1", 80)
        ask("hi")
    """
    )
    suite.run("--f3dx-block-network", "--f3dx-record=once").assert_outcomes(passed=1)


class Judge:
    """A recorder that allows one name and refuses the rest."""

    def connecting(self, host: str, shown: str) -> bool:
        if host == "db.example.org":
            return True
        raise Refusal(_guard.refusal(shown, "a test", marked=True))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("getaddrinfo", [(2, 1, 6, "", ("192.0.2.7", 80))]),
        ("gethostbyname", "192.0.2.7"),
        ("gethostbyname_ex", ("db.example.org", [], ["192.0.2.7"])),
    ],
)
def test_the_addresses_of_an_allowed_name_are_allowed(
    name: str, found: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name is allowed by its name, and what it was looked up as with it."""
    monkeypatch.setattr(_sockets, "_known", set())
    connected: list[Any] = []
    connect = _sockets._connecting("connect", lambda _, address: connected.append(address))
    look_up = _sockets._looking_up(lambda *_: found)
    judge: Any = Judge()
    with socket.socket() as sock, routed(judge):
        with pytest.raises(Refusal):
            connect(sock, ("192.0.2.7", 80))
        look_up("db.example.org", 80)
        connect(sock, ("192.0.2.7", 80))
        connect(sock, ("db.example.org", 80))
        with pytest.raises(Refusal):
            look_up("other.example.org", 80)
        with live():  # part of a request that is followed already
            connect(sock, ("192.0.2.9", 80))
    assert [host for host, _ in connected] == ["192.0.2.7", "db.example.org", "192.0.2.9"], name


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("fe80::1%lo", False),
        ("0.0.0.0", True),
        ("", True),
        ("LOCALHOST", True),
        ("app.localhost.", True),
        (socket.gethostname(), True),
        ("192.0.2.1", False),
        ("localhost.example.org", False),
        ("10.0.0.1", False),
    ],
)
def test_what_this_machine_is(host: str, is_local: bool) -> None:
    """This machine is loopback, the unspecified address and its own name; a private network is another."""
    assert _guard.is_local(host) is is_local


@pytest.mark.parametrize(
    ("host", "allowed", "is_allowed"),
    [
        ("redis", ["redis"], True),
        ("Redis.", ["redis"], True),
        ("a.internal", ["*.internal"], True),
        ("internal", ["*.internal"], False),
        ("10.1.2.3", ["10.0.0.0/8"], True),
        ("10.1.2.3", ["redis", "11.0.0.0/8"], False),
        ("2001:db8::1", ["2001:db8::/32"], True),
        ("10.1.2.3", ["10.1.2.3"], True),
        ("10.1.2.3", ["10.1.*"], False),
    ],
)
def test_who_is_allowed(host: str, allowed: list[str], is_allowed: bool) -> None:
    """Hosts are allowed by name, by pattern, by address and by network."""
    assert _guard.is_allowed(host, allowed) is is_allowed
