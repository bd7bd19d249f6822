"""A body stands in the file in the most readable kind that gives its exact bytes back."""

from __future__ import annotations

import base64
import json
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_f3dx._blobs import BlobStore
from pytest_f3dx._body import BodyError, decode, encode
from pytest_f3dx._cassette import dump, load
from pytest_f3dx._foreign import is_vcrpy
from pytest_f3dx._foreign import load as load_foreign
from pytest_f3dx._model import Cassette, Interaction, Request, Response
from pytest_f3dx.errors import BlobError, CassetteError

if TYPE_CHECKING:
    from pytest_f3dx._model import Headers

QUICK = settings(max_examples=150, deadline=None, derandomize=True)
CORPUS = Path(__file__).parents[1].parent / "shared" / "corpus"
JSON: Headers = (("Content-Type", "application/json"),)
VECTORS = Path(__file__).parent / "data" / "vectors"
PATH = Path("some.yaml")
FINGERPRINT = "b3:" + "0" * 64
NOISE = random.Random(1).randbytes(6000)


def _kind(*kinds: str) -> set[str]:
    return set(kinds)


def _through_a_file(body: bytes, headers: Headers, store: BlobStore) -> tuple[bytes, bytes, str]:
    """Return the body of request and response after a cassette was written and read, and its text."""
    request = Request("POST", "https://host/", headers, body)
    response = Response(200, "OK", headers, body)
    text = dump(Cassette("t", {FINGERPRINT: Interaction(FINGERPRINT, request, [response])}), store)
    found = load(text.encode(), PATH, store)
    assert dump(found, store) == text
    interaction = found.interactions[FINGERPRINT]
    return interaction.request.body, interaction.responses[0].body, text


