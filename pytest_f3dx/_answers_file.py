"""The file of `_answers`: what is known of the cassettes of one directory.

Its first line is the BLAKE3 of all that follows, in hex. The second is a JSON object with ``format``,
``made_by`` and ``cassettes``: by name the bytes of a record and of the bodies of its answers; both follow in
this order. A record is ``[state, settings, fingerprints, asked, answers]``, those of `Record`; a response is
``[status, reason, headers, recorded_at, took_ms, bytes of the body]``.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from blake3 import blake3

from pytest_f3dx._files import read_bytes
from pytest_f3dx._model import Response
from pytest_f3dx.errors import CassetteAccessError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

_FORMAT = "f3dx-answers/1"
_LIMIT_BYTES = 8 * 1024 * 1024  # read as a whole, even if one test of the directory is run
_HEX = 64


@dataclass(slots=True)
class Record:
    """What is known of one cassette.

    Attributes:
        state: Of the file it was read from; equal as long as it is that file and was not changed.
        settings: Those that its fingerprints depend on.
        fingerprints: All that are in the cassette, in its order.
        asked: Digests of requests as they were sent, with the fingerprint of each.
        answers: The responses of each of these fingerprints; none is a failure.
    """

    state: list[int]
    settings: str
    fingerprints: list[str]
    asked: dict[str, str] = field(default_factory=dict)
    answers: dict[str, list[Response]] = field(default_factory=dict)

    def size(self) -> int:
        """Return the bytes of all answers."""
        return sum(len(each.body) for answers in self.answers.values() for each in answers)


class Records:
    """The records of a file, each read when it is asked for."""

    def __init__(self, data: bytes = b"", places: Mapping[str, tuple[int, int, int]] | None = None) -> None:
        """Read nothing yet.

        Args:
            data: The whole file.
            places: By name of the cassette: where the record, its bodies and the next record start.
        """
        self._data, self._places = data, places or {}

    def names(self) -> Collection[str]:
        """Return the names of all cassettes of which something is known."""
        return self._places.keys()

    def get(self, name: str) -> Record | None:
        """Return what is known of a cassette, a new object each time; None if that is nothing."""
        place = self._places.get(name)
        if place is None:
            return None
        start, at, _ = place
        state, settings, fingerprints, asked, answers = orjson.loads(self._data[start:at])
        record = Record(state, settings, fingerprints, asked)
        for fingerprint, responses in answers.items():
            record.answers[fingerprint] = found = []
            for status, reason, headers, recorded_at, took_ms, size in responses:
                body = self._data[at : at + size]
                at += size
                pairs = tuple([(header, value) for header, value in headers])
                found.append(Response(status, reason, pairs, body, recorded_at, took_ms))
        return record


def read(path: Path) -> Records:
    """Read the file; there are no records in one that is absent, damaged, or made by another installation."""
    with suppress(OSError, CassetteAccessError):
        data = read_bytes(path, limit_bytes=_LIMIT_BYTES)
        rest = memoryview(data)[_HEX + 1 :]
        if blake3(rest).hexdigest().encode() == data[:_HEX]:
            end = data.index(b"\n", _HEX + 1)
            facts = orjson.loads(data[_HEX + 1 : end])
            if facts["format"] == _FORMAT and facts["made_by"] == _made_by():
                return Records(data, _places(facts["cassettes"], end + 1))
    return Records()


def write(path: Path, records: Mapping[str, Record]) -> None:
    """Replace the file; the records that come first stay if not all have room.

    Raises:
        OSError: It cannot be written.
    """
    cassettes: dict[str, tuple[int, int]] = {}
    parts: list[bytes] = []
    room = _LIMIT_BYTES - 1024
    for name, record in records.items():
        with suppress(TypeError):  # a lone surrogate in a header or a setting
            head, bodies = _encoded(record)
            room -= len(head) + len(bodies) + len(name) + 100
            if room > 0:
                cassettes[name] = len(head), len(bodies)
                parts += (head, bodies)
    facts = {"format": _FORMAT, "made_by": _made_by(), "cassettes": cassettes}
    rest = b"".join([orjson.dumps(facts), b"\n", *parts])
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    # Not synced: after a crash of the machine the digest tells whether all of it is there.
    temporary.write_bytes(blake3(rest).hexdigest().encode() + b"\n" + rest)
    temporary.replace(path)


def _encoded(record: Record) -> tuple[bytes, bytes]:
    bodies: list[bytes] = []
    answers: dict[str, list[list[Any]]] = {}
    for fingerprint, responses in record.answers.items():
        answers[fingerprint] = [
            [each.status, each.reason, each.headers, each.recorded_at, each.took_ms, len(each.body)]
            for each in responses
        ]
        bodies += [each.body for each in responses]
    head = [record.state, record.settings, record.fingerprints, record.asked, answers]
    return orjson.dumps(head), b"".join(bodies)


def _places(cassettes: Mapping[str, tuple[int, int]], start: int) -> dict[str, tuple[int, int, int]]:
    places: dict[str, tuple[int, int, int]] = {}
    for name, (head, bodies) in cassettes.items():
        places[name] = start, start + head, start + head + bodies
        start += head + bodies
    return places


def _made_by() -> list[int]:
    """Tell this installation from others, which may read a cassette otherwise: by its directory."""
    state = os.stat(os.path.dirname(__file__))  # noqa: PTH116, PTH120
    return [state.st_ino, state.st_mtime_ns]
