"""Text for a page: escaped whatever it holds, its words marked, long stretches without a change folded."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from pytest_f3dx._review._model import ADDED, REMOVED, SAME
from pytest_f3dx.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_f3dx._review._model import Piece

MOST_CHARACTERS = 60_000  # of one run of text; a page of a thousand tests has to open
_FOLD_LINES = 14  # the same on both sides; fewer are shown as they are
_LONG_LINES = 40  # of a text that was added or removed
_EDGE_LINES = 4  # of a folded stretch that stay in sight where a change is near
_VOID = {"img", "input"}
_TAGS = {ADDED: "ins", REMOVED: "del"}
_INVISIBLE = re.compile(r"[\u200b-\u200f\u2060-\u2064\ufeff\u00ad]")


def escaped(text: str) -> str:
    r"""Make text safe in an element and in a quoted attribute.

    Args:
        text: From a cassette: anything, lone surrogates and control characters included.

    Returns:
        Characters that would be invisible, or turn the line around, as ``\xNN`` or ``\uNNNN``.
    """
    shown = _INVISIBLE.sub(lambda found: f"\\u{ord(found.group()):04x}", printable(text))
    return html.escape(shown.encode("utf-8", "backslashreplace").decode())


def el(name: str, *content: str, **attributes: str | bool | int) -> str:
    """Write an element.

    Args:
        name: Of the element.
        content: HTML, as it is.
        attributes: Escaped here; ``class_`` for ``class``, ``data_x`` for ``data-x``, True for one without a
            value, False for none.

    Returns:
        HTML.
    """
    given = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escaped(str(value))}"')
        for key, value in attributes.items()
        if value is not False
    )
    return f"<{name}{given}>" if name in _VOID else f"<{name}{given}>{''.join(content)}</{name}>"


def side(pieces: Iterable[Piece], keep: str) -> str:
    """Write one side of a comparison.

    Args:
        pieces: Of both sides.
        keep: ``removed`` for the old side, ``added`` for the new one.

    Returns:
        HTML in which what the other side has not is in ``<del>`` or ``<ins>``.
    """
    mine = [piece for piece in pieces if piece.kind in (SAME, keep)]
    return "".join(
        marked(piece) if piece.kind != SAME else _same(piece.text, is_last=at == len(mine))
        for at, piece in enumerate(mine, start=1)
    )


def marked(piece: Piece) -> str:
    """Write text that one side has alone; its line ends are shown, or a lone one could not be seen."""
    tag = _TAGS[piece.kind]
    end = el("span", "↵", class_="nl", aria_hidden="true")
    return el(tag, escaped(_bounded(piece.text)).replace("\n", f"{end}\n"))


def whole(text: str) -> str:
    """Write text that is compared with no other, folded if it is long."""
    return _folded(_bounded(text), most=_LONG_LINES, head=_LONG_LINES // 2, tail=0, what="more lines")


def _same(text: str, *, is_last: bool) -> str:
    """Write text that both sides have; what is far from any change is folded away."""
    tail = 0 if is_last else _EDGE_LINES
    return _folded(
        _bounded(text), most=_FOLD_LINES, head=_EDGE_LINES, tail=tail, what="lines without a change"
    )


def _folded(text: str, *, most: int, head: int, tail: int, what: str) -> str:
    lines = text.splitlines(keepends=True)
    if len(lines) <= most:
        return escaped(text)
    end = len(lines) - tail
    first, middle, last = (escaped("".join(part)) for part in (lines[:head], lines[head:end], lines[end:]))
    return first + el("details", el("summary", f"{end - head} {what}"), middle, class_="fold") + last


def _bounded(text: str) -> str:
    """Cut the middle out of a text that no browser should have to lay out, and say so."""
    if len(text) <= MOST_CHARACTERS:
        return text
    half = MOST_CHARACTERS // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half:,} characters left out …]\n{text[-half:]}"
