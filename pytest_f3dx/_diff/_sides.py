"""What is compared: bytes, text, a JSON value or a response, read as far as it has a structure. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_f3dx._llm._answer import assemble, of_value
from pytest_f3dx._llm._events import events
from pytest_f3dx._model import Response, header

if TYPE_CHECKING:
    from pytest_f3dx._llm._model import Answer

_JSON_TYPES = (dict, list, tuple, str, int, float, type(None))


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two.

    Attributes:
        raw: Its bytes as given; None if it was given as a value.
        value: The JSON value; of a stream the message it carries; else the text; of other bytes their size
            and digest.
        status: Of a response, 0 if it is none.
        failure: Class of the transport error in place of a response, empty if there is none.
        content_type: Of a response, else empty.
        uri: Of the request that it answers, empty if unknown.
    """

    raw: bytes | None
    value: object
    status: int = 0
    failure: str = ""
    content_type: str = ""
    uri: str = ""

    def answer(self) -> Answer | None:
        """Read it as the answer of a model; None if it is not one."""
        if self.raw is None or isinstance(self.value, dict):
            return of_value(self.value)
        return assemble(self.raw, self.content_type, self.uri)


def side(given: object, *, content_type: str = "", uri: str = "") -> Side:
    """Read one of the two.

    Args:
        given: bytes or text of a body, a JSON value, or a `Response`.
        content_type: Of a body.
        uri: Of its request.

    Raises:
        TypeError: It is none of these.
    """
    if isinstance(given, Response):
        kind = header(given.headers, "content-type") or content_type
        failure = given.failure.kind if given.failure else ""
        value = value_of(given.body, kind, uri)
        return Side(given.body, value, given.status, failure, kind, uri)
    if isinstance(given, (bytes, bytearray, memoryview)):
        return Side(bytes(given), value_of(bytes(given), content_type, uri), 0, "", content_type, uri)
    if isinstance(given, str):
        raw = given.encode("utf-8", "surrogatepass")
        return Side(raw, value_of(raw, content_type, uri), 0, "", content_type, uri)
    if isinstance(given, _JSON_TYPES):
        return Side(None, list(given) if isinstance(given, tuple) else given)
    raise TypeError(f"cannot compare {type(given).__name__!r}: give bytes, text, a JSON value or a Response")


def value_of(body: bytes, content_type: str = "", uri: str = "") -> object:
    """Return the JSON value that a body has or carries, else its text, else its size and digest."""
    try:
        return json.loads(body) if _may_be_json(body) else _carried(body, content_type, uri)
    except (ValueError, RecursionError):
        return _carried(body, content_type, uri)


def _may_be_json(body: bytes) -> bool:
    return body[:1] != b"\0"  # json.loads would take it for UTF-16


def _carried(body: bytes, content_type: str, uri: str) -> object:
    answer = assemble(body, content_type, uri)
    if answer:
        return answer.value
    try:
        text = body.decode()
    except UnicodeDecodeError:
        from blake3 import blake3

        return {"bytes": len(body), "blake3": blake3(body).hexdigest()}
    return events(body) or text
