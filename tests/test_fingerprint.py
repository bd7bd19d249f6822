"""Equal requests have equal fingerprints, different ones different, and every request has one."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from blake3 import blake3
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pytest_f3dx._canonical import canonical
from pytest_f3dx._fingerprint import (
    check_settings,
    envelope,
    fingerprint,
    fingerprint_request,
    parsed_body,
    raw_digest,
)
from pytest_f3dx._fingerprint import digest as bytes_digest
from pytest_f3dx._model import Headers, Request
from pytest_f3dx.errors import SettingsError

if TYPE_CHECKING:
    import random

VECTORS = Path(__file__).parent / "data" / "vectors"
QUICK = settings(max_examples=100, deadline=None, derandomize=True)
URL = "https://api.example.com/v1/chat"
KINDS = {"json", "form", "multipart", "text", "bytes"}
MEDIA = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "multipart": "multipart/form-data; boundary=b",
    "text": "text/plain",
    "bytes": "application/octet-stream",
}

TEXT = st.text(max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
PAIRS = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5)


def request(body: bytes = b"", media: str = "", *, url: str = URL, headers: Headers = ()) -> Request:
    """Build a POST request."""
    return Request("POST", url, (*headers, *((("Content-Type", media),) if media else ())), body)


def as_json(value: object) -> Request:
    """Build a request with a JSON body."""
    return request(json.dumps(value).encode(), "application/json")


def kind_and_value(built: Request, **options: Any) -> tuple[str, Any]:
    """Return the one kind of body in an envelope and its value."""
    ((kind, value),) = envelope(built, **options)["body"].items()
    return kind, value


def multipart(boundary: str, *parts: tuple[str, bytes]) -> bytes:
    """Build a multipart body of (header lines, content) parts."""
    mark = f"--{boundary}".encode()
    blocks = [mark + b"\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n" for head, content in parts]
    return b"".join(blocks) + mark + b"--\r\n"


FIELD = 'Content-Disposition: form-data; name="purpose"'
FILE = 'Content-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain'


def digest(content: bytes) -> str:
    """Digest as the envelope does."""
    return blake3(content).hexdigest()


# --- Vectors


@pytest.mark.parametrize(
    "case",
    json.loads((VECTORS / "f3dx_fingerprints.json").read_text("utf-8"))["cases"],
    ids=lambda c: c["id"],
)
def test_llm_requests_have_the_strict_fingerprint(case: dict[str, Any]) -> None:
    """Ours is what RFC 8785 says; where f3dx 0.0.19 errs or exceeds it, ours differs."""
    ours = fingerprint(case["request"])
    if case["strict_rfc8785"] is not None:
        assert ours == case["strict_rfc8785"]
    assert (ours == case["f3dx"]) is case["agrees"]


CLIENTS = json.loads((VECTORS / "client_requests.json").read_text("utf-8"))["requests"]


def sent(row: dict[str, Any]) -> Request:
    """Build the request a real client sent."""
    return Request(
        row["method"],
        f"http://127.0.0.1:8080{row['path']}",
        tuple(row["headers"].items()),
        row["body"].encode(),
    )


@pytest.mark.parametrize("row", [r for r in CLIENTS if r["body"]], ids=lambda r: f"{r['client']}-{r['case']}")
def test_a_real_body_is_read_as_json(row: dict[str, Any]) -> None:
    """The body of every client is JSON, also without a content type, and has the measured digest."""
    kind, value = kind_and_value(sent(row))
    assert kind == "json"
    assert fingerprint(value) == row["body_fingerprint"]


def test_clients_that_send_the_same_find_the_same() -> None:
    """Over 110 real requests, fingerprints are equal exactly if method, path and JSON body are."""
    by_meaning: dict[tuple[str, ...], set[str]] = {}
    for row in CLIENTS:
        meaning = (row["method"], row["path"], row["body_fingerprint"] or "")
        by_meaning.setdefault(meaning, set()).add(fingerprint_request(sent(row)))
    assert len(CLIENTS) == 110
    assert all(len(found) == 1 for found in by_meaning.values())
    assert len({one for found in by_meaning.values() for one in found}) == len(by_meaning)
    spelled = {row["body"] for row in CLIENTS if (row["body_fingerprint"] or "").startswith("44529a37")}
    assert len(spelled) > 1, "two clients spell the same body differently"


def test_the_fingerprint_of_a_request_is_fixed_for_ever() -> None:
    """Cassettes hold fingerprints, so the algorithm jcs-blake3/1 gives this text for ever."""
    built = request(b'{"b": 1.0, "a": "x"}', "application/json", url=f"{URL}?q=1")
    text = (
        b'{"body":{"json":{"a":"x","b":1}},"method":"POST",'
        b'"query":[["q","1"]],"url":"https://api.example.com/v1/chat"}'
    )
    assert canonical(envelope(built)) == text
    assert fingerprint_request(built) == f"b3:{digest(text)}"
    assert fingerprint_request(built) == "b3:bd2f4432b0251e5ba6b049c204d81442adc4b0e8309268273edc2a4c5465c2ce"


# --- The public function


def test_the_public_function_is_total_over_json_and_names_what_is_none() -> None:
    """Seeds of 64 bits, NaN and lone surrogates have 64 hex digits; a set has a TypeError with its path."""
    values = [
        {"seed": 2**63},
        {"seed": 2**63 + 1},
        {"v": float("nan")},
        {"v": None},
        {"v": "\ud83d"},
        {"v": "?"},
    ]
    found = {fingerprint(value) for value in values}
    assert len(found) == len(values)
    assert all(re.fullmatch("[0-9a-f]{64}", one) for one in found)
    with pytest.raises(TypeError, match=r"^\$\.tags is a set"):
        fingerprint({"tags": {1}})


# --- URL and query


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        ("HTTPS://API.Example.COM/V1", "https://api.example.com/V1"),
        ("https://h", "https://h/"),
        ("https://h?", "https://h/"),
        ("https://h:443/a", "https://h/a"),
        ("http://h:80/a", "http://h/a"),
        ("http://h:080/a", "http://h/a"),
        ("http://h:/a", "http://h/a"),
        ("http://h:443/a", "http://h:443/a"),
        ("http://h:0/a", "http://h:0/a"),
        ("http://h:00/a", "http://h:0/a"),
        ("https://[::1]:8080/a", "https://[::1]:8080/a"),
        ("https://[::1]/a", "https://[::1]/a"),
        ("https://user:p%40ss@h/a", "https://h/a"),
        ("https://u:p@x@h:443/a#part?no=query", "https://h/a"),
        ("https://h/a%2fb%3A/c", "https://h/a%2Fb%3A/c"),
        ("https://h/a/../b;c", "https://h/a/../b;c"),
        ("https://h/a\nb", "https://h/a\nb"),
        ("https://[::1/a", "https://[::1/a"),
        ("https://h:99999999/a", "https://h:99999999/a"),
        ("https://MÜNCHEN.example/ü", "https://münchen.example/ü"),
        ("no url", "://no url/"),
        ("", ":///"),
    ],
)
def test_a_url_has_one_spelling(uri: str, url: str) -> None:
    """Case of scheme and host, default port, userinfo and fragment do not count; nothing is refused."""
    assert envelope(request(url=uri)) == {"method": "POST", "url": url}


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        ("b=2&a=1", [["a", "1"], ["b", "2"]]),
        ("a=2&b=&a=1", [["a", "2"], ["a", "1"], ["b", ""]]),
        ("a", [["a", ""]]),
        ("a=x+y%20z%2B", [["a", "x y z+"]]),
        ("a=b=c&&", [["a", "b=c"]]),
        ("q=%C3%A9", [["q", "é"]]),
        ("q=é", [["q", "é"]]),
        ("q=%FF", [["q", "\udcff"]]),
    ],
)
def test_a_query_is_sorted_pairs(query: str, pairs: list[list[str]]) -> None:
    """Sorted by name, in order among equal names, blank values kept, escapes undone."""
    assert envelope(request(url=f"{URL}?{query}"))["query"] == pairs


def test_query_bytes_that_are_no_utf8_count() -> None:
    """Two different bytes are not both a replacement character."""
    one, two = (fingerprint_request(request(url=f"{URL}?q={q}")) for q in ("%FF", "%FE"))
    assert one != two


@QUICK
@given(PAIRS, st.randoms(use_true_random=False))
def test_the_order_of_query_names_does_not_count(pairs: list[tuple[str, str]], order: random.Random) -> None:
    """Names may change places, values of one name may not."""
    names = list(dict(pairs))
    order.shuffle(names)
    moved = [pair for name in names for pair in pairs if pair[0] == name]
    one = request(url=f"{URL}?{urlencode(pairs)}")
    assert fingerprint_request(one) == fingerprint_request(request(url=f"{URL}?{urlencode(moved)}"))
    other = request(url=f"{URL}?{urlencode([*pairs[:-1], (pairs[-1][0], pairs[-1][1] + 'x')])}")
    assert fingerprint_request(one) != fingerprint_request(other)


def test_the_method_counts_whatever_its_case() -> None:
    """GET and get are one method, GET and HEAD are not."""
    assert fingerprint_request(Request("get", URL)) == fingerprint_request(Request("GET", URL))
    assert fingerprint_request(Request("GET", URL)) != fingerprint_request(Request("HEAD", URL))


# --- Headers


@QUICK
@given(st.permutations([("x-a", "1"), ("Accept", "a/b"), ("X-B", "2"), ("User-Agent", "t")]))
def test_headers_do_not_count_unless_asked_for(headers: list[tuple[str, str]]) -> None:
    """Neither their order nor, by default, their presence changes a fingerprint."""
    built = request(headers=tuple(headers))
    assert "headers" not in envelope(built)
    assert envelope(built, match_headers=("X-b", "x-a", "x-c"))["headers"] == [["x-a", "1"], ["x-b", "2"]]


def test_values_of_a_matched_header_count_in_their_order() -> None:
    """Case of the name and blanks around the value do not count, absent and empty differ."""
    options: dict[str, Any] = {"match_headers": ("x-a",)}
    one = request(headers=(("x-a", "1"), ("X-A", " 2 ")))
    assert envelope(one, **options)["headers"] == [["x-a", "1"], ["x-a", "2"]]
    two = request(headers=(("x-a", "2"), ("x-a", "1")))
    assert fingerprint_request(one, **options) != fingerprint_request(two, **options)
    assert "headers" not in envelope(request(), **options)
    assert envelope(request(headers=(("x-a", ""),)), **options)["headers"] == [["x-a", ""]]


# --- Kinds of body


@pytest.mark.parametrize(
    ("media", "body", "expected"),
    [
        ("application/json", b'{"a":1}', ("json", {"a": 1})),
        ("application/vnd.api+json; charset=utf-8", b"[]", ("json", [])),
        ("", b' {"a":1}', ("json", {"a": 1})),
        ("", b"hello", ("text", "hello")),
        ("application/json", b'{"a":', ("text", '{"a":')),
        ("application/json", b"\xff\x00", ("bytes", digest(b"\xff\x00"))),
        ("application/json", b"[" * 300 + b"]" * 300, ("text", "[" * 300 + "]" * 300)),
        ("text/plain", b'{"a":1}', ("text", '{"a":1}')),
        ("application/x-ndjson", b"{}\n{}\n", ("text", "{}\n{}\n")),
        ("application/octet-stream", b"\x00\xff", ("bytes", digest(b"\x00\xff"))),
        ("text/plain; charset=latin-1", b"\xe9", ("bytes", digest(b"\xe9"))),
        (MEDIA["form"], b"b=1&a=%C3%A9+x&b=&c", ("form", [["b", "1"], ["a", "é x"], ["b", ""], ["c", ""]])),
        (MEDIA["form"], b'{"sum": "1+1"}', ("text", '{"sum": "1+1"}')),
        (MEDIA["form"], b"a=100%", ("text", "a=100%")),
        (MEDIA["form"], b"a=\xff", ("bytes", digest(b"a=\xff"))),
    ],
)
def test_a_body_has_the_kind_it_keeps(media: str, body: bytes, expected: tuple[str, Any]) -> None:
    """A body is what its media type says if it is that, else text if it is UTF-8, else bytes."""
    assert kind_and_value(request(body, media)) == expected
    assert parsed_body(request(body, media)) == expected


def test_no_body_is_no_kind() -> None:
    """An empty body is absent, whatever its media type."""
    assert "body" not in envelope(request(b"", "application/json"))
    assert parsed_body(request(b"", "application/json")) is None


def test_json_sent_as_a_form_is_not_decoded_as_one() -> None:
    """urllib.request calls every body a form; a plus in a prompt is still not a space."""
    bodies = [b'{"q": "1+1"}', b'{"q": "1 1"}', b'{"q": "1%201"}']
    assert len({fingerprint_request(request(body, MEDIA["form"])) for body in bodies}) == 3


@QUICK
@given(PAIRS, PAIRS)
def test_the_fields_of_a_form_count_in_their_order(
    one: list[tuple[str, str]], other: list[tuple[str, str]]
) -> None:
    """Two forms are equal exactly if their pairs are."""
    assume(("", "") not in [*one, *other])  # spelled "=" alone
    prints = [
        fingerprint_request(request(urlencode(pairs).encode(), MEDIA["form"])) for pairs in (one, other, one)
    ]
    assert prints[0] == prints[2]
    assert (prints[0] == prints[1]) is (one == other)
    assert kind_and_value(request(urlencode(one).encode(), MEDIA["form"])) == ("form", [list(p) for p in one])


@QUICK
@given(st.binary(min_size=1, max_size=60), st.sampled_from(list(MEDIA)), st.sampled_from(list(MEDIA)))
@example(b"[]", "json", "text")
@example(b"a=1", "form", "text")
@example(multipart("b", (FIELD, b"x")), "multipart", "text")
def test_kinds_never_collide(body: bytes, one: str, other: str) -> None:
    """The same bytes under two media types have one fingerprint only if they are the same kind."""
    first, second = request(body, MEDIA[one]), request(body, MEDIA[other])
    same_kind = kind_and_value(first)[0] == kind_and_value(second)[0]
    assert (fingerprint_request(first) == fingerprint_request(second)) is same_kind


def test_a_body_that_spells_another_kind_is_not_that_kind() -> None:
    """JSON that looks like what another kind puts into the envelope is JSON."""
    built = request(b"\xff", "text/plain")
    kind, value = kind_and_value(built)
    lookalikes = [as_json({kind: value}), as_json(value), request(value.encode(), "text/plain")]
    prints = {fingerprint_request(one) for one in [built, *lookalikes]}
    assert len(prints) == 4


@QUICK
@given(
    st.text(max_size=20)
    | st.sampled_from([*MEDIA.values(), "multipart/x", "multipart/x; boundary=\ud800", "a/b+json"]),
    st.binary(max_size=80) | st.text(alphabet='-b\r\n:{}"&=%1\xff', max_size=40).map(str.encode),
    st.text(max_size=30),
)
@example("multipart/x; boundary=b", b"--b\r\n\r\n\r\n--b--", "")
@example("multipart/x; boundary=\ud800", b"--b\r\n\r\n\r\n--b--", "://@:")
def test_every_request_has_a_fingerprint(media: str, body: bytes, url: str) -> None:
    """Arbitrary bytes under an arbitrary media type at an arbitrary URL have a digest, loosened or not."""
    built = request(body, media, url=url)
    options: dict[str, Any] = {
        "match_headers": ("content-type",),
        "ignore": ("$..a",),
        "replace": (("1", "<one>"),),
    }
    assert re.fullmatch("b3:[0-9a-f]{64}", fingerprint_request(built))
    assert re.fullmatch("b3:[0-9a-f]{64}", fingerprint_request(built, **options))
    assert parsed_body(built) is None or parsed_body(built)[0] in KINDS  # type: ignore[index]


# --- JSON bodies


@QUICK
@given(JSON, st.randoms(use_true_random=False))
def test_any_change_of_a_json_value_changes_the_fingerprint(value: Any, choice: random.Random) -> None:
    """One leaf, one key or one element changed anywhere is another request; spelled otherwise it is not."""
    wrapped = [value]
    one = fingerprint_request(as_json(wrapped))
    assert fingerprint_request(request(json.dumps(wrapped, indent=1).encode(), "a/b+json")) == one
    assert fingerprint_request(as_json(changed(wrapped, choice))) != one


def changed(value: Any, choice: random.Random) -> Any:
    """Change a value in one random place."""
    if isinstance(value, list) and value and choice.random() < 0.8:
        i = choice.randrange(len(value))
        return [*value[:i], changed(value[i], choice), *value[i + 1 :]]
    if isinstance(value, dict) and value and choice.random() < 0.8:
        key = choice.choice(list(value))
        return {**value, key: changed(value[key], choice)}
    if isinstance(value, (list, dict)):
        return [*value, None] if isinstance(value, list) else {**value, "".join([*value, "new"]): None}
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, bool) or value is None:
        return str(value)
    return value + 1 if isinstance(value, int) else f"{value}"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"seed":9223372036854775807}', b'{"seed":9223372036854775806}'),
        (b'{"a":1,"a":2}', b'{"a":2}'),
        (b'{"a":NaN}', b'{"a":null}'),
        (b'{"a":"\\ud83d"}', b'{"a":"\\ude00"}'),
        (b'{"a":1e400}', b'{"a":1e401}'),
        (b"true", b"1"),
    ],
)
def test_bodies_that_parsers_confuse_differ(one: bytes, other: bytes) -> None:
    """What json.loads would make equal, or rfc8785 would refuse, is told apart."""
    prints = [fingerprint_request(request(body, "application/json")) for body in (one, other, one)]
    assert prints[0] == prints[2] != prints[1]


def test_a_reader_gets_plain_values() -> None:
    """Numbers beyond Python's are text, and every value of a repeated key is shown."""
    body = b'{"x":[{"a":1,"b":1e400,"a":{"c":1,"c":2},"a":3}], "y":1}'
    assert parsed_body(request(body)) == (
        "json",
        {"x": [{"a": 1, "b": "1e400", "a (2)": {"c": 1, "c (2)": 2}, "a (3)": 3}], "y": 1},
    )


