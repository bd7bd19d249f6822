"""Write the subset of YAML that cassettes consist of: fast, deterministic, made to be reviewed.

Multi-line text is a literal block whatever stands at the ends of its lines (PyYAML's emitter quotes
where YAML would allow the block), Unicode is itself and lines are never folded. Whatever is written
loads to the same typed value in YAML 1.1 and 1.2 (tests/test_yaml.py holds this for both PyYAML loaders).
"""

from __future__ import annotations

import re
from functools import lru_cache

from pytest_f3dx._flow import Flow
from pytest_f3dx._raw import is_odd

_STEP = 2
_FLOW_WIDTH = 100  # a flow mapping wider than that is written as a block
_KEY_WIDTH = 100  # characters; YAML stops looking for the colon of a plain key after 1024 characters
# Without what YAML cannot carry raw: C0 and C1 controls, NEL, LS, PS, BOM, lone surrogates, U+FFFE, U+FFFF.
_SAFE = " -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff"
_EMPTY_LINE = re.compile(rb"\n\n")  # found in a third of the time of a substring
_KEPT_IN_BLOCK = b"\t\n" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))
_UNSAFE_IN_LINE = re.compile(f"[^{_SAFE}]")
_SURROGATE = re.compile("[\ud800-\udfff]")
# Words that some YAML loader reads as null or as a boolean; then whatever could be a number, a sexagesimal
# number, a date or a time in one, by its characters alone: quoting too often costs two characters.
_WORD = r"(?:y|n|yes|no|on|off|true|false|null)\Z"
_NUMERIC = r"[-+0-9][0-9a-fA-FxXoO_.,:eE+\-TtZz ]*\Z"
_PLAIN = re.compile(
    rf"(?!(?i:{_WORD}))(?!{_NUMERIC})[A-Za-z0-9_/(+$^\\\xa1-\u1fff\u2070-\u2fff\u3001-\ud7ff\U00010000-\U0010ffff]"
    rf"(?:[{_SAFE}]*[!-9;-~\xa1-\u1fff\u2070-\u2fff\u3001-\ud7ff\U00010000-\U0010ffff])?",
)
_FLOW_PLAIN = re.compile(r"[A-Za-z$_][A-Za-z0-9_$./+*;=()-]*(?: [A-Za-z0-9_$./+*;=()-]+)*")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_TO_ESCAPE = re.compile(f'[\\\\"]|[^{_SAFE}]')
_UP_TO_BYTE = 0xFF
_WORD_WIDTH = 64  # longer texts hardly come again


def dump(value: dict[str, object]) -> str:
    """Write a mapping as `encode` does, as text."""
    return encode(value).decode()


def encode(value: dict[str, object], indent: int = 0) -> bytes:
    """Write a mapping as a YAML document without markers.

    Args:
        value: Keys are text; values are None, bool, int, float, str, list and dict, `Flow` included.
        indent: Columns that stand before each key, where it is part of a document.

    Returns:
        UTF-8 in which every line ends in a newline.

    Raises:
        ValueError: A string holds a lone surrogate, which no YAML can carry.
        TypeError: A value of another type.
    """
    if not value:
        return b"{}\n"
    out: list[bytes] = []
    _mapping(value, indent, out)
    return b"".join(out)


def _mapping(value: dict[str, object], indent: int, out: list[bytes], *, inline: bool = False) -> None:
    """Write the lines of a mapping; ``inline``: the first one goes on after what is already there."""
    pad = b" " * indent
    lead = b"" if inline else pad
    for key, child in value.items():
        token = scalar(key)
        is_short = len(token) <= _KEY_WIDTH or len(token.decode()) <= _KEY_WIDTH
        key_part = lead + token if is_short else b"%b? %b\n%b" % (lead, token, pad)
        lead = pad
        if isinstance(child, dict) and child:
            if isinstance(child, Flow) and (line := _flow(child)):
                out += (key_part, b": ", line, b"\n")
            else:
                out += (key_part, b":\n")
                _mapping(child, indent + _STEP, out)
        elif isinstance(child, list) and child:
            out += (key_part, b":\n")
            _sequence(child, indent, out)
        else:
            out += (key_part, b": ", _leaf(child, indent + _STEP), b"\n")


