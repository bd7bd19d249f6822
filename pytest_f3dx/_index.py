"""A cassette whose interactions are found without parsing YAML; only the one asked for is parsed.

The file as we write it has each fingerprint on a line of its own, at an indentation where nothing else
stands. A file that deviates in any way (edited by hand, CRLF, damaged) goes to the full parser, which also
words every error. A quoted scalar broken over several lines by hand is the one thing the scan cannot see
through; we never write one, and the interaction it is in does not parse alone, which leads to the full parser
as well.
"""

from __future__ import annotations

import re
import time
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from pytest_f3dx import _cassette, _yaml_plain, _yaml_read
from pytest_f3dx._damage import CONTROLS
from pytest_f3dx._files import read_bytes
from pytest_f3dx._model import Cassette
from pytest_f3dx._shape import ShapeError, mapping
from pytest_f3dx.errors import CassetteError

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_f3dx._blobs import BlobStore
    from pytest_f3dx._model import Interaction, Response

Spans = dict[str, tuple[int, int, int]]
"""By fingerprint: first byte of an interaction, the one after its last, and the line break before its
``responses:``, which is -1 unless the interaction is a request, then responses, and nothing else."""

_INTERACTIONS = b"\ninteractions:\n"
_END = f"\n{_cassette.END}\n".encode()
_FIRST_LINES = re.compile(rf"\A# pytest-f3dx cassette[^\n]*\nformat: {_cassette.FORMAT}\ntest: ".encode())
# A header without settings, its node id a plain scalar that can mean nothing but text.
_PLAIN_HEADER = re.compile(
    rf"\A#[^\n]*\nformat: {_cassette.FORMAT}\n"
    rf"test: ([A-Za-z_][\w./\[\]-]*::[\w.:\[\]-]*[\w\]])\nkey: {_cassette.KEY}\n\Z".encode(),
)
# The lines that are not indented like those within a request or response: of a fingerprint, of a field or an
# item (by `lastindex`), blank, or anything else. One pass over the file, by far the cheapest way to see every
# line: only what is found costs.
_LINE = re.compile(
    rb"\n(?!     )(?:  (b3:[0-9a-f]{64}):(?=\n)|    (request:)(?=\n)|    (responses:)(?=\n)|    (- )|(    )"
    rb"|(?=\n)|(?=(.)))",
    re.DOTALL,
)
_KEY_LINE, _REQUEST, _RESPONSES, _ITEM, _FIELD, _OTHER = range(1, 7)
_IN_DOUBT = -1
_SHARED_BYTES = 64 * 1024 * 1024
_RACY_NS = 100_000_000  # a file changed just now may change again without its times showing it
_ALLOWED = bytes(set(range(256)) - {*CONTROLS, *b"\r"})


class LazyCassette:
    """A cassette of which only the header is read until an interaction is asked for.

    Attributes:
        test: Node id of the test that recorded it.
        ignore: JSONPaths taken out of bodies before hashing.
        replace: (regex, placeholder) pairs applied to strings before hashing.
        match_headers: Names of headers that are part of the key.
    """

    def __init__(self, data: bytes, path: Path, blobs: BlobStore, *, spans: Spans | None = None) -> None:
        """Find the interactions; a file that is not as we write it is parsed as a whole at once.

        Args:
            data: The whole file.
            path: Its name, for errors.
            blobs: Where its blobs are.
            spans: What `scan` has found in it, if that was asked before.

        Raises:
            CassetteError: The file is damaged, of a newer format or of another tool.
        """
        self._data = data
        self._path = path
        self._blobs = blobs
        self._full: Cassette | None = None
        self._parsed: dict[str, Interaction] = {}
        self._answers: dict[str, list[Response] | None] = {}
        self._spans = scan(data) if spans is None else spans
        header = self._header() if self._spans else None
        if header is None:
            self._spans = {}
            header = self.load_all()
        self.test = header.test
        self.ignore = header.ignore
        self.replace = header.replace
        self.match_headers = header.match_headers

    @cached_property
    def fingerprints(self) -> tuple[str, ...]:
        """Of all interactions, in the order of the file."""
        return tuple(self._spans or self.load_all().interactions)

    def get(self, fingerprint: str) -> Interaction | None:
        """Return the interaction of a fingerprint, None if the cassette has none.

        Raises:
            CassetteError: The interaction, or the file around it, is damaged.
        """
        if self._full is not None:
            return self._full.interactions.get(fingerprint)
        if fingerprint not in self._spans:
            return None
        if fingerprint not in self._parsed:
            found = self._parse(fingerprint)
            if found is None:
                return self.load_all().interactions.get(fingerprint)
            self._parsed[fingerprint] = found
        return self._parsed[fingerprint]

    def responses(self, fingerprint: str) -> list[Response] | None:
        """Return the responses of a fingerprint, None if the cassette has none; the request is not parsed.

        Raises:
            CassetteError: The interaction, or the file around it, is damaged.
        """
        if fingerprint in self._spans and self._full is None and fingerprint not in self._parsed:
            if fingerprint not in self._answers:
                self._answers[fingerprint] = self._parse_responses(fingerprint)
            answers = self._answers[fingerprint]
            if answers is not None:
                return answers
        found = self.get(fingerprint)
        return found.responses if found else None

    def raw(self, fingerprint: str) -> bytes | None:
        """Return an interaction as it stands in the file, None if the file was parsed as a whole."""
        span = self._spans.get(fingerprint)
        return self._data[span[0] : span[1]] if span else None

    def load_all(self) -> Cassette:
        """Parse the whole file, once.

        Raises:
            CassetteError: The file is damaged, of a newer format or of another tool.
        """
        if self._full is None:
            self._full = _cassette.load(self._data, self._path, self._blobs)
        return self._full

    def _header(self) -> Cassette | None:
        header = self._data[: self._data.index(_INTERACTIONS) + 1]
        if plain := _PLAIN_HEADER.match(header):
            return Cassette(plain[1].decode())
        try:
            return _cassette.read_header(header, self._path)
        except (CassetteError, ShapeError):
            return None

    def _parse(self, fingerprint: str) -> Interaction | None:
        """Parse one interaction alone; None on any doubt: the full parser knows the lines of the file."""
        start, end, _ = self._spans[fingerprint]
        try:
            value = _yaml_read.load(self._data[start:end], self._path)
            fields = mapping(value, (), required=(fingerprint,), optional=())
            return _cassette.interaction(fingerprint, fields[fingerprint], self._blobs)
        except (CassetteError, ShapeError):
            return None

    def _parse_responses(self, fingerprint: str) -> list[Response] | None:
        """Parse the responses of one interaction alone; None on any doubt about where they start."""
        _, end, at = self._spans[fingerprint]
        if at == _IN_DOUBT:
            return None
        part = self._data[at + 1 : end]
        try:
            value = _yaml_plain.load(part) or _yaml_read.load(part, self._path)
            fields = mapping(value, (), required=("responses",), optional=())
            return _cassette.responses(fingerprint, fields["responses"], self._blobs)
        except (CassetteError, ShapeError):
            return None


