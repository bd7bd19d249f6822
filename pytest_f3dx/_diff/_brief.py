"""A change in one line: path and values, of texts the words that differ. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_f3dx._diff._words import word_changes
from pytest_f3dx.errors import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_f3dx._diff._words import WordChange
    from pytest_f3dx._model import Change, Drift

_MOST_CHANGES = 10
_MOST_CHARACTERS = 400  # of one change
_CONTEXT = 30  # characters on each side of changed words
_SHORT = 80
_MARKS = {"removed": ("[-", "-]"), "added": ("{+", "+}")}


def lines(drift: Drift) -> list[str]:
    """Return a line for each change that decides, and one that counts those beyond the first few."""
    deciding = [change for change in drift.changes if change.severity != "info"]
    shown = [one_line(change) for change in deciding[:_MOST_CHANGES]]
    more = len(deciding) - len(shown)
    return [*shown, f"… and {more} more"] if more else shown


def one_line(change: Change) -> str:
    """Return path and values of a change; of texts the words that differ, with some context."""
    if change.kind == "added":
        said = f"+ {_value(change.new)}"
    elif change.kind == "removed":
        said = f"- {_value(change.old)}"
    elif isinstance(change.old, str) and isinstance(change.new, str):
        said = _words(change.old, change.new)
    else:
        said = f"{_value(change.old)} → {_value(change.new)}"
    return printable(f"{change.path}  {said}".replace("\n", "⏎").replace("\t", " "))


def _value(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"


def _words(old: str, new: str) -> str:
    if max(len(old), len(new)) <= _SHORT // 2:
        return f"{_value(old)} → {_value(new)}"
    parts = _in_context(word_changes(old, new))
    text = "".join(parts)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"


def _in_context(changes: Sequence[WordChange]) -> list[str]:
    parts = []
    for number, (op, text) in enumerate(changes):
        if op == "same":
            parts.append(_shortened(text, is_first=not number, is_last=number == len(changes) - 1))
        else:
            start, end = _MARKS[op]
            parts.append(f"{start}{text}{end}")
    return parts


def _shortened(text: str, *, is_first: bool, is_last: bool) -> str:
    if is_first:
        return text if len(text) <= _CONTEXT else f"…{text[-_CONTEXT:]}"
    if is_last:
        return text if len(text) <= _CONTEXT else f"{text[:_CONTEXT]}…"
    return text if len(text) <= 2 * _CONTEXT else f"{text[:_CONTEXT]}…{text[-_CONTEXT:]}"
