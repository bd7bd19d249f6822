"""What the writer writes, every YAML loader reads as the same typed value; what the reader reads is bounded."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_f3dx import _yaml_read, _yaml_write
from pytest_f3dx._flow import Flow
from pytest_f3dx.errors import CassetteError

QUICK = settings(max_examples=200, deadline=None, derandomize=True)
PATH = Path("some.yaml")
NASTY = [
    "yes",
    "No",
    "ON",
    "off",
    "true",
    "False",
    "null",
    "~",
    "y",
    "N",
    "1",
    "-1",
    "0",
    "010",
    "0x1F",
    "0b1",
    "0o7",
    "1_000",
    "1:30",
    "1.5",
    ".5",
    "5.",
    "1e5",
    "1.0e+5",
    ".inf",
    "-.INF",
    ".nan",
    "2026-11-23",
    "2026-11-23T18:40:01Z",
    "=",
    "<<",
    "-",
    "?",
    ":",
    "-a",
    "?a",
    ":a",
    "a:",
    "#a",
    "&a",
    "*a",
    "!a",
    "|a",
    ">a",
    "%a",
    "@a",
    "`a",
    "{a",
    "[a",
    "]a",
    "}a",
    ",a",
    "'a",
    '"a',
    "\\a",
    "---",
    "...",
    "日本",
    "😀",
    "1,000",
    "+1",
    "0x",
    "0b",
    "1e",
    "12e03",
    "0.1.2",
    "1:",
    "<<a",
    "=a",
    "~a",
    ".a",
    "a#b",
    "a:b",
    "http://x/y",
    "é",
    "200",
    "$blob",
]
LINES = [
    "",
    " ",
    "a",
    " a",
    "a ",
    "\ta",
    "a\t",
    "- a",
    "# a",
    "a: b",
    "...",
    "---",
    "   ",
    "😀",
    "'",
    '"',
    "\\",
    "b3:",
]
TEXT = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.text("ab \n\t#:-'\"\\,[]{}\r\x85\u2028\ufeff\x00\x7f\x9f\xa0\u3000\ufffe\uffff1.eE+_xyn", max_size=8)
    | st.sampled_from(
        [*NASTY, "", " ", "\n", "\n\n", " \n", "a\n", "a\n\n", "\na", "\n a\nb", "200 OK", "a #b", "a : b"]
    )
    | st.lists(st.sampled_from(LINES), min_size=1, max_size=5).map("\n".join)
    | st.integers(900, 1200).map(lambda n: "k" * n)
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
FLOWS = st.dictionaries(TEXT, TEXT, max_size=3).map(Flow)
VALUES = st.recursive(
    LEAVES,
    lambda child: st.lists(child, max_size=4) | st.dictionaries(TEXT, child, max_size=4) | FLOWS,
    max_leaves=15,
)


@pytest.fixture(params=["libyaml", "pure"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Read with the C parser and without it."""
    if request.param == "pure":
        monkeypatch.setattr(yaml, "__with_libyaml__", False)
    return str(request.param)


@given(value=st.dictionaries(TEXT, VALUES, max_size=4))
@example(value={"a": "x\n   "})
@example(value={"a": ["  x\n\ty\n\n", [["\n x"]]], "b": {"k" * 2000: [1], "l" * 2000: {"c": 1e20}}})
@QUICK
def test_every_loader_reads_back_what_was_written(value: dict[str, object]) -> None:
    """PyYAML's C and pure loaders and our reader on both parsers give the same values of the same types."""
    text = _yaml_write.dump(value)

    expected = _typed(value)
    data = text.encode()
    assert _typed(yaml.load(data, yaml.CSafeLoader)) == expected
    assert _typed(yaml.load(data, yaml.SafeLoader)) == expected
    assert _typed(_yaml_read.load(data, PATH)) == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml, "__with_libyaml__", False)
        assert _typed(_yaml_read.load(data, PATH)) == expected


@given(text=st.lists(st.sampled_from([*LINES, "x"]), min_size=2, max_size=6).map("\n".join))
@QUICK
def test_text_of_several_lines_is_always_a_block(text: str) -> None:
    """Lines that begin or end in spaces or tabs do not force quotes; only blank text does."""
    written = _yaml_write.dump({"a": text})

    assert (written.split("\n")[0][:4] == "a: |") == bool(text.strip(" \t\n"))
    assert written.endswith("\n")
    assert "\r" not in written


