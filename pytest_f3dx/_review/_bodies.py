"""What changed in a body that is no prompt and no answer: a place of its JSON, its text, its hash. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_f3dx._llm._blocks import Attachment, attachment
from pytest_f3dx._model import header
from pytest_f3dx._review._entries import shown
from pytest_f3dx._review._model import ADDED, CHANGED, REMOVED, Blob, Entry
from pytest_f3dx._review._pieces import changed, pieces, whole
from pytest_f3dx._review._stand_in import named as named_as

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_f3dx._model import Change, Headers

    Named = Callable[[Attachment], Blob]

_LONG = 512  # characters from which on base64 in a JSON value is a payload
_VECTOR = 64  # numbers in a row that say nothing to a reader, such as an embedding
_KINDS = {"added": ADDED, "removed": REMOVED}


def change_entries(changes: Sequence[Change], named: Named, named_old: Named) -> list[Entry]:
    """Turn places that differ into entries.

    Args:
        changes: As a comparison gave them.
        named: Tells what a reader is told of a payload of the new side.
        named_old: Likewise of the old side.
    """
    return [_change_entry(change, named, named_old) for change in changes]


def body_entries(body: bytes, headers: Headers, kind: str, named: Named) -> list[Entry]:
    """Show a body that came or went as a whole.

    Args:
        body: Content encoding undone; nothing is shown if it is empty.
        headers: Of the same message.
        kind: ``added`` or ``removed``.
        named: Tells what a reader is told of a payload.
    """
    if not body:
        return []
    text = readable(body)
    if text is None:
        blob = named(attachment_of(body, header(headers, "content-type") or ""))
        blobs = ((), (blob,)) if kind == ADDED else ((blob,), ())
        return [Entry("body", "", kind, (), "", *blobs)]
    return [Entry("body", "", kind, whole(text, kind))]


def readable(body: bytes) -> str | None:
    """Return a body for a reader: JSON indented, text as it is; None if it is neither."""
    if named_as(body):
        return None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        try:
            return body.decode()
        except UnicodeDecodeError:
            return None
    return shown(_without_payloads(value), indent=2)


def attachment_of(body: bytes, media: str) -> Attachment:
    """Return a body of bytes as a payload."""
    from blake3 import blake3

    return Attachment(media.partition(";")[0], len(body), blake3(body).hexdigest(), data=body)


def text_of(value: object) -> str:
    """Return a JSON value for a reader, payloads left out."""
    return shown(_without_payloads(value))


def _change_entry(change: Change, named: Named, named_old: Named) -> Entry:
    blobs = (
        tuple(named_old(one) for one in _payloads(change.old)),
        tuple(named(one) for one in _payloads(change.new)),
    )
    kind = _KINDS.get(change.kind, CHANGED)
    was, now = text_of(change.old), text_of(change.new)
    if kind != CHANGED:
        text = whole(now if kind == ADDED else was, kind)
    elif isinstance(change.old, str) and isinstance(change.new, str):
        text = pieces(was, now)
    else:
        text = changed(was, now)
    return Entry("body", change.path, kind, text, "", *blobs)


def _payloads(value: object) -> list[Attachment]:
    if isinstance(value, str):
        found = _payload(value)
        return [found] if found else []
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [one for child in children for one in _payloads(child)]


def _payload(text: str) -> Attachment | None:
    """Return the payload that a long string of base64, a data URL or the name of a blob is."""
    if named_as(data := text[:_LONG].encode("utf-8", "replace")):
        return attachment_of(data, "")
    is_stand_in = text.rpartition(",")[2].startswith("ZjNkeC1ibG9iO")  # "f3dx-blob:" in base64
    if len(text) < _LONG and not is_stand_in:
        return None
    if " " in text[:_LONG] or "\n" in text[:60]:
        return None
    found = attachment(text, "")
    return found if found.digest else None


def _without_payloads(value: object) -> object:
    if isinstance(value, str):
        found = _payload(value)
        return f"({found.media or 'payload'})" if found else value
    if isinstance(value, dict):
        return {key: _without_payloads(one) for key, one in value.items()}
    if isinstance(value, list):
        if len(value) >= _VECTOR and all(isinstance(one, (int, float)) for one in value):
            return f"({len(value)} numbers)"
        return [_without_payloads(one) for one in value]
    return value
