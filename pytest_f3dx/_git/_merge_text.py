"""The text of a merge: interactions are taken over as they stand in a side, so no byte of them changes."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from pytest_f3dx import _cassette, _yaml_read
from pytest_f3dx._blobs import BlobStore
from pytest_f3dx._git._merge3 import Clash, Conflict, merge3
from pytest_f3dx._index import scan
from pytest_f3dx._shape import ShapeError, mapping
from pytest_f3dx.errors import CassetteError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pytest_f3dx._git._merge3 import Piece
    from pytest_f3dx._model import Cassette, Interaction

_NONE = b"\ninteractions: {}\n"
_SOME = b"\ninteractions:\n"
_END = f"{_cassette.END}\n".encode()


class _Names(BlobStore):
    """Takes the name of a blob for its content: while git merges, the blobs of theirs are not there yet."""

    def get(self, name: str) -> bytes:
        return name.encode()


_Parsed = dict[bytes, "Interaction"]
"""Interactions by their text: most stand in every version, and are parsed once."""


class _Side:
    """One version of a cassette: what it says, and the text of each part."""

    def __init__(self, data: bytes, path: Path, parsed: _Parsed) -> None:
        """Read it.

        Raises:
            CassetteError: It is damaged, of another tool, or not laid out as we write it.
        """
        self.data = data.replace(b"\r\n", b"\n")
        spans = scan(self.data)
        self.texts = {key: self.data[start:end] for key, (start, end, _) in spans.items()}
        self.head = self.data.partition(_SOME if spans else _NONE)[0]
        try:
            self.cassette = self._read(path, parsed)
        except ShapeError as error:
            raise CassetteError(path, str(error)) from error

    def _read(self, path: Path, parsed: _Parsed) -> Cassette:
        if not self.texts:
            cassette = _cassette.load(self.data, path, _Names(path))
            if cassette.interactions:
                raise CassetteError(path, "the file was edited by hand")
            return cassette
        cassette = _cassette.read_header(self.head + b"\n", path)
        for key, text in self.texts.items():
            if text not in parsed:
                fields = mapping(_yaml_read.load(text, path), (), required=(key,), optional=())
                parsed[text] = _cassette.interaction(key, fields[key], _Names(path))
            cassette.interactions[key] = parsed[text]
        return cassette


def merged(
    base: bytes, ours: bytes, theirs: bytes, path: Path, *, marker: int = 7
) -> tuple[bytes, list[str]]:
    """Merge the texts of a cassette.

    Args:
        base: The file in the common ancestor; empty if there was none.
        ours: The file of the side that is merged into.
        theirs: The file of the side that is merged.
        path: Its name, for errors.
        marker: Length of the markers around a conflict.

    Returns:
        The merged file and, if it holds conflict markers, a line that says why for each.

    Raises:
        CassetteError: One of them cannot be read as a cassette that we wrote.
    """
    parsed: _Parsed = {}
    mine, yours = _Side(ours, path, parsed), _Side(theirs, path, parsed)
    ancestor = _Side(base, path, parsed).cassette if base else None
    result = merge3(ancestor, mine.cassette, yours.cassette)
    if isinstance(result, Conflict):
        return _conflicting(result, mine, yours, marker), list(result.why)
    head = mine.head if result.test == mine.cassette.test else yours.head
    return _file(head, [_text(one, mine, yours) for one in result.interactions.values()]), []


def _file(head: bytes, texts: list[bytes]) -> bytes:
    return b"".join([head, _SOME, *texts, _END]) if texts else head + _NONE + _END


def _text(one: Interaction, mine: _Side, yours: _Side) -> bytes:
    side = mine if mine.cassette.interactions.get(one.fingerprint) is one else yours
    return side.texts[one.fingerprint]


def _conflicting(conflict: Conflict, mine: _Side, yours: _Side, marker: int) -> bytes:
    """Write what is merged, with markers around each clash; around all that differs if the headers clash."""
    if not conflict.pieces:
        return _marked(mine.data, yours.data, marker)
    head = mine.head if conflict.test == mine.cassette.test else yours.head
    return _file(head, [_piece(piece, mine, yours, marker) for piece in conflict.pieces])


def _piece(piece: Piece, mine: _Side, yours: _Side, marker: int) -> bytes:
    if not isinstance(piece, Clash):
        return _text(piece, mine, yours)
    return _marked(_texts(piece.ours, mine.texts), _texts(piece.theirs, yours.texts), marker)


def _texts(interactions: Iterable[Interaction], texts: dict[str, bytes]) -> bytes:
    return b"".join(texts[one.fingerprint] for one in interactions)


def _marked(ours: bytes, theirs: bytes, marker: int) -> bytes:
    """Put markers around what differs; the lines that both begin and end with stand outside."""
    a, b = ours.splitlines(keepends=True), theirs.splitlines(keepends=True)
    first = _common(a, b)
    last = min(_common(a[::-1], b[::-1]), len(a) - first, len(b) - first)
    middle = [
        b"<" * marker + b" ours\n",
        *a[first : len(a) - last],
        b"=" * marker + b"\n",
        *b[first : len(b) - last],
        b">" * marker + b" theirs\n",
    ]
    return b"".join([*a[:first], *middle, *a[len(a) - last :]])


def _common(a: list[bytes], b: list[bytes]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
