"""What a test has recorded as it will stand in its cassette, written while the test goes on.

To read bodies and to write YAML is most of the work of saving. It is done for each exchange when it is
recorded, beside a wait for the network and for the disk; a test that has passed only puts the texts together.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_f3dx import _cassette
from pytest_f3dx._blobs import BlobStore

if TYPE_CHECKING:
    from pytest_f3dx._journal import Exchange
    from pytest_f3dx._model import Request, Response

LIMIT_BYTES = 64 * 1024 * 1024
_NOWHERE = Path()  # where blobs that are only named would stand


class _Text(NamedTuple):
    message: Request | Response  # is kept, so that no other one has its identity
    text: bytes
    blobs: dict[str, bytes]


class Rendered:
    """Remembers the texts of messages, each known by its identity: a message never changes."""

    def __init__(self, *, limit_bytes: int = LIMIT_BYTES) -> None:
        """Remember nothing yet.

        Args:
            limit_bytes: How much text, blobs included, is kept; what comes later is written when asked for.
        """
        self._left_bytes = limit_bytes
        self._asked: set[str] = set()
        self._known: dict[int, _Text] = {}

    def add(self, exchange: Exchange) -> None:
        """Write an exchange and remember its texts; of equal requests only the first, as a cassette does."""
        if exchange.fingerprint not in self._asked:
            self._asked.add(exchange.fingerprint)
            self._add(exchange.request)
        self._add(exchange.response)

    def _add(self, message: Request | Response) -> None:
        """Write a message; one that cannot be written says so when its text is asked for."""
        if self._left_bytes <= 0:
            return
        blobs = BlobStore(_NOWHERE)
        with suppress(ValueError):
            text = _cassette.part(message, blobs)
            self._known[id(message)] = _Text(message, text, blobs.pending)
            self._left_bytes -= len(text) + sum(map(len, blobs.pending.values()))

    def part(self, message: Request | Response, blobs: BlobStore) -> bytes:
        """Return what `pytest_f3dx._cassette.part` does, from memory if it is there."""
        known = self._known.get(id(message))
        if known is None:
            return _cassette.part(message, blobs)
        blobs.pending.update(known.blobs)
        return known.text
