"""vcrpy and us: our matcher, serializer and persister for those who use plain vcrpy.

The only module that imports vcrpy, and only once one of these is used: that import costs about
100 ms, which a replayed test does not pay. The clients are seen by `pytest_f3dx._clients` (which
says why not by vcrpy's stubs); `patched` is offered here as well.

    import vcr
    from pytest_f3dx import register

    mine = vcr.VCR(match_on=["method", "f3dx"])
    register(mine)
    with mine.use_cassette("cassettes/test_chat.yaml"):
        ...
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_f3dx._clients._exchange import raw, text
from pytest_f3dx._clients._switch import patched
from pytest_f3dx._model import Cassette, Interaction, Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_f3dx._blobs import BlobStore
    from pytest_f3dx._gate import Gate

__all__ = ["NAME", "Persister", "Serializer", "matcher", "patched", "register"]

NAME = "f3dx"
_BLOBS = "_blobs"
Exchange = tuple[Request, Response]


def register(recorder: Any) -> None:  # noqa: ANN401 (a vcr.VCR, which has no types)
    """Make a ``vcr.VCR`` know our matcher and serializer by the name ``f3dx``, and use our persister.

    Args:
        recorder: The ``vcr.VCR``. Name the matcher in its ``match_on``; the files it writes from
            now on are in our format, whatever serializer it names.
    """
    recorder.register_matcher(NAME, matcher)
    recorder.register_serializer(NAME, Serializer(Path(recorder.cassette_library_dir or ".") / _BLOBS))
    recorder.register_persister(Persister())


# -- matcher ---------------------------------------------------------------------------------------


def matcher(r1: Any, r2: Any) -> None:  # noqa: ANN401 (vcr.request.Request, which has no types)
    """Compare two requests of vcrpy by fingerprint: method, URL, query and the meaning of the body.

    Args:
        r1: A ``vcr.request.Request``.
        r2: Another.

    Raises:
        AssertionError: They differ; names where. vcrpy shows it for requests that another matcher
            accepts, so name ``method`` beside this one.
    """
    one, other = _request(r1), _request(r2)
    if _fingerprint(one) != _fingerprint(other):
        raise AssertionError("; ".join(_differences(one, other)) or "the fingerprints differ")


matcher.__name__ = NAME  # what vcrpy's messages call it


@functools.lru_cache(maxsize=4096)  # vcrpy asks for each recorded request in turn
def _fingerprint(request: Request) -> str:
    from pytest_f3dx._fingerprint import fingerprint_request

    return fingerprint_request(_stored(request))


def _stored(request: Request) -> Request:
    """Return a request as a cassette holds it: content encoding undone, then redacted."""
    from pytest_f3dx._content import decoded
    from pytest_f3dx._redaction import Redactor, environment_values

    headers, body = decoded(request.headers, request.body)
    redactor = Redactor(values=environment_values(os.environ))
    return redactor.request(Request(request.method, request.uri, headers, body))


def _differences(one: Request, other: Request) -> Iterable[str]:
    """Name each place in which two requests differ, as the text of a miss does."""
    from pytest_f3dx._config import Config
    from pytest_f3dx._miss import differences

    found = differences(_stored(other), _stored(one), Config())
    return [f"{each.path}: {each.old} recorded, {each.new} sent" for each in found]


# -- files -----------------------------------------------------------------------------------------


class Serializer:
    """Writes and reads our format for vcrpy; redacts what it writes.

    Attributes:
        blobs: Directory of large opaque payloads.
    """

    def __init__(self, blobs: Path) -> None:
        """Touch nothing on disk."""
        self.blobs = blobs

    def serialize(self, cassette_dict: dict[str, Any]) -> str:
        """Return the text of a cassette, having written its blobs.

        Args:
            cassette_dict: vcrpy's ``{"version": 1, "interactions": [...]}``.
        """
        pairs = [(_from_fields(each["request"]), each["response"]) for each in cassette_dict["interactions"]]
        store = _store(self.blobs)
        data = _dump([(request, _response(fields)) for request, fields in pairs], store)
        store.flush()
        return data.decode()

    def deserialize(self, cassette_string: str) -> dict[str, Any]:
        """Return what vcrpy makes its interactions of.

        Args:
            cassette_string: Text of a cassette, ours or vcrpy's.

        Raises:
            CassetteError: It is damaged, cut off or of another format.
        """
        exchanges = _load(cassette_string.encode(), Path("<cassette>"), _store(self.blobs))
        return {
            "version": 1,
            "interactions": [
                {"request": _fields(request), "response": _response_fields(response)}
                for request, response in exchanges
            ],
        }


class Persister:
    """Saves and loads our format for vcrpy: atomically, in UTF-8, redacted, blobs beside the cassette."""

    @staticmethod
    def load_cassette(cassette_path: str | Path, serializer: object) -> tuple[list[Any], list[Any]]:
        """Read a cassette, ours or vcrpy's.

        Args:
            cassette_path: The file.
            serializer: Not asked; the format is always ours.

        Returns:
            vcrpy's requests and responses.

        Raises:
            CassetteNotFoundError: vcrpy's: there is none yet.
            CassetteError: It is damaged; vcrpy stops then and overwrites nothing.
        """
        from vcr.persisters.filesystem import CassetteNotFoundError
        from vcr.request import Request as VcrRequest

        from pytest_f3dx._files import read_bytes

        del serializer
        path = Path(cassette_path)
        if not path.exists():
            raise CassetteNotFoundError(str(path))
        exchanges = _load(read_bytes(path), path, _store(path.parent / _BLOBS))
        requests = [VcrRequest._from_dict(_fields(request)) for request, _ in exchanges]  # noqa: SLF001 (held by tests/test_vcrpy_contract.py)
        return requests, [_response_fields(response) for _, response in exchanges]

    @staticmethod
    def save_cassette(cassette_path: str | Path, cassette_dict: dict[str, Any], serializer: object) -> None:
        """Write a cassette.

        Args:
            cassette_path: The file; directories are made.
            cassette_dict: vcrpy's ``{"requests": [...], "responses": [...]}``.
            serializer: Not asked.

        Raises:
            CassetteAccessError: The operating system refuses.
            SecretError: Redaction has left a secret; nothing is written.
        """
        from pytest_f3dx._files import write_atomic

        del serializer
        path = Path(cassette_path)
        pairs = zip(cassette_dict["requests"], cassette_dict["responses"], strict=True)
        store = _store(path.parent / _BLOBS)
        data = _dump([(_request(request), _response(fields)) for request, fields in pairs], store, path.stem)
        _gate().cassette(str(path), data, store.pending)
        store.flush()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data)


def _store(root: Path) -> BlobStore:
    from pytest_f3dx._blobs import BlobStore

    return BlobStore(root)


def _gate() -> Gate:
    from pytest_f3dx._audit import Auditor
    from pytest_f3dx._gate import Gate
    from pytest_f3dx._redaction import environment_values

    return Gate(Auditor(values=environment_values(os.environ)))


def _dump(exchanges: list[Exchange], blobs: BlobStore, test: str = "") -> bytes:
    """Redact first, fingerprint second, as everywhere."""
    from pytest_f3dx._cassette import encode
    from pytest_f3dx._content import decoded
    from pytest_f3dx._fingerprint import fingerprint_request
    from pytest_f3dx._redaction import Redactor, environment_values

    redactor, cassette = Redactor(values=environment_values(os.environ)), Cassette(test)
    for sent, received in exchanges:
        headers, body = decoded(sent.headers, sent.body)
        request = redactor.request(Request(sent.method, sent.uri, headers, body))
        headers, body = decoded(received.headers, received.body)
        plain = Response(received.status, received.reason, headers, body)
        key = fingerprint_request(request)
        interaction = cassette.interactions.setdefault(key, Interaction(key, request, []))
        interaction.responses.append(redactor.response(plain, method=request.method))
    return encode(cassette, blobs)


def _load(data: bytes, path: Path, blobs: BlobStore) -> list[Exchange]:
    from pytest_f3dx import _cassette, _foreign

    if _foreign.is_vcrpy(data):
        return _foreign.load(data, path)
    cassette = _cassette.load(data, path, blobs)
    return [
        (interaction.request, response)
        for interaction in cassette.interactions.values()
        for response in interaction.responses
        if response.failure is None  # vcrpy has no words for a transport error
    ]


# -- vcrpy's types and ours ------------------------------------------------------------------------


def _request(request: Any) -> Request:  # noqa: ANN401
    """Take a ``vcr.request.Request`` over."""
    return Request(request.method.upper(), request.uri, _pairs(request.headers), _body(request.body_bytes))


def _from_fields(fields: dict[str, Any]) -> Request:
    return Request(fields["method"].upper(), fields["uri"], _pairs(fields["headers"]), _body(fields["body"]))


def _fields(request: Request) -> dict[str, Any]:
    """Write a request as vcrpy's ``Request._to_dict`` does."""
    headers = _grouped(request.headers)
    return {"method": request.method, "uri": request.uri, "body": request.body or None, "headers": headers}


