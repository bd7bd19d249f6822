"""A body cut into its JSON events: server-sent events, NDJSON, a JSON array, AWS event streams. Pure."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TYPE_CHECKING

from pytest_f3dx._llm._shape import Json, mappings, text

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINE_END = re.compile(r"\r\n|\n|\r")  # not str.splitlines, which also cuts at U+2028 within JSON strings
_SSE = re.compile(r"\ufeff?(?::|data:|event:|id:|retry:)|\s*\n(?:data|event):")
_PRELUDE_BYTES, _CRC_BYTES = 12, 4
_STRING = 7  # type of a header in an AWS event stream; the others do not occur in those of models
_TYPE = ":event-type"


def events(body: bytes) -> list[Json]:
    """Cut a streamed body into its events.

    Args:
        body: Content encoding undone.

    Returns:
        The JSON objects in it, in order; each of SSE and AWS has its event name as ``type`` unless it
        says its type itself. Empty if it is no stream or nothing in it is a JSON object.
    """
    if body[:1] == b"\0":
        return list(_aws_events(body))
    try:
        decoded = body.decode()
    except UnicodeDecodeError:
        return []
    if _SSE.match(decoded):
        return list(_sse_events(decoded))
    if decoded.lstrip()[:1] == "[":
        return mappings(_json(decoded))
    return list(_ndjson_events(decoded))


def _json(source: str) -> object:
    try:
        value: object = json.loads(source)
    except (ValueError, RecursionError):
        return None
    return value


def _sse_events(decoded: str) -> Iterator[Json]:
    """Yield the data of server-sent events (WHATWG HTML, sec. 9.2.6); also of a last one that is cut off."""
    name = ""
    data: list[str] = []
    for line in [*_LINE_END.split(decoded.removeprefix("\ufeff")), ""]:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            event = _json("\n".join(data)) if data else None
            if isinstance(event, dict):
                yield _named(event, name)
            name, data = "", []
        elif field == "data":
            data.append(value)
        elif field == "event":
            name = value


def _named(event: Json, name: str) -> Json:
    return {"type": name, **event} if name and "type" not in event else event


def _ndjson_events(decoded: str) -> Iterator[Json]:
    """Yield the objects of a body that has one on each line; one line that is no JSON and it is none."""
    lines = [line for line in decoded.split("\n") if line.strip()]
    values = [_json(line) for line in lines] if lines and lines[0].lstrip()[:1] == "{" else []
    if values and isinstance(values[0], dict):
        yield from mappings(values)


def _aws_events(body: bytes) -> Iterator[Json]:
    """Yield the payloads of ``application/vnd.amazon.eventstream``; a frame that is cut off ends it.

    A frame is a prelude (its length, the length of its headers, a CRC), headers, payload and a CRC. The
    CRCs are not checked: what is damaged is no JSON. ``InvokeModelWithResponseStream`` wraps the events of
    the model's own API in base64.
    """
    start = 0
    while start + _PRELUDE_BYTES <= len(body):
        size = int.from_bytes(body[start : start + 4])
        after_headers = start + _PRELUDE_BYTES + int.from_bytes(body[start + 4 : start + 8])
        end = start + size
        if not start + _PRELUDE_BYTES + _CRC_BYTES <= end <= len(body) or after_headers > end - _CRC_BYTES:
            return
        headers = _aws_headers(body[start + _PRELUDE_BYTES : after_headers])
        event = _json(body[after_headers : end - _CRC_BYTES].decode("utf-8", "replace"))
        if isinstance(event, dict):
            yield _unwrapped(event, headers.get(_TYPE) or headers.get(":exception-type", ""))
        start = end


def _aws_headers(block: bytes) -> dict[str, str]:
    headers = {}
    at = 0
    while at < len(block):
        name_end = at + 1 + block[at]
        value_at = name_end + 3
        if block[name_end : name_end + 1] != bytes([_STRING]):
            break
        value_end = value_at + int.from_bytes(block[name_end + 1 : value_at])
        headers[block[at + 1 : name_end].decode("utf-8", "replace")] = block[value_at:value_end].decode(
            "utf-8", "replace"
        )
        at = value_end
    return headers


def _unwrapped(event: Json, name: str) -> Json:
    if name == "chunk" and text(event.get("bytes")):
        try:
            inner = _json(base64.b64decode(event["bytes"]).decode("utf-8", "replace"))
        except (binascii.Error, ValueError):
            inner = None
        return inner if isinstance(inner, dict) else event
    return _named({key: value for key, value in event.items() if key != "p"}, name)  # p: padding
