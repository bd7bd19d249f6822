"""The cassette file: exact text, everything survives it, and everything else is an error with a line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_f3dx import _cassette
from pytest_f3dx._blobs import BlobStore
from pytest_f3dx._cassette import dump, load
from pytest_f3dx._index import LazyCassette
from pytest_f3dx._model import Cassette, Failure, Interaction, Request, Response
from pytest_f3dx._yaml_read import RECORD_AGAIN
from pytest_f3dx.errors import BlobError, CassetteError, CassetteFormatError

QUICK = settings(max_examples=60, deadline=None, derandomize=True)
PATH = Path("cassettes/some.yaml")
FIRST, SECOND = "b3:" + "0f" * 32, "b3:" + "1a" * 32
STORE = BlobStore(Path("nowhere"))
JSON = (("content-type", "application/json"),)

TEXT = f"""\
# pytest-f3dx cassette: recorded traffic, reviewed like code. https://github.com/pytest-f3dx/pytest-f3dx
format: f3dx/1
test: tests/test_invoice.py::test_total
key: jcs-blake3/1
ignore:
- $.seed
replace:
- regex: "[0-9a-f]{{8}}"
  placeholder: "<id>"
match_headers:
- anthropic-version
interactions:
  {SECOND}:
    request:
      method: POST
      uri: https://api.openai.com/v1/chat/completions
      headers: {{content-type: application/json}}
      body:
        json:
          model: gpt-4o-mini
          messages:
          - role: user
            content: |-
              Read this invoice.
              What is the total?
    responses:
    - status: 200 OK
      headers:
        content-type: application/json
        set-cookie:
        - a
        - b
      recorded: {{at: "2026-11-23T18:40:01Z", took_ms: 850}}
      body:
        style: spaced
        json:
          total: 1.5
    - error:
        kind: httpx.ReadTimeout
        message: timed out
      recorded: {{took_ms: 5}}
  {FIRST}:
    request:
      method: GET
      uri: https://api.openai.com/v1/models
    responses:
    - status: 204