def _body(body: Any) -> bytes:  # noqa: ANN401
    """Return a body in bytes; vcrpy's stub for aiohttp keeps what was passed as ``json=``."""
    if body is None:
        return b""
    if isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    return json.dumps(body, default=str).encode()


def _pairs(headers: Any) -> tuple[tuple[str, str], ...]:  # noqa: ANN401
    """Flatten vcrpy's headers: a mapping, or pairs, of names to a value or to several."""
    items = headers.items() if isinstance(headers, Mapping) else headers
    return tuple((name, _plain(value)) for name, values in items for value in _values(values))


def _values(values: Any) -> Iterable[Any]:  # noqa: ANN401
    return (values,) if isinstance(values, str | bytes) else values


def _plain(value: Any) -> str:  # noqa: ANN401
    return text(value) if isinstance(value, bytes) else str(value)


def _grouped(headers: tuple[tuple[str, str], ...]) -> dict[str, list[str]]:
    names: dict[str, str] = {}
    grouped: dict[str, list[str]] = {}
    for name, value in headers:
        grouped.setdefault(names.setdefault(name.lower(), name), []).append(value)
    return grouped


def _response(fields: dict[str, Any]) -> Response:
    """Take a response of vcrpy over."""
    status = fields["status"]
    body = _body(fields["body"]["string"])
    return Response(status["code"], status["message"] or "", _pairs(fields["headers"]), body)


def _response_fields(response: Response) -> dict[str, Any]:
    reason = text(raw(response.reason))
    return {
        "status": {"code": response.status, "message": reason},
        "headers": _grouped(response.headers),
        "body": {"string": response.body},
    }
