"""Plain vcrpy with our matcher, serializer and persister."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
import vcr
from vcr.errors import CannotOverwriteExistingCassetteException
from vcr.request import Request

from pytest_f3dx import matcher, register
from pytest_f3dx._vcr import NAME, Persister, Serializer
from pytest_f3dx.errors import CassetteError
from tests.server import BINARY, Server

if TYPE_CHECKING:
    from pathlib import Path

JSON = {"Content-Type": "application/json"}
KEY = "sk-proj-" + "a1B2" * 12


def _vcr(**options: Any) -> vcr.VCR:
    mine = vcr.VCR(match_on=["method", NAME], **options)
    register(mine)
    return mine


def _post(url: str, body: Any, **headers: str) -> bytes:
    request = urllib.request.Request(url, json.dumps(body).encode(), JSON | headers)
    with urllib.request.urlopen(request) as response:
        answer: bytes = response.read()
        return answer


def _request(body: Any, uri: str = "http://h.test/?a=1", method: str = "POST") -> Request:
    return Request(method, uri, body, JSON)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (_request(b'{"a": 1, "b": [2.0]}'), _request(b'{"b":[2],"a":1.0}')),
        (_request(f'{{"a": "{KEY}"}}'), _request(b'{"a": "[redacted:openai-key]"}')),
        (_request({"a": 1}), _request(b'{"a": 1}')),
        (_request(b"{}", "HTTP://H.test:80/?b=2&a=1"), _request(b"{}", "http://h.test/?a=1&b=2")),
        (Request("GET", "http://h.test", None, {}), Request("get", "http://h.test/", b"", {"A": b"1"})),
        (Request("GET", "http://h.test", iter([b"x"]), {}), Request("GET", "http://h.test/", "x", {})),
    ],
    ids=["spelling", "redacted", "json= of aiohttp", "url", "empty", "iterator"],
)
def test_the_matcher_accepts_what_means_the_same(one: Request, other: Request) -> None:
    """Key order, spelling of numbers, secrets and the URL's spelling do not count."""
    if "openai-key" in str(other.body):
        from pytest_f3dx._model import Request as Ours
        from pytest_f3dx._redaction import Redactor

        stored = Redactor().request(Ours("POST", one.uri, tuple(JSON.items()), one.body_bytes))
        other = _request(stored.body)
    matcher(one, other)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (_request(b'{"a": {"b": 2}}'), "$.a.b: 2 recorded, 1 sent"),
        (_request(b'{"a": {"b": 1}}', "http://h.test/?a=2"), 'query.a: "2" recorded, "1" sent'),
        (_request(b'{"a": {"b": 1}}', method="PUT"), "method: "),
        (_request(b'{"a": {"b": 1}}', "http://other.test/?a=1"), "url: "),
        (_request(None), "body: "),
    ],
)
def test_the_matcher_says_what_differs(other: Request, reason: str) -> None:
    """The reason names the place; vcrpy shows it."""
    with pytest.raises(AssertionError) as caught:
        matcher(_request(b'{"a": {"b": 1}}'), other)
    assert reason in str(caught.value)


def test_plain_vcrpy_records_and_replays_our_format(tmp_path: Path) -> None:
    """A cassette written by vcrpy through our persister is ours: redacted, readable, and replayed by vcrpy."""
    path = tmp_path / "deep" / "c.yaml"
    with Server() as server, _vcr().use_cassette(path):
        recorded = _post(f"{server.url}/echo", {"ask": "grüß dich", "key": KEY})
        binary = _post(f"{server.url}/binary", {"n": 1})
        missing = _post(f"{server.url}/gzip", {"n": 2})
    assert server.count == 3
    written = path.read_bytes()
    assert b"format: f3dx/1" in written
    assert "ask: grüß dich".encode() in written
    assert KEY.encode() not in written
    assert binary.startswith(BINARY)
    assert len(list((path.parent / "_blobs").rglob("*.*"))) in (0, 1)
    with _vcr(record_mode="none").use_cassette(path):
        again = _post(f"{server.url}/echo", {"key": KEY, "ask": "grüß dich"})
        assert _post(f"{server.url}/binary", {"n": 1}) == binary
        assert json.loads(_post(f"{server.url}/gzip", {"n": 2}))["text"]
        with pytest.raises(CannotOverwriteExistingCassetteException, match=r"(?s)f3dx.*\$\.ask"):
            _post(f"{server.url}/echo", {"key": KEY, "ask": "other"})
    assert json.loads(again)["number"] == json.loads(recorded)["number"]
    assert missing
    assert path.read_bytes() == written