...
"""


def _cassette_of_text() -> Cassette:
    body = (
        b'{"model":"gpt-4o-mini","messages":[{"role":"user",'
        b'"content":"Read this invoice.\\nWhat is the total?"}]}'
    )
    post = Request("POST", "https://api.openai.com/v1/chat/completions", JSON, body)
    headers = (*JSON, ("set-cookie", "a"), ("set-cookie", "b"))
    answer = Response(200, "OK", headers, b'{"total": 1.5}', "2026-11-23T18:40:01Z", 850)
    failure = Response(0, took_ms=5, failure=Failure("httpx.ReadTimeout", "timed out"))
    get = Request("GET", "https://api.openai.com/v1/models")
    interactions = {
        SECOND: Interaction(SECOND, post, [answer, failure]),
        FIRST: Interaction(FIRST, get, [Response(204)]),
    }
    test = "tests/test_invoice.py::test_total"
    return Cassette(test, interactions, ("$.seed",), (("[0-9a-f]{8}", "<id>"),), ("anthropic-version",))


def test_the_file_reads_as_designed() -> None:
    """A cassette has exactly this text, in order of first request, and this text is that cassette."""
    assert dump(_cassette_of_text(), STORE) == TEXT
    assert load(TEXT.encode(), PATH, STORE) == _cassette_of_text()
    assert list(load(TEXT.encode(), PATH, STORE).interactions) == [SECOND, FIRST]


def test_a_cassette_without_interactions_is_valid() -> None:
    """Nothing recorded yet is a cassette, too."""
    text = dump(Cassette("t"), STORE)

    assert "interactions: {}\n...\n" in text
    assert load(text.encode(), PATH, STORE) == Cassette("t")


def test_header_names_are_written_lower_case_and_grouped() -> None:
    """Names are lower case, repeated headers keep their order, numbers stay text."""
    headers = (("X-B", "1"), ("X-A", ""), ("x-b", "é, ü"))
    request = Request("GET", "http://h/", (("Accept", "*/*"), ("X-Count", "12")))
    cassette = Cassette("t", {FIRST: Interaction(FIRST, request, [Response(200, "", headers)])})

    found = load(dump(cassette, STORE).encode(), PATH, STORE).interactions[FIRST]

    assert found.request.headers == (("accept", "*/*"), ("x-count", "12"))
    assert found.responses[0].headers == (("x-b", "1"), ("x-b", "é, ü"), ("x-a", ""))


@pytest.mark.parametrize(
    "reason", ["", "OK", "Très bien", " two  spaces ", "OK # not a comment", "I'm a: teapot"]
)
def test_reason_phrases_survive(reason: str) -> None:
    """Absent, invented and non-ASCII phrases come back as they were."""
    cassette = Cassette(
        "t", {FIRST: Interaction(FIRST, Request("GET", "http://h/"), [Response(299, reason)])}
    )

    found = load(dump(cassette, STORE).encode(), PATH, STORE)

    assert (found.interactions[FIRST].responses[0].status, found.interactions[FIRST].responses[0].reason) == (
        299,
        reason,
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"),
        lambda data: data + b"\n\n",
    ],
    ids=["bom", "crlf", "both", "blank lines at the end"],
)
def test_what_editors_and_git_do_to_a_file_does_no_harm(change: object) -> None:
    """A byte order mark, CRLF line ends and blank lines after the end give the same cassette."""
    assert callable(change)
    data = change(TEXT.encode())

    assert load(data, PATH, STORE) == _cassette_of_text()
    assert LazyCassette(data, PATH, STORE).load_all() == _cassette_of_text()


NAMES = st.text(st.sampled_from("abc-"), min_size=1, max_size=4)
PLAIN = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
HEADERS = st.lists(st.tuples(NAMES, PLAIN), max_size=4).map(lambda pairs: tuple(sorted(pairs)))
CONTENT = (
    st.binary(max_size=20) | PLAIN.map(str.encode) | st.sampled_from([b'{"a": [1]}', b"[1.50]", b"a\r\n"])
)
RESPONSES = st.builds(
    Response,
    status=st.integers(100, 999),
    reason=PLAIN,
    headers=HEADERS,
    body=CONTENT,
    recorded_at=st.sampled_from(["", "2026-11-23T18:40:01Z"]),
    took_ms=st.none() | st.integers(0, 10**6),
) | st.builds(Failure, PLAIN, PLAIN).map(lambda failure: Response(0, failure=failure))
REQUESTS = st.builds(
    Request,
    method=st.sampled_from(["GET", "POST", "M-SEARCH"]),
    uri=st.sampled_from(["http://h", "HTTPS://h:1/ä b#c?d: e", "https://[::1]/"]),
    headers=HEADERS,
    body=CONTENT,
)
FINGERPRINTS = st.integers(0, 9).map(lambda n: f"b3:{n:064x}")


@st.composite
def cassettes(draw: st.DrawFn) -> Cassette:
    """Draw a cassette with everything in it."""
    keys = draw(st.lists(FINGERPRINTS, max_size=3, unique=True))
    found = {
        key: Interaction(key, draw(REQUESTS), draw(st.lists(RESPONSES, min_size=1, max_size=2)))
        for key in keys
    }
    pairs = draw(st.lists(st.tuples(PLAIN, PLAIN), max_size=2))
    ignore = tuple(draw(st.lists(PLAIN, max_size=2)))
    return Cassette(draw(PLAIN), found, ignore, tuple(pairs), tuple(draw(st.lists(NAMES, max_size=2))))


@given(cassettes())
@QUICK
def test_everything_survives_and_a_second_save_is_identical(cassette: Cassette) -> None:
    """`load(dump(c)) == c`, lazily too, and dumping that gives the same text."""
    text = dump(cassette, STORE)

    found = load(text.encode(), PATH, STORE)

    assert found == cassette
    assert dump(found, STORE) == text
    lazy = LazyCassette(text.encode(), PATH, STORE)
    assert {key: lazy.get(key) for key in lazy.fingerprints} == cassette.interactions


def test_a_blob_is_named_by_the_cassette_that_misses_it(tmp_path: Path) -> None:
    """An absent blob is an error at the interaction's line, with the blob's path and the fix."""
    store = BlobStore(tmp_path)
    response = Response(200, body=bytes(range(256)) * 10)
    text = dump(Cassette("t", {FIRST: Interaction(FIRST, Request("GET", "http://h/"), [response])}), store)
    store.discard()

    with pytest.raises(BlobError, match="the blob is not there") as caught:
        load(text.encode(), PATH, store)

    assert (caught.value.path, caught.value.line) == (PATH, 6)
    assert str(tmp_path) in str(caught.value)
    with pytest.raises(BlobError, match="the blob is not there"):
        LazyCassette(text.encode(), PATH, store).get(FIRST)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# only\n", "there are no interactions in the file [cassette-damaged]\n  cassette  c.yaml"),
        (
            "a: &x !!binary aGk=\nb: *x\nc: 1\nd: 2\ne: 3\nf: 4\n",
            (
                "this is no cassette of pytest-f3dx: it has no field 'format' [cassette-format]\n"
                "  cassette  c.yaml\n  fields    a, b, c, d, e"
            ),
        ),
        (
            "{}\n",
            (
                "this is no cassette of pytest-f3dx: it has no field 'format' [cassette-format]\n"
                "  cassette  c.yaml\n  fields    none"
            ),
        ),
    ],
)
def test_a_file_of_something_else_is_described(text: str, message: str) -> None:
    """It says what the file has instead, even of another tool's file with aliases and tags."""
    with pytest.raises(CassetteError) as caught:
        load(text.encode(), Path("c.yaml"), STORE)
    assert str(caught.value) == f"f3dx: {message}\n  fix       {RECORD_AGAIN}"


