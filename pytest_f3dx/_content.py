"""What a body is: its content encoding undone, its media type. Pure."""

from __future__ import annotations

import re
import zlib
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_f3dx._model import Headers

MAX_DECODED_BYTES = 256 * 1024 * 1024
"""A body that decodes to more stays encoded: a decompression bomb must not take the memory of a test run."""

# Bytes fed at a time, which bounds by how much one step can overshoot the limit: a zlib byte
# makes at most 1032 bytes and 4 bytes of zstd at most 128 KiB, but 10 bytes of brotli make 16 MiB.
_CHUNK_BYTES = 4096
_BROTLI_CHUNK_BYTES = 64
_PARAMETER = re.compile(r';\s*([^=;\s]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))', re.DOTALL)
_QUOTED_PAIR = re.compile(r'\\(["\\])')  # others stay: browsers send filename="C:\dir\file" unescaped


class _NotDecodableError(Exception):
    """The encoding is unknown, its library is absent, or the body is damaged or too large."""


class _Decoder(Protocol):
    """What zlib, zstandard, compression.zstd and (adapted) brotli have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class _Brotli:
    """Give brotli and brotlicffi the interface of a zlib decompressor."""

    unused_data = b""  # both raise on data after the end of the stream

    def __init__(self, module: Any) -> None:  # noqa: ANN401 (untyped, and one of two modules)
        self._decompressor = module.Decompressor()

    @property
    def eof(self) -> bool:
        return bool(self._decompressor.is_finished())

    def decompress(self, data: bytes, /) -> bytes:
        return bytes(self._decompressor.process(data))


def _inflated(
    new_decoder: Callable[[], _Decoder], body: bytes, *, repeats: bool, chunk_bytes: int = _CHUNK_BYTES
) -> bytes:
    """Undo one encoding; `repeats` allows several members or frames, one after the other."""
    pieces: list[bytes] = []
    size = position = 0
    decoder = new_decoder()
    while position < len(body):
        if decoder.eof:
            if not repeats:
                raise _NotDecodableError
            decoder = new_decoder()
        chunk = body[position : position + chunk_bytes]
        pieces.append(decoder.decompress(chunk))
        position += len(chunk) - len(decoder.unused_data)
        size += len(pieces[-1])
        if size > MAX_DECODED_BYTES:
            raise _NotDecodableError
    if not decoder.eof:
        raise _NotDecodableError
    return b"".join(pieces)


def _gunzipped(body: bytes) -> bytes:
    return _inflated(lambda: zlib.decompressobj(16 + zlib.MAX_WBITS), body, repeats=True)


def _undeflated(body: bytes) -> bytes:
    """Undo `deflate`, which is zlib (RFC 9110 sec. 8.4.1.2) and, from servers that misread it, raw."""
    try:
        return _inflated(zlib.decompressobj, body, repeats=False)
    except zlib.error:
        return _inflated(lambda: zlib.decompressobj(-zlib.MAX_WBITS), body, repeats=False)


def _first_installed(*names: str) -> Any:  # noqa: ANN401 (one of several modules)
    """Import the first of some modules that is installed; all of them are optional."""
    for name in names:
        with suppress(ImportError):
            return import_module(name)
    raise _NotDecodableError


def _unbrotlied(body: bytes) -> bytes:
    module = _first_installed("brotli", "brotlicffi")
    return _inflated(lambda: _Brotli(module), body, repeats=False, chunk_bytes=_BROTLI_CHUNK_BYTES)


def _unzstded(body: bytes) -> bytes:
    module = _first_installed("compression.zstd", "zstandard")  # the former from Python 3.14 on
    is_zstandard = module.__name__ == "zstandard"
    new_decoder = module.ZstdDecompressor().decompressobj if is_zstandard else module.ZstdDecompressor
    return _inflated(new_decoder, body, repeats=True)


_UNDO: dict[str, Callable[[bytes], bytes]] = {
    "gzip": _gunzipped,
    "x-gzip": _gunzipped,
    "deflate": _undeflated,
    "br": _unbrotlied,
    "zstd": _unzstded,
    "identity": bytes,
}


def _undone(encodings: list[str], body: bytes) -> bytes:
    """Undo encodings, the last one applied first."""
    for name in reversed(encodings):
        if name not in _UNDO:
            raise _NotDecodableError
        try:
            body = _UNDO[name](body)
        except _NotDecodableError:
            raise
        except Exception as error:  # each library has an error type of its own, brotli's even changed
            raise _NotDecodableError from error
    return body


def decoded(headers: Headers, body: bytes) -> tuple[Headers, bytes]:
    """Undo the content encoding of a body, and tell the truth about it in the headers.

    Args:
        headers: As sent or received; several encodings, in one header or in many, are undone in
            reverse order (RFC 9110 sec. 8.4).
        body: The whole body.

    Returns:
        Headers without ``content-encoding``, and the decoded body. Both unchanged, so that they
        stay true about each other, if the encoding is unknown, its library is not installed, or
        the body is damaged, goes on after its end, or decodes to more than `MAX_DECODED_BYTES`.
    """
    named = [value for name, value in headers if name.lower() == "content-encoding"]
    encodings = [part.strip().lower() for value in named for part in value.split(",") if part.strip()]
    if not named:
        return headers, body
    if body:
        try:
            body = _undone(encodings, body)
        except _NotDecodableError:
            return headers, body
    return tuple(pair for pair in headers if pair[0].lower() != "content-encoding"), body


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """Split a header such as ``multipart/form-data; boundary="x"`` into its value and parameters.

    Args:
        value: Value of a content-type or content-disposition header.

    Returns:
        The value in lower case, and its parameters by lower-case name; the first of a name counts.
    """
    main, _, _ = value.partition(";")
    found: dict[str, str] = {}
    for match in _PARAMETER.finditer(value, len(main)):
        name, quoted, bare = match.groups()
        text = bare.strip() if quoted is None else _QUOTED_PAIR.sub(r"\1", quoted)
        found.setdefault(name.lower(), text)
    return main.strip().lower(), found


def media_type(headers: Headers) -> tuple[str, dict[str, str]]:
    """Return the lower-case media type without its parameters, and the parameters by lower-case name.

    Args:
        headers: As sent or received; the first content-type counts.

    Returns:
        ``("", {})`` if there is none.
    """
    for name, value in headers:
        if name.lower() == "content-type":
            return (value, {}) if value == "application/json" else parameters(value)
    return "", {}


def is_json(media: str) -> bool:
    """Tell whether a media type, as `media_type` returns it, promises JSON (RFC 6839 sec. 3.1)."""
    return media in {"application/json", "text/json"} or media.endswith("+json")
