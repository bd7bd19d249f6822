"""Whether a JSON text is worth a search for secrets: most are not, and to tell costs a third of the search.

Says no only where an `Auditor` finds nothing, which tests/test_redaction_glance.py tries. Each question is
one that some finder must be able to answer with yes before it can find; a finder that is cheap is asked
itself. What is costly in the search is to go over all characters again and again: here they are gone over as
bytes, and first of all by single characters that a text may well not have, which takes no time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_f3dx._redaction import own_patterns, spellings_of
from pytest_f3dx._redaction_encoded import LEAST_ENCODED, encoded_texts, has_run
from pytest_f3dx._redaction_markup import markup_finds
from pytest_f3dx._redaction_places import json_finds, link_finds
from pytest_f3dx._redaction_shapes import (
    HINTS,
    SHAPES,
    is_basic,
    is_bearer,
    is_run,
    runs_of,
    shape_matches,
    written_finds,
)
from pytest_f3dx._redaction_sparse import has, sparse

if TYPE_CHECKING:
    from collections.abc import Mapping

_PERCENT = re.compile(rb"%[0-9A-Fa-f]{2}")
_ESCAPED = re.compile(rb"00(?<=\\u00)")  # prose has fewer zeros than escaped line ends
# Two of the loose shapes, in one pass for their b, which prose has many of, and in jumps for their B. The
# lookaheads let a match begin within another one's value.
_TOKEN = rb"(?=(?:\s|\+)+([\w.~+/-]{8,}=*))"
_USER = rb"(?=[ +]+([A-Za-z0-9+/]{6,}={0,2}))"
_LOWER = re.compile(rb"b(?:earer" + _TOKEN + rb"|asic" + _USER + rb")")
_UPPER = re.compile(rb"B(?:(?:earer|EARER)" + _TOKEN + rb"|(?:asic|ASIC)" + _USER + rb")")
_BEGIN = re.compile(rb"B(?<=-----B)EGIN[ +]")  # from its letter on: prose has more hyphens
_BOT = re.compile(rb"/bot\d{3}")
_MIME_LINE = 60
_GZIP = "H4sI"


class Glance:
    """Knows what is a secret in a project, and tells which texts may hold one."""

    def __init__(
        self, *, values: Mapping[str, str] | None = None, redact: tuple[tuple[str, str], ...] = ()
    ) -> None:
        """Take what an `Auditor` takes; what it allows is of no account here."""
        spellings = spellings_of(values or {})
        self._runs = [one for one in spellings if is_run(one)]
        self._others = [one for one in spellings if not is_run(one)]
        self._own = [pattern for pattern, _ in own_patterns(redact)]

    def may_hold_secret(self, body: bytes) -> bool:
        """Whether an `Auditor` may find something in a body.

        Args:
            body: A JSON object, UTF-8, of a request without streams or compression.
        """
        if body[:1] != b"{" or b"\0" in body:
            return True
        if has(_PERCENT, b"%", body) or (b"\\" in body and has(_ESCAPED, b"0", body)):
            return True  # there are views of the text to look at
        text = body.decode("latin-1")
        return (
            any(True for _ in json_finds(text))
            or ("<" in text and any(True for _ in markup_finds(text)))
            or ("=" in text and any(True for _ in link_finds(text)))
            or any(True for _ in written_finds(text))
            or any(one in text for one in self._others)
            or any(pattern.search(text) for pattern in self._own)
            or _has_loose_shape(body, text)
            or self._is_in_runs(runs_of(body), text)
        )

    def _is_in_runs(self, runs: list[bytes], text: str) -> bool:
        """Whether a key, a known value or a text in base64 stands in what is longer than words are."""
        if not runs:
            return False
        joined = b"\n".join(runs).decode("latin-1")
        return (
            any(one in joined for one in self._runs)
            or any(_has(index, text) for index in HINTS.in_runs(joined))
            or (has_run(joined, LEAST_ENCODED) and any(True for _ in encoded_texts(text)))
            or ((has_run(joined, _MIME_LINE) or _GZIP in joined) and _has_view(text))
        )


def _has_loose_shape(body: bytes, text: str) -> bool:
    """Whether there is one of the shapes that may have spaces in them or are short."""
    return (
        any(map(_is_credential, _LOWER.finditer(body)))
        or any(map(_is_credential, sparse(_UPPER, b"B", body)))
        or (has(_BEGIN, b"B", body) and _has_any("-----BEGIN", text))
        or (has(_BOT, b"/", body) and _has_any("/bot", text))
    )


def _is_credential(match: re.Match[bytes]) -> bool:
    """Whether what stands behind "bearer" or "basic" is no word."""
    token, userinfo = match.groups(b"")
    return is_bearer(token.decode("latin-1")) if token else is_basic(userinfo.decode("latin-1"))


def _has_any(hint: str, text: str) -> bool:
    return any(_has(index, text) for index in HINTS.of(hint))


def _has(index: int, text: str) -> bool:
    return any(True for _ in shape_matches(text, SHAPES[index]))


def _has_view(text: str) -> bool:
    from pytest_f3dx._audit import views

    return any(True for _ in views(text))
