"""JSON bytes are rebuilt from the parsed value and a style, or declared not rebuildable."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_f3dx import _fast_json, _json_style
from pytest_f3dx._json_style import MAX_DEPTH, dump, parse

QUICK = settings(max_examples=150, deadline=None, derandomize=True)
TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    [
        "",
        "a/b",
        "<b>&amp;</b>",
        "it's",
        "1+1=2 `x`",
        '"',
        "\\",
        "\\u003c",
        "é",
        "😀",
        "\u2028",
        "\x7f",
        "e-05 1e-07",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda child: st.lists(child, max_size=4) | st.dictionaries(TEXT, child, max_size=4),
    max_leaves=12,
)

SPELLINGS = [
    (b'{"a":1,"b":[1,2.5,true,null,"x"]}', ""),
    (b'{"a": 1, "b": [1, 2]}', "spaced"),
    (b'{"a": 1}', "spaced"),
    (b"[1, 2]", "spaced"),
    (b'{"a":1, "b":2}', "spaced-commas"),
    (b'{"a": 1,"b": 2}', "spaced-colons"),
    (b'{\n  "a": 1,\n  "b": {}\n}', "indent-2"),
    (b'{\n    "a": [\n        1\n    ]\n}\n', "indent-4 newline"),
    (b'{\n "a": 1\n}', "indent-1"),
    (b'{\n"a": 1\n}', "indent-0"),
    (b'{\n\t"a": 1\n}', "indent-tab"),
    (b'{\n  "a":1\n}', "indent-2 compact"),
    (b'{\r\n  "a": 1\r\n}\r\n', "indent-2 newline crlf"),
    ('{"a":"é😀"}'.encode(), ""),
    (b'{"a":"\\u00e9\\ud83d\\ude00"}', "ascii"),
    (b'{"a":"\\u00E9\\uD83D\\uDE00"}', "ascii upper"),
    (b'{"a":"http:\\/\\/x"}', "slash"),
    (b'{"a":"\\u003cb\\u003e \\u0026"}', "html"),
    (b'{"a":"\\u2028 \xc3\xa9"}', "html"),
    (b'{"a":"\\u0027"}', "apostrophe"),
    (b'{"a":"\\u003d"}', "equals"),
    (b'{"a":"\\u007f"}', "delete"),
    (b'{"a":"\\u0022b\\u0022 \\/"}', "slash quote"),
    (b'{"a":"1\\u002B1 \\u003C\\u0027"}', "dotnet upper"),
    (b"[1e-7,0.00001,0.0000025,1.5e-9,-0.00001]", "es6"),
    (b'{"a":"\\n\\t\\r\\b\\f\\\\\\" \\u0001"}', ""),
    (b"[NaN,Infinity,-Infinity]", ""),
    (b"[]", ""),
    (b"{}", ""),
    (b"[18446744073709551616,-9223372036854775809]", ""),
    (b"[1e+20,1e-07,5e-324,1.7976931348623157e+308,-0.0,0.1]", ""),
    (b"null", ""),
    (b'"x"\n', "newline"),
]


@pytest.mark.parametrize(("body", "words"), SPELLINGS)
def test_a_spelling_in_use_is_named_and_rebuilt(body: bytes, words: str) -> None:
    """Each spelling that real servers and clients use has a style, whose bytes are the same again."""
    found = parse(body)

    assert found is not None
    assert set(found[1].split()) == set(words.split())
    assert dump(*found) == body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"{",
        b'{"a":1 }',
        b'{"a":1,"b":1, "c":2}',
        b"[1.00]",
        b"[1E5]",
        b"[1e5]",
        b"[-0]",
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":"\\ud800"}',
        b'{"\\udfff":1}',
        b'{"a":"\\u0041"}',
        b'{"a":"\xff"}',
        b"\n{}",
        b"{}\n\n",
        b'{"a":1}\n{"a":2}\n',
        b"[" + b"9" * 5000 + b"]",
        b"[0.1234567890123456789]",
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
    ids=lambda body: str(body[:24]),
)
def test_what_no_style_rebuilds_is_refused(body: bytes) -> None:
    """Irregular JSON, what YAML cannot carry and what is no JSON has no style, and crashes nothing."""
    assert parse(body) is None


def test_the_deepest_value_allowed_is_parsed() -> None:
    """Nesting is bounded at `MAX_DEPTH` exactly, and many shallow brackets are no depth."""
    assert parse(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH) is not None
    assert parse(b"[" + b"[]," * 500 + b"[]]") is not None


def test_an_unknown_style_is_an_error() -> None:
    """A word that means nothing is not silently ignored."""
    with pytest.raises(ValueError, match="unknown style 'sideways'"):
        dump({}, "spaced sideways")


LAYOUTS = [
    "",
    "spaced",
    "spaced-commas",
    "spaced-colons",
    "indent-2",
    "indent-4",
    "indent-tab",
    "indent-2 crlf",
]


@given(
    value=VALUES,
    layout=st.sampled_from(LAYOUTS),
    words=st.lists(st.sampled_from(["ascii", "upper", "slash", "html", "dotnet", "quote", "newline", "es6"])),
)
@example(value=[1e-7, "1e-07"], layout="", words=["es6"])
@QUICK
def test_parsing_never_changes_a_value(value: object, layout: str, words: list[str]) -> None:
    """Whatever is written in any combination of styles is either refused or rebuilt with its value intact."""
    body = dump(value, f"{layout} {' '.join(words)}")

    found = parse(body)

    if found is not None:
        assert dump(*found) == body
        assert _typed(found[0]) == _typed(value)
        assert _typed(json.loads(body)) == _typed(value)


@given(value=VALUES, layout=st.sampled_from(LAYOUTS[:-1]), ascii_only=st.booleans())
@example(value=["<", "\u2028"], layout="", ascii_only=True)
@QUICK
def test_the_common_styles_are_always_found(value: object, layout: str, ascii_only: bool) -> None:
    """Whatever Python itself writes, in any layout, with escapes or without, is never refused."""
    body = dump(value, f"{layout} ascii" if ascii_only else layout)

    assert parse(body) is not None


def _typed(value: object) -> object:
    """Make values comparable so that 1, 1.0 and True differ, and 0.0 and -0.0."""
    if isinstance(value, dict):
        return [(key, _typed(child)) for key, child in value.items()]
    if isinstance(value, list):
        return [_typed(child) for child in value]
    if isinstance(value, float):
        return ("float", math.copysign(1, value), value)
    return (type(value), value)


@given(value=VALUES, separators=st.sampled_from([(",", ":"), (", ", ": ")]), is_ascii=st.booleans())
@QUICK
def test_the_short_way_reads_what_the_long_way_reads(
    value: object, separators: tuple[str, str], is_ascii: bool
) -> None:
    """Value and style are the same whether orjson may answer first or not."""
    body = json.dumps(value, separators=separators, ensure_ascii=is_ascii).encode()
    short = parse(body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_fast_json, "parse_written", lambda _: None)
        assert repr(_json_style.parse(body)) == repr(short)
