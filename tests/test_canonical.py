"""RFC 8785 where it applies, a tagged form that no JSON text can equal where it does not."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785
from blake3 import blake3
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_f3dx._canonical import (
    MAX_DEPTH,
    MAX_PARSED_DEPTH,
    Literal,
    NotJsonError,
    RepeatedKeys,
    _parsed,
    canonical,
    parse_json,
)

if TYPE_CHECKING:
    import random

VECTORS = Path(__file__).parent / "data" / "vectors"
UPSTREAM = Path(__file__).parents[1].parent / "shared" / "vectors" / "upstream"
QUICK = settings(max_examples=150, deadline=None, derandomize=True)

PROPER_INTS = st.integers(-(2**53) + 1, 2**53 - 1)
PROPER_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
# Whole doubles from 2^53 on are printed as digits, which read back as integers; see the module.
REREADABLE = st.floats(allow_nan=False, allow_infinity=False).filter(lambda v: not 2**53 <= abs(v) < 1e21)


def json_values(scalars: st.SearchStrategy[Any], keys: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Build JSON values of some scalars and keys."""
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=12,
    )


PROPER = json_values(st.none() | st.booleans() | PROPER_INTS | REREADABLE | PROPER_TEXT, PROPER_TEXT)
ANY_TEXT = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=8)
ANY_NUMBER = st.integers() | st.integers(2**53 - 2, 2**70) | st.floats()
ANY = json_values(st.none() | st.booleans() | ANY_NUMBER | ANY_TEXT, ANY_TEXT)


def vector(name: str) -> Any:
    """Load a vector file, keeping 1.0 apart from 1 as Python's parser does."""
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def upstream(name: str) -> Any:
    """Load a vector file of another project, or skip."""
    if not (UPSTREAM / name).exists():
        pytest.skip("the vectors of other projects are not here")
    return json.loads((UPSTREAM / name).read_text(encoding="utf-8"))


def is_tagged(text: bytes) -> bool:
    """Tell the tagged form: its first byte is in no UTF-8 text."""
    return text[:1] == b"\xff"


def nested(depth: int) -> list[Any]:
    """Nest empty lists."""
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


# --- RFC 8785


@pytest.mark.parametrize("pair", vector("jcs_pairs.json")["pairs"], ids=lambda p: p["name"])
def test_the_pairs_of_rfc_8785(pair: dict[str, str]) -> None:
    """A JSON text has the published canonical text and digest."""
    text = canonical(parse_json(pair["input"].encode()))
    assert text.decode() == pair["canonical"]
    assert blake3(text).hexdigest() == pair["blake3"]


def test_the_pairs_of_the_reference_implementation() -> None:
    """The test data of cyberphone/json-canonicalization is met."""
    for pair in upstream("jcs_cyberphone.json")["pairs"]:
        assert canonical(parse_json(pair["input"].encode())).decode() == pair["canonical"], pair["name"]


@pytest.mark.parametrize("case", vector("jcs_pairs.json")["not_canonicalizable"], ids=lambda c: c["name"])
def test_what_rfc_8785_refuses_is_tagged(case: dict[str, str]) -> None:
    """Every refusal has a form, and it is neither what ECMAScript nor what Python makes of it."""
    text = canonical(parse_json(case["input"].encode()))
    assert is_tagged(text)
    assert text == canonical(parse_json(case["input"].encode()))


def test_the_number_table_of_rfc_8785() -> None:
    """Appendix B: every double has its text; NaN and Infinity have none."""
    for row in vector("rfc8785_appendix_b.json"):
        (value,) = struct.unpack(">d", bytes.fromhex(row["ieee754_be_hex"]))
        text = canonical(value)
        assert is_tagged(text) if row["json"] is None else text.decode() == row["json"], row


