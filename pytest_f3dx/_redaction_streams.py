"""Texts that a stream of events carries in pieces, and where each piece stands.

A model that is asked for a key says it in three deltas, none of which looks like one. So the pieces
that belong together are put together, searched, and what is found is replaced where it stands: the
placeholder goes into the first piece, what is left of the secret goes from the others. Every event
stays the event it was, an empty delta at worst, and every other byte stays as it is.

No table of providers: pieces belong together that stand below the same key and the same indices, which
is how OpenAI, Anthropic, Google, Bedrock, Cohere and Ollama all write their deltas.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from itertools import accumulate, count
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Edit = tuple[int, int, str]  # start, end, what to put there

_STREAM_TYPES = ("event-stream", "ndjson", "jsonl", "json-seq", "json-lines", "jsonlines", "text/plain")
_HEAD = 4096  # characters that tell what kind of stream it is
_EVENT = re.compile(r"data:|\{\"|[0-9a-z]:\"", re.ASCII)
# Same in every event, or random padding: put together they are nothing that anybody said.
_NOISE = r"(?!(?:id|object|model|type|role|created|created_at|obfuscation|system_fingerprint|item_id|p)\")"
_STRING = r'"([^"\\\n]*(?:\\.[^"\\\n]*)*)"'
_PIECE = re.compile(rf'"{_NOISE}([A-Za-z_$][\w.$-]{{0,40}})"[ \t]*:[ \t]*{_STRING}', re.ASCII)
_KEYLESS = re.compile(rf"^(?:[0-9a-z]:|data:[ \t]*)(){_STRING}", re.ASCII | re.MULTILINE)  # Vercel's
_INDEX = re.compile(r'ndex"[ \t]*:[ \t]*([0-9]{1,9})', re.ASCII)
_BARE = re.compile(r"data:(?<![^\n]data:)[ \t]?(?![ \t]*[\[{\"])([^\r\n]+)")
_ARRAY_BREAK = re.compile(r"\n,?[ \t]*\r?\n|\}\r?\n,|\},\r?\n")
_LINE = re.compile("[^\\n]+")
_UNIT = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL
)


class Strand:
    """A text in pieces, or in another spelling.

    Attributes:
        text: What the pieces say, put together.
    """

    _unit = re.compile(".", re.DOTALL)

    def __init__(self, raw: str, spans: Sequence[tuple[int, int]]) -> None:
        """Put the pieces together.

        Args:
            raw: The text of all events.
            spans: Where the pieces stand in it, in order.
        """
        self._raw, self._spans = raw, spans
        plain = [self._read(raw[start:end]) for start, end in spans]
        self._starts = [0, *accumulate(map(len, plain))]
        self.text = "".join(plain)

    def _read(self, raw: str) -> str:
        """Undo the spelling of a piece: a character for each unit."""
        return raw

    def _write(self, text: str) -> str:
        """Spell what is put into a piece."""
        return text

    def replaced(self, edits: Iterable[Edit]) -> str:
        """Return the text of all events with places of `text` replaced.

        Args:
            edits: In order, not overlapping; positions count in `text`.
        """
        parts: list[str] = []
        position = 0
        for start, end, written in sorted(self._raw_edits(edits)):
            parts += [self._raw[position:start], written]
            position = end
        return "".join([*parts, self._raw[position:]])

    def _raw_edits(self, edits: Iterable[Edit]) -> Iterator[Edit]:
        """Split each edit at the borders of the pieces; the first piece gets what is to be written."""
        for start, end, written in edits:
            text = self._write(written)
            for at, (left, right) in enumerate(self._spans):
                base = self._starts[at]
                low, high = max(start, base), min(end, self._starts[at + 1])
                if low < high:
                    offsets = self._offsets(self._raw[left:right])
                    yield left + offsets[low - base], left + offsets[high - base], text
                    text = ""

    def _offsets(self, piece: str) -> list[int]:
        """Return where each character of a piece stands in its raw text, and where the piece ends."""
        return [0, *accumulate(map(len, self._unit.findall(piece)))]


class _JsonStrand(Strand):
    """A text in the contents of JSON strings."""

    _unit = _UNIT

    def _read(self, raw: str) -> str:
        return _plain(raw)

    def _write(self, text: str) -> str:
        return json.dumps(text)[1:-1]


class _PercentStrand(Strand):
    """A text that is percent-encoded, or in which something is."""

    _unit = re.compile("%[0-9A-Fa-f]{2}|.", re.DOTALL)

    def _read(self, raw: str) -> str:
        return unquote(raw, encoding="latin-1")


_ENCODED_SIGN = re.compile("%(?:3[aAdD]|2[23fF]|5[bBfF])")  # of an address, of JSON, of a name


def percent_strand(text: str) -> Strand | None:
    """Return what a text says with percent signs undone; None if that shows no more than the text does."""
    if "%" not in text or not _ENCODED_SIGN.search(text):
        return None
    return _PercentStrand(text, [(0, len(text))])


def _plain(raw: str) -> str:
    """Undo the escapes of JSON, one character for each unit; a lone surrogate is none."""
    return raw if "\\" not in raw else "".join(map(_character, _UNIT.findall(raw)))


def _character(unit: str) -> str:
    if len(unit) == 1:
        return unit
    try:
        character = str(json.loads(f'"{unit}"'))
    except ValueError:
        return unit[1]
    return "\ufffd" if "\ud800" <= character <= "\udfff" else character


def is_stream(text: str, content_type: str) -> bool:
    """Tell whether a body is a stream of events, by what it is declared as and by how it begins."""
    kind = content_type.lower()
    if "json" in kind and not any(known in kind for known in _STREAM_TYPES):
        return text.lstrip()[:1] == "[" and _ARRAY_BREAK.search(text) is not None
    if kind and not any(known in kind for known in _STREAM_TYPES):
        return False
    return "event-stream" in kind or _EVENT.search(text, 0, _HEAD) is not None


def strands(text: str) -> Iterator[Strand]:
    """Yield the texts that stand in more than one piece, in the order in which they begin.

    Args:
        text: A stream: server-sent events, a JSON value a line, or an array that grows line by line.
    """
    by_index: dict[object, list[tuple[int, int]]] = {}
    by_name: dict[object, list[tuple[int, int]]] = {}
    piece = _KEYLESS if _KEYLESS.search(text, 0, _HEAD) else _PIECE
    for start, end in _events(text):
        indices = tuple(_INDEX.findall(text, start, end))
        ordinals: defaultdict[str, Iterator[int]] = defaultdict(count)
        for match in piece.finditer(text, start, end):
            name, span = match[1], match.span(2)
            by_index.setdefault((name, indices, next(ordinals[name])), []).append(span)
            by_name.setdefault((name, indices), []).append(span)
    for spans in dict.fromkeys(map(tuple, (*by_index.values(), *by_name.values()))):
        if len({text[start:end] for start, end in spans}) > 1:
            yield _JsonStrand(text, spans)
    bare = [match.span(1) for match in _BARE.finditer(text)]
    if bare:
        yield Strand(text, bare)


def _events(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each event stands: a line, or an element of an array that was written in pieces."""
    if text.lstrip()[:1] == "[":
        start = 0
        for match in _ARRAY_BREAK.finditer(text):
            yield start, match.start()
            start = match.end()
        yield start, len(text)
        return
    for match in _LINE.finditer(text):
        yield match.span()
