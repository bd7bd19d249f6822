"""`diff`: the original's function over `compare`, answering yes or no and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Unpack

from pytest_f3dx._diff._compare import Options, compare
from pytest_f3dx.errors import printable

if TYPE_CHECKING:
    from pytest_f3dx._model import Change, Drift

_SHOWN = 5  # changes; more are counted
_SHORT = 60  # characters of a value
_AROUND = 12  # bytes shown from the first difference on
_WITHOUT = {"added": "absent → {new}", "removed": "{old} → absent"}


def diff(
    before: object, after: object, mode: str = "structured", **options: Unpack[Options]
) -> tuple[bool, str | None]:
    """Say whether a new answer is accepted in place of an old one, and what differs.

    Args:
        before: What there was: text or bytes of a body, or any JSON value.
        after: What there is now.
        mode: ``bytes``, ``structured``, ``embedding`` or ``judge``, or several; see `compare`.
        **options: See `compare`.

    Returns:
        Whether it is accepted, and a note that names each place with its values; None if there is nothing to
        say.

    Raises:
        SettingsError: The mode or an option is unknown, or an extra or a judge is missing; says what to do.

    Example:
        >>> diff('{"total": 41}', '{"total": 42}')
        (False, '$.total: 41 → 42')
    """
    drift = compare(before, after, mode, **options)
    return drift.ok, printable(_note(drift, before, after)) or None


def _note(drift: Drift, before: object, after: object) -> str:
    if drift.ok:
        return drift.note
    if drift.mode == "bytes":
        return f"{drift.note}{_first(_bytes(before), _bytes(after))}"
    places = [_place(change) for change in drift.changes[:_SHOWN]]
    if len(drift.changes) > _SHOWN:
        places.append(f"and {len(drift.changes) - _SHOWN} more")
    if drift.mode != "structured" or not places:
        places.insert(0, drift.note)
    return "; ".join(places)


def _place(change: Change) -> str:
    text = _WITHOUT.get(change.kind, "{old} → {new}")
    return f"{change.path}: {text.format(old=_value(change.old), new=_value(change.new))}"


def _value(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"


def _bytes(value: object) -> bytes:
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else b""


def _first(old: bytes, new: bytes) -> str:
    """Say where two bodies first differ; nothing if they were given as values."""
    if not old and not new:
        return ""
    same = (at for at, (one, other) in enumerate(zip(old, new, strict=False)) if one != other)
    at = next(same, min(len(old), len(new)))
    return f"; from byte {at} on: {_shown(old, at)} → {_shown(new, at)}"


def _shown(data: bytes, at: int) -> str:
    return json.dumps(data[at : at + _AROUND].decode(errors="replace"), ensure_ascii=False)
