"""A body in the file: the most readable of four kinds that gives its exact bytes back.

``json`` (the parsed value; ``style`` says how it was spelt) if `_json_style` can rebuild the bytes; else
``text`` (``newline: crlf`` if every line ends so, ``charset`` if it is not UTF-8); else ``base64``, or from
2 KiB on ``blob``. Base64 strings of 2 KiB and more inside JSON are blobs too: ``$blob: name`` stands in their
place. A body that has a ``$blob`` of its own is kept as text, so the two cannot be confused.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from typing import TYPE_CHECKING

from pytest_f3dx import _json_style
from pytest_f3dx._blobs import extension_of
from pytest_f3dx._model import header

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_f3dx._blobs import BlobStore
    from pytest_f3dx._model import Headers

LARGE_BYTES = 2048
KINDS = {"json": ("style",), "text": ("newline", "charset"), "base64": (), "blob": ()}
_MARK = "$blob"
_QUOTED_MARK = b'"$blob"'
_CRLF = "crlf"
_NUL = b"\0"
_CHARSET = re.compile(r"""charset\s*=\s*["']?([A-Za-z0-9._:-]+)""", re.IGNORECASE)
# Stateless text codecs: what a server names must not make Python run `idna` or `unicode_escape` over a body.
_CODECS = re.compile(
    r"iso8859-\d+|cp\d+|koi8-[rtu]|mac-[a-z]+|utf-(?:16|32)(?:-[bl]e)?|gb2312|gbk|gb18030|big5(?:hkscs)?"
    r"|shift_jis\w*|euc_\w+|tis-620|hz|iso2022_\w+",
)
_PAYLOAD = re.compile(
    r"(data:([^,;\s]{0,100})[^,\s]{0,100};base64,)?([A-Za-z0-9+/]+={0,2}|[A-Za-z0-9_-]+={0,2})"
)
_VARIED = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"))
_PLAIN_BASE64 = "base64"
_ENCODINGS: dict[str, Callable[[bytes], str]] = {
    _PLAIN_BASE64: lambda data: base64.b64encode(data).decode(),
    "base64url": lambda data: base64.urlsafe_b64encode(data).decode(),
    "base64-unpadded": lambda data: base64.b64encode(data).decode().rstrip("="),
    "base64url-unpadded": lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
}


class BodyError(Exception):
    """A body in a file cannot be turned into bytes.

    Attributes:
        key: The field that is wrong.
    """

    def __init__(self, key: str, what: str) -> None:
        """Say what is wrong with a field."""
        self.key = key
        super().__init__(what)


def encode(body: bytes, headers: Headers, blobs: BlobStore) -> dict[str, object] | None:
    """Choose how a body stands in a file.

    Args:
        body: Redacted, content encoding undone.
        headers: Of the same message, for the charset and the media type.
        blobs: Takes what is large and opaque.

    Returns:
        Fields for `decode`, the kind last; None if the body is empty.
    """
    if not body:
        return None
    content_type = header(headers, "content-type") or ""
    return (
        _as_json(body, content_type, blobs)
        or _as_text(body)
        or _as_charset(body, content_type)
        or _as_bytes(body, content_type, blobs)
    )


def decode(fields: dict[str, object], blobs: BlobStore) -> bytes:
    """Rebuild the bytes of a body.

    Args:
        fields: What `encode` returned; from a file, hence not trusted.
        blobs: Where its blobs are.

    Returns:
        The exact bytes.

    Raises:
        BodyError: No such kind, or a value that is none of its kind.
        BlobError: A blob is absent or damaged.
    """
    kinds = [kind for kind in KINDS if kind in fields]
    if len(kinds) != 1:
        raise BodyError(next(iter(fields), ""), f"a body has one of the fields {', '.join(KINDS)}")
    kind = kinds[0]
    for key, value in fields.items():
        if key not in (kind, *KINDS[kind]):
            raise BodyError(key, f"unknown field {key!r} beside {kind!r}")
        if key != "json" and not isinstance(value, str):
            raise BodyError(key, f"expected text, got {type_name(value)}")
    return _DECODERS[kind](
        {key: value for key, value in fields.items() if isinstance(value, str)}, fields, blobs
    )


def type_name(value: object) -> str:
    """Name the type of a YAML value in the words of YAML."""
    names = {dict: "a mapping", list: "a list", str: "text", bool: "a boolean", type(None): "nothing"}
    return names.get(type(value), "a number" if isinstance(value, (int, float)) else "bytes")


def _as_json(body: bytes, content_type: str, blobs: BlobStore) -> dict[str, object] | None:
    parsed = _json_style.parse(body)
    if parsed is None:
        return None
    value, style = parsed
    if not isinstance(value, (dict, list)) and "json" not in content_type.lower():
        return None  # "42" or "null" of a plain page is text
    if f'"{_MARK}"'.encode() in body and _has_mark(value):
        return None
    if len(body) >= LARGE_BYTES:
        value = _extracted(value, blobs)
    return {"style": style, "json": value} if style else {"json": value}


def _as_text(body: bytes) -> dict[str, object] | None:
    if _NUL in body:
        return None
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return _text_fields(text)


