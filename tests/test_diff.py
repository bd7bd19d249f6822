"""`diff`: yes or no, and where; the original's answers, and each one that differs with its reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_f3dx import F3dxError, diff

CASES = [
    case
    for case in json.loads((Path(__file__).parent / "data/vectors/f3dx_diff.json").read_text("utf-8"))[
        "cases"
    ]
    if case["mode"] in ("bytes", "structured")
]
DIFFERENT = {  # docs/cache.md gives the reasons
    ('{"a":1}', '{"a":1.0}'): "one number",
    ('{"a":-0.0}', '{"a":0}'): "one number",
    ("plain", "plain"): "equal text",
    ("", ""): "equal text",
    ("1e400", "1e400"): "equal text",
    ("NaN", "NaN"): "equal text",
    ('{"a":18446744073709551616}', '{"a":18446744073709551617}'): "all digits count",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['mode']}-{case['before']}-{case['after']}")
def test_answers_of_the_original(case: Any) -> None:
    """Verdicts are the original's, but for those that docs/cache.md names; a refusal always says where."""
    ok, note = diff(case["before"], case["after"], case["mode"])
    differs = case["mode"] == "structured" and (case["before"], case["after"]) in DIFFERENT
    assert ok == (case["result"][0] is not differs)
    assert (note is None) == ok
    if not ok:
        assert note
        assert "→" in note
        assert note.startswith("$") or "from byte" in note


def test_note_names_path_and_values() -> None:
    """Each place is named with what was there and what is there now; many are counted, long values cut."""
    assert diff({"a": [1, {"b": "x"}]}, {"a": [1, {"b": "y"}]}) == (False, '$.a[1].b: "x" → "y"')
    assert diff({"a": 1}, {"b": 2}) == (False, "$.a: 1 → absent; $.b: absent → 2")
    ok, note = diff({str(n): n for n in range(9)}, {str(n): n + 1 for n in range(9)})
    assert not ok
    assert note is not None
    assert note.endswith("; and 4 more")
    assert diff("x" * 100, {})[1] == f'$: "{"x" * 58}… → {{}}'


def test_note_of_bytes_names_the_first_byte() -> None:
    """In mode bytes the first difference is shown; values that are no bytes only differ."""
    assert diff(b"a\xffb", b"a\xffc", "bytes") == (
        False,
        '3 bytes became 3 other bytes; from byte 2 on: "b" → "c"',
    )
    assert diff("ab", "abc", "bytes")[1] == '2 bytes became 3 other bytes; from byte 2 on: "" → "c"'
    assert diff({"a": 1}, {"a": 2}, "bytes") == (False, "the values differ")


def test_note_drives_no_terminal() -> None:
    """Control characters of an answer are escaped in the note."""
    _, note = diff("\x1b[2J", "\x1b[3J", "bytes")
    assert note is not None
    assert "\x1b" not in note


def test_other_modes_are_those_of_compare() -> None:
    """Embedding and judge decide; what they lack is an error that says how to get it."""
    assert diff("It is done.", "It is finished.", "embedding", embed=lambda texts: [[1.0, 0.0]] * len(texts))[
        0
    ]
    two = [[1.0, 0.0], [0.0, 1.0]]
    ok, note = diff("It is done.", "It rains.", "embedding", embed=lambda texts: two[: len(texts)])
    assert not ok
    assert note is not None
    assert "cosine" in note
    assert "→" in note
    assert diff("one", "two", "judge", judge=lambda *_: (True, "both are numbers"))[0]
    with pytest.raises(F3dxError, match="has no judge"):
        diff("one", "two", "judge")
    with pytest.raises(F3dxError, match="mode is 'jugde'; did you mean 'judge'"):
        diff("one", "two", "jugde")