def test_the_first_numbers_of_the_es6_file() -> None:
    """Ten thousand doubles are printed as ECMAScript prints them; the digest is the published one."""
    table = vector("es6_numbers_10000.json")
    lines = hashlib.sha256()
    for code, _ in table["pairs"]:
        (value,) = struct.unpack(">d", bytes.fromhex(code.rjust(16, "0")))
        lines.update(f"{code},{canonical(value).decode()}\n".encode())
    assert lines.hexdigest() == table["sha256"]


def test_number_literals_of_llm_bodies() -> None:
    """Every literal has the text on which three implementations agree."""
    for literal, expected in vector("number_literals.json")["pairs"]:
        assert canonical(parse_json(literal.encode())).decode() == expected, literal


@QUICK
@given(PROPER)
def test_a_proper_value_is_spelled_by_rfc_8785_and_a_fixed_point(value: object) -> None:
    """Reading the canonical text back gives the canonical text."""
    text = canonical(value)
    assert text == rfc8785.dumps(value)  # type: ignore[arg-type]
    assert canonical(parse_json(text)) == text


@QUICK
@given(ANY, st.randoms(use_true_random=False), st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_spelling_does_not_count(value: object, order: random.Random, ascii_only: bool, indent: Any) -> None:
    """Key order, escapes and white space of a JSON text do not change its canonical form."""

    def shuffled(one: Any) -> Any:
        if isinstance(one, dict):
            pairs = [(key, shuffled(item)) for key, item in one.items()]
            order.shuffle(pairs)
            return dict(pairs)
        return [shuffled(item) for item in one] if isinstance(one, list) else one

    text = json.dumps(value)
    other = json.dumps(shuffled(value), indent=indent)
    if not ascii_only and not any("\ud800" <= c <= "\udfff" for c in json.dumps(value, ensure_ascii=False)):
        other = json.dumps(shuffled(value), ensure_ascii=False)
    assert canonical(parse_json(other.encode())) == canonical(parse_json(text.encode()))


@pytest.mark.parametrize(
    "spellings",
    [
        ["1", "1.0", "1e0", "10e-1", "100E-2", "0.1e+1", "1.00000000000000005"],
        ["0", "-0", "-0.0", "0e9", "1e-400", "0E-99999"],
        ["0.1", "1e-1", "0.1000000000000000055511151231257827"],
        ["1e20", "100000000000000000000.0", "1.0E+20"],
        ["1e400", "10e399", "0.01e402", "1000.00e+0397", "1.0E400"],
        ["-12.5e399", "-125E398"],
    ],
)
def test_spellings_of_one_number_are_one(spellings: list[str]) -> None:
    """Literals of one double, or of one number beyond doubles, have one form."""
    assert len({canonical(parse_json(text.encode())) for text in spellings}) == 1


# --- What RFC 8785 excludes

BEYOND = [
    b"9007199254740992",
    b"9007199254740993",
    b"-9007199254740992",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551615",
    b"18446744073709551616",
    b"100000000000000000000",
    b"1" * 4000,
    b"1" * 5000,
    b"1" * 4999 + b"2",
    b"-" + b"1" * 5000,
    b"1e400",
    b"-1e400",
    b"2e400",
    b"1e401",
    b"1e" + b"9" * 4500,
    b"1e" + b"9" * 4501,
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b'"\\ud83d"',
    b'"\\ude00\\ud83d"',
    b'"\\\\ud83d\\ud83d"',
    b'"\\ud83d\\ud83d"',
    b'{"\\ud83d":1}',
    b'{"\\ude00":1}',
    b'{"a":1,"a":2}',
    b'{"a":2,"a":1}',
    b'{"a":1,"a":1}',
    b'{"a":1,"b":2,"a":1}',
    b'{"a":1,"a":{"b":1,"b":1}}',
    b'["#9007199254740992",9007199254740992]',
    b"[9007199254740992,9007199254740992]",
    b"[1e20,9007199254740992]",
    b"[100000000000000000000,9007199254740992]",
    b'["NaN",NaN]',
    b"[NaN,NaN]",
]
LOOKALIKES = [
    b'"9007199254740992"',
    b'"#9007199254740992"',
    b"9007199254740992.0",
    b"9.007199254740993e15",
    b"18446744073709551616.0",
    b"1e20",
    b'"1e400"',
    b'"NaN"',
    b'"Infinity"',
    b"null",
    b'"\\\\ud83d"',
    b'"\\ufffd"',
    b'"?"',
    b'{"a":2}',
    b'{"a":1}',
    b'{"a":[1,2]}',
    b'{"?":1}',
]


def test_excluded_values_differ_from_each_other_and_from_all_others() -> None:
    """Every digit, every key, every lone surrogate counts, and no proper body looks like one of them."""
    tagged = [canonical(parse_json(text)) for text in BEYOND]
    assert all(is_tagged(text) for text in tagged)
    assert len(set(tagged)) == len(BEYOND)
    assert not any(is_tagged(canonical(parse_json(text))) for text in LOOKALIKES)


TAGGED = [
    (
        b'{"b":[1,10000000000000000000,"\xc3\xa9\\n"],"a":{}}',
        b'{"a":{},"b":[1,#10000000000000000000,"\xc3\xa9\\n"]}',
    ),
    (b"[NaN,Infinity,-Infinity,[],[[]]]", b"[NaN,Infinity,-Infinity,[],[[]]]"),
    (b'{"a":1,"a":{"b":2,"c":null}}', b'{"a":1,"a":{"b":2,"c":null}}'),
    (b"[1E400,true,-0.5]", b"[#1e400,true,-0.5]"),
    (b'{"\\ud800":1e2}', b'{"\xed\xa0\x80":100}'),
    (
        b"[9007199254740991,9007199254740992,-9007199254740991,-9007199254740992]",
        b"[9007199254740991,#9007199254740992,-9007199254740991,#-9007199254740992]",
    ),
]


@pytest.mark.parametrize(("text", "spelt"), TAGGED)
def test_the_tagged_form_is_fixed_for_ever(text: bytes, spelt: bytes) -> None:
    """Fingerprints in cassettes depend on each byte of it; what RFC 8785 can spell is spelled so."""
    assert canonical(parse_json(text)) == b"\xfff3dx:beyond-rfc8785/1:" + spelt


def test_a_container_that_stands_in_two_places_is_no_cycle() -> None:
    """Only what contains itself is refused, in the tagged form too."""
    shared = [10**20]
    assert canonical([shared, {"a": shared}, shared]).endswith(
        b':[[#100000000000000000000],{"a":[#100000000000000000000]},[#100000000000000000000]]'
    )


def test_key_order_does_not_count_beside_an_excluded_value() -> None:
    """The tagged form sorts as RFC 8785 does; values of one key keep their order."""
    one = canonical(parse_json('{"\ufb33":1,"\U0001f600":2,"b":NaN,"a":1,"a":2}'.encode()))
    two = canonical(parse_json('{"a":1,"b":NaN,"\U0001f600":2,"a":2,"\ufb33":1}'.encode()))
    assert one == two
    assert one.index("\U0001f600".encode()) < one.index("\ufb33".encode())


def test_an_unpaired_pair_is_not_the_character() -> None:
    """Two halves in a Python string are not the character they would make, in a value or a key."""
    halves, whole = "\ud83d" + "\ude00", "\U0001f600"
    assert canonical([halves]) != canonical([whole])
    assert canonical({halves: 1, whole: 2}) == canonical({whole: 2, halves: 1})
    assert canonical({halves: 1, whole: 2}) != canonical({whole: 1, halves: 2})


@QUICK
@given(ANY, ANY)
@example([1e20], [10**20])
@example({"a": float("nan")}, {"a": None})
@example([2**53, 1], [2**53, True])
def test_different_values_differ(one: object, other: object) -> None:
    """Two values have one form only if they are equal as JSON values."""

    def exact(value: Any) -> str:
        return json.dumps(value, sort_keys=True, ensure_ascii=False)

    def spelled(value: Any) -> Any:
        """Make -0 and whole doubles that are proper integers the integers they equal."""
        if isinstance(value, dict):
            return {key: spelled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [spelled(item) for item in value]
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            return int(value)
        return value

    assert (canonical(one) == canonical(other)) is (exact(spelled(one)) == exact(spelled(other)))


@QUICK
@given(st.integers(min_value=2**53), st.integers(min_value=2**53), st.booleans())
def test_all_digits_of_an_integer_count(one: int, other: int, negative: bool) -> None:
    """Two integers beyond doubles are equal only if they are; a Python integer equals its literal."""
    sign = -1 if negative else 1
    assert (canonical(sign * one) == canonical(sign * other)) is (one == other)
    assert canonical(one) == canonical(parse_json(str(one).encode()))
    assert canonical(one) != canonical(one + 1)


def test_integers_beyond_the_limit_of_python_are_exact() -> None:
    """CPython reads and prints at most 4300 digits; we do without raising, and all of them count."""
    assert canonical(10**5000) == canonical(parse_json(b"1" + b"0" * 5000))
    assert canonical(10**5000) != canonical(10**5000 + 1)


def test_an_own_value_that_is_no_dict_is_spelled_as_json_would() -> None:
    """Tuples are arrays, also in the tagged form, and subclasses are what they extend."""

    class Text(str):
        __slots__ = ()

    assert canonical((1, (Text("a"),))) == b'[1,["a"]]'
    assert canonical((2**60, (Text("a"), None, True, 0.5, 1.0))) == canonical(
        [2**60, ["a", None, True, 0.5, 1]]
    )


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"a": [1, {2}]}, "$.a[1] is a set"),
        ({"a b": b"x"}, "$['a b'] is a bytes"),
        ([{1: 2}], "$[0][1] is a key of type int"),
        ([object()], "$[0] is a object"),
        (1j, "$ is a complex"),
    ],
)
def test_what_is_no_json_is_named_with_its_path(value: object, where: str) -> None:
    """A set, bytes or a key that is no string is a TypeError that says where it stands."""
    with pytest.raises(TypeError) as caught:
        canonical(value)
    assert str(caught.value) == f"{where}, which JSON cannot express"