def _text_fields(text: str) -> dict[str, object]:
    lines = text.replace("\r\n", "\n")
    if "\r" in text and "\r" not in lines and lines.count("\n") == text.count("\r\n"):
        return {"newline": _CRLF, "text": lines}
    return {"text": text}


def _as_charset(body: bytes, content_type: str) -> dict[str, object] | None:
    """Read text that is not UTF-8 by the charset it was declared with, if that is reversible."""
    if not (named := _CHARSET.search(content_type)):
        return None
    charset = named[1].lower()
    try:
        text = _codec(charset).decode(body)[0]
        if _encoded(text, charset) != body or "\0" in text:
            return None
    except (LookupError, ValueError):
        return None
    return {"charset": charset, **_text_fields(text)}


def _as_bytes(body: bytes, content_type: str, blobs: BlobStore) -> dict[str, object]:
    if len(body) < LARGE_BYTES:
        return {"base64": base64.b64encode(body).decode()}
    return {"blob": blobs.put(body, extension_of(body, content_type))}


def _codec(charset: str) -> codecs.CodecInfo:
    codec = codecs.lookup(charset)
    if not _CODECS.fullmatch(codec.name):
        message = f"unknown charset {charset!r}"
        raise LookupError(message)
    return codec


def _encoded(text: str, charset: str) -> bytes:
    return _codec(charset).encode(text)[0]


def _has_mark(value: object) -> bool:
    if isinstance(value, dict):
        return _MARK in value or any(_has_mark(child) for child in value.values())
    return isinstance(value, list) and any(_has_mark(child) for child in value)


def _extracted(value: object, blobs: BlobStore) -> object:
    """Return the value with its large base64 strings replaced; the value itself is left alone."""
    if isinstance(value, str):
        return _extracted_text(value, blobs) if len(value) >= LARGE_BYTES else value
    if isinstance(value, dict):
        return {key: _extracted(child, blobs) for key, child in value.items()}
    if isinstance(value, list):
        return [_extracted(child, blobs) for child in value]
    return value


def _extracted_text(text: str, blobs: BlobStore) -> object:
    matched = _PAYLOAD.fullmatch(text)
    if not matched or not all(pattern.search(matched[3]) for pattern in _VARIED):
        return text  # a run of one letter, or a long word: no payload
    for encoding, encoded in _ENCODINGS.items():
        data = _base64_bytes(matched[3])
        if data is not None and encoded(data) == matched[3]:
            fields = {_MARK: blobs.put(data, extension_of(data, matched[2] or ""))}
            if encoding != _PLAIN_BASE64:
                fields["encoding"] = encoding
            return {**fields, "prefix": matched[1]} if matched[1] else fields
    return text


def _base64_bytes(text: str) -> bytes | None:
    digits = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except binascii.Error:
        return None


def _restored(value: object, blobs: BlobStore) -> object:
    if isinstance(value, dict):
        if _MARK in value:
            return _restored_text(value, blobs)
        return {key: _restored(child, blobs) for key, child in value.items()}
    if isinstance(value, list):
        return [_restored(child, blobs) for child in value]
    return value


def _restored_text(fields: dict[str, object], blobs: BlobStore) -> str:
    name, encoding = fields[_MARK], fields.get("encoding", _PLAIN_BASE64)
    prefix = fields.get("prefix", "")
    known = isinstance(name, str) and isinstance(prefix, str) and encoding in _ENCODINGS
    if not known or not fields.keys() <= {_MARK, "encoding", "prefix"}:
        raise BodyError("json", f"a mapping with {_MARK} has the fields {_MARK}, encoding and prefix")
    return f"{prefix}{_ENCODINGS[str(encoding)](blobs.get(str(name)))}"


def _from_json(texts: dict[str, str], fields: dict[str, object], blobs: BlobStore) -> bytes:
    value, style = fields["json"], str(fields.get("style", ""))
    try:
        written = _json_style.dump(value, style)
        if _QUOTED_MARK not in written:  # whatever the style: no escape is of any of its characters
            return written
        return _json_style.dump(_restored(value, blobs), style)
    except ValueError as error:
        raise BodyError("style" if "style" in texts else "json", str(error)) from error


def _from_text(texts: dict[str, str], _fields: object, _blobs: object) -> bytes:
    text = texts["text"]
    newline = texts.get("newline", _CRLF)
    if newline != _CRLF:
        raise BodyError("newline", f"expected {_CRLF!r}, got {newline!r}")
    if "newline" in texts:
        text = text.replace("\n", "\r\n")
    try:
        return _encoded(text, texts["charset"]) if "charset" in texts else text.encode()
    except (LookupError, ValueError) as error:
        raise BodyError("charset" if "charset" in texts else "text", str(error)) from error


def _from_base64(texts: dict[str, str], _fields: object, _blobs: object) -> bytes:
    try:
        return base64.b64decode(texts["base64"], validate=True)
    except ValueError as error:
        raise BodyError("base64", f"not base64: {error}") from error


def _from_blob(texts: dict[str, str], _fields: object, blobs: BlobStore) -> bytes:
    return blobs.get(texts["blob"])


_DECODERS: dict[str, Callable[[dict[str, str], dict[str, object], BlobStore], bytes]] = {
    "json": _from_json,
    "text": _from_text,
    "base64": _from_base64,
    "blob": _from_blob,
}