def _swap(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, 1)


DAMAGED = [
    ("", None, "the file is empty"),
    (" \n\n", None, "the file is empty"),
    ("# only\n", None, "there are no interactions in the file"),
    ("- a\n", 1, "expected a mapping, got a list"),
    ("text\n", 1, "expected a mapping, got text"),
    ("{}\n", None, "this is no cassette of pytest-f3dx"),
    ("log: {entries: []}\n", None, "it has no field 'format'"),
    ("a: 'x\n", 2, "not valid YAML"),
    ("version https://git-lfs.github.com/spec/v1\noid sha256:a\n", 1, "this is a Git LFS pointer"),
    ("<!DOCTYPE html>\n<html></html>\n", 2, "this is an HTML page"),
    ("<!doctype html>\n", 1, "this is an HTML page"),
    (_swap("f3dx/1", "f3dx/2"), 2, "another format: f3dx/2; this version reads f3dx/1"),
    (_swap("format: f3dx/1", "format: [f3dx/1]"), None, "it has no field 'format'"),
    (_swap("format: f3dx/1", "format: f3dx/1 x"), 2, "format: expected 'f3dx/1', got 'f3dx/1 x'"),
    (_swap("jcs-blake3/1", "jcs-blake3/2"), 4, "key: this version makes fingerprints by 'jcs-blake3/1'"),
    (_swap("key: jcs-blake3/1\n", ""), None, "no field 'key'"),
    (_swap("test: tests/test_invoice.py::test_total", "test: 1"), 3, "test: expected text, got a number"),
    (_swap("ignore:", "ignroe:"), 5, "unknown field ignroe"),
    (_swap("- $.seed", "- [a]"), 6, "ignore[1]: expected text, got a list"),
    (_swap("  placeholder: ", "  with: "), 9, "unknown field replace[1].with"),
    (_swap("\n- regex", "\n- [a, b]\n- regex"), 8, "replace[1]: expected a mapping, got a list"),
    (_swap("\n- anthropic-version", " x"), 10, "match_headers: expected a list, got text"),
    (_swap("interactions:\n", "interactions: []\nx:\n"), 13, "unknown field x"),
    (
        TEXT.split("interactions:", maxsplit=1)[0] + "interactions: []\n...\n",
        12,
        "interactions: expected a mapping, got a list",
    ),
    (_swap(SECOND, "b3:12"), 13, "'b3:12' is no fingerprint"),
    (_swap(SECOND, "b3:" + "0F" * 32), 13, "is no fingerprint"),
    (_swap(SECOND, FIRST), 42, "duplicate key"),
    (_swap("    request:\n", "    reqest:\n"), 14, "unknown field interactions.b3:1a1a1a….reqest"),
    (_swap("      method: GET\n", ""), 43, "no field 'method'"),
    (_swap("method: GET", "method: [GET]"), 44, "method: expected text, got a list"),
    (_swap("method: GET", "method: G T"), 44, "'G T' is no method"),
    (_swap("method: GET", "method: GET\n      method: GET"), 45, "duplicate key 'method'"),
    (_swap("https://api.openai.com/v1/models", "../../etc/passwd"), 45, "is no absolute http or https URL"),
    (_swap("https://api.openai.com/v1/models", "ftp://x/"), 45, "is no absolute http or https URL"),
    (_swap("https://api.openai.com/v1/models", "https://"), 45, "is no absolute http or https URL"),
    (_swap("    - status: 204\n", ""), 46, "responses: expected a list, got nothing"),
    (_swap("    responses:\n    - status: 204\n", "    responses: []\n"), 46, "at least one response"),
    (_swap("status: 204", "status: 99"), 47, "expected a status such as 200 OK, got 99"),
    (_swap("status: 204", "status: true"), 47, "expected a status such as 200 OK, got True"),
    (_swap("status: 204", "status: OK"), 47, "expected a status such as 200 OK, got 'OK'"),
    (_swap("status: 204", "stauts: 204"), 47, "unknown field interactions.b3:0f0f0f….responses[1].stauts"),
    (_swap("status: 204", "status: 204\n      body: text"), 48, "body: expected a mapping, got text"),
    (_swap("- status: 204", "- []"), 47, "expected a mapping, got a list"),
    (_swap("style: spaced", "style: odd"), 35, "unknown style 'odd'"),
    (_swap("style: spaced", "styel: spaced"), 35, "unknown field 'styel' beside 'json'"),
    (_swap("took_ms: 850", "took_ms: soon"), 33, "took_ms: expected a whole number, got text"),
    (_swap("took_ms: 850", "took_ms: true"), 33, "took_ms: expected a whole number, got a boolean"),
    (_swap("took_ms: 850", "took: 850"), 33, "unknown field"),
    (_swap('at: "2026-11-23T18:40:01Z"', "at: 2026"), 33, "at: expected text, got a number"),
    (
        _swap("set-cookie:\n        - a", "set-cookie:\n        - 12"),
        30,
        "set-cookie: expected text, got a number",
    ),
    (_swap("message: timed out", "message: 1"), 40, "message: expected text, got a number"),
    (_swap("error:\n", "status: 200\n      error:\n"), 38, "unknown field"),
    (
        _swap("content-type: application/json\n        set", "content-type: application/json\n\tset"),
        30,
        "tab",
    ),
    (_swap("total: 1.5", "total: !!float 1.5"), 37, "the tag !!float is not allowed"),
    (_swap("total: 1.5", "total: &a 1.5\n          other: *a"), 38, "aliases are not allowed"),
    (_swap("total: 1.5", "total: 1\x005"), 37, "a raw control character 0x00"),
    (_swap("total: 1.5", "total: 1\x1b5"), 37, "a raw control character 0x1b"),
    (_swap("total: 1.5", "total: 'a\rb'"), 37, "a lone carriage return"),
    (_swap("          total: 1.5", "<<<<<<< HEAD\n          total: 1.5"), 37, "merge conflict markers"),
    (_swap("          total: 1.5", "=======\n          total: 1.5"), 37, "merge conflict markers"),
    (_swap("          total: 1.5", ">>>>>>> other\n          total: 1.5"), 37, "merge conflict markers"),
    (_swap("          total: 1.5", "          total: " + "[" * 200 + "]" * 200), 37, "nested too deeply"),
    (_swap("\n...\n", "\n"), 47, "the file is cut off"),
    (_swap("\n...\n", "\n..."), 48, "the file is cut off"),
    (TEXT + "a: b\n", 49, "the file is cut off"),
    (_swap("\n...\n", "\n---\na: b\n...\n"), 48, "there is a second YAML document"),
]