@pytest.mark.parametrize("word", NASTY)
def test_a_word_keeps_its_type(word: str) -> None:
    """Whatever YAML 1.1 or 1.2 could take for something else is quoted."""
    assert yaml.load(_yaml_write.dump({"a": [word], word: 1}), yaml.CSafeLoader) == {"a": [word], word: 1}


def test_the_layout_is_the_one_of_the_design() -> None:
    """Items are not indented below their key, short headers stand on one line, text is a block."""
    value: dict[str, object] = {
        "headers": Flow({"content-type": "application/json"}),
        "long": Flow({"content-type": "x" * 100}),
        "odd": Flow({"a,b": "c"}),
        "quoted": Flow({"accept": "a, b", "retry": "1", "k": 2}),
        "messages": [{"role": "user", "content": "Read this.\nWhat is it?"}, [1, []], {}],
        "1": None,
    }

    assert _yaml_write.dump(value) == (
        "headers: {content-type: application/json}\n"
        f"long:\n  content-type: {'x' * 100}\n"
        "odd:\n  a,b: c\n"
        'quoted: {accept: "a, b", retry: "1", k: 2}\n'
        "messages:\n- role: user\n  content: |-\n    Read this.\n    What is it?\n- - 1\n  - []\n- {}\n"
        '"1": null\n'
    )
    assert _yaml_write.dump({}) == "{}\n"


def test_what_yaml_cannot_carry_is_refused() -> None:
    """A lone surrogate and a foreign type are errors of the caller, never a wrong file."""
    with pytest.raises(ValueError, match="lone surrogate"):
        _yaml_write.dump({"a": "\ud800"})
    with pytest.raises(TypeError, match="cannot write a bytes"):
        _yaml_write.dump({"a": b""})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("~", None),
        ("", None),
        ("0x1F", 31),
        ("1_000", 1000),
        ("1:30", 90),
        ("010", 8),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("1e5", "1e5"),
        ("2026-11-23", "2026-11-23"),
        ("2026-11-23T18:40:01Z", "2026-11-23T18:40:01Z"),
        ("<<", "<<"),
        ("=", "="),
        ("! x", "x"),
        ("! [x]", ["x"]),
        ("&a x", "x"),
        ("plain text", "plain text"),
    ],
)
def test_plain_scalars_resolve_as_in_pyyaml_but_for_dates(parser: str, text: str, value: object) -> None:
    """Numbers, booleans and null are YAML 1.1's; dates, merge keys and ``=`` stay text."""
    assert parser
    assert _typed(_yaml_read.load(f"a: {text}\n".encode(), PATH)) == _typed({"a": value})


@given(
    st.lists(
        st.sampled_from(
            "true True false FALSE null Null ~ yes no On off y n 200 0x1F 1:30 .inf e5 _ - . T".split()
        )
        | st.text("truefalsnyoO019.:+-_xeE~ ", max_size=3),
        max_size=4,
    ).map("".join)
)
@settings(max_examples=400, deadline=None, derandomize=True)
def test_what_is_told_without_pyyaml_is_told_as_pyyaml_does(text: str) -> None:
    """Words that are told apart without loading PyYAML get the type that its resolvers give them."""
    resolver = yaml.resolver.Resolver()
    named = resolver.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]  # of the stubs
    tag = str(named).removeprefix("tag:yaml.org,2002:")
    kinds = {"bool": bool, "int": int, "float": float, "null": type(None)}
    assert type(_yaml_read.resolve(text)) is kinds.get(tag, str)


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: 1\nb: !!str x\n", 2, "the tag !!str is not allowed"),
        (
            "a: !!python/object/apply:os.system [x]\n",
            1,
            "the tag !!python/object/apply:os.system is not allowed",
        ),
        ("a: !mine {b: c}\n", 1, "the tag !mine is not allowed"),
        ("a: &x [1]\nb: *x\n", 2, "aliases are not allowed"),
        ("a: 1\nb: 2\na: 3\n", 3, "duplicate key 'a'"),
        ("a: {b: 1, b: 2}\n", 1, "duplicate key 'b'"),
        ("1: a\n", 1, "a key must be text"),
        ("? [a]\n: b\n", 1, "a key must be text"),
        ("a: 1\n---\nb: 2\n", 2, "there is a second YAML document"),
        ("a: 0x_\n", 1, "not a number"),
        ("a: 'x", 1, "not valid YAML"),
        ("a:\n\tb: c\n", 2, "there is a tab in this line"),
        ("a: b\nc: \x01\n", 2, "not valid YAML"),
    ],
)
def test_what_a_cassette_may_not_hold_names_its_line(parser: str, text: str, line: int, what: str) -> None:
    """Tags, aliases, duplicate keys and broken YAML are errors at the line where they stand."""
    assert parser
    with pytest.raises(CassetteError, match=r"some\.yaml") as caught:
        _yaml_read.load(text.encode(), PATH)

    assert what in caught.value.what
    assert caught.value.line == line


