"""Look for secrets instead of replacing them: the layers of redaction over what is about to be written.

Redaction is idempotent, so what it has been through holds nothing that it would still find. What an
auditor finds all the same was put there afterwards (a hook, a hand, a crafted file), or stands in a
view that redaction does not take: percent-encoded, escaped, UTF-16, compressed, base64 with line breaks.
"""

from __future__ import annotations

import base64
import re
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pytest_f3dx._model import header
from pytest_f3dx._redaction import Redactor
from pytest_f3dx._redaction_encoded import has_run
from pytest_f3dx._redaction_finders import named_finds, text_finds
from pytest_f3dx._redaction_headers import is_network_cookie
from pytest_f3dx._redaction_shapes import HINTS, SHAPES, table_finds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_f3dx._model import Headers, Request, Response
    from pytest_f3dx._redaction import Finder
    from pytest_f3dx._redaction_shapes import Find

_VIEW_BYTES = 4 * 1024 * 1024  # of what is unpacked
_ESCAPED = re.compile(r"\\+u00([2-7][0-9a-fA-F])", re.ASCII)
_MIME_LINE = 60  # characters; MIME has 76, PEM 64
_MIME_BREAK = re.compile(
    rf"(?<=[A-Za-z0-9+/]{{{_MIME_LINE}}})(?:\\r\\n|\\n|\r?\n)(?=[A-Za-z0-9+/])", re.ASCII
)
_GZIP = re.compile(r"H4sI[A-Za-z0-9+/]{24,}", re.ASCII)
_HINTS: dict[str, tuple[str, ...]] = {}
for _shape in SHAPES:
    _HINTS[_shape.name] = (*_HINTS.get(_shape.name, ()), *_shape.hints)
_LEAST_SHOWN = 16  # of a value whose first characters are told: they are the same in every such key


@dataclass(frozen=True, slots=True)
class Leak:
    """One secret that is still there.

    Attributes:
        where: The part of the exchange or file, and the place in it.
        kind: Its name or shape, kebab case.
        masked: What may be shown of it.
        offset: Where it begins in the text that was looked through; None if in a view of it.
        value: Itself, never to be shown.
    """

    where: str
    kind: str
    masked: str
    offset: int | None = None
    value: str = field(default="", repr=False)


def mask(find: Find) -> str:
    """Return what may be shown of a secret: the prefix that all of its kind share, and its length."""
    hints = _HINTS.get(find.name, ()) if len(find.value) >= _LEAST_SHOWN else ()
    prefix = next((hint for hint in hints if find.value.startswith(hint)), "")
    count = len(find.value)
    return f"{prefix}… ({count} character{'' if count == 1 else 's'})"


