"""Mode ``embedding``: whether texts that differ are about the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_f3dx._diff._meaning import doubt
from pytest_f3dx._diff._vectors import cosine
from pytest_f3dx._diff._volatile import places

if TYPE_CHECKING:
    from pytest_f3dx._diff._vectors import Embed
    from pytest_f3dx._diff._volatile import Places
    from pytest_f3dx._model import Change, Drift

THRESHOLD = 0.6
_FEWEST_WORDS = 4  # of a string in JSON that is taken for language and not for a name or a status


def compare_embedding(found: Drift, provider: str, *, embed: Embed, threshold: float = THRESHOLD) -> Drift:
    """Accept texts that are about the same and hold the same numbers and negations.

    This finds another topic, not a wrong answer. What is not natural language (tool calls, numbers, names,
    why an answer ended) has to be equal.

    Args:
        found: What mode ``structured`` says of the two.
        provider: Dialect of the API, to know what is language; empty if it is none.
        embed: Gives a vector for each text.
        threshold: The least cosine that is accepted.

    Returns:
        The changes of ``found``; the least cosine of all texts as score.
    """
    result = replace(found, mode="embedding")
    deciding = [change for change in found.changes if change.severity != "info"]
    if not deciding:
        return replace(result, ok=True, note=found.note)
    known = places(provider)
    for change in deciding:
        if not _is_language(change, known):
            return replace(result, ok=False, note=f"{change.path} is not natural language, and differs")
    scores = [_score(change, embed) for change in deciding]
    least = min(scores)
    where = deciding[scores.index(least)].path
    why = _doubt(deciding)
    if least < threshold:
        why = f"{where} is about something else: cosine {least:.2f} is below {threshold:g}"
    said = why or f"cosine {least:.2f}, at least {threshold:g}; numbers and negations agree"
    return replace(result, ok=not why, note=said, score=round(least, 4))


def _is_language(change: Change, known: Places) -> bool:
    """Whether a change is one of two texts, neither of them empty."""
    old, new = change.old, change.new
    if not isinstance(old, str) or not isinstance(new, str) or not (old.strip() and new.strip()):
        return False
    if change.path == "$" or known.is_text(change.path):
        return True
    return not known.is_call(change.path) and min(len(old.split()), len(new.split())) >= _FEWEST_WORDS


def _score(change: Change, embed: Embed) -> float:
    old, new = embed([str(change.old), str(change.new)])
    return cosine(old, new)


def _doubt(changes: list[Change]) -> str:
    for change in changes:
        why = doubt(str(change.old), str(change.new))
        if why:
            return f"{change.path}: {why}"
    return ""
