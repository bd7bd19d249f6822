"""The body of a request: its kind, what it says, and what of it counts. Pure.

Kinds: ``json``, ``form``, ``multipart``, ``text``, ``bytes``. A body that does not keep what its
media type promises is ``text`` if it is UTF-8, else ``bytes``: nothing is ever refused or lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from blake3 import blake3

from pytest_f3dx._canonical import MAX_DEPTH, Literal, NotJsonError, RepeatedKeys, as_object, parse_json
from pytest_f3dx._content import is_json, media_type, parameters

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_f3dx._model import Request

Pairs = list[tuple[str, str]]
"""Decoded names and values of a query or form, in their order."""

Substitute = Callable[[str], str]
"""Puts the placeholders of `replace` into a string."""

_Location = tuple[str | int, ...]  # keys and indices from the root to a value
# urllib.request and curl call any body a form, JSON too. As a form, `{"sum": "1+1"}` would equal
# `{"sum": "1 1"}`; so a body counts as a form only if it holds nothing that a form escapes.
_FORM = re.compile(rb"(?:[A-Za-z0-9\-._~!$'()*,/:;?@&=+\[\]]|%[0-9A-Fa-f]{2})+")


def decoded_pairs(encoded: str) -> Pairs:
    """Undo the URL encoding of a query or form.

    Args:
        encoded: Without ``?``. A name without ``=`` has an empty value, as WHATWG's parser has it.

    Returns:
        Names and values in order; bytes that are no UTF-8 as lone surrogates, so that they differ.
    """
    split = (pair.partition("=") for pair in encoded.split("&") if pair)
    return [(_unquoted(name), _unquoted(value)) for name, _, value in split]


def _unquoted(text: str) -> str:
    return unquote_plus(text, errors="surrogateescape")


@dataclass(frozen=True, slots=True)
class _Part:
    """One part of a multipart body; what it does not say is None."""

    name: str | None
    filename: str | None
    media: str | None
    content: bytes


def read_body(request: Request) -> tuple[str, Any] | None:
    """Tell the kind of a body and read it.

    Args:
        request: Already redacted, content encoding undone.

    Returns:
        The kind and what only this module understands; None if there is no body.
    """
    if not request.body:
        return None
    media, options = media_type(request.headers)
    if is_json(media) or not media:
        try:
            return "json", parse_json(request.body)
        except NotJsonError:
            return _plain(request.body)
    if media == "application/x-www-form-urlencoded" and _FORM.fullmatch(request.body):
        return "form", decoded_pairs(request.body.decode("ascii"))
    if media.startswith("multipart/"):
        parts = _parts(request.body, options.get("boundary", ""))
        return _plain(request.body) if parts is None else ("multipart", parts)
    return _plain(request.body)


def _plain(body: bytes) -> tuple[str, str | bytes]:
    try:
        return "text", body.decode()
    except UnicodeDecodeError:
        return "bytes", body


def _parts(body: bytes, boundary: str) -> list[_Part] | None:
    """Split a multipart body (RFC 2046 sec. 5.1.1); None if it is damaged or says more than its parts."""
    if not boundary:
        return None
    mark = re.escape(b"--" + boundary.encode("utf-8", "surrogatepass"))
    pieces = re.split(rb"\r\n" + mark + rb"[ \t]*(?=\r\n|--)", b"\r\n" + body)
    first, *inner, last = pieces if len(pieces) > 1 else (body, b"")
    # Text before the first boundary and after the last says nothing to a server; but it is there.
    if first.strip() or not inner or not last.startswith(b"--") or last[2:].strip():
        return None
    parts = [_part(piece) for piece in inner]
    return None if None in parts else [part for part in parts if part]


def _part(piece: bytes) -> _Part | None:
    """Read a part from the line end after its boundary on; None if its headers are damaged."""
    head, blank, content = piece.partition(b"\r\n\r\n")
    headers = [line.partition(b":") for line in head.split(b"\r\n") if line]
    if not blank or not piece.startswith(b"\r\n") or not all(colon for _, colon, _ in headers):
        return None
    values = {name.strip().lower(): _header_text(value) for name, _, value in headers}
    _, named = parameters(values.get(b"content-disposition", ""))
    media = values.get(b"content-type")
    filename = named.get("filename", named.get("filename*"))
    return _Part(named.get("name"), filename, None if media is None else _without_boundary(media), content)


def _header_text(value: bytes) -> str:
    return value.strip().decode("utf-8", "surrogateescape")


def _without_boundary(value: str) -> str:
    """Spell a media type in one way, a nested multipart's boundary left out."""
    media, options = parameters(value)
    return "; ".join([media, *(f"{name}={options[name]}" for name in sorted(options) if name != "boundary")])


def unchanged(text: str) -> str:
    """Replace nothing; the `Substitute` of those who ask for no placeholders."""
    return text


def loosened(kind: str, value: Any, ignore: tuple[str, ...], substitute: Substitute) -> Any:  # noqa: ANN401
    """Take out what does not count, and spell the rest as it stands in an envelope.

    Args:
        kind: As `read_body` returns it.
        value: As `read_body` returns it.
        ignore: JSONPaths; for JSON bodies and forms only.
        substitute: Applied to strings; for opaque bytes and files of a multipart body not.

    Returns:
        A value for `_canonical.canonical`.
    """
    return _LOOSENED[kind](value, ignore, substitute)


