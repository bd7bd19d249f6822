"""Lines of styled text that fit a terminal, safe whatever the text holds. Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_f3dx._review._model import ADDED, REMOVED, SAME, Piece
from pytest_f3dx.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_STYLES = {
    ADDED: "32",
    REMOVED: "31;9",
    "bold": "1",
    "dim": "2",
    "good": "32",
    "bad": "31",
    "warn": "33",
    "name": "36",
}
_MARKS = {ADDED: ("{+", "+}"), REMOVED: ("[-", "-]")}
_ATOM = re.compile(r"\n|[^\S\n]+|[^\s]+")
_LEAST = 20


@dataclass(frozen=True, slots=True)
class Paint:
    """How text is styled.

    Attributes:
        colour: Whether escape sequences may be used; without, changed words stand in ``[-…-]`` and ``{+…+}``.
        width: Columns.
    """

    colour: bool
    width: int

    def style(self, style: str, text: str) -> str:
        """Return a short text of our own, or of a cassette, in a style."""
        safe = printable(text).replace("\n", " ")
        return f"\x1b[{_STYLES[style]}m{safe}\x1b[0m" if self.colour and style in _STYLES else safe

    def block(
        self, label: str, pieces: Iterable[Piece], *, indent: int, hang: int, style: str = "dim"
    ) -> Iterator[str]:
        """Yield the lines of a text beside its label.

        Args:
            label: Stands before the first line.
            pieces: The text.
            indent: Columns before the label.
            hang: Columns between the start of the label and that of the text.
            style: Of the label.
        """
        room = max(self.width - indent - hang, _LEAST)
        lines = list(self._wrap(pieces, room)) or [""]
        name = f"{printable(label):<{hang - 1}}"
        start = f"{' ' * indent}{self.style(style, name) if label else name} "
        yield (start + lines[0]).rstrip()
        for line in lines[1:]:
            yield f"{' ' * (indent + hang)}{line}".rstrip()

    def _wrap(self, pieces: Iterable[Piece], room: int) -> Iterator[str]:
        line: list[tuple[str, str]] = []
        used = 0
        for kind, atom in self._atoms(pieces, room):
            if atom == "\n":
                yield self._join(line)
                line, used = [], 0
                continue
            wide = columns(atom)
            if used and used + wide > room:
                yield self._join(line)
                line, used = [], 0
                if atom.isspace():
                    continue
            line.append((kind, atom))
            used += wide
        if line:
            yield self._join(line)

    def _atoms(self, pieces: Iterable[Piece], room: int) -> Iterator[tuple[str, str]]:
        """Yield words, blanks and line ends; a word longer than a line in parts."""
        for piece in pieces:
            text = printable(piece.text.replace("\r\n", "\n")).expandtabs(4)
            if not self.colour and piece.kind in _MARKS:
                text = text.join(_MARKS[piece.kind])
            for atom in _ATOM.findall(text):
                parts = [atom] if atom == "\n" or columns(atom) <= room else _split(atom, room)
                yield from ((piece.kind, part) for part in parts)

    def _join(self, line: list[tuple[str, str]]) -> str:
        if not self.colour:
            return "".join(text for _, text in line)
        found = ""
        run, style = "", SAME
        for kind, text in line:
            if kind != style:
                found, run, style = found + self._run(style, run), "", kind
            run += text
        return found + self._run(style, run)

    def _run(self, style: str, text: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if text and style in _STYLES else text


def columns(text: str) -> int:
    """Return how many columns a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_column(letter) for letter in text)


def _column(letter: str) -> int:
    if unicodedata.combining(letter) or unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _split(atom: str, room: int) -> Iterator[str]:
    part, used = "", 0
    for letter in atom:
        if used + _column(letter) > room:
            yield part
            part, used = "", 0
        part += letter
        used += _column(letter)
    yield part