# --- Multipart


def upload(body: bytes, boundary: str = "b") -> Request:
    """Build a multipart request."""
    return request(body, f'multipart/form-data; boundary="{boundary}"')


@pytest.mark.parametrize("boundary", ["b", "b b", "----WebKitFormBoundary7MA4YWxkTrZu0gW", "a.b+c(d)"])
def test_the_boundary_does_not_count(boundary: str) -> None:
    """Parts are name, file name, type and digest, in order."""
    body = multipart(boundary, (FIELD, b"fine-tune"), (FILE, b"line\r\n--not it\r\n"))
    assert kind_and_value(upload(body, boundary)) == (
        "multipart",
        [
            {"name": "purpose", "b3": digest(b"fine-tune")},
            {
                "name": "file",
                "filename": "a.txt",
                "type": "text/plain",
                "b3": digest(b"line\r\n--not it\r\n"),
            },
        ],
    )
    assert parsed_body(upload(body, boundary)) == kind_and_value(upload(body, boundary))


@pytest.mark.parametrize(
    "parts",
    [
        [(FILE, b"1"), (FIELD, b"2")],
        [(FIELD, b"2")],
        [(FIELD, b"2"), (FILE, b"1 ")],
        [(FIELD, b"2"), (FILE.replace("a.txt", "b.txt"), b"1")],
        [(FIELD, b"2"), (FILE.replace("plain", "html"), b"1")],
        [(FIELD.replace("purpose", "porpoise"), b"2"), (FILE, b"1")],
        [(FIELD, b"2"), (FILE, b"1"), ("X-Nothing: 1", b"")],
        [(FIELD, b"2"), (FILE.replace("filename=", "filename*=UTF-8''"), b"1")],
    ],
)
def test_what_a_part_says_counts(parts: list[tuple[str, bytes]]) -> None:
    """Order, number, content, names and types of parts are all told apart."""
    whole = upload(multipart("b", (FIELD, b"2"), (FILE, b"1")))
    assert kind_and_value(upload(multipart("b", *parts)))[0] == "multipart"
    assert fingerprint_request(upload(multipart("b", *parts))) != fingerprint_request(whole)


