"""Texts written while a test records: the cassette has the very same bytes as without them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_f3dx import _cassette
from pytest_f3dx._blobs import BlobStore
from pytest_f3dx._config import Config
from pytest_f3dx._journal import Exchange
from pytest_f3dx._merge import grouped, merge
from pytest_f3dx._model import Cassette, Failure, Request, Response
from pytest_f3dx._rendered import Rendered
from pytest_f3dx.errors import F3dxError, Refusal
from tests.test_recorder import ANSWER, ASKED, NAME, recorder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_f3dx._recorder import Recorder

PAYLOAD = bytes(range(256)) * 12
IMAGE = json.dumps({"image": base64.b64encode(PAYLOAD).decode(), "said": "a\nb"}).encode()
BODIES = st.one_of(
    st.sampled_from([b"", b"null", b"a\r\nb\r\n", b"\xff\xfe", PAYLOAD, IMAGE, b'{"$blob": "x"}']),
    st.text(max_size=20).map(lambda text: json.dumps({"text": text, "n": [1.5, None]}).encode()),
    st.text(max_size=20).map(lambda text: text.encode()),
)
HEADERS = st.sampled_from(
    [
        (),
        (("content-type", "application/json"),),
        (("set-cookie", "a"), ("set-cookie", "b")),
        (("x", "y: z"),),
    ]
)
RESPONSES = st.one_of(
    st.builds(Response, st.sampled_from([200, 429, 503]), st.sampled_from(["", "OK"]), HEADERS, BODIES),
    st.just(Response(0, failure=Failure("httpx.ReadTimeout", "timed: out\n"), took_ms=3)),
)
ASKS = st.lists(st.tuples(st.integers(0, 3), BODIES, RESPONSES), min_size=1, max_size=8)


def exchanges(asks: list[tuple[int, bytes, Response]], first: int = 0) -> list[Exchange]:
    """Make exchanges, some of equal requests, each with messages of its own."""
    return [
        Exchange(first + at, f"b3:{key:064x}", Request("POST", f"https://api.test/{key}", (), body), answer)
        for at, (key, body, answer) in enumerate(asks)
    ]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(old=ASKS, new=ASKS, limit_bytes=st.sampled_from([0, 100, 5000, 1 << 20]))
def test_file_and_blobs_are_those_of_writing_anew(
    old: list[tuple[int, bytes, Response]], new: list[tuple[int, bytes, Response]], limit_bytes: int
) -> None:
    """Repeats, several answers, blobs, a merge into what was there, and all of it at any bound."""
    before, recorded = exchanges(old), exchanges(new, first=len(old))
    rendered = Rendered(limit_bytes=limit_bytes)
    for one in reversed(recorded):  # tasks end in any order
        rendered.add(one)
    cassette = merge(Cassette("t", grouped(before)), grouped(recorded), replayed=[recorded[0].fingerprint])
    blobs, anew = BlobStore(Path("nowhere")), BlobStore(Path("nowhere"))
    assert _cassette.encode(cassette, blobs, rendered.part) == _cassette.encode(cassette, anew)
    assert blobs.pending == anew.pending


class Counted:
    """Counts the messages that are written; a cassette loaded from a file is written as ever."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.messages: list[Request | Response] = []
        self._write = _cassette.part
        monkeypatch.setattr(_cassette, "part", self)

    def __call__(self, message: Request | Response, blobs: BlobStore) -> bytes:
        self.messages.append(message)
        return self._write(message, blobs)