@pytest.mark.parametrize(("text", "line", "what"), DAMAGED, ids=[each[2][:40] for each in DAMAGED])
def test_a_damaged_file_is_an_error_with_line_and_fix(text: str, line: int | None, what: str) -> None:
    """Whatever is wrong with a file is told with its name, the line and what to do; nothing is ignored."""
    with pytest.raises(CassetteError) as caught:
        load(text.encode(), PATH, STORE)

    assert what in caught.value.what
    assert caught.value.path == PATH
    assert caught.value.line == line
    assert caught.value.facts[-1][0] == "fix"
    assert caught.value.facts[-1][1]
    with pytest.raises(CassetteError):
        _read_lazily(text.encode())


def _read_lazily(data: bytes) -> None:
    lazy = LazyCassette(data, PATH, STORE)
    for key in lazy.fingerprints:
        lazy.get(key)


def test_a_file_that_is_not_utf_8_names_line_and_byte() -> None:
    """The line and the offset of the first wrong byte are told."""
    data = TEXT.encode().replace(b"total: 1.5", b"total: \xff")

    with pytest.raises(CassetteError, match="not UTF-8: byte 0xff at offset") as caught:
        load(data, PATH, STORE)

    assert caught.value.line == 37


def test_the_nearest_known_field_is_named() -> None:
    """A typing mistake is answered with the field that was meant, or with all there are."""
    with pytest.raises(CassetteError, match="the nearest known field is 'status'"):
        load(_swap("status: 204", "stauts: 204").encode(), PATH, STORE)
    with pytest.raises(CassetteError, match="known fields: kind, message"):
        load(_swap("kind: httpx", "zzz: httpx").encode(), PATH, STORE)


