"""The short way through a cassette's YAML gives what the parser gives, or nothing."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_f3dx import _yaml_plain, _yaml_read, _yaml_write
from pytest_f3dx._flow import Flow
from pytest_f3dx.errors import CassetteError
from tests.test_yaml import NASTY

PATH = Path("some.yaml")
QUICK = settings(max_examples=400, deadline=None, derandomize=True)
TEXT = (
    st.sampled_from(NASTY)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.text(alphabet="ab :#-|>'\"{}[],&*!%@`\n\t\u2028\x85é", max_size=12)
    | st.lists(
        st.sampled_from(["a", "", " b", "c ", "  ", "- d", "e: f", "# g", "'h'", "..."]), max_size=6
    ).map("\n".join)
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
FLOWS = st.dictionaries(st.sampled_from(["at", "content-type", "x"]), st.integers() | TEXT, min_size=1).map(
    Flow
)
VALUES = st.recursive(
    SCALARS | FLOWS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(TEXT | st.sampled_from(["a", "b-c", "$d"]), inner, max_size=3)
    ),
    max_leaves=10,
)


def by_parser(data: bytes) -> Any:
    """Return what the parser says, None if it refuses."""
    try:
        return _yaml_read.load(data, PATH)
    except CassetteError:
        return None


def agrees(data: bytes) -> bool:
    """Whether the short way has an answer; it must be the parser's."""
    found = _yaml_plain.load(data)
    assert found is None or repr(found) == repr(by_parser(data))
    return found is not None


def written(value: dict[str, Any], indent: int = 0) -> bytes:
    """Write a value, every line of it deeper by some columns, as an interaction stands in a cassette."""
    text = _yaml_write.dump(value)
    lines = [" " * indent + line if line else "" for line in text.split("\n")]
    return "\n".join(lines).encode()


@QUICK
@given(st.dictionaries(TEXT | st.just("responses"), VALUES, min_size=1, max_size=3))
@example({"a": "\n x\n\n", "b": ["\n", {"c": "d\n e\n\n\n"}]})
@example({"a": [[1, [2, "x\ny"]], {"b": []}, {}, ["- z"]]})
def test_what_is_written_reads_the_same_both_ways(value: dict[str, Any]) -> None:
    """Whatever a cassette can hold."""
    agrees(written(value))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.dictionaries(st.just("responses"), VALUES, min_size=1), st.integers(0, 2**32))
def test_what_was_changed_by_hand_reads_the_same_both_ways(value: dict[str, Any], seed: int) -> None:
    """Lines taken out, doubled, indented otherwise, characters put in: the same value, or none."""
    chance = random.Random(seed)
    text = USUAL if seed % 3 == 0 else written(value).decode() + "\n" * (seed % 2)
    lines = text.split("\n")
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(lines))
        match chance.randrange(5):
            case 0:
                del lines[at : at + 1]
                lines = lines or [""]
            case 1:
                lines.insert(at, lines[at])
            case 2:
                lines[at] = " " * chance.randint(1, 4) + lines[at]
            case 3:
                lines[at] = lines[at].removeprefix("  ")
            case _:
                place = chance.randint(0, len(lines[at]))
                lines[at] = (
                    lines[at][:place] + chance.choice(list(":#-|\"'{}[],& \t\u2028é")) + lines[at][place:]
                )
    agrees("\n".join(lines).encode())


USUAL = """    responses:
    - status: 200 OK
      headers: {content-type: application/json; charset=utf-8, x-a: "1", x-b: 'it''s'}
      recorded: {at: "2026-11-23T18:40:01Z", took_ms: 850}
      body:
        style: ascii
        json:
          id: chatcmpl-1
          created: 1764000000
          score: -0.5
          choices:
          - index: 0
            message:
              role: assistant
              content: |-
                It is 42 – or "so".

                  Is it?
              refusal: null
            logprobs: null
            done: true
          - []
          usage: {}
    - error:
        kind: httpx.ReadTimeout
        message: 'say "no"'
      recorded: {at: "2026-11-23T18:40:02Z", took_ms: 5003}
    - status: 200
      body:
        text: |+
          data: {"a": 1}

          data: [DONE]

"""


def test_the_usual_takes_the_short_way() -> None:
    """Answers as APIs give them are not left to the parser."""
    assert agrees(USUAL.encode())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("200 OK", '"200\\tOK"'),
        ("      body:\n        style", "      # remark\n      body:\n        style"),
        ("index: 0", "index: 0\n            index: 1"),
        ("index: 0", "no: 0"),
        ("index: 0", "'index': 0"),
        ("index: 0", "index:\t0"),
        ("index: 0", "index: 0 # first"),
        ("index: 0", "index: a: b"),
        ("index: 0", "index: &x 0"),
        ("index: 0", "index: [0]"),
        ("index: 0", "index:"),
        ("index: 0", "index: 0\n              1"),
        ("content: |-", "content: >-"),
        ("content: |-", "content: |4-"),
        ("content: |-\n", "content: |-\n\n"),
        ("content: |-\n                It", "content: |-\n                 It"),
        ("It is", "It\u2028is"),
        ("It is", "It\x85is"),
        ("It is", "It\ufeffis"),
        ("{at:", "{at :"),
        ("took_ms: 850}", "took_ms: 850, took_ms: 1}"),
        ("- []", "-"),
        ("    responses:\n", "    responses:\n    - - 1\n"),
    ],
)
def test_the_unusual_is_left_to_the_parser_or_read_alike(old: str, new: str) -> None:
    """What we never write is a doubt as a rule, and never another value."""
    agrees(USUAL.replace(old, new, 1).encode())


@pytest.mark.parametrize("depth", [20, 49, 52, 60, 70, 130])
def test_depth_is_left_to_the_parser(depth: int) -> None:
    """What is nested very deeply is no crash, and is refused where the parser refuses it."""
    value: dict[str, Any] = {"a": 1}
    for _ in range(depth):
        value = {"a": [value]}
    agrees(written(value, 4))