def test_no_more_than_the_bound_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is above the bound, blobs counted, is written when it is asked for, and each time."""
    counted = Counted(monkeypatch)
    rendered = Rendered(limit_bytes=3000)
    large, small = Response(200, body=PAYLOAD), Response(200, body=b"small")
    for seq, response in enumerate((large, small)):
        rendered.add(Exchange(seq, "b3:1", ASKED, response))
    assert counted.messages == [ASKED, large]
    blobs = BlobStore(Path("nowhere"))
    for _ in range(2):
        rendered.part(small, blobs)
    assert counted.messages == [ASKED, large, small, small]
    assert not blobs.pending
    rendered.part(large, blobs)
    assert [*blobs.pending.values()] == [PAYLOAD]


def test_what_cannot_be_written_says_so_at_the_fold() -> None:
    """A lone surrogate does no harm before its text is wanted: the exchange is paid for and pending."""
    rendered, odd = Rendered(), Response(200, "\ud800")
    rendered.add(Exchange(0, "b3:1", ASKED, odd))
    with pytest.raises(ValueError, match="lone surrogate"):
        rendered.part(odd, BlobStore(Path("nowhere")))


def ask(tested: Recorder, body: bytes, answer: Response = ANSWER) -> None:
    """Record one exchange."""
    tested.answer(tested.ask(Request("POST", "https://api.test/chat", (), body)), answer)


def is_written_anew(root: Path) -> bool:
    """Whether a cassette is what writing it without anything at hand gives."""
    data, blobs = (root / NAME).read_bytes(), BlobStore(root / "_blobs")
    return _cassette.encode(_cassette.load(data, root / NAME, blobs), blobs) == data


@pytest.mark.parametrize("record", ["once", "new_episodes", "all"])
def test_fold_writes_no_message_that_was_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: str
) -> None:
    """A passing test only puts together what it has; an equal request is written once; blobs are there."""
    counted = Counted(monkeypatch)
    config = Config(record, repeats="strict")
    tested = recorder(tmp_path, config, edit=lambda _, response: response)
    for body in (b"one", b"two", b"one"):
        ask(tested, body)
    ask(tested, b"three", Response(200, body=PAYLOAD))
    assert len(counted.messages) == 3 + 4
    counted.messages.clear()
    tested.close(passed=True)
    assert counted.messages == []
    assert len([*(tmp_path / "_blobs").rglob("*.bin")]) == 1
    assert is_written_anew(tmp_path)


def test_fold_into_a_cassette_with_what_was_pending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stood in the file and what is taken over are written at the fold, what is new is at hand."""
    first = recorder(tmp_path, Config("new_episodes"))
    ask(first, b"one")
    first.close(passed=True)
    killed = recorder(tmp_path, Config("new_episodes"))
    ask(killed, b"two")
    killed.close(passed=False)
    counted = Counted(monkeypatch)
    tested = recorder(tmp_path, Config("new_episodes"))
    for body in (b"one", b"two"):
        assert tested.ask(Request("POST", "https://api.test/chat", (), body)).response is not None
    ask(tested, b"three")
    assert len(counted.messages) == 2
    tested.close(passed=True)
    assert len(counted.messages) == 2 + 4
    assert is_written_anew(tmp_path)


def test_what_a_hook_makes_of_an_answer_is_written(tmp_path: Path) -> None:
    """The text is that of the edited, redacted exchange, never of what came over the wire."""
    secret = "s3cr3t-value-of-a-test"

    def edit(_: Request, response: Response) -> Response:
        return Response(response.status, body=b"edited " + response.body)

    tested = recorder(tmp_path, Config("once"), edit=edit, secrets=lambda: {"TOKEN": secret})
    ask(tested, b"asks with " + secret.encode(), Response(200, body=b"says " + secret.encode()))
    tested.close(passed=True)
    text = (tmp_path / NAME).read_text()
    assert "edited says" in text
    assert secret not in text


def test_last_look_sees_every_byte_that_is_written(tmp_path: Path) -> None:
    """The file as it comes to stand on the disk, and the blobs that were named while recording."""
    seen: list[tuple[bytes, dict[str, bytes]]] = []

    def look(_: str, data: bytes, blobs: Mapping[str, bytes]) -> None:
        seen.append((data, dict(blobs)))

    tested = recorder(tmp_path, Config("once"))
    ask(tested, IMAGE, Response(200, body=PAYLOAD[::-1]))
    tested._store.fold(tested._recorded, rewrite=False, played=(), replayed=(), look=look)
    ((data, blobs),) = seen
    assert (tmp_path / NAME).read_bytes() == data
    files = {path for path in (tmp_path / "_blobs").rglob("*") if path.is_file()}
    assert files == {tmp_path / "_blobs" / name for name in blobs}
    assert {*blobs.values()} == {PAYLOAD, PAYLOAD[::-1]}


def test_secret_that_comes_to_stand_in_a_blob_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret that only the last look can see, in a blob named while recording, keeps the file unwritten."""
    key = b"sk-proj-" + b"aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dF3gH5jK7mN9pQ1"
    tested = recorder(tmp_path, Config("once"))
    put = BlobStore.put

    def planted(self: Any, data: bytes, extension: str) -> str:
        return put(self, data + b"\n" + key, extension)

    with monkeypatch.context() as patching:
        patching.setattr(BlobStore, "put", planted)
        ask(tested, b"one", Response(200, body=PAYLOAD))
    with pytest.raises((F3dxError, Refusal), match="secret"):
        tested.close(passed=True)
    assert not (tmp_path / NAME).exists()
