"""What must never reach a file: headers, names, shapes, and values of the environment.

Only the secret itself is replaced, in the raw text; every other byte stays as it was. Pure: no
input or output, and no digest of a secret is kept. docs/redaction.md says what is removed where.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from pytest_f3dx._model import header
from pytest_f3dx._redaction_headers import (
    is_credential_header,
    is_dropped_response_header,
    is_kept_request_header,
    is_network_cookie,
)
from pytest_f3dx._redaction_names import PLACEHOLDER, Meaning, is_opaque, is_placeholder, is_secret
from pytest_f3dx._redaction_places import (
    address_finds,
    json_finds,
    link_finds,
    multipart_finds,
    pair_finds,
    plain_placeholders,
)
from pytest_f3dx._redaction_shapes import Find, shape_finds, starts_word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pytest_f3dx._model import Headers, Request, Response

_SCHEME = re.compile(r"(?:bearer|basic|token|bot|apikey|api-key)(?: |%20|\+)+(?=.)", re.IGNORECASE)
_COOKIE = re.compile(r"((?:^|,)\s*)([^;,=\s]+)=([^;,]*)")
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
        self, *, keep_headers: tuple[str, ...] = (), values: Mapping[str, str] | None = None
    ) -> None:
        """Start with nothing known but the values given.

        Args:
            keep_headers: Names of headers to keep besides the usual ones; the value of a
                credential is redacted even so.
            values: Secrets to be found wherever they stand, by the name of their placeholder; see
                `environment_values`.
        """
        self._kept = frozenset(name.lower() for name in keep_headers)
        self._lock = RLock()
        self._placeholders: dict[str, str] = {}
        self._last: dict[str, int] = {}
        self._learnt: dict[str, tuple[str, str]] = {}
        self._lessons = 0
        given = (values or {}).items()
        self._given = {spelling: (name, value) for name, value in given for spelling in _spellings(value)}

    def request(self, request: Request) -> Request:
        """Return the request as it may be written.

        Args:
            request: As the client sent it, content encoding undone.
        """
        with self._lock:
            lessons = self._lessons
            uri = self._address(request.uri)
            headers = tuple(self._request_headers(request.headers))
            body = self._body(request.body, request.headers)
            if lessons != self._lessons:
                uri, headers, body = self._scrub(uri), self._recheck(headers), self._body(body)
        return replace(request, uri=uri, headers=headers, body=body)

    def response(self, response: Response, *, method: str = "GET") -> Response:
        """Return the response as it may be written.

        Args:
            response: As it was received, content encoding undone.
            method: The request's; the ``content-length`` of an answer to HEAD is kept.
        """
        failure = response.failure
        with self._lock:
            lessons = self._lessons
            headers = tuple(self._response_headers(response.headers, method))
            body = self._body(response.body, response.headers)
            if lessons != self._lessons:
                headers, body = self._recheck(headers), self._body(body)
            reason = self.text(response.reason)
            if failure:
                failure = replace(failure, message=self.text(failure.message))
        return replace(response, reason=reason, headers=headers, body=body, failure=failure)

    def text(self, text: str) -> str:
        """Return a text, such as a message, without what looks like a credential."""
        with self._lock:
            return self._scrub(text, _text_finds)

    def observe(self, response: Response) -> None:
        """Count the placeholders of a response that is replayed as taken; cheaper than `response`.

        Without it, a value that is new after a replayed answer would get the number of one in it.
        """
        with self._lock:
            for _, value in response.headers:
                self._note(value)
            if b"redacted:" in response.body:
                self._note(response.body.decode("latin-1"))

    def _request_headers(self, headers: Headers) -> Iterator[tuple[str, str]]:
        """Yield the headers that change the meaning of the answer; learn the credentials among the others."""
        for name, value in headers:
            lower = name.lower()
            if lower in self._kept or is_kept_request_header(lower):
                yield name, self._header(lower, value)
            elif is_credential_header(lower):
                self._learn(lower, _SCHEME.sub("", value, count=1))

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
            return self._scrub(value, _set_cookie_finds if name == "set-cookie" else _cookie_finds)
        if name in {"location", "content-location"}:
            return self._address(value)
        if is_credential_header(name):
            return self._scrub(value, lambda text: _whole(text, name))
        return self._scrub(value, _text_finds)

    def _address(self, url: str) -> str:
        """Redact a URL; placeholders that a client has percent-encoded become readable again."""
        return self._scrub(plain_placeholders(url), _url_finds)

    def _recheck(self, headers: Headers) -> Headers:
        """Look for values that were learnt only behind these headers."""
        return tuple((name, self._scrub(value)) for name, value in headers)

    def _body(self, body: bytes, headers: Headers | None = None) -> bytes:
        """Redact a body, without headers only learnt values; the same object if nothing is found."""
        if not body:
            return body
        text = body.decode("latin-1")  # keeps every position, whatever the bytes mean
        if headers is None:
            clean = self._scrub(text)
        else:
            content_type = header(headers, "content-type") or ""
            clean = self._scrub(text, lambda raw: _body_finds(raw, content_type))
        return body if clean is text else clean.encode("latin-1")

    def _scrub(self, text: str, finder: Callable[[str], Iterable[Find]] | None = None) -> str:
        """Replace finds until there are none: a replacement can bare a word's start beside it."""
        self._note(text)
        while True:
            found = finder(text) if finder else ()
            finds = _chosen(text, [*found, *self._learnt_finds(text)])
            if not finds:
                return text
            text = self._replaced(text, finds)

    def _replaced(self, text: str, finds: list[Find]) -> str:
        """Put placeholders for finds that are in order and do not overlap."""
        parts, position = [], 0
        for find in finds:
            placeholder = self._placeholder(find.name, find.value)
            written = quote(placeholder, safe="") if find.encoded else placeholder
            parts += [text[position : find.start], find.quote, written, find.quote]
            position = find.end
        return "".join([*parts, text[position:]])

    def _placeholder(self, name: str, value: str) -> str:
        """Return the placeholder of a value, a new one if the value is new."""
        key = _same_in_any_view(value)
        known = self._placeholders.get(key)
        if known is None:
            number = self._last[name] = self._last.get(name, 0) + 1
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
            self._last[name] = max(self._last.get(name, 0), int(match[2] or 1))

    def _learn(self, name: str, value: str) -> None:
        """Remember a long value so that it is found wherever it stands."""
        if (
            len(value) < _LEARNT_CHARACTERS
            or not is_opaque(value, _LEARNT_CHARACTERS)
            or is_placeholder(value)
        ):
            return
        if value in self._learnt:
            return
        self._lessons += 1
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