def test_harmless_tags_and_aliases_of_foreign_files_are_read(parser: str) -> None:
    """Old text and bytes tags give text and bytes, and an alias shares its value, scalar or not."""
    assert parser
    text = (
        "a: !!python/unicode x\nb: !!binary aGk=\nc: &c [1]\nd: *c\ne: !!python/tuple [2]\nf: &f g\nh: *f\n"
    )

    value = _yaml_read.load(text.encode(), PATH, foreign=True)

    assert value == {"a": "x", "b": b"hi", "c": [1], "d": [1], "e": [2], "f": "g", "h": "g"}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: &a [*a]\n", "has no finished anchor"),
        ("a: *b\n", "anchor"),
        ("a: !!binary é\n", "!!binary is no base64"),
        ("a: !!binary abc\n", "!!binary is no base64"),
        ("a: !!python/name:os.system ''\n", "tag !!python/name:os.system is not allowed"),
        ("a: !!set {b}\n", "tag !!set is not allowed"),
    ],
)
def test_foreign_files_build_nothing_either(text: str, what: str) -> None:
    """A cycle, a dangling alias and every other tag are errors in foreign files too."""
    with pytest.raises(CassetteError) as caught:
        _yaml_read.load(text.encode(), PATH, foreign=True)

    assert what in caught.value.what
    assert caught.value.line == 1


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 100_000 + "]" * 100_000,
        "[" * 100_000,
        "a: " + "{a: " * 100_000,
        "- " * 100_000 + "a",
        "? " * 100_000 + "a",
        "".join(" " * depth + "a:\n" for depth in range(2000)),
        "".join(" " * depth + "-\n" for depth in range(2000)),
    ],
    ids=["closed", "open", "mappings", "dashes", "questions", "indented", "items"],
)
def test_nesting_is_bounded_before_anything_is_nested(parser: str, text: str) -> None:
    """Hostile nesting of every kind is an error at once; it crashed the C node loader."""
    assert parser
    with pytest.raises(CassetteError, match="nested too deeply"):
        _yaml_read.load(text.encode(), PATH)


def test_nesting_up_to_the_bound_is_read() -> None:
    """The bound itself is allowed."""
    depth = _yaml_read.MAX_DEPTH
    assert _yaml_read.load(b"[" * depth + b"]" * depth, PATH) is not None


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("a",), 1),
        (("a", "b"), 2),
        (("a", "b", 1), 4),
        (("a", "b", 1, "d"), 5),
        (("a", "f"), 6),
        (("a", "nowhere"), 1),
        (("g",), 7),
        (("nowhere",), None),
    ],
)
def test_a_value_is_located_by_its_keys(keys: tuple[str | int, ...], line: int | None) -> None:
    """The line is that of the key or item, or of the nearest parent that is there."""
    data = b"a:\n  b:\n  - 1\n  - c: 2\n    d: 3\n  f: x\ng:\n"

    assert _yaml_read.locate(data, keys) == line


def test_a_scalar_document_has_no_places() -> None:
    """Nothing can be located where there are no keys."""
    assert _yaml_read.locate(b"just text\n", ("a",)) is None


def test_no_document_is_none(parser: str) -> None:
    """Only comments, or nothing, is no value."""
    assert parser
    assert _yaml_read.load(b"# only a comment\n", PATH) is None


def _typed(value: object) -> object:
    """Make values comparable so that 1, 1.0 and True differ, and NaN equals itself."""
    if isinstance(value, dict):
        return ("dict", [(key, _typed(child)) for key, child in value.items()])
    if isinstance(value, list):
        return ("list", [_typed(child) for child in value])
    if isinstance(value, float):
        return ("float", repr(value))
    return (type(value), value)


def test_what_may_stand_raw_in_a_block_is_told_of_every_character() -> None:
    """What is told from the bytes is what the set of safe characters says, for all of Unicode's first plane."""
    unsafe = re.compile(f"[^\t\n{_yaml_write._SAFE}]")
    told = {code for code in range(0x11000) if _yaml_write._raw(f"a{chr(code)}b") is None}
    assert told == {code for code in range(0x11000) if unsafe.search(chr(code))}