def test_parts_without_headers_and_nested_parts_are_read() -> None:
    """A part may have no header at all, and a nested multipart's boundary does not count either."""
    nested = "Content-Type: multipart/mixed; Boundary=xyz; Charset=UTF-8"
    body = b"--b\r\n\r\nbare\r\n" + multipart("b", (nested, b"--xyz--"))
    assert kind_and_value(upload(body)) == (
        "multipart",
        [{"b3": digest(b"bare")}, {"type": "multipart/mixed; charset=UTF-8", "b3": digest(b"--xyz--")}],
    )


GOOD = multipart("b", (FIELD, b"x"))


@pytest.mark.parametrize(
    "body",
    [
        GOOD[:-6],
        GOOD[:-4],
        b"preamble\r\n" + GOOD,
        GOOD + b"epilogue",
        GOOD.replace(b"--b", b"--c"),
        b"--b--\r\n",
        b"--b\r\nno blank line\r\n--b--",
        b"--b\r\nno colon\r\n\r\nx\r\n--b--",
        b"--b--: y\r\n\r\nx\r\n--b--",
        GOOD.replace(b"\r\n", b"\n"),
    ],
)
def test_a_damaged_multipart_is_text_or_bytes(body: bytes) -> None:
    """Nothing is guessed: every byte of it counts then."""
    assert kind_and_value(upload(body)) == ("text", body.decode())
    assert kind_and_value(upload(body + b"\xff"))[0] == "bytes"


