"""Two texts, word by word, as a report holds them. Pure."""

from __future__ import annotations

from pytest_f3dx._diff._words import word_changes
from pytest_f3dx._review._model import ADDED, REMOVED, SAME, Piece

_LIKE = 0.25  # texts that share less are two texts, not one that was changed


def pieces(old: str, new: str) -> tuple[Piece, ...]:
    """Compare two texts.

    Args:
        old: Any text, also a long one.
        new: Likewise.

    Returns:
        Pieces that give both texts back, a removed one before an added one.
    """
    found = tuple(Piece(kind, text) for kind, text in word_changes(old, new) if text)
    return found if _share(found) >= _LIKE else changed(old, new)


def whole(text: str, kind: str) -> tuple[Piece, ...]:
    """Return a text that is added or removed as a whole."""
    return (Piece(kind, text),) if text else ()


def changed(old: str, new: str) -> tuple[Piece, ...]:
    """Return a text in place of another."""
    return (*whole(old, REMOVED), *whole(new, ADDED))


def _share(found: tuple[Piece, ...]) -> float:
    """Return the part of the letters that both texts have; white space says nothing."""
    counts = dict.fromkeys((SAME, REMOVED, ADDED), 0)
    for piece in found:
        counts[piece.kind] += sum(map(len, piece.text.split()))
    longer = max(counts[REMOVED], counts[ADDED]) if min(counts[REMOVED], counts[ADDED]) else 0
    return counts[SAME] / ((counts[SAME] + longer) or 1)