BODIES: list[tuple[str, bytes, Headers, set[str]]] = [
    ("compact", b'{"a":1,"b":[true,null]}', JSON, _kind("json")),
    ("spaced", b'{"a": 1, "b": "x"}', JSON, _kind("style", "json")),
    ("indented", b'{\n  "a": 1\n}\n', JSON, _kind("style", "json")),
    ("irregular", b'{ "a":1,  "b": 2 }', JSON, _kind("text")),
    ("float 1.0", b"[1.0]", JSON, _kind("json")),
    ("float 1.00", b"[1.00]", JSON, _kind("text")),
    ("float 1E5", b"[1E5]", JSON, _kind("text")),
    ("floats to the last bit", b"[0.1,5e-324,1.7976931348623157e+308,-0.0,1e-07]", JSON, _kind("json")),
    ("floats of ecmascript", b"[1e-7,0.00001,1e21]", JSON, _kind("text")),
    ("small floats of ecmascript", b"[1e-7,0.00001]", JSON, _kind("style", "json")),
    ("duplicate keys", b'{"a":1,"a":2}', JSON, _kind("text")),
    ("equal duplicate keys", b'{"a":1,"a":1}', JSON, _kind("text")),
    ("escapes", b'{"a":"\\u00e9\\ud83d\\ude00\\n"}', JSON, _kind("style", "json")),
    ("needless escape", b'{"a":"\\u0041"}', JSON, _kind("text")),
    ("large integers", b"[18446744073709551616,-99999999999999999999999]", JSON, _kind("json")),
    ("integer of 5000 digits", b"[" + b"7" * 5000 + b"]", JSON, _kind("text")),
    ("bom", b'\xef\xbb\xbf{"a":1}', JSON, _kind("text")),
    ("nan", b'{"a":NaN,"b":[Infinity,-Infinity]}', JSON, _kind("json")),
    ("lone surrogate", b'{"a":"\\ud83d"}', JSON, _kind("text")),
    ("lone surrogate in a key", b'{"\\udc00":1}', JSON, _kind("text")),
    ("separators", '{"a":"\u2028\u2029\x85"}'.encode(), JSON, _kind("json")),
    ("words of yaml", b'{"yes":"no","null":"~","1":"2026-11-23","<<":"=","*":"&a"}', JSON, _kind("json")),
    ("scalar", b"null", JSON, _kind("json")),
    ("scalar of no json", b"null", (), _kind("text")),
    ("string", b'"a\\nb"', JSON, _kind("json")),
    ("deep", b"[" * 90 + b"]" * 90, JSON, _kind("json")),
    ("too deep", b"[" * 5000 + b"]" * 5000, JSON, _kind("text")),
    ("no json at all", b'{"a":', JSON, _kind("text")),
    ("sse", b'event: a\ndata: {"x": 1}\n\ndata: [DONE]\n\n', (), _kind("text")),
    ("sse with crlf", b": c\r\nid: 7\r\nretry: 10\r\ndata: x \r\n\r\n", (), _kind("newline", "text")),
    ("mixed line ends", b"a\r\nb\nc\rd\r\n", (), _kind("text")),
    ("crlf and cr", b"a\r\nb\rc\r\n", (), _kind("text")),
    ("ndjson", b'{"a":1}\n{"a":2}\n', (), _kind("text")),
    ("blank", b" \n\t\n", (), _kind("text")),
    ("one newline", b"\n", (), _kind("text")),
    ("one crlf", b"\r\n", (), _kind("newline", "text")),
    ("escape sequences", b"\x1b[31mred\x7f\x07", (), _kind("text")),
    ("latin-1", "Grüße\r\naus Köln\r\n".encode("latin-1"), (("content-type", "text/plain; charset=ISO-8859-1"),),
     _kind("charset", "newline", "text")),
    ("utf-16", "Grüße\nß".encode("utf-16"), (("content-type", 'text/x; charset="utf-16"'),),
     _kind("charset", "text")),
    ("latin-1 undeclared", "Grüße".encode("latin-1"), (), _kind("base64")),
    ("wrong charset", b"\x81\xff", (("content-type", "text/x; charset=cp1252"),), _kind("base64")),
    ("unknown charset", b"\xff", (("content-type", "text/x; charset=nowhere"),), _kind("base64")),
    ("hostile charset", b"\xff", (("content-type", "text/x; charset=unicode_escape"),), _kind("base64")),
    ("nul", b"a\0b", (), _kind("base64")),
    ("binary", NOISE[:2047], (), _kind("base64")),
    ("large binary", NOISE[:2048], (("content-type", "audio/mpeg"),), _kind("blob")),
    ("event stream of aws", b"\0\0\0\x0b:event" + NOISE, (), _kind("blob")),
    ("multipart", b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n', (),
     _kind("newline", "text")),
    ("1 MB of text", ("Ein Satz. " * 11 + "\n").encode() * 9500, (), _kind("text")),
    ("1 MB of json", json.dumps({"a": ["wörter " * 9] * 15000}).encode(), JSON, _kind("style", "json")),
    ("1 MB on one line", b"x" * 1_000_000, (), _kind("text")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "headers", "kind"), [each[1:] for each in BODIES], ids=[each[0] for each in BODIES]
)
def test_every_body_comes_back_to_the_byte(
    body: bytes, headers: Headers, kind: set[str], tmp_path: Path
) -> None:
    """Written into a cassette and read from it, as request and as response, a body has the same bytes."""
    store = BlobStore(tmp_path)

    fields = encode(body, headers, store)
    assert fields is not None
    assert set(fields) == kind
    assert decode(fields, store) == body
    request, response, _ = _through_a_file(body, headers, store)
    assert request == body
    assert response == body


def test_an_empty_body_is_no_field(tmp_path: Path) -> None:
    """No body is stored as nothing, and comes back empty."""
    store = BlobStore(tmp_path)

    request, response, text = _through_a_file(b"", JSON, store)

    assert (request, response) == (b"", b"")
    assert "body" not in text


