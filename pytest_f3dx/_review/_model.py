"""The report of a review: what changed between two sets of cassettes, ready to be shown.

Everything is frozen and made of text, numbers and tuples, so that it turns into JSON as it is. Texts come
from cassettes and are not escaped: each renderer makes them safe for where it shows them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_f3dx._model import Change

SAME, ADDED, REMOVED, CHANGED = "same", "added", "removed", "changed"
RENAMED, DAMAGED, NOISE = "renamed", "damaged", "noise"


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text of a word-by-word comparison.

    Attributes:
        kind: ``same``, ``removed`` or ``added``.
        text: The run, white space included. The old text is what is the same or removed, the new
            one what is the same or added, each in order.
    """

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Blob:
    """An opaque payload, such as an image in a prompt.

    Attributes:
        media: Its media type, such as ``image/png``; empty if unknown.
        size_bytes: Decoded.
        digest: BLAKE3 of the decoded bytes, 64 hex digits; empty for one that is only linked to.
        path: The file of the blob as a reader finds it; empty if it stands in the cassette itself.
        url: Where a payload that is only linked to is.
    """

    media: str
    size_bytes: int
    digest: str
    path: str = ""
    url: str = ""

    @property
    def is_image(self) -> bool:
        """Whether a browser shows it as a picture."""
        return self.media.startswith("image/")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing of a request or of an answer that changed.

    Attributes:
        part: ``message``, ``tool``, ``model``, ``parameter``, ``header`` or ``body`` in a request; ``text``,
            ``reasoning``, ``tool call``, ``finish``, ``status`` or ``body`` in an answer.
        label: Which one, such as ``messages[1]``, ``temperature`` or the name of a tool.
        role: Who speaks, for a message: ``system``, ``user``, ``assistant``, ``tool``.
        kind: ``added``, ``removed`` or ``changed``.
        pieces: The text, word by word; of an added or removed entry one piece.
        old_blobs: Payloads that are there no more.
        new_blobs: Payloads that were not there.
    """

    part: str
    label: str
    kind: str
    pieces: tuple[Piece, ...] = ()
    role: str = ""
    old_blobs: tuple[Blob, ...] = ()
    new_blobs: tuple[Blob, ...] = ()

    @property
    def old(self) -> str:
        """The whole old text."""
        return "".join(piece.text for piece in self.pieces if piece.kind != ADDED)

    @property
    def new(self) -> str:
        """The whole new text."""
        return "".join(piece.text for piece in self.pieces if piece.kind != REMOVED)


@dataclass(frozen=True, slots=True)
class Side:
    """What one side of an interaction is and what it cost.

    Attributes:
        fingerprint: ``b3:`` and 64 hex digits; empty in a cassette of another tool.
        model: As the request names it; empty if it names none.
        responses: How many answers were recorded.
        tokens_in: What the answers say the prompts took, summed up; None if they say nothing.
        tokens_out: What they say the answers took.
        cost_usd: Estimated from public list prices; None if no price is known.
        took_ms: Recorded time of all answers; None if unknown.
    """

    fingerprint: str
    model: str = ""
    responses: int = 1
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    took_ms: int | None = None


@dataclass(frozen=True, slots=True)
class InteractionChange:
    """A request, or its answer, that changed.

    Attributes:
        kind: ``added``, ``removed`` or ``changed``.
        method: Of the new request; of the old one if it is removed.
        url: Likewise.
        old: None if it is added.
        new: None if it is removed.
        request: What changed in the request; all of it if the interaction is added or removed.
        answer: Likewise for the answers.
        drift: Places in the answers' JSON that differ, volatile ones left out.
        ignored: Volatile places that differ, such as ids and times.
        note: One line in a few words, such as ``message 2 and the answer changed``.
    """

    kind: str
    method: str
    url: str
    old: Side | None
    new: Side | None
    request: tuple[Entry, ...] = ()
    answer: tuple[Entry, ...] = ()
    drift: tuple[Change, ...] = ()
    ignored: tuple[Change, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class TestChange:
    """A cassette that changed.

    Attributes:
        test: Node id of its test; the path of the cassette if that is not known.
        cassette: Path of the cassette, as a reader finds it; the new one if it was renamed.
        status: ``added``, ``removed``, ``changed``, ``renamed`` (nothing else changed), ``damaged``, or
            ``noise`` if only volatile places differ, which is reported only if it is asked for.
        renamed_from: Old path; empty if it is the same.
        interactions: Those that changed, in the order of the new cassette, removed ones where they were.
        unchanged: How many interactions are the same.
        noisy: How many of these differ in volatile places only.
        settings: What changed in the head of the cassette, such as ``ignore``.
        problems: What could not be read, a message each.
    """

    __test__ = False  # pytest takes a class of this name for tests

    test: str
    cassette: str
    status: str
    renamed_from: str = ""
    interactions: tuple[InteractionChange, ...] = ()
    unchanged: int = 0
    noisy: int = 0
    settings: tuple[Entry, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Totals:
    """What all changed interactions took, before and after; None if no answer says."""

    tokens_in_old: int | None
    tokens_in_new: int | None
    tokens_out_old: int | None
    tokens_out_new: int | None
    cost_usd_old: float | None
    cost_usd_new: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """All that changed.

    Attributes:
        old: What the old side is called, such as ``main`` or ``HEAD``.
        new: What the new side is called, such as ``work tree``.
        tests: Cassettes that changed, in the order of their paths.
        unchanged: How many cassettes are the same, volatile places aside.
        noisy: How many of these differ in volatile places.
        hints: What the reader could do to see more, a line each.
    """

    old: str
    new: str
    tests: tuple[TestChange, ...] = ()
    unchanged: int = 0
    noisy: int = 0
    hints: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many cassettes have each status; only those that occur."""
        return dict(Counter(test.status for test in self.tests))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to report but noise."""
        return all(test.status == NOISE for test in self.tests)

    @property
    def totals(self) -> Totals:
        """Tokens and cost of the changed interactions."""
        sides = [(each.old, each.new) for test in self.tests for each in test.interactions]
        old = [side for side, _ in sides if side]
        new = [side for _, side in sides if side]
        return Totals(
            _sum([side.tokens_in for side in old]),
            _sum([side.tokens_in for side in new]),
            _sum([side.tokens_out for side in old]),
            _sum([side.tokens_out for side in new]),
            _sum_usd([side.cost_usd for side in old]),
            _sum_usd([side.cost_usd for side in new]),
        )


@dataclass(frozen=True, slots=True)
class Context:
    """What a renderer is told beside the report.

    Attributes:
        width: Columns of the terminal.
        colour: Whether escape sequences may be used.
        show_ignored: Whether volatile places are shown too.
        payload: Gives the bytes of a blob, None if they cannot be had.
    """

    width: int = 100
    colour: bool = False
    show_ignored: bool = False
    payload: Callable[[Blob], bytes | None] = lambda _: None


def _sum(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _sum_usd(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
