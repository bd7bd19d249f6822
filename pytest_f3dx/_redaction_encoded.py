"""Texts that stand inside something else: base64 within a text, and the frames of Amazon's event streams.

Each is taken out, searched, and put back as it was encoded, so that what is around it still decodes:
the alphabet and padding of base64, the lengths and checksums of a frame.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LEAST_ENCODED = 24  # characters of base64: 18 bytes, the shortest text with a name and a secret in it
_PROBE = 64
_CLASSES = bytes(
    97 if chr(code) in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_" else 32
    for code in range(256)
)
_NEEDLE = b"a" * LEAST_ENCODED
_UNPRINTABLE = re.compile(r"[^\t\n\r -~\x80-\U0010ffff]")
_ESCAPE_BEFORE = re.compile(r"\\+[nrtbf]?|%[0-9A-Fa-f]{2}|\\+u[0-9A-Fa-f]{4}", re.ASCII)


class Encoded(NamedTuple):
    """A readable text in base64.

    Attributes:
        start: Where its base64 begins.
        end: Where it ends, padding included.
        text: What it says, a character a byte.
    """

    start: int
    end: int
    text: str


def has_run(text: str, characters: int) -> bool:
    """Tell whether so many characters of base64 stand in a row."""
    return b"a" * characters in text.encode("latin-1", "replace").translate(_CLASSES)


def encoded_texts(text: str) -> Iterator[Encoded]:
    """Yield the readable texts that stand in a text as base64.

    Args:
        text: Any text, or bytes decoded as latin-1.
    """
    classes = text.encode("latin-1", "replace").translate(_CLASSES)
    unreadable: set[str] = set()  # the id that stands in every event of a stream is decoded once
    at = classes.find(_NEEDLE)
    while at >= 0:
        end = classes.find(b" ", at + LEAST_ENCODED)
        end = len(classes) if end < 0 else end
        run = text[at : end + 1] if end - at < _PROBE else ""
        if run not in unreadable:
            found = _decoded_run(text, at, end)
            if found:
                yield found
            elif run:
                unreadable.add(run)
        at = classes.find(_NEEDLE, end)


def _decoded_run(text: str, start: int, end: int) -> Encoded | None:
    """Decode a run of base64 characters if it is a readable text."""
    escape = _ESCAPE_BEFORE.match(text, start - 1)  # its letter or digits are none of base64; -1 counts as 0
    start = min(escape.end(), end) if escape else start
    padded = end
    while padded < len(text) and padded < end + 2 and text[padded] == "=":
        padded += 1
    probe = _bytes(text[start : min(start + _PROBE, end)])
    if probe is None or not _is_readable(probe):
        return None
    raw = _bytes(text[start:end])
    if raw is None or _encode(raw, text[start:padded]) != text[start:padded] or not _is_readable(raw):
        return None
    return Encoded(start, padded, raw.decode("latin-1"))


def _bytes(run: str) -> bytes | None:
    standard = run.replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4))
    except (binascii.Error, ValueError):
        return None


def _is_readable(raw: bytes) -> bool:
    """Tell a text from an image: UTF-8 without control characters; the last character may be cut off."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        if error.start < len(raw) - 3:
            return False
        text = raw[: error.start].decode()
    return _UNPRINTABLE.search(text) is None


def encode_like(text: str, model: str) -> str:
    """Write a text in base64 with the alphabet and the padding of another.

    Args:
        text: A character a byte.
        model: Base64.
    """
    return _encode(text.encode("latin-1"), model)


def _encode(raw: bytes, model: str) -> str:
    url_safe = "-" in model or "_" in model
    written = (base64.urlsafe_b64encode(raw) if url_safe else base64.b64encode(raw)).decode()
    # Padding is left out where the model shows that it does so, or is of the alphabet that mostly does.
    is_bare = not model.endswith("=") and (len(model) % 4 or url_safe)
    return written.rstrip("=") if is_bare else written


# -- frames ------------------------------------------------------------------------------------------

_PRELUDE = struct.Struct("!III")  # length of the message, of its headers, CRC-32 of both
_CRC = struct.Struct("!I")  # a length is written so, too
_CHUNK = re.compile(r'(\{[^{}]*"bytes":\s*")([A-Za-z0-9+/]+=*)("[^{}]*\})', re.ASCII)


class _Frame(NamedTuple):
    headers: bytes
    payload: bytes


def redact_frames(body: bytes, redact: Callable[[str], str]) -> bytes | None:
    """Redact the payloads of an Amazon event stream, as one text so that secrets in pieces are seen.

    Args:
        body: The stream.
        redact: Redacts a text of JSON values, one between two breaks of lines.

    Returns:
        A stream with lengths and checksums that fit; the same object if nothing was found; None if
        the body is no such stream.
    """
    frames = _frames(body)
    if not frames:
        return None
    inner = [_unwrapped(frame.payload.decode("latin-1")) for frame in frames]
    breaks = "\n\x1e\n"
    while any(breaks in payload for _, payload, _ in inner):
        breaks = breaks.replace("\n\x1e", "\n\x1e\x1e")
    text = breaks.join(payload for _, payload, _ in inner)
    clean = redact(text)
    if clean == text:
        return body
    payloads = clean.split(breaks)
    rebuilt = []
    for frame, (before, old, after), new in zip(frames, inner, payloads, strict=True):
        if new != old:
            whole = f"{before}{_encoded_chunk(new) if before else new}{after}"
            frame = frame._replace(payload=whole.encode("latin-1"))  # noqa: PLW2901
        rebuilt.append(_built(frame))
    return b"".join(rebuilt)


def _unwrapped(payload: str) -> tuple[str, str, str]:
    """Return the event in a chunk, which Bedrock sends in base64, and what is around it."""
    chunk = _CHUNK.fullmatch(payload)
    raw = _bytes(chunk[2]) if chunk else None
    if chunk is None or raw is None or base64.b64encode(raw).decode() != chunk[2]:
        return "", payload, ""
    return chunk[1], raw.decode("latin-1"), chunk[3]


def _encoded_chunk(text: str) -> str:
    return base64.b64encode(text.encode("latin-1")).decode()


def _frames(body: bytes) -> list[_Frame]:
    """Split a stream into its messages; none if a length or a checksum does not fit."""
    frames: list[_Frame] = []
    at = 0
    while at < len(body):
        if len(body) - at < _PRELUDE.size + _CRC.size:
            return []
        length, headers_length, prelude_crc = _PRELUDE.unpack_from(body, at)
        end = at + length
        payload_at = at + _PRELUDE.size + headers_length
        if end > len(body) or payload_at > end - _CRC.size:
            return []
        if zlib.crc32(body[at : at + 8]) != prelude_crc:
            return []
        if zlib.crc32(body[at : end - _CRC.size]) != _CRC.unpack_from(body, end - _CRC.size)[0]:
            return []
        frames.append(_Frame(body[at + _PRELUDE.size : payload_at], body[payload_at : end - _CRC.size]))
        at = end
    return frames


def _built(frame: _Frame) -> bytes:
    """Write a message with its lengths and checksums."""
    lengths = _CRC.pack(16 + len(frame.headers) + len(frame.payload)) + _CRC.pack(len(frame.headers))
    message = lengths + _CRC.pack(zlib.crc32(lengths)) + frame.headers + frame.payload
    return message + _CRC.pack(zlib.crc32(message))