@given(
    body=st.binary(max_size=60)
    | st.text('{}[]":,\\\r\n\t ab1.e-é\x85\u2028\x00😀', max_size=30).map(str.encode)
)
@QUICK
def test_any_bytes_come_back(body: bytes) -> None:
    """Whatever a server sends, the file gives it back."""
    store = BlobStore(Path("nowhere"))

    assert _through_a_file(body, (("content-type", "text/plain; charset=shift_jis"),), store)[:2] == (
        body,
        body,
    )


PNG = b"\x89PNG\r\n\x1a\n" + NOISE[:3000]
PAYLOADS = [
    ("standard", base64.b64encode(PNG).decode(), {"$blob"}),
    ("url-safe", base64.urlsafe_b64encode(PNG).decode(), {"$blob", "encoding"}),
    ("unpadded", base64.b64encode(PNG[:-1]).decode().rstrip("="), {"$blob", "encoding"}),
    ("url-safe unpadded", base64.urlsafe_b64encode(PNG[:-1]).decode().rstrip("="), {"$blob", "encoding"}),
    ("data url", "data:image/png;base64," + base64.b64encode(PNG).decode(), {"$blob", "prefix"}),
    (
        "data url with parameters",
        "data:image/x;a=b;base64," + base64.b64encode(PNG).decode(),
        {"$blob", "prefix"},
    ),
]


@pytest.mark.parametrize(
    ("text", "fields"), [each[1:] for each in PAYLOADS], ids=[each[0] for each in PAYLOADS]
)
def test_a_large_base64_string_in_json_is_a_decoded_blob(text: str, fields: set[str], tmp_path: Path) -> None:
    """The image of a prompt is an image on disk, and the JSON bytes are the same again."""
    store = BlobStore(tmp_path)
    body = json.dumps({"messages": [{"content": [{"image": text, "n": 1}]}]}).encode()

    stored = encode(body, JSON, store)

    assert stored is not None
    value: object = stored["json"]
    assert isinstance(value, dict)
    reference = value["messages"][0]["content"][0]["image"]
    assert set(reference) == fields
    assert reference["$blob"].endswith(".png")
    assert PNG.startswith(store.get(reference["$blob"]))
    request, _, written = _through_a_file(body, JSON, store)
    assert request == body
    assert len(written) < 2000
    assert [len(data) // 10 for data in store.pending.values()] == [300]


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(NOISE[:1500]).decode(),
        "x" * 4000,
        "0123456789" * 400,
        "many words " * 400,
        base64.b64encode(NOISE).decode()[:-2] + "_=",
        "Ab1" + "A" * 4002,
        "Ab1-/" * 800,
        base64.b64encode(NOISE[:3001]).decode()[:-3] + "B==",
    ],
    ids=["small", "letter", "digits", "words", "mixed", "length", "alphabets", "loose bits"],
)
def test_what_is_no_payload_stays_in_the_text(text: str, tmp_path: Path) -> None:
    """Small strings, prose, and base64 that its decoder would not give back exactly are left alone."""
    store = BlobStore(tmp_path)
    body = json.dumps({"a": text}, separators=(",", ":")).encode()

    assert encode(body, JSON, store) == {"json": {"a": text}}
    assert store.pending == {}


def test_a_body_with_the_mark_of_a_blob_is_not_confused(tmp_path: Path) -> None:
    """A body that itself says ``$blob``, anywhere, is kept as text; one that only mentions it is not."""
    store = BlobStore(tmp_path)
    mark = {"$blob": "aa/" + "a" * 64 + ".png"}

    for value in (mark, {"a": [{"b": mark}]}):
        body = json.dumps(value, separators=(",", ":")).encode()
        assert encode(body, JSON, store) == {"text": body.decode()}
        assert _through_a_file(body, JSON, store)[0] == body
    assert encode(b'["$blob"]', JSON, store) == {"json": ["$blob"]}


