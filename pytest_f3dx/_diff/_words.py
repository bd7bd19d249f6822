"""Two texts compared word by word. Pure."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

# A number with its points and commas; a character of scripts without blanks; a word; blanks; a sign.
_TOKEN = re.compile(
    r"\d+(?:[.,:]\d+)*(?!\w)|[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+|\s+|[^\w\s]"
)
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_MOST_TOKENS = 4000  # of both texts together; beyond it lines are matched first
_MOST_LINES = 20_000
_LONGEST_WORD = 100  # characters

WordChange = tuple[str, str]
"""(op, text); op is ``same``, ``removed`` or ``added``."""


def word_changes(old: str, new: str) -> list[WordChange]:
    """Say which words went and which came.

    Long texts are first compared line by line, and only the lines that differ word by word; their time
    is bounded.

    Args:
        old: The text that was there.
        new: The text that is there now.

    Returns:
        (op, text) in reading order, ``removed`` before ``added``; the texts of ``same`` and ``removed``
        joined are the old text, those of ``same`` and ``added`` the new one. No two neighbours have one op.
    """
    return _joined(_changes(old, new))


def _changes(old: str, new: str) -> list[WordChange]:
    if old == new:
        return [("same", old)]
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    was, now = old[start : len(old) - end], new[start : len(new) - end]
    if was or now:  # what is common to the letter may end within a word
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
    if not was or not now:
        return _replaced(was, now)
    old, new = _TOKEN.findall(was), _TOKEN.findall(now)
    if len(old) + len(new) <= _MOST_TOKENS:
        return _matched(old, new, by_words=False)
    old, new = _LINE.findall(was), _LINE.findall(now)
    if len(old) + len(new) > _MOST_LINES or len(old) == len(new) == 1:
        return _replaced(was, now)
    return _matched(old, new, by_words=True)


def _replaced(was: str, now: str) -> list[WordChange]:
    return [("removed", was), ("added", now)]


def _matched(old: list[str], new: list[str], *, by_words: bool) -> list[WordChange]:
    """Match tokens, or lines whose replacements are matched by words if they are not too long."""
    found: list[WordChange] = []
    for op, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        was, now = "".join(old[a:b]), "".join(new[c:d])
        if op == "equal":
            found.append(("same", was))
        elif by_words and was and now and b - a < len(old):
            found += _changes(was, now)
        else:
            found += _replaced(was, now)
    return found


def _joined(changes: list[WordChange]) -> list[WordChange]:
    """Join neighbours; what was removed comes before what was added in its place.

    A lone blank between two changed words is drawn into the change: ``[-a b-]{+c d+}`` reads better than
    four marks.
    """
    found: list[WordChange] = []
    was = now = ""
    for position, (op, text) in enumerate(changes):
        rest = any(o != "same" and t for o, t in changes[position + 1 :][:3])
        if op == "removed":
            was += text
        elif op == "added":
            now += text
        elif text.isspace() and "\n" not in text and was and now and rest:
            was, now = was + text, now + text
        elif text:
            found += [pair for pair in (("removed", was), ("added", now)) if pair[1]]
            was = now = ""
            if found and found[-1][0] == "same":
                found[-1] = ("same", found[-1][1] + text)
            else:
                found.append(("same", text))
    return [*found, *(pair for pair in (("removed", was), ("added", now)) if pair[1])]
