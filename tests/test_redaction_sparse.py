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


@pytest.mark.parametrize("pages", ["", "x" * 6000])
@pytest.mark.parametrize("text", [":1", "::1", ":1:1", ":::1:", "::1::1", ":", ""])
def test_signs_side_by_side_and_at_the_borders(text: str, pages: str) -> None:
    """A match at the very start, behind another sign, or with signs within it is found once, in long texts too."""
    for pattern in map(re.compile, (r":1", r":1|::[x1]?")):
        for whole in (text + pages, pages + text, text + pages + text):
            found = [match.span() for match in sparse(pattern, ":", whole)]
            assert found == [match.span() for match in pattern.finditer(whole)]
