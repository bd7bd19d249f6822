"""What a cache holds of one call, and how a request is spelt in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from blake3 import blake3

from pytest_f3dx._canonical import canonical
from pytest_f3dx._fingerprint import fingerprint
from pytest_f3dx._model import CALL, CALL_URI, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

_JSON_HEADERS = (("content-type", "application/json"),)


@dataclass(frozen=True, slots=True)
class Meta:
    """What is known of an answer beside its bytes.

    Attributes:
        model: Model that gave it, as the caller says.
        system_fingerprint: Of the model's configuration, as the provider says.
        response_duration_ms: How long the call took.
    """

    model: str | None = None
    system_fingerprint: str | None = None
    response_duration_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One cached call.

    Attributes:
        fingerprint: 64 hex digits, of the request as it was given.
        request: What was asked, redacted.
        response: What was answered.
        created_at_ms: When it was put, in milliseconds since 1970 UTC; None if unknown.
        hit_count: How often `Cache.get` has answered with it.
        meta: What is known of the answer beside its bytes.
    """

    fingerprint: str
    request: Any
    response: bytes
    created_at_ms: int | None = None
    hit_count: int = 0
    meta: Meta = field(default_factory=Meta)


class Backend(Protocol):
    """Where a cache keeps its entries. Every method may be called from any thread."""

    def get(self, request: object) -> bytes | None:
        """Return the answer to a request and count a hit or a miss."""

    def peek(self, request: object) -> bytes | None:
        """Return the answer to a request, and count nothing."""

    def put(self, request: object, response: bytes, meta: Meta) -> str:
        """Keep an answer durably; returns the request's fingerprint."""

    def before_fetch(self, request: object) -> None:
        """Refuse a call that could not be kept, before it is made."""

    def stats(self) -> dict[str, int]:
        """Return true counts."""

    def entries(self) -> Iterator[Entry]:
        """Yield all entries, in the order they were put."""

    def delete(self, fingerprint: str) -> bool:
        """Remove an entry; False if there is none."""

    def has(self, fingerprint: str) -> bool:
        """Whether there is an entry."""

    def close(self) -> None:
        """Let go of everything."""


def spelt(value: object) -> bytes:
    """Spell a request as JSON, to be stored.

    Args:
        value: What has a fingerprint.

    Returns:
        UTF-8 without spaces; lone surrogates, which UTF-8 cannot hold, are escaped.

    Raises:
        TypeError: It cannot be written as JSON; names the JSONPath of what is no JSON value.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except TypeError:
        fingerprint(value)  # says where
        raise
    except (ValueError, RecursionError) as error:  # a number of more than 4300 digits; nesting
        what = f"this request cannot be written as JSON: {error}"
        raise TypeError(what) from error
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def keyed(value: object) -> tuple[str, bytes]:
    """Return the fingerprint of a request, and the request spelt to be stored, in one pass.

    Raises:
        TypeError: It cannot be written as JSON; names the JSONPath of what is no JSON value.
    """
    text = canonical(value)
    key = blake3(text).hexdigest()
    return key, text if text[:1] == b"{" else spelt(value)  # what RFC 8785 excludes has no canonical JSON


def as_request(value: object) -> Request:
    """Put a request where redaction and cassettes expect one.

    Raises:
        TypeError: It cannot be written as JSON.
    """
    return stored_request(spelt(value))


def stored_request(body: bytes) -> Request:
    """Return the request that a JSON text stands for."""
    return Request(CALL, CALL_URI, _JSON_HEADERS, body)
