"""What must hold for any bytes at all; each target returns what became of them and raises on a fault.

A target takes bytes, so that a coverage-guided fuzzer can drive it as well as the mutator beside it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_f3dx import _cassette
from pytest_f3dx._blobs import BlobStore
from pytest_f3dx._fingerprint import fingerprint_request
from pytest_f3dx._index import LazyCassette
from pytest_f3dx._model import Cassette, Request, Response
from pytest_f3dx._redaction import Redactor
from pytest_f3dx.errors import BlobError, CassetteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_f3dx._model import Interaction

PATH = Path("some.yaml")
STORE = BlobStore(Path("nowhere"))
SECRET = "sk-ant-api03-" + "Zq7Rm2Xw9Lk4" * 4
CONTENT_TYPES = (
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "text/event-stream",
    "text/plain",
    "application/vnd.amazon.eventstream",
    "",
)


def read(data: bytes) -> str:
    """Both readers agree on a file or both refuse it; what is read can be written and is read the same."""
    try:
        full = _cassette.load(data, PATH, STORE)
    except CassetteError as error:
        _refused_lazily(data, error)
        return "refused"
    lazily = dict(_lazily(data))
    assert {key: lazily.pop(key) for key in full.interactions} == full.interactions
    # A quote that damage has opened can swallow whole interactions. The lazy reader still answers from them,
    # rightly: each is parsed alone and stands under its own key.
    swallowed = repr(full) if lazily else ""
    assert all(key in swallowed for key in lazily)
    text = _cassette.dump(full, BlobStore(Path("nowhere")))
    again = _reload(text)
    assert _cassette.dump(again, BlobStore(Path("nowhere"))) == text
    return "read"


def _refused_lazily(data: bytes, error: CassetteError) -> None:
    try:
        _lazily(data)
    except CassetteError:
        return
    raise AssertionError(f"the lazy reader accepts what the full one refuses: {error}")


def _lazily(data: bytes) -> list[tuple[str, Interaction | None]]:
    lazy = LazyCassette(data, PATH, STORE)
    answers = {key: lazy.responses(key) for key in lazy.fingerprints}
    found = [(key, lazy.get(key)) for key in lazy.fingerprints]
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


TARGETS: dict[str, Callable[[bytes], str]] = {
    "read": read,
    "redact": redact,
    "fingerprint": fingerprint,
}