def _spellings(value: str) -> tuple[str, ...]:
    """Return a value as it can stand in a text, a URL, a form and a JSON string."""
    return value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1]


def _text_finds(text: str) -> Iterator[Find]:
    """Yield the shapes and signed links of a text."""
    yield from link_finds(text)
    yield from shape_finds(text)


def _url_finds(url: str) -> Iterator[Find]:
    """Yield what a URL's structure and the shapes in it show."""
    yield from address_finds(url)
    yield from shape_finds(url)


def _body_finds(text: str, content_type: str) -> Iterator[Find]:
    """Yield what names and shapes show in a body."""
    kind = content_type.lower()
    if "x-www-form-urlencoded" in kind:
        yield from pair_finds(text, 0, len(text))
    elif "multipart/" in kind:
        yield from multipart_finds(text, content_type)
    yield from json_finds(text)
    yield from _text_finds(text)


def _set_cookie_finds(text: str) -> Iterator[Find]:
    """Yield the values of the cookies being set; names and attributes stay."""
    for match in _COOKIE.finditer(text):
        yield from _cookie(match.start(3), match[3])


def _cookie_finds(text: str) -> Iterator[Find]:
    """Yield the values of the cookies being sent."""
    for match in re.finditer(r"=([^;]*)", text):
        yield from _cookie(match.start(1), match[1])


def _cookie(start: int, raw: str) -> Iterator[Find]:
    """Yield one cookie's value."""
    if is_secret(raw.strip('"'), Meaning("cookie")):
        yield Find(start, start + len(raw), "cookie", raw)


def _whole(text: str, name: str) -> Iterator[Find]:
    """Yield the whole of a credential header's value."""
    if is_secret(text, Meaning(name)):
        yield Find(0, len(text), name, text)


def _chosen(text: str, finds: list[Find]) -> list[Find]:
    """Return the finds in order, the outermost of overlapping ones, none of a placeholder's own text."""
    if not finds:
        return finds
    taken = [match.span() for match in PLACEHOLDER.finditer(text)]
    chosen: list[Find] = []
    for candidate in sorted(finds, key=lambda find: (find.start, -find.end)):
        find = _without_scheme(text, candidate)
        if find.start >= find.end or is_placeholder(find.value) or (chosen and find.start < chosen[-1].end):
            continue
        if not any(start < edge < end for start, end in taken for edge in (find.start, find.end)) and (
            (find.start, find.end) not in taken
        ):
            chosen.append(find)
    return chosen


def _without_scheme(text: str, find: Find) -> Find:
    """Leave "Bearer " standing, so that a token is the same value in a header and in a field."""
    raw = _SCHEME.match(text, find.start, find.end)
    value = _SCHEME.match(find.value)
    if raw is None or value is None:
        return find
    return find._replace(start=raw.end(), value=find.value[value.end() :])


def _same_in_any_view(value: str) -> str:
    """Return a value of a latin-1 view of UTF-8 as the text it is, so that it equals itself in a URL."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value