WRONG = [
    ({}, "", "a body has one of the fields json, text, base64, blob"),
    ({"text": "a", "json": 1}, "text", "one of the fields"),
    ({"text": "a", "style": "spaced"}, "style", "unknown field 'style' beside 'text'"),
    ({"text": 1}, "text", "expected text, got a number"),
    ({"text": None}, "text", "expected text, got nothing"),
    ({"text": "a", "newline": "cr"}, "newline", "expected 'crlf', got 'cr'"),
    ({"text": "a", "charset": "nowhere"}, "charset", "unknown encoding: nowhere"),
    ({"text": "a", "charset": "idna"}, "charset", "unknown charset 'idna'"),
    ({"text": "é", "charset": "cp437x"}, "charset", "unknown encoding"),
    ({"text": "日", "charset": "latin-1"}, "charset", "can't encode"),
    ({"text": "\ud800"}, "text", "surrogates not allowed"),
    ({"json": {}, "style": "odd"}, "style", "unknown style 'odd'"),
    ({"json": {"a": "\ud800"}}, "json", "surrogates not allowed"),
    ({"json": {"$blob": 1}}, "json", "a mapping with $blob"),
    ({"json": {"$blob": "x", "encoding": "hex"}}, "json", "a mapping with $blob"),
    ({"json": {"$blob": "x", "other": "y"}}, "json", "a mapping with $blob"),
    ({"json": {"$blob": "x", "prefix": 1}}, "json", "a mapping with $blob"),
    ({"base64": "é"}, "base64", "not base64"),
    ({"base64": "abc"}, "base64", "not base64"),
    ({"base64": True}, "base64", "expected text, got a boolean"),
    ({"base64": b""}, "base64", "expected text, got bytes"),
]


@pytest.mark.parametrize(("fields", "key", "what"), WRONG)
def test_fields_that_are_no_body_are_errors(
    fields: dict[str, object], key: str, what: str, tmp_path: Path
) -> None:
    """A hand-edited body that cannot be turned into bytes names the field."""
    with pytest.raises(BodyError) as caught:
        decode(fields, BlobStore(tmp_path))

    assert what in str(caught.value)
    assert caught.value.key == key


@pytest.mark.parametrize("fields", [{"blob": "../x"}, {"json": [{"$blob": "../x"}]}])
def test_a_blob_that_is_not_there_is_its_own_error(fields: dict[str, object], tmp_path: Path) -> None:
    """The store's refusal is passed on as it is."""
    with pytest.raises(BlobError):
        decode(fields, BlobStore(tmp_path))


def test_the_requests_of_real_clients_stand_as_json() -> None:
    """Every body that 20 client packages sent is JSON in the file, in one of two styles, and byte-exact."""
    store = BlobStore(Path("nowhere"))
    for each in json.loads((VECTORS / "client_requests.json").read_bytes())["requests"]:
        body = each["body"].encode()
        fields = encode(body, JSON, store)
        if body:
            assert fields is not None
            assert "json" in fields
            assert fields.get("style", "") in {"", "spaced", "spaced ascii"}
        assert _through_a_file(body, JSON, store)[0] == body


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of public cassettes is not beside the repository")
def test_every_body_of_public_cassettes_comes_back() -> None:
    """Each request and response body found in public vcrpy cassettes is byte-exact after a round trip."""
    store = BlobStore(Path("nowhere"))
    bodies = 0
    for path in sorted(each for each in CORPUS.rglob("*") if each.suffix in {".yaml", ".json"}):
        data = path.read_bytes()
        try:
            exchanges = load_foreign(data, path) if is_vcrpy(data) else []
        except CassetteError:
            continue  # of another tool, or with fields vcrpy does not have
        for request, response in exchanges:
            assert _through_a_file(request.body, request.headers, store)[0] == request.body
            assert _through_a_file(response.body, response.headers, store)[1] == response.body
            bodies += 2

    assert bodies > 200
    print(f"{bodies} bodies, {os.fspath(CORPUS.name)}")
