"""The fast way through JSON gives what the slow one gives, or nothing."""

from __future__ import annotations

import datetime as dt
import enum
import json
import uuid
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_f3dx import _fast_json
from pytest_f3dx._canonical import MAX_PARSED_DEPTH, NotJsonError, _parsed, _spelt, canonical, parse_json

THOROUGH = settings(max_examples=600, deadline=None, derandomize=True)
TEXT = st.text(st.characters() | st.characters(categories=["Cs", "Co", "So", "Cc"]), max_size=8)
KEYS = st.text(st.characters(max_codepoint=0x7F), max_size=6) | TEXT
EDGES = st.sampled_from(
    [2**53 - 1, 2**53, -(2**53), 2**63, 2**64, 0.0, -0.0, 1e-4, 9.9e-5, 1e15, 2.0**53, 1e16, 1e21]
)
NUMBERS = st.integers() | st.integers(-(2**54), 2**54) | st.floats() | st.floats(-2, 2) | EDGES
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@THOROUGH
@given(VALUES)
@example({"a": [1.0, -0.0, 0.1], "b": (1, 2.0)})
@example({"é": 1})
@example({"\U00010000": 1, "\ue000": 2})
@example(['\u2028\x7f\x00\b\f\n\r\t"\\/'])
@example([1e-05, 1.5e-06, 1e20])
def test_a_value_has_one_spelling_whichever_way_it_takes(value: Any) -> None:
    """The fast encoder says nothing, or exactly what the reference says."""
    fast = _fast_json.canonical(value)
    assert fast is None or fast == _spelt(value)
    assert canonical(value) == _spelt(value)


@pytest.mark.parametrize("value", [{"b": [1, "x", None, True], "a": {"c": 0.25, "d": 2.0}}, [], "é", 7])
def test_ordinary_values_take_the_fast_way(value: Any) -> None:
    """What requests are made of is not left to the reference."""
    assert _fast_json.canonical(value) is not None


class _Text(str):
    __slots__ = ()


class _Level(enum.IntEnum):
    LOW = 1


@pytest.mark.parametrize(
    "value",
    [
        2**53,
        -(2**53),
        float("nan"),
        float("inf"),
        2.0**53,
        9e-5,
        {"é": 1},
        {1: 1},
        "\ud800",
        {"a": "\udfff"},
        _Text("a"),
        _Level.LOW,
        {_Text("a"): 1},
        dt.datetime(2026, 11, 25, tzinfo=dt.UTC),
        uuid.UUID(int=1),
        {1, 2},
        b"x",
    ],
)
def test_a_doubt_is_left_to_the_reference(value: Any) -> None:
    """What encoders spell differently, and what orjson alone can write, it does not write."""
    assert _fast_json.canonical(value) is None
    assert _fast_json.canonical([value]) is None


def test_a_value_in_itself_is_left_to_the_reference() -> None:
    """It raises there, and names the place."""
    value: list[Any] = []
    value.append(value)
    assert _fast_json.canonical(value) is None


def test_the_value_that_is_given_stays_as_it_was() -> None:
    """Whole floats are made integers in a copy."""
    inner = {"t": 1.0}
    value = {"a": inner, "b": [2.0], "c": "x"}
    assert _fast_json.canonical(value) == b'{"a":{"t":1},"b":[2],"c":"x"}'
    assert (value, inner) == ({"a": {"t": 1.0}, "b": [2.0], "c": "x"}, {"t": 1.0})
    assert type(inner["t"]) is float


@THOROUGH
@given(VALUES)
@example([2**53, 1e-05, 1.5e-06, 1e16, 1e20, -0.0, 0.0, 5e-324])
@example(['\u2028\x7f\x00\x1f\b\f\n\r\t"\\/é\U0001f600'])
@example(["\x7f"])
@example([float("nan"), float("inf")])
@example({1: 1})
@example("\ud800")
def test_a_value_is_written_as_python_writes_it(value: Any) -> None:
    """What bodies in cassettes are rebuilt with says nothing, or what `json.dumps` says to the byte."""
    wide, narrow = _fast_json.compact(value), _fast_json.compact_ascii(value)
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    assert wide is None or wide == text.encode()
    assert narrow is None or narrow == json.dumps(value, separators=(",", ":")).encode()