def test_what_vcrpy_wrote_itself_is_read(tmp_path: Path) -> None:
    """A cassette in vcrpy's own format replays through our persister."""
    path = tmp_path / "c.yaml"
    with Server() as server, vcr.use_cassette(path):
        recorded = _post(f"{server.url}/echo", {"ask": 1})
    with _vcr(record_mode="none").use_cassette(path):
        assert _post(f"{server.url}/echo", {"ask": 1}) == recorded


def test_a_damaged_cassette_is_not_overwritten(tmp_path: Path) -> None:
    """Where vcrpy would take what it cannot decode for an empty cassette and record over it, ours stops it."""
    path = tmp_path / "c.yaml"
    path.write_bytes(b"format: f3dx/1\ntest: x\n")
    with Server() as server, pytest.raises(CassetteError), _vcr(record_mode="all").use_cassette(path):
        _post(f"{server.url}/echo", {"ask": 1})
    assert (path.read_bytes(), server.count) == (b"format: f3dx/1\ntest: x\n", 0)


def test_the_serializer_works_with_any_persister(tmp_path: Path) -> None:
    """Through vcrpy's own persister the text is ours as well, blobs included."""
    mine = vcr.VCR(cassette_library_dir=str(tmp_path), match_on=[NAME], serializer=NAME)
    register(mine)
    mine.register_persister(vcr.VCR().persister)
    with Server() as server, mine.use_cassette("c.yaml"):
        body = _post(f"{server.url}/large", {})
    assert (tmp_path / "c.yaml").read_text(encoding="utf-8").startswith("# pytest-f3dx cassette")
    mine.record_mode = vcr.mode.NONE
    with mine.use_cassette("c.yaml"):
        assert _post(f"{server.url}/large", {}) == body
    text = Serializer(tmp_path / "_blobs").deserialize((tmp_path / "c.yaml").read_text(encoding="utf-8"))
    assert text["interactions"][0]["request"]["method"] == "POST"


def test_duplicate_headers_survive() -> None:
    """What stood twice on the wire stands twice in the file."""
    fields = {
        "status": {"code": 200, "message": None},
        "headers": [("X-A", ["1", "2"])],
        "body": {"string": "text"},
    }
    request = {"method": "get", "uri": "http://h.test/", "body": None, "headers": {"Accept": ["a", "b"]}}
    serializer = Serializer(None)  # type: ignore[arg-type]  # nothing goes into a blob
    text = serializer.serialize({"version": 1, "interactions": [{"request": request, "response": fields}]})
    (back,) = serializer.deserialize(text)["interactions"]
    assert back["response"]["headers"] == {"x-a": ["1", "2"]}
    assert back["response"]["body"] == {"string": b"text"}
    assert back["request"]["headers"] == {"accept": ["a", "b"]}


def test_a_recorded_failure_is_left_out(tmp_path: Path) -> None:
    """As vcrpy has no words for a transport error, it does not see that interaction."""
    from pytest_f3dx._blobs import BlobStore
    from pytest_f3dx._cassette import dump
    from pytest_f3dx._model import Cassette, Failure, Interaction, Response
    from pytest_f3dx._model import Request as Ours

    key = "b3:" + "0" * 64
    failed = Interaction(
        key, Ours("GET", "http://h.test/"), [Response(0, failure=Failure("TimeoutError", "late"))]
    )
    (tmp_path / "c.yaml").write_text(
        dump(Cassette("t", {key: failed}), BlobStore(tmp_path)), encoding="utf-8"
    )
    assert Persister.load_cassette(tmp_path / "c.yaml", None) == ([], [])


def test_a_recorded_test_does_not_import_vcrpy() -> None:
    """Importing vcrpy costs about 100 ms, which a replayed test does not pay."""
    code = "import sys, pytest_f3dx._vcr as v\nwith v.patched(): print(sorted({'vcr', 'yaml', 'httpx'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
