"""What must hold for any bytes at all; each target returns what became of them and raises on a fault.

A target takes bytes, so that a coverage-guided fuzzer can drive it as well as the mutator beside it.
"""

from __future__ import annotations

import json
import re
import tempfile
import zlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pytest_f3dx import _cassette
from pytest_f3dx._blobs import BlobStore
from pytest_f3dx._fingerprint import fingerprint_request
from pytest_f3dx._index import LazyCassette
from pytest_f3dx._journal import Journal
from pytest_f3dx._llm._answer import assemble
from pytest_f3dx._llm._prompt import read_prompt
from pytest_f3dx._model import Cassette, Request, Response
from pytest_f3dx._redaction import Redactor
from pytest_f3dx.errors import BlobError, CassetteError, PendingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_f3dx._model import Interaction

PATH = Path("some.yaml")
STORE = BlobStore(Path("nowhere"))
SECRET = "sk-ant-api03-" + "Zq7Rm2Xw9Lk4" * 4
# A line on which a quoted scalar may begin that does not end on it: the lazy reader does not see through these,
# see `pytest_f3dx._index`.
_OPEN_QUOTE = re.compile(
    rb"""\n *(?:- )*(?:[^\s"'][^\n]*?: *)?(?:"(?:[^"\\\n]|\\[^\n])*|'(?:[^'\n]|'')*)(?=\n)"""
)
CONTENT_TYPES = (
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "text/event-stream",
    "text/plain",
    "application/vnd.amazon.eventstream",
    "",
)


def _has_open_quote(data: bytes) -> bool:
    return _OPEN_QUOTE.search(data.replace(b"\r\n", b"\n")) is not None


def read(data: bytes) -> str:
    """Both readers agree on a file or both refuse it; what is read can be written and is read the same."""
    try:
        full = _cassette.load(data, PATH, STORE)
    except CassetteError as error:
        _refused_lazily(data, error)
        return "refused"
    if not _has_open_quote(data):
        assert _lazily(data) == list(full.interactions.items())
    text = _cassette.dump(full, BlobStore(Path("nowhere")))
    again = _reload(text)
    assert _cassette.dump(again, BlobStore(Path("nowhere"))) == text
    return "read"


def _refused_lazily(data: bytes, error: CassetteError) -> None:
    try:
        _lazily(data)
    except CassetteError:
        return
    if not _has_open_quote(data):
        raise AssertionError(f"the lazy reader accepts what the full one refuses: {error}")


def _lazily(data: bytes) -> list[tuple[str, Interaction | None]]:
    lazy = LazyCassette(data, PATH, STORE)
    answers = {key: lazy.responses(key) for key in lazy.fingerprints}
    found = [(key, lazy.get(key)) for key in lazy.fingerprints]
    if not _has_open_quote(data):
        assert answers == {key: one.responses if one else None for key, one in found}
    return found


def _reload(text: str) -> Cassette:
    """Read what was just written; a payload that is large enough has become a blob and is not on the disk."""
    try:
        return _cassette.load(text.encode(), PATH, STORE)
    except BlobError:
        return Cassette("")


def redact(data: bytes) -> str:
    """A planted key is gone from every part of a request and an answer; a second time changes nothing."""
    kind, body = CONTENT_TYPES[data[0] % len(CONTENT_TYPES)] if data else "", data[1:]
    planted = body + b" " + SECRET.encode() + b" "
    headers = (("content-type", kind),) if kind else ()
    uri = f"https://h.test/{body[:40].hex()}?q={SECRET}"
    request = Request("POST", uri, headers, planted)
    redactor = Redactor()
    once = redactor.request(request)
    answer = redactor.response(Response(200, "OK", headers, planted))
    for part in (once.uri.encode(), once.body, answer.body):
        assert SECRET.encode() not in part
    assert Redactor().request(once) == once
    assert Redactor().response(answer) == answer
    _still_json(body, kind)
    return "redacted"


def _still_json(body: bytes, kind: str) -> None:
    """What was JSON and is not declared a form is JSON afterwards, with as many keys at its top."""
    if "form" in kind:
        return
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return
    headers = (("content-type", kind),) if kind else ()
    clean = json.loads(Redactor().request(Request("POST", "https://h.test/", headers, body)).body)
    assert type(clean) is type(value) or not isinstance(value, (dict, list))
    if isinstance(value, dict):
        assert len(clean) == len(value)


def fingerprint(data: bytes) -> str:
    """Every request has a fingerprint, the same each time."""
    kind = CONTENT_TYPES[data[0] % len(CONTENT_TYPES)] if data else ""
    headers = (("content-type", kind),) if kind else ()
    request = Request("POST", "https://h.test/", headers, data[1:])
    key = fingerprint_request(request)
    assert _cassette.FINGERPRINT.fullmatch(key)
    assert fingerprint_request(request) == key
    return "named"


def conversation(data: bytes) -> str:
    """Whatever a body is, reading it as a prompt and as an answer ends in one or in None."""
    kind = CONTENT_TYPES[data[0] % len(CONTENT_TYPES)] if data else ""
    answer, prompt = assemble(data[1:], kind, "https://h.test/"), read_prompt(data[1:], "https://h.test/")
    return "understood" if answer or prompt else "unknown"


def journal(data: bytes) -> str:
    """A journal line with a true checksum, whatever it says, is an exchange or an error that names its line."""
    with tempfile.TemporaryDirectory() as name:
        owner = Journal(Path(name), PurePosixPath("a.yaml"), "run")
        owner.folder.mkdir(parents=True)
        lines = b"".join(b"%08x %s\n" % (zlib.crc32(line), line) for line in data.split(b"\n") if line)
        (owner.folder / "dead.jsonl").write_bytes(lines)
        try:
            exchanges = owner.adopt()
        except PendingError:
            return "refused"
        finally:
            owner.release()
        return "adopted" if exchanges else "empty"


TARGETS: dict[str, Callable[[bytes], str]] = {
    "read": read,
    "redact": redact,
    "fingerprint": fingerprint,
    "conversation": conversation,
    "journal": journal,
}
