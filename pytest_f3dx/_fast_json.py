"""JSON through orjson, only where it agrees with RFC 8785 and with Python's parser to the byte. Pure.

Where encoders agree (the rule was tried on 400 000 random values and five encoders, and
tests/test_fast_json.py tries it on more): keys are ASCII; integers lie within ±(2^53 - 1); whole floats below
2^53 are written as integers; other floats have 1e-4 <= abs(v) < 2^53; nothing is of a subclass. All else is
left to `_canonical`, which is the reference: both functions say None then.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

_MAX_SAFE = 2**53 - 1
_LEAST_FLOAT = 1e-4  # below, exponents are spelt in more ways than one
_DELETE = b"\x7f"  # which Python escapes only where it escapes all that is not ASCII
_LATIN_1 = (b"\xc2", b"\xc3")  # the first bytes of U+0080 to U+00FF; then those of what is beyond U+FFFF
_ASTRAL = (b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf4")
_LONG_ESCAPE = re.compile(rb"\\U([0-9a-f]{8})")
_SORTED = orjson.OPT_SORT_KEYS
# What orjson writes of its own accord and JSON does not have (dates, UUIDs, dataclasses) is a doubt, too.
_ATOMS = frozenset({str, bool, type(None)})


class _DoubtError(Exception):
    """Encoders may differ in this value."""


def canonical(value: object) -> bytes | None:
    """Spell a value by RFC 8785.

    Args:
        value: Anything.

    Returns:
        Its canonical form; None: it is no JSON, or one in which encoders may differ.
    """
    try:
        return orjson.dumps(_normal(value), option=_SORTED)
    # orjson refuses lone surrogates and what is nested deeper than 254 levels with a TypeError.
    except (_DoubtError, TypeError, RecursionError):
        return None


def compact(value: object) -> bytes | None:
    """Spell a value as ``json.dumps(value, separators=(",", ":"), ensure_ascii=False)`` does.

    Args:
        value: Anything.

    Returns:
        The same text, UTF-8; None: it is no JSON, or one in which encoders may differ.
    """
    try:
        return orjson.dumps(value) if _is_alike(value) else None
    except (TypeError, RecursionError):
        return None


def compact_ascii(value: object) -> bytes | None:
    """Spell a value as ``json.dumps(value, separators=(",", ":"))`` does; else as `compact`."""
    text = compact(value)
    return None if text is None else _escaped(text)


def parse(body: bytes) -> Any:  # noqa: ANN401 (any JSON value)
    """Parse a JSON text that is spelt as most clients spell it: without spaces, Unicode as it is.

    Writing the value again must give the same bytes, so nothing is lost in it: no repeated key, no digit, no
    sign of a zero.

    Args:
        body: Anything.

    Returns:
        What `json.loads` returns; None: it is no such text, or ``null``.
    """
    try:
        value = orjson.loads(body)
        return value if orjson.dumps(value) == body else None
    except (
        ValueError,
        TypeError,
        RecursionError,
    ):  # JSONDecodeError is a ValueError, JSONEncodeError a TypeError
        return None


def parse_written(body: bytes) -> tuple[Any, bool] | None:
    """Parse a JSON text that `compact` or `compact_ascii` gives back to the byte.

    Args:
        body: Anything.

    Returns:
        What `json.loads` returns, and whether it is `compact_ascii` that gives it back; None: it is no such
        text, or ``null``, or encoders may differ in it.
    """
    try:
        value = orjson.loads(body)
        text = orjson.dumps(value)
        is_escaped = text != body
        if is_escaped and (text.isascii() or not body.isascii() or _escaped(text) != body):
            return None
        return (value, is_escaped) if value is not None and _is_alike(value) else None
    except (ValueError, TypeError, RecursionError):
        return None


def _escaped(text: bytes) -> bytes | None:
    """Escape what is not ASCII in a text of orjson as Python does; None: not all can be told apart."""
    if _DELETE in text:
        return None
    if text.isascii():
        return text
    escaped = text.decode().encode("ascii", "backslashreplace")  # \u2013, but \xe9 and \U0001f600
    if any(lead in text for lead in _LATIN_1):
        if b"\\x" in text:
            return None
        escaped = escaped.replace(b"\\x", b"\\u00")
    if any(lead in text for lead in _ASTRAL):
        return None if b"\\U" in text else _LONG_ESCAPE.sub(_surrogates, escaped)
    return escaped


def _surrogates(match: re.Match[bytes]) -> bytes:
    high, low = divmod(int(match[1], 16) - 0x10000, 0x400)
    return b"\\u%04x\\u%04x" % (0xD800 + high, 0xDC00 + low)


def _is_alike(value: Any) -> bool:  # noqa: ANN401 (any JSON value)
    """Whether all encoders spell the numbers of a value alike, and Python's would not refuse it."""
    kind = type(value)
    if kind in _ATOMS:
        return True
    if kind is dict:
        return all(type(key) is str and (type(one) in _ATOMS or _is_alike(one)) for key, one in value.items())
    if kind is list:
        return all(type(one) in _ATOMS or _is_alike(one) for one in value)
    if kind is int:
        return bool(-_MAX_SAFE <= value <= _MAX_SAFE)
    return kind is float and (value == 0 or _LEAST_FLOAT <= abs(value) <= _MAX_SAFE)


def _normal(value: Any) -> Any:  # noqa: ANN401 (any JSON value)
    """Return a value with its whole floats as integers; the same object as a rule if it has none."""
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is dict:
        return _normal_object(value)
    if kind is list or kind is tuple:
        return _normal_array(value)
    if kind is int and -_MAX_SAFE <= value <= _MAX_SAFE:
        return value
    if kind is float:
        return _normal_float(value)
    raise _DoubtError


def _normal_object(value: dict[Any, Any]) -> dict[Any, Any]:
    changed = None
    for key, one in value.items():
        if type(key) is not str or not key.isascii():
            raise _DoubtError
        if type(one) in _ATOMS:
            continue
        new = _normal(one)
        if new is not one:
            changed = dict(value) if changed is None else changed
            changed[key] = new
    return value if changed is None else changed


def _normal_array(value: list[Any] | tuple[Any, ...]) -> list[Any]:
    return [one if type(one) in _ATOMS else _normal(one) for one in value]


def _normal_float(value: float) -> int | float:
    if -_MAX_SAFE <= value <= _MAX_SAFE:
        if value.is_integer():
            return int(value)
        if abs(value) >= _LEAST_FLOAT:
            return value
    raise _DoubtError
