"""One row of a bundle held against what a target answers now; pure, so that any engine can map it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from pytest_f3dx.errors import JudgeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_f3dx._model import Drift

PASSED, FAILED, ERROR, SKIPPED = "passed", "failed", "error", "skipped"

Compare = Callable[[str, str, str], "Drift"]
"""(recorded, new, mode) -> drift; `functools.partial` of `pytest_f3dx.compare` gives it options."""

_NOTE_CHARS = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one row.

    Attributes:
        row: Which row, counted from 1.
        status: ``passed``; ``failed``: the answers differ; ``error``: the target raised, or gave what is no
            answer; ``skipped``: the row has no output to compare with, and the target was not asked.
        note: Why, in one line; empty if the answers are equal.
        prompt: What was asked. This and the answers are redacted, and empty unless it failed.
        before: The recorded answer.
        after: The new one.
        score: Similarity, if the mode has one.
        resumed: Whether the verdict is one of an earlier run.
    """

    row: int
    status: str
    note: str = ""
    prompt: str = ""
    before: str = ""
    after: str = ""
    score: float | None = None
    resumed: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make it of what `as_dict` returned."""
        return cls(**values)

    def cut(self, chars: int) -> Self:
        """Return it with texts of at most so many characters, an ellipsis where something was cut off."""
        prompt, before, after = (_cut(text, chars) for text in (self.prompt, self.before, self.after))
        return replace(self, prompt=prompt, before=before, after=after)


def replay_row(
    row: Mapping[str, Any],
    output: object,
    mode: str = "structured",
    *,
    number: int = 0,
    compare: Compare | None = None,
) -> Entry:
    """Hold a row against what its target answers now.

    Args:
        row: As `read_jsonl` gives it; its ``output`` is what is compared with.
        output: The new answer: text, bytes of UTF-8, or any other JSON value; or the exception that the
            target raised in its place.
        mode: A mode of `compare`.
        number: Which row, counted from 1.
        compare: In place of `pytest_f3dx.compare`.

    Returns:
        The verdict; what cannot be judged is an error, not a pass. Only a wrong setting raises.

    Raises:
        F3dxError: The mode is unknown, or cannot be used as the environment is.
    """
    if not has_output(row):
        return Entry(number, SKIPPED, "the row has no output")
    before = as_text(row["output"])
    if isinstance(output, BaseException):
        return _told(row, Entry(number, ERROR, _raised(output), before=before))
    try:
        after = as_text(output)
    except TypeError as error:
        return _told(row, Entry(number, ERROR, str(error), before=before))
    try:
        drift = (compare or _compare)(before, after, mode)
    except JudgeError as error:
        return _told(row, Entry(number, ERROR, error.what, before=before, after=after))
    if drift.ok:
        note = _redacted(drift.note)[0] if drift.note else ""
        return Entry(number, PASSED, note, score=drift.score)
    return _told(row, Entry(number, FAILED, _note(drift), before=before, after=after, score=drift.score))


def has_output(row: Mapping[str, Any]) -> bool:
    """Whether there is anything to compare with: f3dx leaves outputs out unless it is told to keep them."""
    return row.get("output") is not None


def as_text(value: object) -> str:
    """Spell an answer as text.

    Raises:
        TypeError: It is none; says what it is.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray):
        return value.decode("utf-8", "backslashreplace")
    if value is None:
        raise TypeError("the target returned None: is a return missing?")
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise TypeError(f"the target returned a {kind}: return text, bytes or JSON values") from None


def _compare(before: str, after: str, mode: str) -> Drift:
    from pytest_f3dx._diff._compare import compare

    return compare(before, after, mode)


def _told(row: Mapping[str, Any], entry: Entry) -> Entry:
    """Give an entry the texts that a reader needs, redacted."""
    asked = row.get("prompt")
    prompt = "" if asked is None else as_text(asked)
    note, prompt, before, after = _redacted(entry.note, prompt, entry.before, entry.after)
    return replace(entry, note=note, prompt=prompt, before=before, after=after)


def _redacted(*texts: str) -> list[str]:
    """Redact the texts of one entry by themselves, so that placeholders do not depend on other rows."""
    from pytest_f3dx._redaction import Redactor, environment_values

    redactor = Redactor(values=environment_values(os.environ))
    return [redactor.text(text) for text in texts]


def _raised(error: BaseException) -> str:
    lines = str(error).splitlines()
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return _cut(text, _NOTE_CHARS)


def _note(drift: Drift) -> str:
    changes = "; ".join(f"{one.path} {_shown(one.old)} → {_shown(one.new)}" for one in drift.changes)
    return _cut(": ".join(part for part in (drift.note, changes) if part), _NOTE_CHARS)


def _shown(value: object) -> str:
    return _cut(json.dumps(value, ensure_ascii=False, default=str), 80)


def _cut(text: str, chars: int) -> str:
    return text if len(text) <= chars else text[: chars - 1] + "…"
