"""Read the cassettes of vcrpy (version 1, YAML and JSON) as they are.

The exchanges come back as they stand in the file: not redacted, without fingerprint, and with whatever
content encoding their headers tell of.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from pytest_f3dx import _yaml_read
from pytest_f3dx._body import type_name
from pytest_f3dx._damage import BOM, check
from pytest_f3dx._model import Request, Response
from pytest_f3dx._shape import GREATEST_STATUS, LEAST_STATUS, URI, Keys, ShapeError, dotted, typed
from pytest_f3dx._yaml_read import RECORD_AGAIN
from pytest_f3dx.errors import CassetteError, CassetteFormatError

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_f3dx._model import Headers

_YAML = re.compile(rb"^interactions:", re.MULTILINE)
_OURS = re.compile(rb"^format:[ \t]*[\"']?f3dx/", re.MULTILINE)
_JSON = re.compile(rb'"interactions"\s*:')
_VERSION = 1
_Wrong: TypeAlias = list[tuple[Keys, str]]  # where in the interaction, and what


def is_vcrpy(data: bytes) -> bool:
    """Whether a file looks like a cassette of vcrpy; a damaged one does as well."""
    text = data.removeprefix(BOM)
    if _is_json(text):
        return bool(_JSON.search(text))
    return bool(_YAML.search(text)) and not _OURS.search(text)


def is_ours(data: bytes) -> bool:
    """Whether a file says that it is a cassette of ours, of whatever version."""
    return bool(_OURS.search(data.removeprefix(BOM)))


def load(data: bytes, path: Path) -> list[tuple[Request, Response]]:
    """Read a cassette of vcrpy.

    Args:
        data: The whole file.
        path: Its name, for errors.

    Returns:
        Its exchanges in order.

    Raises:
        CassetteError: The file is damaged, or an interaction has not the fields and types of vcrpy's.
        CassetteFormatError: It is of a version other than 1, or of another tool.
    """
    clean = check(data, path)
    value = _from_json(clean, path) if _is_json(clean) else _yaml_read.load(clean, path, foreign=True)
    found: list[tuple[Request, Response]] = []
    for number, each in enumerate(_interactions(value, path), 1):
        wrong: _Wrong = []
        exchange = _exchange(each, wrong)
        if exchange is None or wrong:
            what = f"interaction {number}: {'; '.join(message for _, message in wrong)}"
            place = ("interactions", number - 1, *wrong[0][0])
            line = None if _is_json(clean) else _yaml_read.locate(clean, place)
            raise CassetteError(path, what, ("fix", RECORD_AGAIN), line=line)
        found.append(exchange)
    return found


def _is_json(data: bytes) -> bool:
    return data.lstrip()[:1] == b"{"


def _from_json(data: bytes, path: Path) -> object:
    try:
        return json.loads(data, object_pairs_hook=_unique)
    except RecursionError as error:
        raise CassetteError(path, "nested too deeply", ("fix", RECORD_AGAIN)) from error
    except json.JSONDecodeError as error:
        what = f"not valid JSON: {error.msg}"
        raise CassetteError(path, what, ("fix", RECORD_AGAIN), line=error.lineno) from error
    except ValueError as error:
        raise CassetteError(path, f"not valid JSON: {error}", ("fix", RECORD_AGAIN)) from error


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        message = f"duplicate key {next(name for name in names if names.count(name) > 1)!r}"
        raise ValueError(message)
    return fields


def _interactions(value: object, path: Path) -> list[object]:
    if not isinstance(value, dict) or not isinstance(value.get("interactions"), list):
        got = (
            type_name(value["interactions"])
            if isinstance(value, dict) and "interactions" in value
            else "none"
        )
        what = f"this is no cassette of vcrpy: expected a list of interactions, got {got}"
        raise CassetteFormatError(path, what, ("fix", RECORD_AGAIN))
    version = value.get("version", _VERSION)
    if version != _VERSION or isinstance(version, bool):
        what = f"the cassette of vcrpy is of version {version!r}; this tool reads {_VERSION}"
        raise CassetteFormatError(path, what, ("fix", RECORD_AGAIN))
    interactions: list[object] = value["interactions"]
    return interactions


def _exchange(value: object, wrong: _Wrong) -> tuple[Request, Response] | None:
    """Read one interaction; everything that is wrong with it is added to the list."""
    if not isinstance(value, dict):
        wrong.append(((), f"expected a mapping, got {type_name(value)}"))
        return None
    for name in ("request", "response"):
        if name not in value:
            wrong.append(((), f"no {name!r}"))
        elif not isinstance(value[name], dict):
            wrong.append(((name,), f"{name}: expected a mapping, got {type_name(value[name])}"))
    if wrong:
        return None
    return _request(value["request"], wrong), _response(value["response"], wrong)


def _request(fields: dict[str, object], wrong: _Wrong) -> Request:
    for name in sorted(fields.keys() - {"method", "uri", "headers", "body"}):
        _add(wrong, ("request", name), "vcrpy has no such field")
    method = _text(fields.get("method"), ("request", "method"), wrong)
    uri = _text(fields.get("uri"), ("request", "uri"), wrong)
    if uri and not URI.fullmatch(uri):
        _add(wrong, ("request", "uri"), f"{uri!r} is no absolute http or https URL")
    headers = _headers(fields.get("headers"), ("request", "headers"), wrong)
    return Request(method, uri, headers, _body(fields.get("body"), ("request", "body"), wrong))


def _response(fields: dict[str, object], wrong: _Wrong) -> Response:
    if "content" in fields and "body" not in fields:  # as vcrpy 2 to 4 recorded httpx
        fields = {
            **fields,
            "body": {"string": fields["content"]},
            "status": {"code": fields.get("status_code")},
        }
    status = fields.get("status")
    code, message = (status.get("code"), status.get("message")) if isinstance(status, dict) else (status, "")
    if not isinstance(code, int) or not LEAST_STATUS <= code <= GREATEST_STATUS:
        what = f"expected a whole number from {LEAST_STATUS} to {GREATEST_STATUS}, got {code!r}"
        _add(wrong, ("response", "status", "code"), what)
        code = 0
    reason = "" if message is None else _text(message, ("response", "status", "message"), wrong)
    headers = _headers(fields.get("headers"), ("response", "headers"), wrong)
    return Response(code, reason, headers, _body(fields.get("body"), ("response", "body"), wrong))


def _add(wrong: _Wrong, keys: Keys, what: str) -> None:
    wrong.append((keys, f"{dotted(keys)}: {what}"))


def _text(value: object, keys: Keys, wrong: _Wrong) -> str:
    try:
        return typed(value, str, keys)
    except ShapeError as error:
        wrong.append((keys, str(error)))
        return ""


def _headers(value: object, keys: Keys, wrong: _Wrong) -> Headers:
    """Read a mapping to a value or a list of values, or the (name, values) pairs of old cassettes."""
    pairs = value.items() if isinstance(value, dict) else value or []
    found: list[tuple[str, str]] = []
    for pair in pairs if isinstance(pairs, Iterable) else [pairs]:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:  # noqa: PLR2004 - name and values
            _add(wrong, keys, f"expected a mapping, got {type_name(value)}")
            return ()
        name, values = pair
        each = values if isinstance(values, list) else [values]
        found += [(str(name), _header_text(value, (*keys, str(name)), wrong)) for value in each]
    return tuple(found)


def _header_text(value: object, keys: Keys, wrong: _Wrong) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return str(value) if is_number else _text(value, keys, wrong)


def _body(value: object, keys: Keys, wrong: _Wrong) -> bytes:
    if isinstance(value, dict):
        for name in ("string", "base64_string"):
            if name in value:
                found = _body(value[name], (*keys, name), wrong)
                return found if name == "string" else _base64(found, (*keys, name), wrong)
        _add(wrong, keys, "has neither 'string' nor 'base64_string'")
    elif isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    elif isinstance(value, bytes):
        return value
    elif value is not None:
        _add(wrong, keys, f"expected text, got {type_name(value)}")
    return b""


def _base64(value: bytes, keys: Keys, wrong: _Wrong) -> bytes:
    try:
        return base64.b64decode(value)
    except binascii.Error:
        _add(wrong, keys, "not base64")
        return b""