def test_a_value_that_contains_itself_is_refused() -> None:
    """A cycle is no JSON; the same list standing twice is."""
    cycle: dict[str, Any] = {"a": []}
    cycle["a"].append(cycle)
    with pytest.raises(TypeError, match=r"^\$\.a\[0\] is a container that contains itself"):
        canonical(cycle)
    twice = [[1], {}]
    assert canonical([twice, twice, 2**60]) == canonical([[[1], {}], [[1], {}], 2**60])


def test_a_decimal_beyond_doubles_has_one_spelling() -> None:
    """With an exponent or written out, in either case of the e; an exponent beyond reason is kept as it is."""
    for text in (b"1e400", b"1E+400", b"0.1e401", b"1" + b"0" * 400 + b".0", b"10" + b"0" * 399 + b".00"):
        assert parse_json(text) == Literal("1e400")
    assert parse_json(b"-12" + b"0" * 400 + b".5") == Literal("-12" + "0" * 400 + "5e-1")
    assert parse_json(b"1E" + b"9" * 4000) == Literal("1e" + "9" * 4000)
    assert parse_json(b"10E" + b"9" * 4001) == Literal("10e" + "9" * 4001)


# --- Depth


def test_depth_decides_by_a_fixed_number() -> None:
    """Up to the bound a value has its RFC 8785 form, beyond it a tagged one, and there is no end."""
    assert canonical(nested(MAX_DEPTH)) == b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    deep = canonical(nested(MAX_DEPTH + 1))
    assert is_tagged(deep)
    assert canonical(nested(20_000)) != canonical(nested(20_001))
    assert canonical(nested(sys.getrecursionlimit() + 5))[-3:] == b"]]]"