def test_a_multipart_without_boundary_is_text() -> None:
    """Without a boundary there are no parts."""
    assert kind_and_value(request(GOOD, "multipart/form-data"))[0] == "text"


@QUICK
@given(st.lists(st.binary(max_size=30), min_size=1, max_size=4), st.uuids(), st.uuids())
def test_contents_count_and_boundaries_do_not(contents: list[bytes], one: object, other: object) -> None:
    """Any contents under any two boundaries have one fingerprint, and another if one byte is added."""
    bodies = [multipart(str(mark), *((FIELD, content) for content in contents)) for mark in (one, other)]
    prints = [fingerprint_request(upload(body, str(m))) for body, m in zip(bodies, (one, other), strict=True)]
    assert prints[0] == prints[1]
    longer = multipart(str(one), *((FIELD, content + b"!") for content in contents))
    assert fingerprint_request(upload(longer, str(one))) != prints[0]


# --- Loosening


@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        (("$.a",), {"b": [{"c": 1, "d": 2}, {"c": 3}], "k.x": 0}),
        (("$.b[*].c",), {"a": 1, "b": [{"d": 2}, {}], "k.x": 0}),
        (("$.b[0]", "$.b[-2]", "$.a"), {"b": [{"c": 3}], "k.x": 0}),
        (("$.b[0,1]",), {"a": 1, "b": [], "k.x": 0}),
        (("$..c", "$['k.x']"), {"a": 1, "b": [{"d": 2}, {}]}),
        (("$.b[?@.d == 2]",), {"a": 1, "b": [{"c": 3}], "k.x": 0}),
        (("$.nothing",), {"a": 1, "b": [{"c": 1, "d": 2}, {"c": 3}], "k.x": 0}),
        (("$",), None),
    ],
)
def test_ignored_paths_are_taken_out_of_json(ignore: tuple[str, ...], left: object) -> None:
    """What RFC 9535 selects does not count, and nothing else is lost."""
    body = {"a": 1, "b": [{"c": 1, "d": 2}, {"c": 3}], "k.x": 0}
    assert kind_and_value(as_json(body), ignore=ignore) == ("json", left)
    assert fingerprint_request(as_json(body), ignore=ignore) == fingerprint_request(as_json(left))


