"""Read YAML as `_yaml_write` writes it without a YAML parser: in half the time, and only if all is as usual.

Anything else (edited by hand in an unusual way, escapes, comments, long keys) is a doubt, and the caller
asks `_yaml_read`, the reference, which also words every error. tests/test_yaml_plain.py compares the two.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from pytest_f3dx._raw import is_odd
from pytest_f3dx._yaml_read import resolve

_STEP = 2
_DEEPEST = 100  # columns; `_yaml_read` refuses more than 128 levels
_KEY = rb"([A-Za-z_$][\w$./-]*)"
_INLINE = re.compile(_KEY + rb":(?: ([^\n]+))?\n")
_PLAIN = re.compile(rb"(?!-[ -])[A-Za-z0-9_/(+$^\\.\x80-\xff-](?:[^\t\n]*[^\t\n :])?")
_SIMPLE = re.compile(rb"[A-Za-z_/][\w./-]*(?: [\w./-]+)*")  # a plain scalar at first sight, as most are
_NOT_PLAIN = re.compile(rb": | #")
_DOUBLE = re.compile(rb'"([^"\\\t]*)"')
_SINGLE = re.compile(rb"'((?:[^'\t]|'')*)'")
_FLOW_PLAIN = rb"[A-Za-z0-9$_][A-Za-z0-9_$./+*;=()-]*(?: [A-Za-z0-9_$./+*;=()-]+)*"
_PAIR = re.compile(_KEY + rb": (?:\"([^\"\\\t]*)\"|'((?:[^'\t]|'')*)'|(" + _FLOW_PLAIN + rb"))(, |\}\Z)")
_LITERAL = re.compile(rb"\|(2?)([+-]?)")
_EMPTY: dict[bytes, Any] = {b"{}": dict, b"[]": list}
_WORDS = frozenset(b"y n yes no on off true false null".split())
_CONSTANTS = {b"true": True, b"false": False, b"null": None}
_LONGEST_WORD = 5


class _DoubtError(Exception):
    """It is not written as we write it."""


def load(data: bytes) -> dict[str, Any] | None:
    """Read a mapping, or say nothing.

    Args:
        data: Whole lines of a cassette, UTF-8, without control characters but line feeds and tabs.

    Returns:
        What `_yaml_read.load` returns; None if there is any doubt.
    """
    if not data.endswith(b"\n") or is_odd(data):
        return None
    indent = len(data) - len(data.lstrip(b" "))
    try:
        value, end = _mapping(data, 0, indent)
    except (_DoubtError, ValueError):  # no UTF-8, or a number of thousands of digits
        return None
    return value if end == len(data) else None


@lru_cache(maxsize=128)
def _entry(indent: int) -> re.Pattern[bytes]:
    """Return the pattern of a key at an indentation, and what stands behind it on its line."""
    return re.compile(b" {%d}" % indent + _INLINE.pattern)


@lru_cache(maxsize=128)
def _block_end(indent: int) -> re.Pattern[bytes]:
    """Return the pattern of the line end behind which a literal block ends."""
    return re.compile(rb"\n(?! {%d}|\n)" % indent)


def _mapping(data: bytes, at: int, indent: int, *, inline: bool = False) -> tuple[dict[str, Any], int]:
    """Read entries as long as they stand at this indentation; returns the mapping and where it ends."""
    if indent > _DEEPEST:
        raise _DoubtError
    found: dict[str, Any] = {}
    entry = _entry(indent)
    match = (_INLINE if inline else entry).match(data, at)
    while match:
        raw, rest = match.groups()
        key = _key(raw, found)
        at = match.end()
        if rest is None:
            found[key], at = _nested(data, at, indent)
        elif rest.startswith(b"|"):
            found[key], at = _literal(data, at, indent + _STEP, rest)
        else:
            found[key] = _leaf(rest)
        match = entry.match(data, at)
    if not found:
        raise _DoubtError
    return found, at


def _key(raw: bytes, found: dict[str, Any]) -> str:
    """Return a key that is new and can be nothing but text."""
    key = raw.decode("ascii")
    if key in found or (len(raw) <= _LONGEST_WORD and raw.lower() in _WORDS):
        raise _DoubtError
    return key


def _nested(data: bytes, at: int, indent: int) -> tuple[Any, int]:
    """Read what begins on the line behind a key: a sequence at the key's indentation, or a deeper mapping."""
    if data.startswith(b" " * indent + b"- ", at):
        return _sequence(data, at + indent, indent)
    return _mapping(data, at, indent + _STEP)