def test_brackets_side_by_side_or_in_strings_are_no_depth() -> None:
    """Wide values are not deep, and strings full of brackets are not either."""
    wide: list[Any] = [[]] * 1000
    assert not is_tagged(canonical(wide))
    assert not is_tagged(canonical(["[" * 1000, '\\"' + "{" * 1000]))
    assert parse_json(b"[" + b'"[[\\"{\\\\",' * 300 + b"{}]")[-1] == {}


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_a_body_too_deep_is_no_json(opening: bytes) -> None:
    """It is refused before the parser sees it, whether it is closed or not."""
    closing = b"]" if opening == b"[" else b"}"
    fits = opening * MAX_PARSED_DEPTH + b"1" + closing * MAX_PARSED_DEPTH
    assert not is_tagged(canonical([[parse_json(fits)]]))
    with pytest.raises(NotJsonError, match="nested deeper than 254 levels"):
        parse_json(opening + fits + closing)
    with pytest.raises(NotJsonError):
        parse_json(opening * 100_000)


def test_depth_is_counted_exactly_where_there_are_many_brackets() -> None:
    """What is closed again does not count, at whatever place the deepest value stands."""
    wide = b"[], {}, " * MAX_PARSED_DEPTH
    for opening, closing in ((b"[" + wide, b"]"), (b'{"a":1, "b": [' + wide, b"]}")):
        levels = opening.count(b"[") - wide.count(b"[") + opening.count(b"{") - wide.count(b"{")
        inner = MAX_PARSED_DEPTH - levels
        assert _parsed(opening + b"[" * inner + b"]" * inner + closing)
        with pytest.raises(NotJsonError, match="nested deeper"):
            _parsed(opening + b"[" * (inner + 1) + b"]" * (inner + 1) + closing)
    limit = b"[" * MAX_PARSED_DEPTH + b"]" * MAX_PARSED_DEPTH
    assert _parsed(limit) == parse_json(limit)


