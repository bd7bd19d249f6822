"""What to look for in each place of an exchange: a text, an address, a body, a cookie, a credential's header.

Pure; a find says where in the raw text a secret stands and what it is called.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_f3dx._redaction_markup import markup_finds
from pytest_f3dx._redaction_names import PLACEHOLDER, is_opaque, is_placeholder, is_value
from pytest_f3dx._redaction_places import (
    address_finds,
    json_finds,
    link_finds,
    multipart_finds,
    pair_finds,
)
from pytest_f3dx._redaction_shapes import Find, shape_finds

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEME = re.compile(r"(?:bearer|basic|token|bot|apikey|api-key)(?: |%20|\+)+(?=.)", re.IGNORECASE)
_COOKIE = re.compile(r"((?:^|,)\s*)([^;,=\s]+)=([^;,]*)")


def text_finds(text: str) -> Iterator[Find]:
    """Yield the shapes and signed links of a text."""
    yield from link_finds(text)
    yield from shape_finds(text)


def url_finds(url: str) -> Iterator[Find]:
    """Yield what a URL's structure and the shapes in it show."""
    yield from address_finds(url)
    yield from shape_finds(url)


def body_finds(text: str, content_type: str) -> Iterator[Find]:
    """Yield what names and shapes show in a body."""
    kind = content_type.lower()
    if "x-www-form-urlencoded" in kind:
        yield from pair_finds(text, 0)
    elif "multipart/" in kind:
        yield from multipart_finds(text, content_type)
    yield from named_finds(text)


def named_finds(text: str) -> Iterator[Find]:
    """Yield what names and shapes show in any text."""
    yield from json_finds(text)
    yield from markup_finds(text)
    yield from text_finds(text)


def set_cookie_finds(text: str) -> Iterator[Find]:
    """Yield the values of the cookies being set; names and attributes stay."""
    for match in _COOKIE.finditer(text):
        yield from _cookie(match.start(3), match[3])


def cookie_finds(text: str) -> Iterator[Find]:
    """Yield the values of the cookies being sent."""
    for match in re.finditer(r"=([^;]*)", text):
        yield from _cookie(match.start(1), match[1])


def _cookie(start: int, raw: str) -> Iterator[Find]:
    """Yield one cookie's value."""
    if is_value(raw.strip('"')):
        yield Find(start, start + len(raw), "cookie", raw)


def whole_finds(text: str, name: str) -> Iterator[Find]:
    """Yield the whole of a credential header's value."""
    if is_value(text):
        yield Find(0, len(text), name, text)


_GLUED = 8  # characters; a shorter piece behind a placeholder tells nothing of the secret before it


def chosen(text: str, finds: list[Find]) -> list[Find]:
    """Return the finds in order, the outermost of overlapping ones, none of a placeholder's own text."""
    if not finds:
        return finds
    taken = [match.span() for match in PLACEHOLDER.finditer(text)]
    kept: list[Find] = []
    for candidate in sorted(finds, key=lambda find: (find.start, -find.end)):
        find = _without_scheme(text, candidate)
        if is_placeholder(find.value) or (kept and find.start < kept[-1].end):
            continue
        cuts_one = any(start < edge < end for start, end in taken for edge in (find.start, find.end))
        if not cuts_one and not _is_redacted(text, find, taken):
            kept.append(find)
    return kept


def _is_redacted(text: str, find: Find, taken: list[tuple[int, int]]) -> bool:
    """Whether a find begins with a placeholder and what is glued to it, as a next delta is, is no secret."""
    end = next((end for start, end in taken if start == find.start), None)
    return end is not None and not is_opaque(text[end : find.end], _GLUED)


def _without_scheme(text: str, find: Find) -> Find:
    """Leave "Bearer " standing, so that a token is the same value in a header and in a field."""
    raw = SCHEME.match(text, find.start)
    value = SCHEME.match(find.value)
    if raw is None or value is None:
        return find
    return find._replace(start=raw.end(), value=find.value[value.end() :])
