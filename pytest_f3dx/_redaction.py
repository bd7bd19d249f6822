"""What must never reach a file: headers, names, shapes, and values of the environment.

Only the secret itself is replaced, in the raw text; every other byte stays as it was. Pure: no
input or output, and no digest of a secret is kept. docs/redaction.md says what is removed where.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import defaultdict
from contextlib import suppress
from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from pytest_f3dx._model import header
from pytest_f3dx._redaction_encoded import encode_like, encoded_texts, redact_frames
from pytest_f3dx._redaction_finders import (
    SCHEME,
    body_finds,
    chosen,
    cookie_finds,
    named_finds,
    set_cookie_finds,
    text_finds,
    url_finds,
    whole_finds,
)
from pytest_f3dx._redaction_headers import (
    is_credential_header,
    is_dropped_response_header,
    is_kept_request_header,
    is_network_cookie,
)
from pytest_f3dx._redaction_names import PLACEHOLDER, is_opaque
from pytest_f3dx._redaction_places import plain_placeholders
from pytest_f3dx._redaction_shapes import Find, starts_word
from pytest_f3dx._redaction_streams import is_stream, percent_strand, strands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pytest_f3dx._model import Headers, Request, Response

    Finder = Callable[[str], Iterable[Find]]

_LEARNT_CHARACTERS = 16  # a shorter value may be a word that stands elsewhere by chance
_LEARNT_VALUES = 128  # the newest; each costs a substring search in every later body
# Variables that hold a credential, and how long a value of theirs is at least: a shorter one, or a plain
# word, stands elsewhere by chance. Not names that merely contain such a word: SSH_AUTH_SOCK, KEYBOARD_LAYOUT.
_VARIABLES = (
    (re.compile(r"(?i)(?:^|.*_)(?:(?:api|access|private|secret)_?key|token|secret|password|passwd|pat)$"), 8),
    (re.compile(r"(?i)(?:^|.*_)(?:key|pwd|credentials?|key_id)$"), 20),  # CACHE_KEY=v1-linux is none
)


def environment_values(environ: Mapping[str, str]) -> dict[str, str]:
    """Pick the credentials out of an environment, by the names of the variables.

    Args:
        environ: Such as ``os.environ``.

    Returns:
        Values by the name of their placeholder: ``OPENAI_API_KEY`` is ``openai-api-key``. Short
        values, plain words, paths and URLs are left out: they are no secrets, or would be found
        where they are none.
    """
    found: dict[str, str] = {}  # by value: of several variables with one value the first by name counts
    for name, value in sorted(environ.items()):
        if any(pattern.match(name) and is_opaque(value, least) for pattern, least in _VARIABLES):
            found.setdefault(value, name.lower().replace("_", "-"))
    return {name: value for value, name in found.items() if value[:1] != "/" and "://" not in value}


class Redactor:
    """Redacts the traffic of one test, numbering distinct values in the order they appear.

    A value keeps the placeholder it got first, under whatever name it comes back; a long one is
    then known wherever it stands, so that a token from an answer still replays when it becomes
    part of the next address. Placeholders that are already there stay, and their numbers count
    as taken. Safe for use from many threads.
    """

    def __init__(
        self,
        *,
        keep_headers: tuple[str, ...] = (),
        values: Mapping[str, str] | None = None,
        allow: tuple[str, ...] = (),
        redact: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Start with nothing known but the values given.

        Args:
            keep_headers: Names of headers to keep besides the usual ones; the value of a
                credential is redacted even so.
            values: Secrets to be found wherever they stand, by the name of their placeholder; see
                `environment_values`.
            allow: Values that are no secrets, each exact or a regex of the whole value.
            redact: (regex, name) pairs of what else is a secret: the regex's group if it has one, else
                all that matches.
        """
        self._kept = frozenset(name.lower() for name in keep_headers)
        self._lock = RLock()
        self._placeholders: dict[str, str] = {}
        self._last: defaultdict[str, int] = defaultdict(int)
        self._learnt: dict[str, tuple[str, str]] = {}
        self._lesson = object()  # another one whenever something is learnt
        self._given = spellings_of(values or {})
        self._exact = frozenset(allow)
        self._allowed = [pattern for pattern in map(_compiled, allow) if pattern]
        self._own = own_patterns(redact)

    def request(self, request: Request) -> Request:
        """Return the request as it may be written.

        Args:
            request: As the client sent it, content encoding undone.
        """
        with self._lock:
            lesson = self._lesson
            uri = self._address(request.uri)
            headers = tuple(self._request_headers(request.headers))
            body = self._body(request.body, request.headers)
            if lesson is not self._lesson:
                uri, headers = self._deep(uri), self._recheck(headers)
                body = self._body(body, headers, learnt_only=True)
        return replace(request, uri=uri, headers=headers, body=body)

    def response(self, response: Response, *, method: str = "GET") -> Response:
        """Return the response as it may be written.

        Args:
            response: As it was received, content encoding undone.
            method: The request's; the ``content-length`` of an answer to HEAD is kept.
        """
        failure = response.failure
        with self._lock:
            lesson = self._lesson
            headers = tuple(self._response_headers(response.headers, method))
            body = self._body(response.body, response.headers)
            if lesson is not self._lesson:
                headers = self._recheck(headers)
                body = self._body(body, headers, learnt_only=True)
            reason = self.text(response.reason)
            if failure:
                failure = replace(failure, message=self.text(failure.message))
        return replace(response, reason=reason, headers=headers, body=body, failure=failure)

    def text(self, text: str) -> str:
        """Return a text, such as a message, without what looks like a credential."""
        with self._lock:
            return self._deep(text, text_finds)

    def observe(self, response: Response) -> None:
        """Count the placeholders of a response that is replayed as taken; cheaper than `response`.

        Without it, a value that is new after a replayed answer would get the number of one in it.
        """
        with self._lock:
            for _, value in response.headers:
                self._note(value)
            if b"redacted:" in response.body:
                self._note(response.body.decode("latin-1"))

    def share(self, other: Redactor) -> None:
        """Know what another redactor knows and will learn, and allow what it allows."""
        self._learnt, self._given = other._learnt, other._given
        self._exact, self._allowed, self._own = other._exact, other._allowed, other._own

    def _request_headers(self, headers: Headers) -> Iterator[tuple[str, str]]:
        """Yield the headers that change the meaning of the answer; learn the credentials among the others."""
        for name, value in headers:
            lower = name.lower()
            if lower in self._kept or is_kept_request_header(lower):
                yield name, self._header(lower, value)
            elif is_credential_header(lower):
                self._learn_header(lower, value)

    def _response_headers(self, headers: Headers, method: str) -> Iterator[tuple[str, str]]:
        """Yield all but noise; a credential keeps its name, which a login flow needs on replay."""
        for name, value in headers:
            lower = name.lower()
            if lower not in self._kept and self._is_dropped(lower, value, method):
                continue
            yield name, self._header(lower, value)

    def _is_dropped(self, name: str, value: str, method: str) -> bool:
        """Tell whether a response header is noise."""
        if name == "set-cookie":
            return is_network_cookie(value.partition("=")[0].strip())
        if name == "content-length" and method.upper() == "HEAD":
            return False
        return is_dropped_response_header(name)

    def _header(self, name: str, value: str) -> str:
        """Redact the value of a header that is kept; the name is lower case."""
        if name in {"set-cookie", "cookie"}:
            return self._deep(value, set_cookie_finds if name == "set-cookie" else cookie_finds)
        if name in {"location", "content-location"}:
            return self._address(value)
        if is_credential_header(name):
            return self._scrub(value, lambda text: whole_finds(text, name))
        return self._deep(value, text_finds)

    def _address(self, url: str) -> str:
        """Redact a URL; placeholders that a client has percent-encoded become readable again."""
        return self._deep(plain_placeholders(url), url_finds)

    def _recheck(self, headers: Headers) -> Headers:
        """Look for values that were learnt only behind these headers."""
        return tuple((name, self._deep(value)) for name, value in headers)

    def _body(self, body: bytes, headers: Headers, *, learnt_only: bool = False) -> bytes:
        """Redact a body; the same object if nothing is found."""
        if not body:
            return body
        content_type = header(headers, "content-type") or ""
        if "eventstream" in content_type.lower():
            clean = redact_frames(body, lambda text: self._stream(text, "application/x-ndjson", learnt_only))
            if clean is not None:
                return clean
        text = body.decode("latin-1")  # keeps every position, whatever the bytes mean
        redacted = self._stream(text, content_type, learnt_only)
        return body if redacted is text else redacted.encode("latin-1")

    def _stream(self, text: str, content_type: str, learnt_only: bool) -> str:  # noqa: FBT001 (a flag handed on)
        """Redact the text of a body, and what a stream of events carries in pieces."""
        finder = None if learnt_only else lambda raw: body_finds(raw, content_type)
        if is_stream(text, content_type):  # first: half a number is a number in its own event
            text = self._joined(text, finder and named_finds)
        return self._deep(text, finder)

    def _joined(self, text: str, finder: Finder | None) -> str:
        """Redact what stands in several events, one find after another: the pieces move."""
        while True:
            for strand in strands(text):
                finds = self._finds(strand.text, finder)
                if finds:
                    text = strand.replaced((f.start, f.end, self._written(f)) for f in finds)
                    break
            else:
                return text

    def _deep(self, text: str, finder: Finder | None = None) -> str:
        """Redact a text and what stands in it encoded."""
        return self._decoded(text, finder)

    def _decoded(self, text: str, finder: Finder | None) -> str:
        """Redact a text, what it says with percent signs undone, and what stands in it as base64.

        That may hold base64 again, however deep: each is a quarter shorter than what it stands in.
        """
        text = self._scrub(text, finder)
        while (strand := percent_strand(text)) and (
            finds := self._finds(strand.text, finder and named_finds)
        ):
            text = strand.replaced((f.start, f.end, self._written(f._replace(encoded=False))) for f in finds)
        parts, position = [], 0
        for start, end, inner in encoded_texts(text):
            clean = self._decoded(inner, finder and named_finds)
            if clean is not inner:
                parts += [text[position:start], encode_like(clean, text[start:end])]
                position = end
        return "".join([*parts, text[position:]]) if parts else text

    def _scrub(self, text: str, finder: Finder | None = None) -> str:
        """Replace finds until there are none: a replacement can bare a word's start beside it."""
        self._note(text)
        while True:
            finds = self._finds(text, finder)
            if not finds:
                return text
            text = self._replaced(text, finds)

    def _finds(self, text: str, finder: Finder | None) -> list[Find]:
        """Return what is to be replaced in a text, in order and without overlaps."""
        found = [*(finder(text) if finder else ()), *self._learnt_finds(text)]
        for pattern, name in self._own:
            for match in pattern.finditer(text):
                group = match.lastindex or 0
                if match[group]:
                    found.append(Find(*match.span(group), name, match[group]))
        return [find for find in chosen(text, found) if not self._is_allowed(find.value)]

    def _is_allowed(self, value: str) -> bool:
        return value in self._exact or any(pattern.fullmatch(value) for pattern in self._allowed)

    def _written(self, find: Find) -> str:
        """Return what stands in the place of a find."""
        placeholder = self._placeholder(find.name, find.value)
        written = quote(placeholder) if find.encoded else placeholder
        return f"{find.quote}{written}{find.quote}"

    def _replaced(self, text: str, finds: list[Find]) -> str:
        """Put placeholders for finds that are in order and do not overlap."""
        parts, position = [], 0
        for find in finds:
            parts += [text[position : find.start], self._written(find)]
            position = find.end
        return "".join([*parts, text[position:]])

    def _placeholder(self, name: str, value: str) -> str:
        """Return the placeholder of a value, a new one if the value is new."""
        key = _same_in_any_view(value)
        known = self._placeholders.get(key)
        if known is None:
            self._last[name] += 1
            number = self._last[name]
            known = f"[redacted:{name}]" if number == 1 else f"[redacted:{name}-{number}]"
            self._placeholders[key] = known
            self._learn(name, key)
        return known

    def _note(self, text: str) -> None:
        """Count the numbers of the placeholders in a text as taken."""
        if "redacted" not in text:
            return
        for match in PLACEHOLDER.finditer(text):
            name = match[1].lower()
            self._last[name] = max(self._last[name], int(match[2] or 1))

    def _learn_header(self, name: str, value: str) -> None:
        """Remember the credential of a header that is dropped, and the password in that of Basic auth."""
        scheme = SCHEME.match(value)
        bare = value[scheme.end() :] if scheme else value
        self._learn(name, bare)
        if value[:6].lower() == "basic ":
            with suppress(binascii.Error, UnicodeDecodeError):
                self._learn(name, base64.b64decode(bare).decode().partition(":")[2])

    def _learn(self, name: str, value: str) -> None:
        """Remember a long value so that it is found wherever it stands."""
        if value in self._learnt or not is_opaque(value, _LEARNT_CHARACTERS):
            return
        self._lesson = object()
        for spelling in _spellings(value):
            self._learnt[spelling] = (name, value)
        while len(self._learnt) > _LEARNT_VALUES:
            del self._learnt[next(iter(self._learnt))]

    def _learnt_finds(self, text: str) -> Iterator[Find]:
        """Yield the places where a value that was a secret elsewhere stands."""
        for spelling, (name, value) in (*self._given.items(), *self._learnt.items()):
            start = text.find(spelling)
            while start >= 0:
                end = start + len(spelling)
                if starts_word(text, start) and not text[end : end + 1].isalnum():
                    yield Find(start, end, name, value)
                start = text.find(spelling, end)


def spellings_of(values: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the name and the value that each spelling of some values stands for."""
    return {spelling: (name, value) for name, value in values.items() for spelling in _spellings(value)}


def own_patterns(redact: tuple[tuple[str, str], ...]) -> list[tuple[re.Pattern[str], str]]:
    """Compile what else is a secret, for texts and for bodies; an invalid regex is left out."""
    return [(pattern, name) for text, name in redact if (pattern := _compiled(text))]


def _spellings(value: str) -> tuple[str, ...]:
    """Return a value as it can stand in a text, a URL, a form and a JSON string."""
    return value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1]


def _same_in_any_view(value: str) -> str:
    """Return a value of a latin-1 view of UTF-8 as the text it is, so that it equals itself in a URL."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _compiled(pattern: str) -> re.Pattern[str] | None:
    """Compile a regex for texts and for bodies, which are seen a character a byte; None if it is invalid."""
    both = pattern if pattern.isascii() else f"(?:{pattern})|(?:{pattern.encode().decode('latin-1')})"
    try:
        return re.compile(both)
    except re.error:
        return None