class Auditor(Redactor):
    """A redactor that keeps every header and tells what it finds.

    Attributes:
        leaks: What was found, in order; the caller empties it.
    """

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 (those of a redactor)
        """Start with nothing found; see `Redactor`."""
        super().__init__(**settings)
        self.leaks: list[Leak] = []
        self._where = ""
        self._top = ""  # the text in which a find has a place that can be told

    def exchange(self, request: Request, response: Response | None = None) -> list[Leak]:
        """Return what is found in an exchange.

        Args:
            request: As it is about to be written.
            response: The same.
        """
        self.leaks = []
        self.request(request)
        if response is not None:
            self.response(response, method=request.method)
        return self.leaks

    def answer(self, response: Response, method: str) -> list[Leak]:
        """Return what is found in a response."""
        self.leaks = []
        self.response(response, method=method)
        return self.leaks

    def whole(self, text: str, where: str) -> list[Leak]:
        """Return the shapes and known values in the text of a file.

        Not what names show: in YAML the text of a body has lost the quotes by which it was told apart.

        Args:
            text: The text, or bytes decoded as latin-1.
            where: What to call it.
        """
        self.leaks, self._where, self._top = [], where, text
        if self._finds(text, table_finds):  # which nearly never is so
            self.leaks = []
            self._scrub(text, table_finds)
        return self.leaks

    def written(self, data: bytes, where: str) -> list[Leak]:
        """Return what `whole` finds in a text; it is decoded only if there may be anything.

        Args:
            data: The text, UTF-8.
            where: What to call it.
        """
        known = (*self._given, *self._learnt)
        if self._own or HINTS.shapes(data) or any(spelling.encode() in data for spelling in known):
            return self.whole(data.decode(), where)
        return []

    def redacted(self, text: str) -> str:
        """Return a text without the shapes and known values in it."""
        return self._scrub(text, table_finds)

    def file(self, text: str, where: str) -> list[Leak]:
        """Return what names, shapes and known values show in the text of any file, and in what it encodes."""
        self.leaks, self._where, self._top = [], where, text
        self._deep(text, named_finds)
        return self.leaks

    # -- what differs from redaction -----------------------------------------------------------------

    def _finds(self, text: str, finder: Finder | None) -> list[Find]:
        finds = super()._finds(text, finder)
        for find in finds:
            place, offset = self._where, None
            if text is self._top:
                place, offset = f"{self._where}{_place(text, find.start)}", find.start
            self.leaks.append(Leak(place, find.name, mask(find), offset, find.value))
        return finds

    def _request_headers(self, headers: Headers) -> Iterator[tuple[str, str]]:
        for name, value in headers:
            self._top = ""
            self._where = f"request header {name.lower()}"
            yield name, self._header(name.lower(), value)

    def _response_headers(self, headers: Headers, method: str) -> Iterator[tuple[str, str]]:
        del method
        for name, value in headers:
            self._top = ""
            self._where = f"response header {name.lower()}"
            if name.lower() != "set-cookie" or not is_network_cookie(value.partition("=")[0].strip()):
                yield name, self._header(name.lower(), value)
        self._where = "response status line"

    def _address(self, url: str) -> str:
        if not self._where.startswith("response"):
            self._where = "request address"
        return super()._address(url)

    def request(self, request: Request) -> Request:
        """See `Redactor`."""
        self._where = "request address"
        return super().request(request)

    def response(self, response: Response, *, method: str = "GET") -> Response:
        """See `Redactor`."""
        self._where = "response header"
        return super().response(response, method=method)

    def _body(self, body: bytes, headers: Headers, *, learnt_only: bool = False) -> bytes:
        side = "response" if self._where.startswith("response") else "request"
        self._where = f"{side} body"
        self._top = ""
        clean = super()._body(body, headers, learnt_only=learnt_only)
        if body[:2] == b"\x1f\x8b" and header(headers, "content-encoding") is None:
            self._view("compressed", _unpacked(body))
        self._where = f"{side} status line"
        return clean

    def _deep(self, text: str, finder: Finder | None = None) -> str:
        if finder is not None and not self._top:
            self._top = text
        clean = super()._deep(text, finder)
        if finder is not None:
            for label, view in views(clean):
                self._view(label, view)
        return clean

    def _view(self, label: str, text: str) -> None:
        """Look through a text that stands in another one."""
        where, top = self._where, self._top
        self._where, self._top = f"{where}, {label}", ""
        super()._deep(text, named_finds if "body" in where else text_finds)
        self._where, self._top = where, top


def views(text: str) -> Iterator[tuple[str, str]]:
    """Yield what a text says in the encodings that redaction does not look into."""
    if "%" in text:
        twice = unquote(unquote(text, encoding="latin-1"), encoding="latin-1")
        if twice != text:
            yield "percent-encoded twice", twice
    if "\\u00" in text:
        yield "escaped", _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
    if text.count("\0") * 3 > len(text):
        yield "in UTF-16", text.replace("\0", "")
    if has_run(text, _MIME_LINE) and (joined := _MIME_BREAK.sub("", text)) != text:
        yield "base64 in lines", joined
    for match in _GZIP.finditer(text):
        run = match.group()
        yield "compressed", _unpacked(base64.b64decode(run[: len(run) // 4 * 4]))


def _unpacked(data: bytes) -> str:
    """Decompress as much as is bounded; what is damaged gives what came before the damage."""
    try:
        return zlib.decompressobj(31).decompress(data, _VIEW_BYTES).decode("latin-1")
    except zlib.error:
        return ""


# -- where in a text -----------------------------------------------------------------------------------

_SIGN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]', re.DOTALL)


def _place(text: str, offset: int) -> str:
    """Say where in a text an offset is: its line, and the path if the text is JSON up to there."""
    line = text.count("\n", 0, offset) + 1
    path = _json_path(text, offset) if text.lstrip()[:1] in ("{", "[") else ""
    return f"{f', line {line}' if line > 1 else ''}{f', at {path}' if path else ''}"


def _json_path(text: str, offset: int) -> str:
    """Return the path of the value an offset is in, such as ``$.messages[1].content``."""
    frames: list[str | int] = []
    key = ""
    for match in _SIGN.finditer(text):
        sign = match.group()
        if match.end() > offset:
            break
        if sign in "{[":
            frames.append("" if sign == "{" else 0)
        elif sign in "}]" and frames:
            frames.pop()
        elif sign == "," and frames and isinstance(frames[-1], int):
            frames[-1] += 1
        elif sign == ":" and frames and isinstance(frames[-1], str):
            frames[-1] = key
        key = sign[1:-1]
    return "$" + "".join(
        f"[{frame}]" if isinstance(frame, int) else f".{frame}" for frame in frames if frame != ""
    )