def _json(value: Any, ignore: tuple[str, ...], substitute: Substitute) -> Any:  # noqa: ANN401 (JSON)
    if ignore:
        value = _pruned(value, frozenset(_locations(value, ignore)), ())
    return value if substitute is unchanged else _substituted(value, substitute)


def _form(pairs: Pairs, ignore: tuple[str, ...], substitute: Substitute) -> list[list[str]]:
    fields: dict[str, list[str]] = {}
    placed: list[tuple[_Location, str, str]] = []
    for name, value in pairs:
        values = fields.setdefault(name, [])
        placed.append(((name, len(values)), name, value))
        values.append(value)
    gone = set(_locations(fields, ignore))
    kept = [(name, value) for place, name, value in placed if not gone & {(), place[:1], place}]
    return [[name, substitute(value)] for name, value in kept]


def _multipart(parts: list[_Part], _: tuple[str, ...], substitute: Substitute) -> list[dict[str, str]]:
    return [_described(part, substitute) for part in parts]


def _described(part: _Part, substitute: Substitute) -> dict[str, str]:
    content = part.content
    if part.filename is None and substitute is not unchanged:
        content = substitute(content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogatepass")
    said = {"name": part.name, "filename": part.filename, "type": part.media, "b3": _bytes(content)}
    return {key: value for key, value in said.items() if value is not None}


def _text(text: str, _: tuple[str, ...], substitute: Substitute) -> str:
    return substitute(text)


def _bytes(body: bytes, *_: object) -> str:
    return blake3(body).hexdigest()


_LOOSENED: dict[str, Callable[..., Any]] = {
    "json": _json,
    "form": _form,
    "multipart": _multipart,
    "text": _text,
    "bytes": _bytes,
}


@lru_cache(maxsize=64)
def jsonpath(path: str) -> Any:  # noqa: ANN401 (a JSONPath, whose package is imported only here)
    """Compile a JSONPath by RFC 9535.

    Args:
        path: Such as ``$.metadata.request_id``.

    Returns:
        What has ``finditer``.

    Raises:
        jsonpath.JSONPathError: It is invalid.
    """
    from jsonpath import JSONPathEnvironment

    environment = JSONPathEnvironment(strict=True)
    environment.max_recursion_depth = MAX_DEPTH + 1  # its own 100 would raise for bodies that count as JSON
    return environment.compile(path)


def _locations(value: object, ignore: tuple[str, ...]) -> Iterable[_Location]:
    """Find what the JSONPaths mean; in a scalar, which the package would take for a JSON text, nothing."""
    for path in ignore:
        if isinstance(value, (dict, list, RepeatedKeys)):
            yield from (match.parts for match in jsonpath(path).finditer(value))


def _pruned(value: Any, gone: frozenset[_Location], at: _Location) -> Any:  # noqa: ANN401 (JSON)
    """Copy a value without what stands at some locations; without the root, null is left."""
    if at in gone:
        return None
    if isinstance(value, (dict, RepeatedKeys)):
        pairs = [
            (key, _pruned(one, gone, (*at, key))) for key, one in _members(value) if (*at, key) not in gone
        ]
        return as_object(pairs)
    if isinstance(value, list):
        return [_pruned(one, gone, (*at, i)) for i, one in enumerate(value) if (*at, i) not in gone]
    return value


def _members(value: dict[str, Any] | RepeatedKeys) -> list[tuple[str, Any]]:
    """List all pairs of an object in an order that does not depend on how its keys were ordered."""
    pairs = value.pairs if isinstance(value, RepeatedKeys) else value.items()
    return sorted(pairs, key=itemgetter(0))


def _substituted(value: Any, substitute: Substitute) -> Any:  # noqa: ANN401 (JSON)
    """Replace in all strings and keys; keys that become equal both stay."""
    if isinstance(value, str):
        return substitute(value)
    if isinstance(value, list):
        return [_substituted(one, substitute) for one in value]
    if isinstance(value, (dict, RepeatedKeys)):
        return as_object([(substitute(key), _substituted(one, substitute)) for key, one in _members(value)])
    return value


def readable(value: Any) -> Any:  # noqa: ANN401 (JSON)
    """Turn a value into plain dicts, lists and scalars for a reader.

    Args:
        value: As `loosened` returns it.

    Returns:
        Its numbers beyond Python's as text, and repeated keys numbered: ``a``, ``a (2)``.
    """
    if isinstance(value, Literal):
        return value.text
    if isinstance(value, list):
        return [readable(one) for one in value]
    if isinstance(value, dict):
        return {key: readable(one) for key, one in value.items()}
    if isinstance(value, RepeatedKeys):
        return _numbered(value)
    return value


def _numbered(value: RepeatedKeys) -> dict[str, Any]:
    counts: dict[str, int] = {}
    found: dict[str, Any] = {}
    for key, one in value.pairs:
        counts[key] = counts.get(key, 0) + 1
        found[key if counts[key] == 1 else f"{key} ({counts[key]})"] = readable(one)
    return found
