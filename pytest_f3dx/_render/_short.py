"""Long texts made short for a reader: what changed stays, what is around it goes. Pure."""

from __future__ import annotations

from pytest_f3dx._review._model import SAME, Piece

_GAP = " … "


def shorten(pieces: tuple[Piece, ...], *, around: int, most: int) -> tuple[Piece, ...]:
    """Leave out what a reader need not see.

    Args:
        pieces: A text, word by word.
        around: Characters of unchanged text to keep beside a change.
        most: Characters of one changed run to keep.

    Returns:
        Pieces; what was left out is said in a piece of its own kind.
    """
    last = len(pieces) - 1
    if last == 0 and pieces[0].kind == SAME:
        return (Piece(SAME, _cut(pieces[0].text, most)),)
    return tuple(
        Piece(piece.kind, _middle(piece.text, around, is_first=at == 0, is_last=at == last))
        if piece.kind == SAME
        else Piece(piece.kind, _cut(piece.text, most))
        for at, piece in enumerate(pieces)
    )


def _middle(text: str, around: int, *, is_first: bool, is_last: bool) -> str:
    head, tail = (0 if is_first else around), (0 if is_last else around)
    if len(text) <= head + tail + 2 * len(_GAP):
        return text
    start = text[:head].rpartition(" ")[0] or text[:head]
    end = text[len(text) - tail :] if tail else ""
    end = end.partition(" ")[2] or end
    return f"{start}{_GAP}{end}" if head and tail else f"…{end}" if tail else f"{start}…"


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[:most]}… ({len(text) - most:,} more characters)"