def _sequence(value: list[object], indent: int, out: list[bytes], *, inline: bool = False) -> None:
    pad = b" " * indent
    for item in value:
        out.append(b"- " if inline else pad + b"- ")
        inline = False
        if isinstance(item, dict) and item:
            _mapping(item, indent + _STEP, out, inline=True)
        elif isinstance(item, list) and item:
            _sequence(item, indent + _STEP, out, inline=True)
        else:
            out += (_leaf(item, indent + _STEP), b"\n")


def _leaf(value: object, indent: int) -> bytes:
    if isinstance(value, str):
        return ("\n" in value and _block(value, indent)) or scalar(value)
    if value is None:
        return b"null"
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, int):
        return str(value).encode()
    if isinstance(value, float):
        return _float(value)
    if value in ({}, []):
        return b"{}" if isinstance(value, dict) else b"[]"
    message = f"cannot write a {type(value).__name__}"
    raise TypeError(message)


def _float(value: float) -> bytes:
    """Write all digits; YAML 1.1 takes ``1e+20`` for text, so a dot is put in."""
    text = repr(value)
    if text[-1] in "fn":  # inf, nan
        text = text.replace("inf", ".inf").replace("nan", ".nan")
    return (text if "." in text else text.replace("e", ".0e")).encode()


def _block(text: str, indent: int) -> bytes | None:
    """Write multi-line text as a literal block; None if it cannot be one."""
    data = _raw(text)
    if not data or not data.strip(b" \t\n"):
        return None
    body = data.rstrip(b"\n")
    ends = len(data) - len(body)
    chomp = (b"-", b"", b"+")[min(ends, 2)]
    hint = b"%d" % _STEP if data[0] in b" \t\n" else b""  # else the first line would set the indentation
    pad = b" " * indent
    if body[:1] == b"\n" or _EMPTY_LINE.search(body):
        lines = b"\n".join([pad + line if line else b"" for line in body.split(b"\n")])
    else:
        lines = pad + body.replace(b"\n", b"\n" + pad)
    return b"".join((b"|", hint, chomp, b"\n", lines, b"\n" * max(ends - 1, 0)))


def _raw(text: str) -> bytes | None:
    """Return a text as it stands in a block, None if it holds what YAML does not take for itself.

    In its bytes that is seen ten times as fast as by a regex.
    """
    try:
        data = text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return None
    return None if data.translate(None, _KEPT_IN_BLOCK) or is_odd(data) else data


def scalar(text: str) -> bytes:
    """Write text on one line: plain if it loads back as that text, else quoted."""
    return _word(text) if len(text) <= _WORD_WIDTH else _line(text)


def _line(text: str) -> bytes:
    if _PLAIN.fullmatch(text) and ": " not in text and " #" not in text:
        return text.encode()
    return _quoted(text).encode()


_word = lru_cache(maxsize=2048)(_line)  # names of fields and headers, models, roles: the same again and again


def _quoted(text: str) -> str:
    if _UNSAFE_IN_LINE.search(text):
        return _escaped(text)
    if '"' in text or "\\" in text:
        return "'" + text.replace("'", "''") + "'"
    return f'"{text}"'


def _escaped(text: str) -> str:
    if _SURROGATE.search(text):
        message = "text with a lone surrogate cannot be written to YAML"
        raise ValueError(message)
    return '"' + _TO_ESCAPE.sub(_escape, text) + '"'


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    return _ESCAPES.get(character) or (f"\\x{code:02x}" if code <= _UP_TO_BYTE else f"\\u{code:04x}")


def _flow(value: Flow) -> bytes | None:
    """Write a mapping on one line; None if it would be long or hard to read there."""
    parts = []
    for key, text in value.items():
        if len(key) + (0 if isinstance(text, int) else len(text)) > _FLOW_WIDTH or not _is_flow_plain(key):
            return None  # what is long is not kept in the cache either
        plain = isinstance(text, int) or _is_flow_plain(text)
        parts.append(f"{key}: {text if plain else _quoted(str(text))}")
    line = "{" + ", ".join(parts) + "}"
    return line.encode() if len(line) <= _FLOW_WIDTH else None


@lru_cache(maxsize=512)
def _is_flow_plain(text: str) -> bool:
    return bool(_FLOW_PLAIN.fullmatch(text) and _PLAIN.fullmatch(text))