def test_ignored_paths_reach_repeated_keys_and_the_deepest_value() -> None:
    """An object with repeated keys loses all values of a key, and a deep body is searched to its end."""
    assert kind_and_value(request(b'{"b":{"a":1,"c":2,"a":3}}'), ignore=("$.b.a",)) == (
        "json",
        {"b": {"c": 2}},
    )
    deep = request(b'{"a":' * 253 + b'{"x":1}' + b"}" * 253)
    assert fingerprint_request(deep, ignore=("$..x",)) != fingerprint_request(deep)


def test_ignored_paths_leave_scalars_and_other_kinds_alone() -> None:
    """Text, bytes, multipart and scalars have no members to ignore."""
    for built in (request(b'"x"'), request(b"x", "text/plain"), upload(GOOD)):
        assert envelope(built, ignore=("$.a", "$..*")) == envelope(built)


@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        (("$.a",), [["b", "2"]]),
        (("$.a[0]",), [["b", "2"], ["a", "3"]]),
        (("$.a[?@ == '3']",), [["a", "1"], ["b", "2"]]),
        (("$",), []),
    ],
)
def test_ignored_paths_see_a_form_as_an_object_of_arrays(
    ignore: tuple[str, ...], left: list[list[str]]
) -> None:
    """A name takes out all its fields, an index one of them."""
    assert kind_and_value(request(b"a=1&b=2&a=3", MEDIA["form"]), ignore=ignore) == ("form", left)


