"""A request sent again as it was, and the one line about a change."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from pytest_f3dx._diff import _live
from pytest_f3dx._diff._brief import lines, one_line
from pytest_f3dx._diff._live import LiveFailedError, send
from pytest_f3dx._model import Change, Drift, Request, header
from tests.recorders import MemoryRecorder, recording
from tests.server import Answer, Seen, Server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


def lower(seen: Seen) -> dict[str, str]:
    return {name.lower(): value for name, value in seen.headers.items()}


def test_it_is_the_same_request(server: Server) -> None:
    """Method, path, query, body and headers arrive as the client sent them; the framing is made anew."""
    headers = (
        ("Host", "elsewhere"),
        ("Content-Length", "99"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "keep-alive"),
        ("Proxy-Authorization", "Basic x"),
        (":authority", "elsewhere"),
        ("Content-Type", "application/json"),
        ("X-Twice", "a"),
        ("x-twice", "b"),
        ("Cookie", "a=1"),
        ("cookie", "b=2"),
        ("User-Agent", "a-client/1"),
    )
    answer = send(Request("PATCH", f"{server.url}/echo?q=%20a#part", headers, b'{"a":1}'), timeout_s=60)
    seen = server.requests[-1]
    assert (seen.method, seen.path, seen.body) == ("PATCH", "/echo?q=%20a", b'{"a":1}')
    assert lower(seen) == {
        "host": server.url.removeprefix("http://"),
        "content-length": "7",
        "connection": "close",
        "content-type": "application/json",
        "x-twice": "a, b",
        "cookie": "a=1; b=2",
        "user-agent": "a-client/1",
        "accept-encoding": "identity",
    }
    assert answer.status == 200
    assert header(answer.headers, "content-type") == "application/json"


@pytest.mark.parametrize(("method", "length"), [("GET", None), ("POST", "0"), ("DELETE", None)])
def test_without_a_body(server: Server, method: str, length: str | None) -> None:
    """A request without a body has none, and a POST says so."""
    send(Request(method, f"{server.url}/echo"), timeout_s=60)
    assert server.requests[-1].method == method
    assert lower(server.requests[-1]).get("content-length") == length


def test_body_without_a_type_is_no_form(server: Server) -> None:
    """A body whose type was not said is not called a form."""
    send(Request("POST", f"{server.url}/echo", (), b"x"), timeout_s=60)
    assert lower(server.requests[-1])["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("path", ["/404", "/500", "/401", "/redirect"])
def test_every_status_is_an_answer(server: Server, path: str) -> None:
    """An error status is an answer, and a redirect is not followed: the client sends another request for it."""
    answer = send(Request("GET", server.url + path), timeout_s=60)
    assert answer.status == {"/redirect": 302}.get(path, int(path.strip("/")) if path[1:].isdigit() else 0)
    assert server.count == 1


def test_it_is_not_recorded(server: Server) -> None:
    """A live request goes past the recorder of the test."""
    recorder = MemoryRecorder()
    with recording(recorder):
        send(Request("GET", f"{server.url}/echo"), timeout_s=60)
    assert recorder.asked == []


class Slow(Server):
    """Sends a stream that does not end until the client gives up."""

    def answer(self, seen: Seen) -> Answer:
        self.requests.append(seen)
        return Answer(chunks=(b"data: x\n\n" for _ in iter(int, 1)), content_type="text/event-stream")


def test_stream_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that goes on and on fails when its time is over."""
    clock = count(0, 25)  # 0 at the start, 25 after the first piece, 75 after the third
    monkeypatch.setattr(_live, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with Slow() as server, pytest.raises(LiveFailedError, match="did not end in time"):
        send(Request("GET", f"{server.url}/"), timeout_s=60)
    assert next(clock) == 100


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("file:///etc/passwd", "cannot send to 'file' addresses"),
        ("http://127.0.0.1:1/", "URLError"),
        ("http://127.0.0.1:port/", "nonnumeric port"),
    ],
)
def test_where_nothing_answers(uri: str, says: str) -> None:
    """Another scheme, a closed port and a wrong address are failures, never a traceback."""
    with pytest.raises(LiveFailedError, match=says):
        send(Request("GET", uri), timeout_s=60)


LONG = "The quick brown fox jumps over the lazy dog and reads an invoice in the evening sun. " * 2
START, END = f" {LONG[:29]}…", f"…{LONG[-30:]}"


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (Change("$.a", "changed", 1, 2, "error"), "$.a  1 → 2"),
        (Change("$.a", "type changed", None, "x", "error"), '$.a  null → "x"'),
        (Change("$.a", "added", None, {"b": [1]}, "info"), '$.a  + {"b": [1]}'),
        (Change("$.a", "removed", "x" * 100, None, "warn"), f'$.a  - "{"x" * 78}…'),
        (Change("$.a", "changed", "one", "two", "error"), '$.a  "one" → "two"'),
        (Change("$.a", "changed", "a\nb" + "c" * 90, "a\nd", "error"), f"$.a  a⏎[-b{'c' * 90}-]{{+d+}}"),
        (
            Change("$.a", "changed", f"{LONG}one {LONG}two {LONG}", f"{LONG}1 {LONG}2 {LONG}", "error"),
            f"$.a  {END}[-one-]{{+1+}}{START}{END[1:]}[-two-]{{+2+}}{START}",
        ),
        (Change("$.a", "changed", "\x1b[31m", 1, "error"), '$.a  "\\u001b[31m" → 1'),
        (
            Change("$.a", "changed", "\x1b[31m" + "a" * 50, "b" * 50, "error"),
            f"$.a  [-\\x1b[31m{'a' * 50}-]{{+{'b' * 50}+}}",
        ),
    ],
)
def test_one_line_about_a_change(change: Change, wanted: str) -> None:
    """A change is one line: short values as they are, of long texts the words that differ with some context."""
    assert one_line(change) == wanted


def test_many_changes() -> None:
    """Beyond the first changes they are counted, and those that decide nothing are left out."""
    changes = tuple(Change(f"$[{n}]", "changed", 1, 2, "error") for n in range(12))
    told = Change("$.x", "added", None, 1, "info")
    assert lines(Drift(ok=False, mode="structured", changes=(told, *changes)))[-1] == "… and 2 more"
    assert lines(Drift(ok=True, mode="structured", changes=(told,))) == []
    endless = Change("$.a", "changed", "a " * 900, "b " * 900, "error")
    assert len(one_line(endless)) < 420
