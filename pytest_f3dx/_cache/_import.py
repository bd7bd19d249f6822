"""What f3dx has cached, put into a cache of ours under keys that are made anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_f3dx._cache._cache import Cache
from pytest_f3dx._cache._entry import Entry, Meta
from pytest_f3dx._cache._redb import RedbFile
from pytest_f3dx._cache._sqlite import SqliteBackend
from pytest_f3dx._canonical import NotJsonError, parse_json
from pytest_f3dx._files import read_bytes
from pytest_f3dx._fingerprint import fingerprint
from pytest_f3dx.errors import SecretError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


@dataclass(slots=True)
class Imported:
    """What became of the entries of a redb file.

    Attributes:
        added: Put into the cache.
        present: In the cache already, and left as they are there.
        rekeyed: Of both, those whose key f3dx had made otherwise than RFC 8785 does.
        merged: Of several keys of f3dx for one request, those that are older.
        unreadable: Fingerprints of those without an answer, or whose request is no JSON.
        refused: Fingerprints of those that hold a secret which redaction does not reach; left out.
        was_closed: Whether f3dx had closed the file.
    """

    added: int = 0
    present: int = 0
    rekeyed: int = 0
    merged: int = 0
    unreadable: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    was_closed: bool = True


def import_redb(source: Path, target: Path) -> Imported:
    """Copy what f3dx has cached.

    Args:
        source: The file of f3dx; only read.
        target: A cache of ours, made if it is not there. What is in it stays.

    Raises:
        CacheError: One of the files cannot be used; nothing has been copied.
    """
    file = RedbFile(read_bytes(source), source)
    told = Imported(was_closed=file.was_closed)
    found = _newest(_entries(file, told), told)
    with Cache(target) as cache:
        fresh = [entry for entry in found if entry.fingerprint not in cache]
        told.present = len(found) - len(fresh)
        told.refused = _add(cache, fresh)
        told.added = len(fresh) - len(told.refused)
    return told


def _entries(file: RedbFile, told: Imported) -> Iterator[Entry]:
    """Yield what can be read, keyed anew."""
    answers, metas = dict(file.table("responses")), dict(file.table("meta"))
    for key, request in file.table("requests"):
        entry = _entry(request, answers.get(key), metas.get(key, b"{}"))
        name = key.decode(errors="replace")
        if entry is None:
            told.unreadable.append(name)
            continue
        told.rekeyed += entry.fingerprint != name
        yield entry


def _entry(request: bytes, response: bytes | None, meta: bytes) -> Entry | None:
    try:
        asked, facts = parse_json(request), parse_json(meta)
    except NotJsonError:
        return None
    if response is None or not isinstance(asked, dict) or not isinstance(facts, dict):
        return None
    return Entry(
        fingerprint(asked),
        asked,
        response,
        _number(facts, "created_at_ms"),
        _number(facts, "hit_count") or 0,
        Meta(
            _text(facts, "model"), _text(facts, "system_fingerprint"), _number(facts, "response_duration_ms")
        ),
    )


def _number(facts: dict[str, Any], name: str) -> int | None:
    value = facts.get(name)
    return value if isinstance(value, int) and 0 <= value < 2**63 else None


def _text(facts: dict[str, Any], name: str) -> str | None:
    value = facts.get(name)
    return value if isinstance(value, str) else None


def _newest(entries: Iterable[Entry], told: Imported) -> list[Entry]:
    """Keep one entry for each request, in the order in which they were made."""
    found: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda one: one.created_at_ms or 0):
        told.merged += found.pop(entry.fingerprint, None) is not None
        found[entry.fingerprint] = entry
    return list(found.values())


def _add(cache: Cache, entries: list[Entry]) -> list[str]:
    """Put entries; returns the fingerprints of those that may not be written."""
    backend, fit, refused = cache._backend, [], []  # noqa: SLF001 (another part of the cache)
    for entry in entries:
        try:
            backend.before_fetch(entry.request)
            if not isinstance(backend, SqliteBackend):  # a cassette knows neither hits nor when f3dx asked
                backend.put(entry.request, entry.response, entry.meta)
            fit.append(entry)
        except SecretError:
            refused.append(entry.fingerprint)
    if isinstance(backend, SqliteBackend):
        backend.restore(fit)
    return refused