DATE = ((r"\d{4}-\d\d-\d\d", "<date>"),)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (as_json({"2026-01-01": ["at 2026-01-02", 1]}), as_json({"2026-11-11": ["at 2026-11-12", 1]})),
        (request(b"at=2026-01-01", MEDIA["form"]), request(b"at=2026-11-11", MEDIA["form"])),
        (request(b"on 2026-01-01", "text/plain"), request(b"on 2026-11-11", "text/plain")),
        (request(url=f"{URL}/2026-01-01?d=2026-01-01"), request(url=f"{URL}/2026-11-11?d=2026-11-11")),
        (
            upload(multipart("b", (FIELD, b"2026-01-01\xff"))),
            upload(multipart("b", (FIELD, b"2026-11-11\xff"))),
        ),
    ],
)
def test_replaced_strings_do_not_count(one: Request, other: Request) -> None:
    """A placeholder stands for what changes, in JSON, forms, texts, parts, paths and queries."""
    assert fingerprint_request(one) != fingerprint_request(other)
    assert fingerprint_request(one, replace=DATE) == fingerprint_request(other, replace=DATE)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (as_json([20260101]), as_json([20261111])),
        (request(b"\xff2026-01-01", "a/b"), request(b"\xff2026-11-11", "a/b")),
        (upload(multipart("b", (FILE, b"2026-01-01"))), upload(multipart("b", (FILE, b"2026-11-11")))),
        (request(url="https://2026-01-01.example/"), request(url="https://2026-11-11.example/")),
    ],
)
def test_numbers_bytes_files_and_hosts_are_not_replaced(one: Request, other: Request) -> None:
    """`replace` is for strings."""
    assert fingerprint_request(one, replace=(*DATE, (r"\d+", "<n>"))) != fingerprint_request(
        other, replace=(*DATE, (r"\d+", "<n>"))
    )


