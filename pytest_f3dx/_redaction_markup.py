r"""Names in XML and HTML: elements, and the fields of a form.

``<SecretAccessKey>…</SecretAccessKey>`` is how AWS hands out credentials, and a hidden field is how a
page hands out the token its form is checked by. Quotes may be escaped: the page may stand in a JSON string.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_f3dx._redaction_names import field_meaning, is_secret
from pytest_f3dx._redaction_shapes import Find

if TYPE_CHECKING:
    from collections.abc import Iterator

_ELEMENT = re.compile(r"<([A-Za-z][\w:.-]{2,60})(?:\s[^<>]{0,400})?>([^<>\s]{1,8192})<\\*/", re.ASCII)
_TAG = re.compile(r"<(?:input|meta|INPUT|META)\s([^<>]{0,2000})>", re.ASCII)
_ATTRIBUTE = re.compile(r"(?<![\w-])([A-Za-z-]{2,20})=(\\*[\"'])([^\"'<>\\]*)\2", re.ASCII)


def markup_finds(text: str) -> Iterator[Find]:
    """Yield the contents of elements and the values of form fields whose name means a credential."""
    if "<" not in text:
        return
    for match in _ELEMENT.finditer(text):
        meaning = field_meaning(match[1].rpartition(":")[2])
        if meaning and is_secret(match[2], meaning):
            yield Find(match.start(2), match.end(2), meaning.name, match[2])
    for match in _TAG.finditer(text):
        yield from _field(match.start(1), match[1])


def _field(start: int, attributes: str) -> Iterator[Find]:
    """Yield the value of one field."""
    found = {match[1].lower(): match for match in _ATTRIBUTE.finditer(attributes)}
    name, value = found.get("name"), found.get("value") or found.get("content")
    meaning = field_meaning(name[3]) if name else None
    if meaning and value and is_secret(value[3], meaning):
        yield Find(start + value.start(3), start + value.end(3), meaning.name, value[3])
