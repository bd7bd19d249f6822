"""Two texts compared word by word. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# With the blanks behind it: a number with its points and commas; a character of scripts without blanks; a
# word; a sign.
_TOKEN = re.compile(
    r"(?:\d+(?:[.,:]\d+)*(?!\w)|[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+|[^\w\s])\s*|\s+"
)
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_MOST_TOKENS = 4000  # of both texts together; beyond it lines are matched first
_MOST_CHARACTERS = 2_000_000  # of both texts together, where they differ; beyond it nothing is matched
_MOST_EDITS = 800  # tokens that come and go; texts with more have little in common
_LONGEST_WORD = 100  # characters

WordChange = tuple[str, str]
"""(op, text); op is ``same``, ``removed`` or ``added``."""


def word_changes(old: str, new: str) -> list[WordChange]:
    """Say which words went and which came.

    Long texts are first compared line by line, and only the lines that differ word by word. The time is
    bounded: what has too little in common is replaced as a whole.

    Args:
        old: The text that was there.
        new: The text that is there now.

    Returns:
        (op, text) in reading order, ``removed`` before ``added``; the texts of ``same`` and ``removed``
        joined are the old text, those of ``same`` and ``added`` the new one. No two neighbours have one op.
    """
    return _joined(_changes(old, new))


def _changes(old: str, new: str) -> list[WordChange]:
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    if old != new:  # what is common to the letter may end within a word
        start, end = start - _tail(old[:start]), end - _head(old[len(old) - end :])
    was, now = old[start : len(old) - end], new[start : len(new) - end]
    return [("same", old[:start]), *_middle(was, now), ("same", old[len(old) - end :] if end else "")]


def _common(old: str, new: str) -> int:
    """Count the characters that two texts begin with alike."""
    low, high = 0, min(len(old), len(new))
    while low < high:  # bisection: slices compare at C speed
        half = (low + high + 1) // 2
        low, high = (half, high) if old[:half] == new[:half] else (low, half - 1)
    return low


def _tail(text: str) -> int:
    """Count the characters after the last blank of a text; 0 if there is none near its end."""
    near = text[-_LONGEST_WORD:]
    word = len(near) - max((at + 1 for at, letter in enumerate(near) if letter.isspace()), default=0)
    return word if word < _LONGEST_WORD else 0


def _head(text: str) -> int:
    """Count the characters before the first blank of a text; 0 if there is none near its start."""
    return _tail(text[:_LONGEST_WORD][::-1])


def _middle(was: str, now: str) -> list[WordChange]:
    if not was or not now or len(was) + len(now) > _MOST_CHARACTERS:
        return _replaced(was, now)
    old, new = _TOKEN.findall(was), _TOKEN.findall(now)
    if len(old) + len(new) <= _MOST_TOKENS:
        return _matched(old, new, by_words=False)
    old, new = _LINE.findall(was), _LINE.findall(now)
    return _replaced(was, now) if len(old) == len(new) == 1 else _matched(old, new, by_words=True)


def _replaced(was: str, now: str) -> list[WordChange]:
    return [("removed", was), ("added", now)]


def _matched(old: list[str], new: list[str], *, by_words: bool) -> list[WordChange]:
    """Match tokens, or lines of which those that replace others are matched by words."""
    keys = [text.strip() or text for text in old], [text.strip() or text for text in new]
    found: list[WordChange] = []
    a = b = 0
    for i, j in [*_matches(*keys), (len(old), len(new))]:
        was, now = "".join(old[a:i]), "".join(new[b:j])
        is_part = i - a < len(old) or j - b < len(new)
        found += _changes(was, now) if by_words and is_part and was and now else _replaced(was, now)
        if i < len(old):
            found += _aligned(old[i], new[j])
        a, b = i + 1, j + 1
    return found


def _aligned(was: str, now: str) -> list[WordChange]:
    """Return two tokens that are one but for the blanks around it."""
    if was == now:
        return [("same", was)]
    word = was.strip()
    before, after = was.index(word), now.index(word)
    return [
        *_replaced(was[:before], now[:after]),
        ("same", word),
        *_replaced(was[before + len(word) :], now[after + len(word) :]),
    ]


def _matches(old: list[str], new: list[str]) -> list[tuple[int, int]]:
    """Return the positions of what stays, by the fewest edits; none beyond `_MOST_EDITS`.

    Myers, "An O(ND) Difference Algorithm and Its Variations", 1986, fig. 2, its trace kept. difflib takes
    minutes for two texts of a few hundred words that repeat.
    """
    most = len(old) + len(new)
    reached = [0] * (2 * most + 3)  # by diagonal: how far into old
    trace: list[list[int]] = []
    for edits in range(min(most, _MOST_EDITS) + 1):
        trace.append(reached[most - edits : most + edits + 3])
        for diagonal in range(-edits, edits + 1, 2):
            at = most + 1 + diagonal
            down = diagonal == -edits or (diagonal != edits and reached[at - 1] < reached[at + 1])
            x = reached[at + 1] if down else reached[at - 1] + 1
            y = x - diagonal
            while x < len(old) and y < len(new) and old[x] == new[y]:
                x, y = x + 1, y + 1
            reached[at] = x
            if x >= len(old) and y >= len(new):
                return list(_traced(trace, len(old), len(new)))[::-1]
    return []


def _traced(trace: list[list[int]], x: int, y: int) -> Iterator[tuple[int, int]]:
    """Walk back from the end to the start; yields the matches on the way."""
    for edits in range(len(trace) - 1, -1, -1):
        row, diagonal = trace[edits], x - y
        at = edits + 1 + diagonal
        down = diagonal == -edits or (diagonal != edits and row[at - 1] < row[at + 1])
        before = row[at + 1] if down else row[at - 1]
        start = (before if down else before + 1) if edits else 0
        while x > start:
            x, y = x - 1, y - 1
            yield x, y
        if edits:
            x, y = before, before - (diagonal + 1 if down else diagonal - 1)


class _Block(NamedTuple):
    """What went and what came in its place, and what stays behind it."""

    was: str
    now: str
    same: str

    def outweighs(self, text: str) -> bool:
        """Whether the change is no shorter than a text beside it."""
        return len(text) <= max(len(self.was), len(self.now))


def _joined(changes: list[WordChange]) -> list[WordChange]:
    """Join neighbours: what was removed comes before what was added in its place.

    Blanks at the end of both are the same. A few words that happen to be the same between two longer
    changes are drawn into them: one change reads better than a stutter of marks.
    """
    found: list[WordChange] = []
    for block in _merged(_blocks(changes)):
        blank = _blank_end(block.was, block.now)
        _put(found, "removed", block.was[: len(block.was) - blank])
        _put(found, "added", block.now[: len(block.now) - blank])
        _put(found, "same", block.was[len(block.was) - blank :] + block.same)
    return found


def _blocks(changes: list[WordChange]) -> list[_Block]:
    found: list[_Block] = []
    parts: dict[str, list[str]] = {"removed": [], "added": [], "same": []}
    for op, text in [*changes, ("removed", "")]:
        if op != "same" and parts["same"]:
            found.append(_Block(*map("".join, parts.values())))
            parts = {"removed": [], "added": [], "same": []}
        if text:
            parts[op].append(text)
    return [*found, _Block(*map("".join, parts.values()))]


def _merged(blocks: list[_Block]) -> list[_Block]:
    """Draw what stays into the changes on both sides where both outweigh it."""
    found: list[_Block] = []
    for block in blocks:
        now = block
        while found and found[-1].outweighs(found[-1].same) and now.outweighs(found[-1].same):
            before = found.pop()
            now = _Block(before.was + before.same + now.was, before.now + before.same + now.now, now.same)
        found.append(now)
    return found


def _blank_end(was: str, now: str) -> int:
    """Count the blanks that two texts end with alike."""
    blank = 0
    while (
        blank < min(len(was), len(now)) and was[-1 - blank] == now[-1 - blank] and was[-1 - blank].isspace()
    ):
        blank += 1
    return blank


def _put(found: list[WordChange], op: str, text: str) -> None:
    if text and found and found[-1][0] == op:
        found[-1] = (op, found[-1][1] + text)
    elif text:
        found.append((op, text))