def test_replacements_are_applied_in_order_with_groups() -> None:
    """As re.sub does: later pairs see what earlier ones left."""
    replace = ((r"id-(\w)\w+", r"<\1>"), ("<a>", "<first>"))
    assert kind_and_value(as_json(["id-abc", "id-xyz"]), replace=replace) == ("json", ["<first>", "<x>"])


def test_keys_that_become_equal_lose_no_value() -> None:
    """Two keys under one placeholder are repeated keys, and their order in the body does not count."""
    replace = ((r"\d", "#"),)
    one = fingerprint_request(request(b'{"k1":"a","k2":"b"}'), replace=replace)
    assert one == fingerprint_request(request(b'{"k2":"b","k1":"a"}'), replace=replace)
    assert one != fingerprint_request(request(b'{"k1":"b","k2":"a"}'), replace=replace)
    assert one != fingerprint_request(request(b'{"k1":"b"}'), replace=replace)


# --- Settings


def test_valid_settings_pass() -> None:
    """Nothing is raised for what the envelope can use."""
    check_settings(("$.a", "$..b[?@.c == 'x']"), ((r"\d+", r"<\g<0>>"),), ("X-Tenant", "accept"))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"ignore": ("$.ok", "$.a[")}, "ignore holds '$.a['"),
        ({"ignore": ("",)}, "ignore holds ''"),
        ({"ignore": ("a.b",)}, "ignore holds 'a.b'"),
        ({"ignore": ("$[?nope(@)]",)}, "function 'nope' is not defined"),
        ({"replace": (("(", "x"),)}, "replace holds ('(', 'x')"),
        ({"replace": (("a", r"\1"),)}, "invalid group reference 1"),
        ({"replace": (("a", r"\g<n>"),)}, "unknown group name 'n'"),
        ({"match_headers": ("x tenant",)}, "match_headers holds 'x tenant'"),
        ({"match_headers": ("",)}, "match_headers holds ''"),
    ],
)
def test_invalid_settings_are_named(options: dict[str, Any], text: str) -> None:
    """The error shows the setting and why it is refused."""
    with pytest.raises(SettingsError) as caught:
        check_settings(**options)
    assert text in str(caught.value)
    assert "accepted" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"ignore": ("$[?nope(@)]",)},
            (
                "f3dx: ignore holds '$[?nope(@)]' [settings]\n"
                "  why       function 'nope' is not defined\n"
                "  accepted  JSONPaths by RFC 9535, such as '$.metadata.request_id'"
            ),
        ),
        (
            {"replace": ((r"\d", r"\1"),)},
            (
                "f3dx: replace holds ('\\\\d', '\\\\1') [settings]\n"
                "  why       invalid group reference 1 at position 1\n"
                "  accepted  pairs of a regular expression and what re.sub may put in its place"
            ),
        ),
        (
            {"match_headers": ("x:y",)},
            "f3dx: match_headers holds 'x:y' [settings]\n  accepted  names of headers, such as 'x-tenant'",
        ),
    ],
)
def test_an_invalid_setting_is_answered_in_full(options: dict[str, Any], text: str) -> None:
    """The whole text: which value, why, and what is accepted instead."""
    with pytest.raises(SettingsError) as caught:
        check_settings(**options)
    assert str(caught.value) == text


