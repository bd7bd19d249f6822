"""Jumping from sign to sign finds what the pattern finds."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_f3dx._redaction_sparse import has, names_in, sparse

PATTERNS = [
    re.compile(r":(\w*)"),
    re.compile(r":(?=(:?\w))"),
    re.compile(r":(:*)x"),
    re.compile(r":(?<=a:)(\w)"),
    re.compile(r"::()(?<=a::)"),
]
JUMPED = "." * 4096  # long enough for two jumps or more; what comes later is left to the pattern


@given(
    st.sampled_from(PATTERNS),
    st.lists(st.one_of(st.text(":ax .", max_size=6), st.just(JUMPED)), max_size=8).map("".join),
)
def test_what_is_found_is_what_the_pattern_finds(pattern: re.Pattern[str], text: str) -> None:
    """In the same places, however many signs there are and wherever the jumps end; in bytes as well."""
    expected = list(pattern.finditer(text))
    assert [match.span() for match in sparse(pattern, ":", text)] == [match.span() for match in expected]
    assert has(pattern, ":", text) == bool(expected)
    assert names_in(pattern, ":", text) == {match[1] for match in expected}
    raw = re.compile(pattern.pattern.encode())
    assert [match.span() for match in sparse(raw, b":", text.encode())] == [
        match.span() for match in expected
    ]


@pytest.mark.parametrize("before", ["", JUMPED, ":" * 9 + JUMPED, JUMPED * 9])
def test_what_stands_behind_the_last_jump_is_found(before: str) -> None:
    """A text with more signs than jumps is looked through to its end."""
    assert names_in(re.compile(":(key)"), ":", f"{before}:key") == {"key"}