def read_shared(path: Path) -> tuple[bytes, Spans | None]:
    """Read a cassette that many tests of the run read: unless it has changed, it is read and scanned once.

    Args:
        path: The file.

    Returns:
        Its bytes, and what `scan` has found in it if that is known.

    Raises:
        FileNotFoundError: There is no such file.
        CassetteAccessError: The operating system refuses to read it.
    """
    try:
        status = path.stat()
    except OSError:
        return read_bytes(path), None  # which words the error
    is_settled = time.time_ns() - status.st_mtime_ns > _RACY_NS
    if not is_settled or status.st_size > _SHARED_BYTES:
        return read_bytes(path), None
    return _scanned(path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@lru_cache(maxsize=2)  # of at most `_SHARED_BYTES` each
def _scanned(path: Path, *_: int) -> tuple[bytes, Spans]:
    """Read and scan a file; its number, size and times are part of the key. Nobody changes the result."""
    data = read_bytes(path)
    return data, scan(data)


def open_cassette(path: Path, blobs: BlobStore) -> LazyCassette:
    """Open a cassette, reading its header and the places of its interactions.

    Args:
        path: The file.
        blobs: Where its blobs are.

    Raises:
        FileNotFoundError: There is no such file.
        CassetteError: The file is damaged, of a newer format or of another tool.
        CassetteAccessError: The operating system refuses to read it.
    """
    return LazyCassette(read_bytes(path), path, blobs)


def scan(data: bytes) -> Spans:
    """Return where each interaction stands in a file as we write it.

    Args:
        data: The whole file.

    Returns:
        In the order of the file; empty on any doubt, and if there are no interactions.
    """
    top = data.find(_INTERACTIONS)
    if top < 0 or not _FIRST_LINES.match(data) or not data.endswith(_END) or not _is_clean(data):
        return {}
    first, last = top + len(_INTERACTIONS), len(data) - len(_END) + 1
    keys: list[str] = []
    starts: list[int] = []
    answers: list[int] = []
    before, ended = _OTHER, 0  # the line before of those found, and where it ends
    for match in _LINE.finditer(data, first - 1, last - 1):
        kind = match.lastindex
        if kind == _KEY_LINE:
            keys.append(match[1].decode())
            starts.append(match.start() + 1)
            answers.append(_IN_DOUBT)
        elif kind == _OTHER or not keys:
            return {}
        elif kind == _RESPONSES and before == _REQUEST:
            answers[-1] = match.start()
        elif kind is not None and not _is_usual(kind, before, match.start() - ended):
            answers[-1], kind = _IN_DOUBT, _FIELD
        if kind is not None:
            before, ended = kind, match.end() + 1
    if not keys or starts[0] != first:
        return {}
    spans = dict(zip(keys, zip(starts, [*starts[1:], last], answers, strict=True), strict=True))
    return spans if len(spans) == len(keys) else {}


def _is_usual(kind: int, before: int, gap: int) -> bool:
    """Whether a line of an interaction may stand after another one, so many bytes behind its end."""
    if kind == _REQUEST:
        return before == _KEY_LINE and gap < 0  # right below
    return kind == _ITEM and before in (_RESPONSES, _ITEM)


def _is_clean(data: bytes) -> bool:
    """Whether the file is UTF-8 and free of what the full parser refuses or rewrites."""
    if data.translate(None, _ALLOWED):  # one pass that copies nothing: 28 searches take as long at best
        return False
    try:
        data.isascii() or data.decode()
    except UnicodeDecodeError:
        return False
    return True