def test_jsonpath_is_imported_only_when_something_is_ignored() -> None:
    """Fingerprints without `ignore` load neither jsonpath nor a codec."""
    code = (
        "import sys; from pytest_f3dx._fingerprint import *; from pytest_f3dx._model import Request;"
        "fingerprint_request(Request('POST', 'http://h', (), b'{}')); check_settings();"
        "print({'jsonpath', 'deepdiff', 'yaml', 'vcr', 'brotli', 'zstandard'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_the_raw_digest_tells_apart_what_the_fingerprint_can_see() -> None:
    """Method, URL, content type and body each count, as they are, and none runs into the next."""
    texts = ("", "a", "1:a", "=", "\udc80")
    media = ((), *((("Content-Type", text),) for text in texts))
    bodies = (b"", b"a", b"1:a", b"=")
    sent = [Request(*each) for each in itertools.product(texts, texts, media, bodies)]
    assert len({raw_digest(each) for each in sent}) == len(sent)


def test_what_the_fingerprint_cannot_see_does_not_change_the_raw_digest() -> None:
    """Only the first content type counts, however its name is spelt, and no other header."""
    one = request(b"{}", "text/plain")
    more = (("x", "1"), ("content-TYPE", "text/plain"), ("Content-Type", "b"), ("y", "2"))
    other = Request(one.method, one.uri, more, one.body)
    assert raw_digest(one) == raw_digest(other)
    assert fingerprint_request(one) == fingerprint_request(other)


def test_a_digest_in_bytes_is_the_fingerprint_that_is_written() -> None:
    """The cache keeps 32 bytes where a cassette has hex digits."""
    assert bytes_digest({"a": 1}).hex() == fingerprint({"a": 1})
    assert bytes_digest({"a": 1}) != bytes_digest({"a": 2})


def test_a_raw_digest_is_of_lengths_and_texts() -> None:
    """It may be kept in files."""
    assert (
        raw_digest(Request("GET", "https://h.test/", (), b""))
        == blake3(b"3:GET15:https://h.test/0:").hexdigest()
    )
