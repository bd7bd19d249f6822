"""Every error this package raises, and the one shape their texts have.

    F3dxError (Exception)          slug               raised when
    ├── SettingsError              settings           an option, marker argument or ini value is wrong
    ├── CassetteError              cassette-damaged   a cassette cannot be understood
    │   ├── CassetteFormatError    cassette-format    it is of a newer or foreign format
    │   ├── CassetteAccessError    cassette-access    the operating system refuses to read or write it
    │   └── BlobError              blob-damaged       a blob is absent or is not what its name says
    ├── PendingError               pending-damaged    the journal of pending exchanges cannot be used
    ├── TraceError                 trace-damaged      a bundle of traces, or a line of it, cannot be read
    ├── SecretError                secret-found       a secret stands in what is about to be written
    ├── UnplayedError              unplayed           a passing replay left interactions unplayed
    ├── CacheError                 cache              the file of a cache cannot be used
    │   └── CacheFormatError       cache-format       it is no cache of ours, or of a newer format
    ├── NetworkError               network-blocked    a connection was refused that no client's patch has seen
    ├── OfflineError               cache-offline      a cache may not ask, and has no answer
    ├── GitError                   git                git cannot do what it is asked to
    ├── JudgeError                 judge-failed       a judge gave no verdict on two answers
    ├── ReviewError                review             what a review is asked to compare cannot be found
    ├── DriftError                 drift              an answer of now is not accepted for the recorded one
    ├── LiveError                  live-failed        a request that was sent again got no answer to compare
    ├── LiveBudgetError            live-budget        no more live requests may be sent
    └── ClientError                client-unsupported a client is too old to be intercepted
    Refusal (BaseException)        (of its cause)     one of the above inside a client's call
    └── CassetteMiss               cassette-miss      no recording answers a request

``Refusal`` is a ``BaseException`` on purpose: the retry loops of SDKs and broad ``except
Exception`` clauses would turn it into "Connection error." after seconds of back-off
(tests/test_miss.py holds this).

Every text reads: what happened and the slug; then one fact a line; then the fix. See docs/errors.md.
This module imports nothing of ours.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_LABEL_WIDTH = 10
# C0 and C1 controls except tab and newline, line separators, bidirectional marks and overrides: no cassette
# drives a terminal. Lone surrogates (of JSON, of file names that are no UTF-8) cannot be printed at all.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    r"""Escape control characters so that text from a cassette is safe on a terminal.

    Args:
        text: Any text; newlines and tabs are kept.

    Returns:
        The text with every other control character as ``\xNN`` or ``\uNNNN``.
    """
    return _CONTROL.sub(lambda m: m.group().encode("unicode_escape").decode("ascii"), text)


def render(what: str, slug: str, facts: Iterable[tuple[str, str]]) -> str:
    """Build the one message shape: ``f3dx: what [slug]`` and a line for each fact.

    Args:
        what: What happened, lower case, no full stop.
        slug: The class of the error, a heading in docs/errors.md.
        facts: (label, value) pairs; later lines of a value are aligned below the first.

    Returns:
        Text without a newline at its end, safe on a terminal.
    """
    lines = [f"f3dx: {what} [{slug}]"]
    for label, value in facts:
        first, *rest = value.split("\n")
        lines.append(f"  {label:<{_LABEL_WIDTH}}{first}")
        lines.extend(f"  {'':<{_LABEL_WIDTH}}{line}" for line in rest)
    return printable("\n".join(lines))


class F3dxError(Exception):
    """Base of every error of this package.

    Attributes:
        what: What happened, in a few words.
        facts: (label, value) pairs of the message, in order.
        slug: The heading in docs/errors.md.
    """

    slug: ClassVar[str] = "error"

    def __init__(self, what: str, *facts: tuple[str, str]) -> None:
        """Build the text once from its facts."""
        self.what = what
        self.facts = facts
        super().__init__(render(what, self.slug, facts))


class SettingsError(F3dxError):
    """An option, an ini value or a marker argument is unknown or of the wrong type."""

    slug = "settings"


class CassetteError(F3dxError):
    """A cassette cannot be understood; it is left byte for byte as it is.

    Attributes:
        path: The file.
        line: The line, counted from 1, or None if the whole file is meant.
    """

    slug = "cassette-damaged"

    def __init__(self, path: Path, what: str, *facts: tuple[str, str], line: int | None = None) -> None:
        """Name the file and the line first, then the facts; the last fact is the fix."""
        self.path = path
        self.line = line
        where = str(path) if line is None else f"{path}:{line}"
        super().__init__(what, ("cassette", where), *facts)


class CassetteFormatError(CassetteError):
    """The cassette is of a newer format or of another tool."""

    slug = "cassette-format"


class CassetteAccessError(CassetteError):
    """The operating system refuses to read or write the cassette."""

    slug = "cassette-access"


class BlobError(CassetteError):
    """A blob that a cassette refers to is absent, or is not what its name says."""

    slug = "blob-damaged"


class PendingError(F3dxError):
    """The journal of pending exchanges cannot be read or written."""

    slug = "pending-damaged"


class TraceError(F3dxError):
    """A bundle of traces, or one line of it, cannot be understood.

    Attributes:
        path: The file.
        line: The line, counted from 1, or None if the whole file is meant.
        column: The character of the line, counted from 1, or None if it is not known.
    """

    slug = "trace-damaged"

    def __init__(
        self,
        path: Path,
        what: str,
        *facts: tuple[str, str],
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        """Name file, line and column first, then the facts; the last fact is the fix."""
        self.path, self.line, self.column = path, line, column
        where = ":".join(str(part) for part in (path, line, column) if part is not None)
        super().__init__(what, ("bundle", where), *facts)


class TraceWarning(UserWarning):
    """Lines of a bundle were left out because they are no rows, as was asked for."""


class SecretError(F3dxError):
    """A secret that redaction has not found stands in what is about to be written; nothing is written."""

    slug = "secret-found"


class UnplayedError(F3dxError):
    """A passing replay left recorded interactions unplayed."""

    slug = "unplayed"


class ReviewError(F3dxError):
    """What a review is asked to compare is no file, directory or revision, or git cannot give it."""

    slug = "review"


class NetworkError(F3dxError):
    """Something that f3dx does not intercept was about to connect where nothing may be sent."""

    slug = "network-blocked"


class ClientError(F3dxError):
    """An HTTP client is of a version that cannot be intercepted, and is refused instead of going live."""

    slug = "client-unsupported"


class DriftError(F3dxError):
    """An answer of now is not accepted in place of the recorded one."""

    slug = "drift"


class LiveError(F3dxError):
    """A replayed request that was sent again got no answer to compare; that is not drift."""

    slug = "live-failed"


class LiveBudgetError(F3dxError):
    """The live requests that a run may send are used up."""

    slug = "live-budget"


class JudgeError(F3dxError):
    """A judge could not be asked, or gave no verdict; that is never taken for one."""

    slug = "judge-failed"


class CacheError(F3dxError):
    """The file of a cache cannot be used; it is left as it is.

    Attributes:
        path: The file.
    """

    slug = "cache"

    def __init__(self, path: Path, what: str, *facts: tuple[str, str]) -> None:
        """Name the file first, then the facts; the last fact is the fix."""
        self.path = path
        super().__init__(what, ("cache", str(path)), *facts)


class CacheFormatError(CacheError):
    """The file is no cache of ours, or of a newer format."""

    slug = "cache-format"


class OfflineError(F3dxError, LookupError):
    """A request is not in the cache, and the environment forbids to ask for it."""

    slug = "cache-offline"


class GitError(F3dxError):
    """Git is absent, or cannot do what it is asked to."""

    slug = "git"


class Refusal(BaseException):
    """Carries an error through client code that would catch, retry or reword an ``Exception``.

    Attributes:
        error: The error that says what is wrong.
    """

    def __init__(self, error: F3dxError) -> None:
        """Take the text of the error over as it is."""
        self.error = error
        super().__init__(str(error))


class MissError(F3dxError):
    """The text and the facts of a miss; raised to the code under test as `CassetteMiss`."""

    slug = "cassette-miss"


class CassetteMiss(Refusal):
    """No recording answers a request, and the record mode forbids to ask for one."""