def _sequence(data: bytes, at: int, indent: int) -> tuple[list[Any], int]:
    """Read items; the first begins right here, the others on lines of their own."""
    if indent > _DEEPEST:
        raise _DoubtError
    found: list[Any] = []
    lead = b" " * indent + b"- "
    while True:
        value, at = _item(data, at + _STEP, indent)
        found.append(value)
        if not data.startswith(lead, at):
            return found, at
        at += indent


def _item(data: bytes, at: int, indent: int) -> tuple[Any, int]:
    if data.startswith(b"- ", at):
        return _sequence(data, at, indent + _STEP)
    if _INLINE.match(data, at):
        return _mapping(data, at, indent + _STEP, inline=True)
    end = data.index(b"\n", at)
    rest = data[at:end]
    if rest.startswith(b"|"):
        return _literal(data, end + 1, indent + _STEP, rest)
    return _leaf(rest), end + 1


def _literal(data: bytes, at: int, indent: int, head: bytes) -> tuple[str, int]:
    """Read a literal block, of which the indentation is known."""
    header = _LITERAL.fullmatch(head)
    ended = _block_end(indent).search(data, at - 1)
    if header is None or ended is None:
        raise _DoubtError
    end = ended.end()
    raw, pad = data[at:end], b" " * indent
    starts = raw.startswith(pad)
    if not header[1] and (not starts or raw[indent : indent + 1] in (b" ", b"\n")):
        raise _DoubtError
    body = b"\n".join(raw.split(b"\n" + pad))[indent if starts else 0 :]  # replacing takes longer
    bare = body.rstrip(b"\n")
    if not bare:
        raise _DoubtError
    if header[2] == b"+":
        return body.decode(), end
    return bare.decode() + ("" if header[2] else "\n"), end


def _leaf(rest: bytes) -> Any:  # noqa: ANN401 (a scalar, or an empty or flow collection)
    if _SIMPLE.fullmatch(rest):
        return _plain(rest)
    first = rest[:1]
    if first == b'"' and (quoted := _DOUBLE.fullmatch(rest)):
        return quoted[1].decode()
    if first == b"'" and (quoted := _SINGLE.fullmatch(rest)):
        return quoted[1].replace(b"''", b"'").decode()
    if rest in _EMPTY:
        return _EMPTY[rest]()
    if first == b"{":
        return _flow(rest)
    if not _PLAIN.fullmatch(rest) or _NOT_PLAIN.search(rest):
        raise _DoubtError
    return _plain(rest)


def _plain(raw: bytes) -> object:
    """Give a plain scalar its type: what begins with a letter is text, but for a few words."""
    if raw in _CONSTANTS:
        return _CONSTANTS[raw]
    text = raw.decode()
    is_text = raw[:1].isalpha() and (len(raw) > _LONGEST_WORD or raw.lower() not in _WORDS)
    return text if is_text else resolve(text)


def _flow(rest: bytes) -> dict[str, object]:
    found: dict[str, object] = {}
    at, end = 1, b""
    while end != b"}":
        match = _PAIR.match(rest, at)
        if match is None:
            raise _DoubtError
        raw, double, single, plain, end = match.groups()
        key = _key(raw, found)
        if plain is not None:
            found[key] = _plain(plain)
        else:
            found[key] = (double if single is None else single.replace(b"''", b"'")).decode()
        at = match.end()
    return found
