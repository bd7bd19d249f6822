"""The cassette file: text of a `Cassette`, and a `Cassette` out of the bytes of a file.

Nothing here touches the disk: blobs are named through a `BlobStore`, and whoever saves writes them before the
text that names them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_f3dx import _body, _yaml_read
from pytest_f3dx._damage import check, line_at
from pytest_f3dx._flow import Flow
from pytest_f3dx._model import Cassette, Failure, Interaction, Request, Response
from pytest_f3dx._shape import GREATEST_STATUS, LEAST_STATUS, URI, Keys, ShapeError, dotted, mapping, typed
from pytest_f3dx._yaml_read import RECORD_AGAIN
from pytest_f3dx.errors import BlobError, CassetteError, CassetteFormatError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_f3dx._blobs import BlobStore
    from pytest_f3dx._model import Headers

    Write = Callable[[Request | Response, BlobStore], bytes]

FORMAT = "f3dx/1"
KEY = "jcs-blake3/1"
COMMENT = (
    "# pytest-f3dx cassette: recorded traffic, reviewed like code. https://github.com/pytest-f3dx/pytest-f3dx"
)
END = "..."
_INDENT = 6  # columns, of the fields of a request or response
FINGERPRINT = re.compile(r"b3:[0-9a-f]{64}")
_ENDED = re.compile(rb"\n\.\.\.[ \t\r\n]*\n\Z")
_FORMAT_LINE = re.compile(rb"""^format:[ \t]*["']?(f3dx/[^\s"']*)""", re.MULTILINE)
_HEADER_REQUIRED = ("format", "test", "key")
_HEADER_OPTIONAL = ("ignore", "replace", "match_headers")
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_STATUS = re.compile(r"([1-9][0-9]{2}) (.*)", re.DOTALL)


def dump(cassette: Cassette, blobs: BlobStore) -> str:
    """Write a cassette as `encode` does, as text."""
    return encode(cassette, blobs).decode()


def encode(cassette: Cassette, blobs: BlobStore, write: Write | None = None) -> bytes:
    """Write a cassette.

    Args:
        cassette: Redacted, content encodings undone.
        blobs: Is given what is large and opaque; the caller flushes it before the text is saved.
        write: Gives what `part` gives, which may be at hand.

    Returns:
        The file; equal cassettes give equal bytes, and a loaded one gives what it was loaded from.

    Raises:
        ValueError: A method, header, URI or message holds a lone surrogate.
    """
    fields: dict[str, object] = {"format": FORMAT, "test": cassette.test, "key": KEY}
    if cassette.ignore:
        fields["ignore"] = list(cassette.ignore)
    if cassette.replace:
        fields["replace"] = [{"regex": regex, "placeholder": text} for regex, text in cassette.replace]
    if cassette.match_headers:
        fields["match_headers"] = list(cassette.match_headers)
    from pytest_f3dx._yaml_write import encode as yaml  # its patterns cost 18 ms, and a replay writes nothing
    from pytest_f3dx._yaml_write import scalar

    write = write or part
    out = [f"{COMMENT}\n".encode(), yaml(fields)]
    out.append(b"interactions:\n" if cassette.interactions else b"interactions: {}\n")
    for key, each in cassette.interactions.items():
        out += (b"  ", scalar(key), b":\n", write(each.request, blobs))
        out += [write(response, blobs) for response in each.responses]
    out.append(f"{END}\n".encode())
    return b"".join(out)


def part(message: Request | Response, blobs: BlobStore) -> bytes:
    """Write the lines of a request, or of one of the responses below it, as they stand in every cassette.

    Args:
        message: Redacted, content encoding undone.
        blobs: As for `encode`.

    Raises:
        ValueError: As for `encode`.
    """
    from pytest_f3dx._yaml_write import encode as yaml

    if isinstance(message, Request):
        return b"    request:\n%b    responses:\n" % yaml(_request_fields(message, blobs), _INDENT)
    return b"    - %b" % yaml(_response_fields(message, blobs), _INDENT)[_INDENT:]


def load(data: bytes, path: Path, blobs: BlobStore) -> Cassette:
    """Read a cassette.

    Args:
        data: The whole file; a byte order mark and CRLF line ends do no harm.
        path: Its name, for errors.
        blobs: Where its blobs are.

    Returns:
        The cassette, its interactions in the order of the file.

    Raises:
        CassetteError: The file is damaged or cut off; with the line.
        CassetteFormatError: It is of a newer format or of another tool.
        BlobError: A blob it names is absent or damaged.
    """
    clean = check(data, path).replace(b"\r\n", b"\n")
    if (at := clean.find(b"\r")) >= 0:  # YAML would take it for a line end, and we write it escaped
        raise CassetteError(path, "a lone carriage return", ("fix", RECORD_AGAIN), line=line_at(clean, at))
    _check_format(clean, path)
    value = _yaml_read.load(clean, path)
    try:
        return _cassette(value, blobs)
    except ShapeError as error:
        line = _yaml_read.locate(clean, error.keys)
        raise CassetteError(path, str(error), ("fix", error.fix), line=line) from error
    except _BlobAt as error:
        line = _yaml_read.locate(clean, error.keys)
        facts = (("blob", str(error.cause.path)), *error.cause.facts[1:])
        raise BlobError(path, error.cause.what, *facts, line=line) from error.cause


def read_header(data: bytes, path: Path) -> Cassette:
    """Read what stands before ``interactions:``, which must not be part of the data.

    Raises:
        CassetteError: It is no YAML.
        ShapeError: It is not the header of a cassette.
    """
    fields = mapping(_yaml_read.load(data, path), (), required=_HEADER_REQUIRED, optional=_HEADER_OPTIONAL)
    return _header(fields)


def interaction(fingerprint: str, value: object, blobs: BlobStore) -> Interaction:
    """Build an interaction of what YAML gave for it.

    Raises:
        ShapeError: It is not of the shape of an interaction.
        BlobError: A blob is absent or damaged.
    """
    keys: Keys = ("interactions", fingerprint)
    if not FINGERPRINT.fullmatch(fingerprint):
        raise ShapeError(keys, f"{fingerprint!r} is no fingerprint: b3: and 64 hex digits", fix=RECORD_AGAIN)
    fields = mapping(value, keys, required=("request", "responses"), optional=())
    request = _request(fields["request"], (*keys, "request"), blobs)
    return Interaction(fingerprint, request, responses(fingerprint, fields["responses"], blobs))


def responses(fingerprint: str, value: object, blobs: BlobStore) -> list[Response]:
    """Build the responses of an interaction of what YAML gave for them.

    Raises:
        ShapeError: They are not of the shape of responses.
        BlobError: A blob is absent or damaged.
    """
    keys: Keys = ("interactions", fingerprint, "responses")
    items = typed(value, list, keys)
    if not items:
        raise ShapeError(keys, "an interaction has at least one response", fix=RECORD_AGAIN)
    return [_response(item, (*keys, at), blobs) for at, item in enumerate(items)]


class _BlobAt(Exception):  # noqa: N818 - carries an error to where the file is known
    def __init__(self, keys: Keys, cause: BlobError) -> None:
        super().__init__()
        self.keys = keys
        self.cause = cause


def _check_format(data: bytes, path: Path) -> None:
    """Tell another tool's file, a newer format and a file that is cut off from one another."""
    found = _FORMAT_LINE.search(data)
    if not found:
        raise _not_ours(data, path)
    if (written := found[1].decode()) != FORMAT:
        what = f"the cassette is of another format: {written}; this version reads {FORMAT}"
        fix = "pip install --upgrade pytest-f3dx"
        raise CassetteFormatError(path, what, ("fix", fix), line=line_at(data, found.start()))
    if not _ENDED.search(data):
        what = f"the file is cut off: its last line is not {END!r}"
        raise CassetteError(path, what, ("fix", RECORD_AGAIN), line=line_at(data.rstrip(b"\n"), len(data)))


def _not_ours(data: bytes, path: Path) -> CassetteError:
    """Say what a file is that does not name our format; a file that is no YAML raises its own error."""
    value = _yaml_read.load(data, path, foreign=True)
    if value is None:
        return CassetteError(path, "there are no interactions in the file", ("fix", RECORD_AGAIN))
    if not isinstance(value, dict):
        what = f"expected a mapping, got {_body.type_name(value)}"
        return CassetteFormatError(path, what, ("fix", RECORD_AGAIN), line=1)
    fields = ", ".join(str(name) for name in list(value)[:5])
    what = "this is no cassette of pytest-f3dx: it has no field 'format'"
    return CassetteFormatError(path, what, ("fields", fields or "none"), ("fix", RECORD_AGAIN))


def _cassette(value: object, blobs: BlobStore) -> Cassette:
    fields = mapping(value, (), required=(*_HEADER_REQUIRED, "interactions"), optional=_HEADER_OPTIONAL)
    cassette = _header(fields)
    for key, each in typed(fields["interactions"], dict, ("interactions",)).items():
        try:
            cassette.interactions[key] = interaction(key, each, blobs)
        except BlobError as error:
            raise _BlobAt(("interactions", key), error) from error
    return cassette


def _header(fields: dict[str, object]) -> Cassette:
    if fields["format"] != FORMAT:
        raise ShapeError(
            ("format",), f"format: expected {FORMAT!r}, got {fields['format']!r}", fix=RECORD_AGAIN
        )
    if fields["key"] != KEY:
        what = f"key: this version makes fingerprints by {KEY!r}, the cassette by {fields['key']!r}"
        raise ShapeError(("key",), what, fix="pip install --upgrade pytest-f3dx, or " + RECORD_AGAIN)
    pairs = typed(fields.get("replace", []), list, ("replace",))
    return Cassette(
        test=typed(fields["test"], str, ("test",)),
        ignore=_texts(fields, "ignore"),
        replace=tuple(_pair(pair, ("replace", at)) for at, pair in enumerate(pairs)),
        match_headers=_texts(fields, "match_headers"),
    )


def _texts(fields: dict[str, object], name: str) -> tuple[str, ...]:
    items = typed(fields.get(name, []), list, (name,))
    return tuple(typed(item, str, (name, at)) for at, item in enumerate(items))


def _pair(value: object, keys: Keys) -> tuple[str, str]:
    fields = mapping(value, keys, required=("regex", "placeholder"), optional=())
    return typed(fields["regex"], str, (*keys, "regex")), typed(
        fields["placeholder"], str, (*keys, "placeholder")
    )


def _request_fields(request: Request, blobs: BlobStore) -> dict[str, object]:
    fields: dict[str, object] = {"method": request.method, "uri": request.uri}
    return fields | _headers_fields(request.headers) | _body_fields(request.body, request.headers, blobs)


def _request(value: object, keys: Keys, blobs: BlobStore) -> Request:
    fields = mapping(value, keys, required=("method", "uri"), optional=("headers", "body"))
    method = typed(fields["method"], str, (*keys, "method"))
    uri = typed(fields["uri"], str, (*keys, "uri"))
    if not _METHOD.fullmatch(method):
        raise ShapeError((*keys, "method"), f"{dotted((*keys, 'method'))}: {method!r} is no method")
    if not URI.fullmatch(uri):
        what = f"{dotted((*keys, 'uri'))}: {uri!r} is no absolute http or https URL"
        raise ShapeError((*keys, "uri"), what)
    return Request(method, uri, _headers(fields, keys), _body_bytes(fields, keys, blobs))


def _response_fields(response: Response, blobs: BlobStore) -> dict[str, object]:
    fields: dict[str, object] = {}
    if response.failure:
        fields["error"] = {"kind": response.failure.kind, "message": response.failure.message}
    else:
        fields["status"] = f"{response.status} {response.reason}" if response.reason else response.status
    fields |= _headers_fields(response.headers) | _recorded_fields(response)
    return fields | _body_fields(response.body, response.headers, blobs)


def _recorded_fields(response: Response) -> dict[str, object]:
    recorded: dict[str, str | int] = {}
    if response.recorded_at:
        recorded["at"] = response.recorded_at
    if response.took_ms is not None:
        recorded["took_ms"] = response.took_ms
    return {"recorded": Flow(recorded)} if recorded else {}


def _response(value: object, keys: Keys, blobs: BlobStore) -> Response:
    failed = isinstance(value, dict) and "error" in value
    required, optional = (("error",), ()) if failed else (("status",), ("headers", "body"))
    fields = mapping(value, keys, required=required, optional=(*optional, "recorded"))
    status, reason = (0, "") if failed else _status(fields["status"], (*keys, "status"))
    at, took_ms = _recorded(fields, keys)
    return Response(
        status,
        reason,
        _headers(fields, keys),
        _body_bytes(fields, keys, blobs),
        at,
        took_ms,
        _failure(fields["error"], (*keys, "error")) if failed else None,
    )


def _failure(value: object, keys: Keys) -> Failure:
    fields = mapping(value, keys, required=("kind", "message"), optional=())
    return Failure(
        typed(fields["kind"], str, (*keys, "kind")), typed(fields["message"], str, (*keys, "message"))
    )


def _status(value: object, keys: Keys) -> tuple[int, str]:
    if isinstance(value, int) and not isinstance(value, bool) and LEAST_STATUS <= value <= GREATEST_STATUS:
        return value, ""
    if isinstance(value, str) and (matched := _STATUS.fullmatch(value)):
        return int(matched[1]), matched[2]
    raise ShapeError(keys, f"{dotted(keys)}: expected a status such as 200 OK, got {value!r}")


def _recorded(fields: dict[str, object], keys: Keys) -> tuple[str, int | None]:
    if "recorded" not in fields:
        return "", None
    keys = (*keys, "recorded")
    recorded = mapping(fields["recorded"], keys, required=(), optional=("at", "took_ms"))
    took_ms = typed(recorded["took_ms"], int, (*keys, "took_ms")) if "took_ms" in recorded else None
    return typed(recorded.get("at", ""), str, (*keys, "at")), took_ms


def _headers_fields(headers: Headers) -> dict[str, object]:
    """Group repeated headers in a list, names in the order of their first appearance."""
    grouped: dict[str, list[str]] = {}
    for name, value in headers:
        grouped.setdefault(name.lower(), []).append(value)
    if all(len(values) == 1 for values in grouped.values()):
        return {"headers": Flow({name: values[0] for name, values in grouped.items()})} if grouped else {}
    return {"headers": {name: values[0] if len(values) == 1 else values for name, values in grouped.items()}}


def _headers(fields: dict[str, object], keys: Keys) -> Headers:
    keys = (*keys, "headers")
    found: list[tuple[str, str]] = []
    for name, value in typed(fields.get("headers", {}), dict, keys).items():
        values = value if isinstance(value, list) else [value]
        found += [(name, typed(each, str, (*keys, name))) for each in values]
    return tuple(found)


def _body_fields(body: bytes, headers: Headers, blobs: BlobStore) -> dict[str, object]:
    fields = _body.encode(body, headers, blobs)
    return {"body": fields} if fields else {}


def _body_bytes(fields: dict[str, object], keys: Keys, blobs: BlobStore) -> bytes:
    if "body" not in fields:
        return b""
    keys = (*keys, "body")
    try:
        return _body.decode(typed(fields["body"], dict, keys), blobs)
    except _body.BodyError as error:
        at = (*keys, error.key)
        raise ShapeError(at, f"{dotted(at)}: {error}") from error