def test_a_newer_format_and_another_tools_file_are_format_errors() -> None:
    """They are told apart from damage, and the newer one says how to upgrade."""
    with pytest.raises(CassetteFormatError, match="pip install --upgrade pytest-f3dx"):
        load(_swap("f3dx/1", "f3dx/12").encode(), PATH, STORE)
    with pytest.raises(CassetteFormatError, match=r"fields +log"):
        load(b"log: {}\n", PATH, STORE)


def _with_all_kinds() -> bytes:
    """Return a cassette with every kind of body, blobs included."""
    bodies = (
        b'{"a":[1,"x\\ny"]}',
        b'{"a": 1}',
        b"data: a \n\ndata: b\n\n\n",
        b"a\r\nb\r\n",
        b"\xff\0",
        b"\x01" * 9,
    )
    large = bytes(range(256)) * 9
    image = b'["' + b"QUJj" * 600 + b"MTIz" + b'"]'
    interactions = {}
    for number, body in enumerate((*bodies, large, image, "Ä 😀\n  b\n".encode())):
        key = f"b3:{number:064x}"
        responses = [Response(200, "OK", JSON, body, "2026-11-23T18:40:01Z", 1)]
        interactions[key] = Interaction(key, Request("POST", "https://h/", JSON, body), responses)
    cassette = _cassette_of_text()
    cassette.interactions |= interactions
    return dump(cassette, STORE).encode()


def test_every_truncation_point_is_an_error() -> None:
    """However much of the end is missing, one byte or all, no reader accepts the file."""
    data = _with_all_kinds()
    assert len(load(data, PATH, STORE).interactions) == 11

    accepted = [size for size in range(len(data)) if _is_accepted(data[:size])]

    assert accepted == []
    print(f"{len(data)} truncation points")


def _is_accepted(data: bytes) -> bool:
    for read in (lambda: load(data, PATH, STORE), lambda: LazyCassette(data, PATH, STORE)):
        try:
            read()
        except CassetteError:
            continue
        return True
    return False


def test_importing_the_module_loads_nothing_heavy() -> None:
    """YAML and BLAKE3 are loaded when a cassette is read, not before."""
    code = (
        "import sys, pytest_f3dx._index, pytest_f3dx._foreign;"
        "sys.exit(bool({'yaml', 'blake3'} & set(sys.modules)))"
    )
    root = str(Path(_cassette.__file__).parents[1])

    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