def test_an_unclosed_string_of_escapes_is_measured_in_linear_time() -> None:
    """Half a megabyte of escaped quotes after many brackets is refused at once."""
    with pytest.raises(NotJsonError):
        parse_json(b"[" * 200 + b"{}" * 100 + b'"' + b'\\"' * 250_000 + b"\\")


# --- Parsing


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]
)
def test_encodings_and_byte_order_marks_are_no_part_of_a_value(encoding: str) -> None:
    """A text in any Unicode encoding, with or without its mark, is the same value."""
    assert parse_json('{"é": "😀"}'.encode(encoding)) == {"é": "😀"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{} {}",
        b"01",
        b"1.",
        b"'a'",
        b'"\t"',
        b'"\xff"',
        b'"\xed\xa0\xbd"',
        b"\xef\xbb\xbf\xef\xbb\xbf{}",
        '{"a":"é"}'.encode("latin-1"),
        b"\xff\xfe\x00",
        b"\x00\x00\x00",
    ],
)
def test_what_is_no_json_is_refused_with_one_error(body: bytes) -> None:
    """Damaged text and damaged encodings raise the same error."""
    with pytest.raises(NotJsonError):
        parse_json(body)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"a" 1}', "Expecting ':' delimiter: line 1 column 6"),
        (b'"\xff"', "can't decode byte 0xff in position 1"),
    ],
)
def test_what_is_no_json_says_where(body: bytes, why: str) -> None:
    """The error keeps what the parser and the decoder say."""
    with pytest.raises(NotJsonError, match=why):
        parse_json(body)


