"""The nouns: what a client asked, what it was answered, and how both stand in a cassette."""

from __future__ import annotations

from dataclasses import dataclass, field

Headers = tuple[tuple[str, str], ...]
"""(name, value) pairs in the order of the wire; names compare without case, repeated names are kept."""

CALL, CALL_URI = "CALL", "f3dx://cache"
"""Method and URI of a request that is no HTTP: a call that a `Cache` answers."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, or a call that a `Cache` answers.

    Attributes:
        method: Upper case.
        uri: Absolute, with scheme and host.
        headers: As sent by the client.
        body: The whole body in bytes; empty if there is none. As sent until `_content.decoded`
            has undone its content encoding.
    """

    method: str
    uri: str
    headers: Headers = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Failure:
    """A transport error instead of a response.

    Attributes:
        kind: Class of the client's exception with its module, such as ``httpx.ReadTimeout``.
        message: Its text, redacted.
    """

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response, or the failure in its place.

    Attributes:
        status: Status code; 0 if there is a failure.
        reason: Reason phrase, often empty (HTTP/2 has none).
        headers: As received.
        body: The whole body in bytes. As received until `_content.decoded` has undone its
            content encoding.
        recorded_at: UTC, ISO 8601 to the second with ``Z``; empty if unknown.
        took_ms: Milliseconds from sending the request to the last byte; None if unknown.
        failure: What was raised instead; then status is 0 and headers and body are empty.
    """

    status: int
    reason: str = ""
    headers: Headers = ()
    body: bytes = b""
    recorded_at: str = ""
    took_ms: int | None = None
    failure: Failure | None = None


@dataclass(slots=True)
class Interaction:
    """A request and its responses in the order they were received.

    Attributes:
        fingerprint: ``b3:`` and 64 lower-case hex digits.
        request: Redacted, content encoding undone.
        responses: At least one; redacted, content encoding undone.
    """

    fingerprint: str
    request: Request
    responses: list[Response]


@dataclass(slots=True)
class Cassette:
    """The recorded traffic of one test.

    Attributes:
        test: Node id of the test that recorded it.
        interactions: By fingerprint, in the order of first request.
        ignore: JSONPaths taken out of bodies before hashing.
        replace: (regex, placeholder) pairs applied to strings before hashing.
        match_headers: Names of headers that are part of the key, lower case, sorted.
    """

    test: str
    interactions: dict[str, Interaction] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    replace: tuple[tuple[str, str], ...] = ()
    match_headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One place in which two values differ.

    Attributes:
        path: JSONPath such as ``$.choices[0].message.content``; ``$`` is the whole.
        kind: ``added``, ``removed``, ``changed`` or ``type changed``.
        old: JSON value that was there; None if it was added.
        new: JSON value that is there now; None if it was removed.
        severity: ``info`` for an added field, ``warn`` for a removed one, ``error`` for a changed
            type or value.
    """

    path: str
    kind: str
    old: object
    new: object
    severity: str


@dataclass(frozen=True, slots=True)
class Drift:
    """What comparing an old answer with a new one gave.

    Attributes:
        ok: Whether the new one is accepted.
        mode: The mode that decided: ``bytes``, ``structured``, ``embedding`` or ``judge``.
        changes: Places that differ, in the order of the document; an accepted answer may have some.
        ignored: Places that differ and were left out because they are volatile.
        note: One line that says why it was decided so; empty if the two are equal.
        score: Similarity (cosine, -1 to 1) if the mode has one.
    """

    ok: bool
    mode: str
    changes: tuple[Change, ...] = ()
    ignored: tuple[Change, ...] = ()
    note: str = ""
    score: float | None = None


def header(headers: Headers, name: str) -> str | None:
    """Return the first value of a header, or None; the name compares without case."""
    wanted = name.lower()
    return next((value for key, value in headers if key.lower() == wanted), None)


def as_stored(headers: Headers) -> Headers:
    """Return headers as a cassette holds them: names in lower case, repeated ones side by side."""
    groups: dict[str, list[str]] = {}
    for name, value in headers:
        groups.setdefault(name.lower(), []).append(value)
    return tuple((name, value) for name, values in groups.items() for value in values)