def test_ordinary_answers_are_written_the_fast_way() -> None:
    """Whole floats stay floats, keys keep their order, and need not be ASCII."""
    value = {"b": [1, "x", None, True, 0.25, 2.0], "a": {"é": -1}}
    assert _fast_json.compact(value) == '{"b":[1,"x",null,true,0.25,2.0],"a":{"é":-1}}'.encode()
    assert _fast_json.compact_ascii({"a": "x\n"}) == b'{"a":"x\\n"}'


@pytest.mark.parametrize(
    "value", [2**53, 1e-5, 2.0**54, float("nan"), {1: 1}, "\ud800", _Text("a"), (1,), {_Text("a"): 1}, b"x"]
)
def test_what_encoders_write_differently_is_left_to_python(value: Any) -> None:
    """So is what orjson alone can write, or refuses."""
    assert _fast_json.compact([value]) is None
    assert _fast_json.compact_ascii([value]) is None


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("–", "\\u2013"),
        ("é\\u00e9", "\\u00e9\\\\u00e9"),
        ("\\é\\\U0001f600", "\\\\\\u00e9\\\\\\ud83d\\ude00"),
        ("\U0010ffff", "\\udbff\\udfff"),
    ],
)
def test_what_is_not_ascii_is_escaped_the_fast_way(text: str, written: str) -> None:
    """As Python writes it by default: four lower-case digits, a pair of surrogates beyond U+FFFF."""
    assert _fast_json.compact_ascii(text) == f'"{written}"'.encode() == json.dumps(text).encode()
    assert _fast_json.parse_written(f'"{written}"'.encode()) == (text, True)


@pytest.mark.parametrize("text", ["é\x7f", "\x7f", "é\\x41", "\U0001f600\\U00000041"])
def test_what_cannot_be_told_from_an_escape_is_left_to_python(text: str) -> None:
    """Also DEL, which Python escapes only where it escapes everything."""
    assert _fast_json.parse_written(json.dumps([text]).encode()) is None
    assert _fast_json.compact_ascii([text]) is None


@THOROUGH
@given(
    st.builds(
        lambda v, a, s: json.dumps(v, ensure_ascii=a, separators=s),
        VALUES,
        st.booleans(),
        st.sampled_from([None, (",", ":")]),
    )
)
@example('{"a":1,"a":2}')
@example("[12345678901234567890123,1e400,-0,1.0,1E5,0.10]")
def test_a_text_has_one_meaning_whichever_way_it_takes(text: str) -> None:
    """The fast parser says nothing, or what the careful one says, types included."""
    body = text.encode("utf-8", "surrogatepass")
    try:
        wanted = _parsed(body)
    except NotJsonError:
        assert _fast_json.parse(body) is None
        return
    fast = _fast_json.parse(body)
    assert fast is None or repr(fast) == repr(wanted)
    assert repr(parse_json(body)) == repr(wanted)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":1}',
        b"12345678901234567890123",
        b"1e400",
        b"-0",
        b"1E5",
        b"0.10",
        b"NaN",
        b'{"a": 1}',
        b'"\\u0061"',
        b'"\\ud800"',
        b"\xef\xbb\xbf{}",
        b"",
        b"[1",
        b'"\xff"',
    ],
)
def test_a_text_that_would_lose_something_is_left_to_the_careful_parser(body: bytes) -> None:
    """Repeated keys, digits, signs of zero, spellings: what does not come back the same is not taken."""
    assert _fast_json.parse(body) is None


def test_the_bodies_of_common_clients_take_the_fast_way() -> None:
    """httpx, openai and anthropic send compact JSON with Unicode as it is."""
    body = json.dumps({"m": "é\n", "t": 0.7, "n": [1, None, True]}, ensure_ascii=False, separators=(",", ":"))
    assert _fast_json.parse(body.encode()) == {"m": "é\n", "t": 0.7, "n": [1, None, True]}


@pytest.mark.parametrize("depth", range(MAX_PARSED_DEPTH - 3, MAX_PARSED_DEPTH + 4))
def test_both_ways_are_as_deep(depth: int) -> None:
    """Where a text stops to count as JSON does not depend on the way it takes."""
    compact = b"[" * depth + b"]" * depth
    if depth <= MAX_PARSED_DEPTH:
        assert parse_json(compact) == _parsed(compact)
        assert canonical({"body": {"json": parse_json(compact)}}) == _spelt(
            {"body": {"json": _parsed(compact)}}
        )
    else:
        with pytest.raises(NotJsonError):
            parse_json(compact)