def test_a_stack_used_up_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller deep in recursion gets an answer, not a RecursionError."""

    def exhausted(*_: object, **__: object) -> None:
        raise RecursionError

    monkeypatch.setattr(json, "loads", exhausted)
    with pytest.raises(NotJsonError):
        parse_json(b"{ }")


def test_repeated_keys_keep_all_pairs_and_read_like_a_mapping() -> None:
    """The last value answers, as with json.loads; equality and hash are about all pairs."""
    value = parse_json(b'{"a":1,"b":[],"a":2}')
    assert isinstance(value, RepeatedKeys)
    assert (value["a"], list(value), len(value)) == (2, ["a", "b"], 2)
    assert value.pairs == (("a", 1), ("b", []), ("a", 2))
    assert repr(value) == "RepeatedKeys((('a', 1), ('b', []), ('a', 2)))"
    assert value == parse_json(b'{"a":1,"b":[],"a":2}')
    assert hash(value) == hash(parse_json(b'{"a":1,"b":[],"a":2}'))
    assert value != parse_json(b'{"a":3,"b":[],"a":2}')
    assert value != {"a": 2, "b": []}


def test_literals_beyond_python_keep_their_digits() -> None:
    """They are no Python number that would round or overflow."""
    assert parse_json(b"1.50e999") == Literal("15e998")
    assert parse_json(b"-" + b"7" * 4000) == Literal("-" + "7" * 4000)
    assert parse_json(b"7" * 4000) == int("7" * 4000)
    assert math.isinf(parse_json(b"-Infinity"))


@QUICK
@given(
    st.binary(max_size=60) | st.text(alphabet='{}[]",:\\u0d8eE+-.1NaN \ufeff', max_size=40).map(str.encode)
)
def test_parsing_is_total(body: bytes) -> None:
    """Arbitrary bytes either parse, and then have a form, or raise the one error."""
    try:
        value = parse_json(body)
    except NotJsonError:
        return
    assert canonical(value)


def test_the_json_test_suite() -> None:
    """All 318 texts are answered; what must parse does, and what must not is refused or a known leniency."""
    lenient = set()
    for case in upstream("jsontestsuite.json")["cases"]:
        if "b64" not in case:
            continue
        body = base64.b64decode(case["b64"])
        try:
            assert canonical(parse_json(body))
        except NotJsonError:
            assert case["expect"] != "y", case["name"]
        else:
            lenient |= {case["name"]} if case["expect"] == "n" else set()
    assert lenient == {"n_number_NaN.json", "n_number_infinity.json", "n_number_minus_infinity.json"}


def test_blake3_is_blake3() -> None:
    """The installed library has the published digests."""
    vectors = upstream("blake3_hash.json")
    for case in vectors["cases"]:
        body = bytes(i % 251 for i in range(case["input_len"]))
        assert blake3(body).hexdigest() == case["hash"]
    for case in vectors["extra"]:
        assert blake3(case["text"].encode()).hexdigest() == case["hash"]


def wrapped(leaf: object, levels: int) -> object:
    """Put a value into so many arrays."""
    for _ in range(levels):
        leaf = [leaf]
    return leaf


def test_what_is_too_deep_is_told_apart_and_spelt_one_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the depth that has a plain form each value has its own, whether the encoder gave up or not."""
    spelt = [canonical(wrapped(leaf, MAX_DEPTH + 40)) for leaf in (1, 2, "1", {"a": 1}, {"a": [1, 1]})]
    assert len(set(spelt)) == len(spelt)

    dumps = rfc8785.dumps

    def gives_up(value: Any) -> bytes:
        if isinstance(value, list):
            raise RecursionError
        return dumps(value)

    monkeypatch.setattr(rfc8785, "dumps", gives_up)
    assert spelt[0] == canonical(wrapped(1, MAX_DEPTH + 40))


def test_a_container_may_stand_in_several_places() -> None:
    """One object twice, side by side and below one another, is not a container that contains itself."""
    shared: list[object] = [2**60]
    value = [shared, [shared], {"a": shared, "b": [shared, shared]}, shared]
    assert canonical(value) == canonical(json.loads(json.dumps(value)))
