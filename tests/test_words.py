"""Texts compared word by word."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_f3dx._diff._words import WordChange, word_changes


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("same", "same", [("same", "same")]),
        ("", "", []),
        ("", "new", [("added", "new")]),
        ("gone", "", [("removed", "gone")]),
        ("Hello world", "Hello brave world", [("same", "Hello "), ("added", "brave "), ("same", "world")]),
        ("walking", "walked", [("removed", "walking"), ("added", "walked")]),
        (
            "It costs 12.50 EUR.",
            "It costs 13.50 EUR.",
            [("same", "It costs "), ("removed", "12.50"), ("added", "13.50"), ("same", " EUR.")],
        ),
        (
            "a b c d",
            "a x y d",
            [("same", "a "), ("removed", "b c"), ("added", "x y"), ("same", " d")],
        ),
        (
            "one\ntwo",
            "eins\nzwei",
            [("removed", "one\ntwo"), ("added", "eins\nzwei")],
        ),
        ("東京です", "大阪です", [("removed", "東京"), ("added", "大阪"), ("same", "です")]),
    ],
)
def test_words(old: str, new: str, wanted: list[WordChange]) -> None:
    """Whole words and numbers are marked, and neighbours together."""
    assert word_changes(old, new) == wanted


TEXTS = st.text(st.sampled_from("ab .,1２字か\n_-é"), max_size=30)


@given(TEXTS, TEXTS, st.integers(0, 30))
def test_both_texts_can_be_read_off(start: str, inserted: str, at: int) -> None:
    """What stays and went is the old text, what stays and came the new one, and neighbours are joined."""
    for old, new in ((start, inserted), (start, start[:at] + inserted + start[at:])):
        changes = word_changes(old, new)
        assert "".join(text for op, text in changes if op != "added") == old
        assert "".join(text for op, text in changes if op != "removed") == new
        assert all(a[0] != b[0] for a, b in pairwise(changes))
        assert all(text for _, text in changes)


def lines(count: int, words: int) -> list[str]:
    return [" ".join(f"w{(line * 7 + word) % 97}" for word in range(words)) + "\n" for line in range(count)]


def test_long_texts_are_matched_by_lines_first() -> None:
    """In a long text two changed words are two changes, not all that stands between them."""
    old = lines(600, 10)
    new = [*old]
    new[3], new[590] = "changed " + new[3], new[590].replace("\n", " more\n")
    changes = word_changes("".join(old), "".join(new))
    assert [text for op, text in changes if op != "same"] == ["changed ", " more"]


def test_texts_of_few_words_that_repeat_take_no_time() -> None:
    """Words that repeat are matched in bounded time (difflib takes minutes for these)."""
    assert word_changes("a " * 900, "b " * 900) == [
        ("removed", "a " * 899 + "a"),
        ("added", "b " * 899 + "b"),
        ("same", " "),
    ]
    assert len(word_changes("a b " * 900, "b a " * 900)) < 10


def test_blanks_are_matched_apart() -> None:
    """Another blank around a word is no other word."""
    changes = word_changes("one two three x", "one  two\nthree y")
    assert [text for op, text in changes if op == "removed"] == [" ", "x"]
    assert [text for op, text in changes if op == "added"] == [" ", "\n", "y"]
    assert word_changes("a\n  b\nc", "a\nb\nd")[-2:] == [("removed", "c"), ("added", "d")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("".join(lines(12_000, 3)), "".join(reversed(lines(12_000, 3)))),
        (" ".join(f"a{n}" for n in range(5000)), " ".join(f"b{n}" for n in range(5000))),
    ],
)
def test_hopeless_texts_are_replaced_as_a_whole(old: str, new: str) -> None:
    """Beyond a bound nothing is matched, so that no text takes minutes."""
    assert {op for op, _ in word_changes(old, new)} <= {"same", "removed", "added"}
    assert len(word_changes(old, new)) <= 4


def test_a_stutter_of_marks_is_one_change() -> None:
    """A few words that happen to be the same between longer changes are drawn into them."""
    assert word_changes(
        "No, the answer is not no. Water has a way", "Yes, water is indeed wet. It occurs because"
    ) == [
        ("removed", "No, the answer is not no. Water has a way"),
        ("added", "Yes, water is indeed wet. It occurs because"),
    ]
    assert [text for op, text in word_changes("a b c d e", "a x c y e") if op == "same"] == [
        "a ",
        " c ",
        " e",
    ]


def test_huge_texts_are_not_matched() -> None:
    """Of texts of megabytes that differ all over only the common start and end stay."""
    old, new = "a b " * 400_000, "b a " * 400_000
    assert [op for op, _ in word_changes(old, new)] == ["removed", "added", "same"]
