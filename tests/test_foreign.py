"""vcrpy's cassettes are read as they are; what is none of them says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_f3dx._foreign import is_vcrpy, load
from pytest_f3dx._model import Request, Response
from pytest_f3dx.errors import CassetteError, CassetteFormatError

PATH = Path("old.yaml")
GOOD = """\
interactions:
- request:
    body: hi
    headers:
      Accept: ['*/*']
      X-One: one
    method: POST
    uri: http://h/
  response:
    body: {string: hello}
    headers: {Set-Cookie: [a, b], Length: [5]}
    status: {code: 200, message: OK}
version: 1
"""


def test_a_cassette_of_vcrpy_is_read() -> None:
    """Headers keep their case and repetitions, bodies are bytes."""
    headers = (("Set-Cookie", "a"), ("Set-Cookie", "b"), ("Length", "5"))
    request = Request("POST", "http://h/", (("Accept", "*/*"), ("X-One", "one")), b"hi")

    assert load(GOOD.encode(), PATH) == [(request, Response(200, "OK", headers, b"hello"))]


@pytest.mark.parametrize(
    ("old", "new", "body"),
    [
        ("{string: hello}", "{base64_string: aGk=}", b"hi"),
        ("{string: hello}", "{string: !!binary /wA=}", b"\xff\0"),
        ("{string: hello}", "{string: !!python/unicode 'ü'}", "ü".encode()),
        ("{string: hello}", "{string: null}", b""),
        ("{string: hello}", "null", b""),
        ("{string: hello}", "plain", b"plain"),
        ("    body: {string: hello}", "    content: hello\n    status_code: 200", b"hello"),
        ("    status: {code: 200, message: OK}", "    status: {code: 200, message: null}", b"hello"),
        ("{Set-Cookie: [a, b], Length: [5]}", "[!!python/tuple [A, [b]]]", b"hello"),
        ("{Set-Cookie: [a, b], Length: [5]}", "null", b"hello"),
        ("{Set-Cookie: [a, b], Length: [5]}", "{A: !!binary aGk=}", b"hello"),
        ("version: 1\n", "", b"hello"),
    ],
)
def test_the_variants_in_use_are_read(old: str, new: str, body: bytes) -> None:
    """Older and newer spellings of vcrpy give the same kind of exchange."""
    assert old in GOOD
    (exchange,) = load(GOOD.replace(old, new).encode(), PATH)

    assert exchange[1].body == body
    assert exchange[1].status == 200


def test_json_cassettes_are_read() -> None:
    """Vcrpy's JSON serializer writes the same structure."""
    interaction = {
        "request": {"method": "GET", "uri": "http://h/", "body": None, "headers": {}},
        "response": {
            "body": {"string": "\ud83d\ude00/"},
            "headers": {},
            "status": {"code": 204, "message": ""},
        },
    }
    data = json.dumps({"version": 1, "interactions": [interaction]}).encode()

    assert is_vcrpy(data)
    assert load(data, PATH) == [(Request("GET", "http://h/"), Response(204, body="😀/".encode()))]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (GOOD.encode(), True),
        (b"\xef\xbb\xbf" + GOOD.encode(), True),
        (b"\xef\xbb\xbf" + b'{"interactions" : []}', True),
        (b"version: 1\ninteractions:", True),
        (b"format: f3dx/1\ninteractions:\n", False),
        (b'{"http_interactions": []}', False),
        (b"", False),
        (b"- a", False),
    ],
)
def test_a_cassette_of_vcrpy_is_recognised(data: bytes, expected: bool) -> None:
    """By its bytes alone, damaged or not; ours is never taken for one."""
    assert is_vcrpy(data) is expected


def _swap(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (_swap("    method: POST\n", ""), 2, "interaction 1: request.method: expected text, got nothing"),
        (_swap("POST", "[POST]"), 7, "request.method: expected text, got a list"),
        (_swap("http://h/", "/etc/passwd"), 8, "request.uri: '/etc/passwd' is no absolute http or https URL"),
        (_swap("body: hi", "body: 1"), 3, "request.body: expected text, got a number"),
        (_swap("body: hi", "parsed_body: {}"), 3, "request.parsed_body: vcrpy has no such field"),
        (_swap("['*/*']", "[[a]]"), 5, "request.headers.Accept: expected text, got a list"),
        (
            _swap("{Set-Cookie: [a, b], Length: [5]}", "[a]"),
            11,
            "response.headers: expected a mapping, got a list",
        ),
        (
            _swap("{Set-Cookie: [a, b], Length: [5]}", "7"),
            11,
            "response.headers: expected a mapping, got a number",
        ),
        (_swap("{string: hello}", "{text: a}"), 10, "has neither 'string' nor 'base64_string'"),
        (_swap("{string: hello}", "{base64_string: a}"), 10, "response.body.base64_string: not base64"),
        (_swap("code: 200", "code: ok"), 12, "response.status.code: expected a whole number from 100 to 999"),
        (_swap("{code: 200, message: OK}", "200x"), 12, "response.status.code: expected a whole number"),
        (_swap("message: OK", "message: [a]"), 12, "response.status.message: expected text, got a list"),
        (GOOD.split("  response:", maxsplit=1)[0], 2, "interaction 1: no 'response'"),
        (
            "interactions:\n- request: a\n  response: b\n",
            2,
            "request: expected a mapping, got text; response:",
        ),
        ("interactions:\n- a\n", 2, "interaction 1: expected a mapping, got text"),
    ],
)
def test_a_wrong_interaction_is_named_with_its_line(text: str, line: int, what: str) -> None:
    """The number of the interaction and the field are told."""
    with pytest.raises(CassetteError) as caught:
        load(text.encode(), PATH)

    assert what in caught.value.what
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (_swap("version: 1", "version: 99"), "version 99; this tool reads 1"),
        (_swap("version: 1", "version: true"), "version True; this tool reads 1"),
        ("interactions: {}\n", "expected a list of interactions, got a mapping"),
        ("a: b\n", "expected a list of interactions, got none"),
        ("- a\n", "expected a list of interactions, got none"),
    ],
)
def test_another_version_or_tool_is_a_format_error(text: str, what: str) -> None:
    """A file that is no cassette of vcrpy, or of one to come, says so."""
    with pytest.raises(CassetteFormatError) as caught:
        load(text.encode(), PATH)

    assert what in caught.value.what


@pytest.mark.parametrize(
    ("data", "line", "what"),
    [
        (b'{"interactions":\n[{"a', 2, "not valid JSON: Unterminated string"),
        (b'{"interactions": [], "interactions": []}', None, "duplicate key 'interactions'"),
        (b'{"interactions":' + b"[" * 100_000, None, "nested too deeply"),
        (b'{"interactions": [1]}', None, "interaction 1: expected a mapping, got a number"),
    ],
)
def test_damaged_json_is_an_error(data: bytes, line: int | None, what: str) -> None:
    """A truncated, ambiguous or hostile JSON cassette is refused."""
    with pytest.raises(CassetteError) as caught:
        load(data, PATH)

    assert what in caught.value.what
    assert caught.value.line == line
