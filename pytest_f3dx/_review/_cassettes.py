"""A cassette as a review reads it: ours interaction by interaction, those of vcrpy redacted first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_f3dx import _foreign
from pytest_f3dx._index import LazyCassette
from pytest_f3dx._model import Cassette, Interaction
from pytest_f3dx._review._stand_in import NamedBlobs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_f3dx._model import Request, Response


class Opened(Protocol):
    """What a review needs of a cassette, whoever wrote it."""

    test: str
    ignore: tuple[str, ...]
    replace: tuple[tuple[str, str], ...]
    match_headers: tuple[str, ...]

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Of all interactions, in the order of the file."""
        ...

    def raw(self, fingerprint: str) -> bytes | None:
        """Return the text of an interaction, None if it has none of its own."""
        ...

    def get(self, fingerprint: str) -> Interaction | None:
        """Return an interaction, None if there is none."""
        ...


class _Whole:
    """A cassette that was read as a whole."""

    def __init__(self, cassette: Cassette) -> None:
        self.test = cassette.test
        self.ignore = cassette.ignore
        self.replace = cassette.replace
        self.match_headers = cassette.match_headers
        self.fingerprints = tuple(cassette.interactions)
        self._interactions = cassette.interactions

    def raw(self, fingerprint: str) -> bytes | None:
        """Return None: the text of one interaction is not known."""
        del fingerprint
        return None

    def get(self, fingerprint: str) -> Interaction | None:
        """Return an interaction, None if there is none."""
        return self._interactions.get(fingerprint)


NOTHING: Opened = _Whole(Cassette(""))
"""Stands for the cassette that is not there."""


def is_cassette(data: bytes) -> bool:
    """Whether a file says that it is a cassette of ours or of vcrpy; a damaged one does as well."""
    return _foreign.is_vcrpy(data) or _foreign.is_ours(data)


def open_cassette(data: bytes, name: str) -> Opened:
    """Read a cassette, without its blobs.

    Args:
        data: The whole file.
        name: For errors.

    Raises:
        CassetteError: It is damaged, or of no known format.
    """
    if _foreign.is_vcrpy(data):
        return _Whole(_from_vcrpy(_foreign.load(data, Path(name))))
    return LazyCassette(data, Path(name), NamedBlobs())


def interactions(cassette: Opened) -> Iterable[Interaction]:
    """Yield all interactions of a cassette in order."""
    for fingerprint in cassette.fingerprints:
        if found := cassette.get(fingerprint):
            yield found


def _from_vcrpy(exchanges: Iterable[tuple[Request, Response]]) -> Cassette:
    """Redact and key what another tool has recorded: a report must not spread what its file holds."""
    from pytest_f3dx._content import decoded
    from pytest_f3dx._fingerprint import fingerprint_request
    from pytest_f3dx._redaction import Redactor

    redactor, found = Redactor(), Cassette("")
    for request, response in exchanges:
        headers, body = decoded(request.headers, request.body)
        sent = redactor.request(replace(request, headers=headers, body=body))
        headers, body = decoded(response.headers, response.body)
        plain = replace(response, headers=headers, body=body)
        key = fingerprint_request(sent)
        one = found.interactions.setdefault(key, Interaction(key, sent, []))
        one.responses.append(redactor.response(plain, method=sent.method))
    return found
