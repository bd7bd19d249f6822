"""How JSON bytes were spelt, so that a parsed value can be written out again to the byte.

A style is a few words: a layout (none: ``,`` and ``:`` without spaces; ``spaced``: Python's
``json.dumps``; ``spaced-commas``; ``spaced-colons``; ``indent-2``, ``indent-tab``...) and the escapes
in use. The commonest style is the empty string. NDJSON is not JSON: it stays text.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from pytest_f3dx import _fast_json

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH = 96  # of nesting; with the levels of a cassette above it stays below what `_yaml_read` accepts
_SEPARATORS = {
    "compact": (",", ":"),
    "spaced": (", ", ": "),
    "spaced-commas": (", ", ":"),
    "spaced-colons": (",", ": "),
}
_LAYOUT_OF = {separators: layout for layout, separators in _SEPARATORS.items()}
_INDENT = re.compile(r"indent-(\d{1,2}|tab)")
# Word in the style -> (character, its escape). Go and protobuf escape what HTML would act upon; .NET also
# quotes, plus and backtick; PHP the slash. None of these characters stands outside a string in JSON.
_ESCAPES = {
    "slash": (("/", "\\/"),),
    "html": (
        ("<", "\\u003c"),
        (">", "\\u003e"),
        ("&", "\\u0026"),
        ("\u2028", "\\u2028"),
        ("\u2029", "\\u2029"),
    ),
    "dotnet": (
        ("<", "\\u003c"),
        (">", "\\u003e"),
        ("&", "\\u0026"),
        ("'", "\\u0027"),
        ("+", "\\u002b"),
        ("`", "\\u0060"),
        ("\x7f", "\\u007f"),
    ),
    "apostrophe": (("'", "\\u0027"),),
    "equals": (("=", "\\u003d"),),
    "delete": (("\x7f", "\\u007f"),),
}
_WORDS = frozenset({"ascii", "upper", "quote", "newline", "crlf", "es6", *_ESCAPES})
_STRING_OR_MARK = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|([:,])( ?)', re.DOTALL)
_UNICODE_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)
_CODE = re.compile(r"\\u([0-9a-fA-F]{4})")
# A string, or a float as Python writes it and ECMAScript does not: 1e-05 is 0.00001 there, and 1e-07 is 1e-7.
_STRING_OR_EXPONENT = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")|(\d+)(?:\.(\d+))?e([+-])0(\d)\b', re.DOTALL)
_LIKE_ES6 = re.compile(r"\de[+-]\d\b|0\.0000\d")
_ES6_FIXED = (5, 6)  # negative exponents that ECMAScript writes without exponent and Python with one
_LARGEST_ASCII = 0x7F
_FAST = {"": _fast_json.compact, "ascii": _fast_json.compact_ascii}  # the commonest two
_TAB = "\t"


def parse(body: bytes) -> tuple[object, str] | None:
    """Parse JSON if its exact bytes can be had back from the value and a style.

    Args:
        body: The bytes as sent or received.

    Returns:
        (value, style) with ``dump(value, style) == body``; None if there is no such style: irregular
        white space, ``1.00``, ``1E5``, duplicate keys, a BOM, lone surrogates (YAML cannot carry them),
        integers beyond Python's digit limit, nesting beyond `MAX_DEPTH`, or no JSON at all.
    """
    if found := _fast_json.parse_written(body):  # as most clients and servers write; no lone surrogates
        return (found[0], "ascii" if found[1] else "") if _is_shallow(found[0], body) else None
    try:
        text = body.decode()
        value = json.loads(text)
        style = next((style for style in _candidates(text) if dump(value, style) == body), None)
        if style is None or not _is_writable(value, text, body):
            return None
    except (ValueError, RecursionError):  # UnicodeError and JSONDecodeError are ValueErrors
        return None
    return value, style


def dump(value: object, style: str) -> bytes:
    """Write a value as JSON in a style.

    Args:
        value: What `parse` returns.
        style: Words, in any order.

    Returns:
        The bytes, UTF-8.

    Raises:
        ValueError: The style is unknown, or a string holds a lone surrogate.
    """
    if (spell := _FAST.get(style)) and (fast := spell(value)) is not None:
        return fast
    words = list(dict.fromkeys(style.split()))
    indent, separators = _layout(words)
    text = json.dumps(value, ensure_ascii="ascii" in words, separators=separators, indent=indent)
    if words:
        text = _respell(text, words)
    return text.encode()


def _layout(words: list[str]) -> tuple[str | None, tuple[str, str]]:
    """Return what `json.dumps` needs to lay the value out; refuse words that mean nothing."""
    indent: str | None = None
    separators = _SEPARATORS["compact"]
    for word in words:
        if matched := _INDENT.fullmatch(word):
            indent = "\t" if matched[1] == "tab" else " " * int(matched[1])
            separators = (",", ": ")
        elif word in _SEPARATORS:
            separators = _SEPARATORS[word]
        elif word not in _WORDS:
            message = f"unknown style {word!r}"
            raise ValueError(message)
    return indent, separators


def _respell(text: str, words: list[str]) -> str:
    for word in words:
        for character, escape in _ESCAPES.get(word, ()):
            text = text.replace(character, escape)
    if "quote" in words:
        text = _UNICODE_ESCAPE.sub(lambda m: "\\u0022" if m.group() == '\\"' else m.group(), text)
    if "upper" in words:
        text = _UNICODE_ESCAPE.sub(lambda m: "\\u" + m[1].upper() if m[1] else m.group(), text)
    if "es6" in words:
        text = _STRING_OR_EXPONENT.sub(_es6_float, text)
    if "newline" in words:
        text += "\n"
    return text.replace("\n", "\r\n") if "crlf" in words else text


def _candidates(text: str) -> Iterator[str]:
    """Yield the styles to try: floats show which spelling they have only in the numbers that differ."""
    style = _guess(text)
    yield style
    if _LIKE_ES6.search(text):  # takes longer than all the rest, and is asked for only if the first is wrong
        yield f"{style} es6".strip()


def _es6_float(match: re.Match[str]) -> str:
    if match[1]:
        return match[1]
    whole, fraction, sign, exponent = match[2], match[3] or "", match[4], int(match[5])
    if sign == "-" and exponent in _ES6_FIXED:
        return "0." + "0" * (exponent - 1) + whole + fraction
    return f"{whole}{'.' if fraction else ''}{fraction}e{sign}{exponent}"


def _guess(text: str) -> str:
    """Read the style off a text; whether it is right is for `parse` to check."""
    words = [*_guess_layout(text), *_guess_escapes(text)]
    if text.endswith("\n"):
        words.append("newline")
    if "\r\n" in text:
        words.append("crlf")
    return " ".join(words)


def _guess_layout(text: str) -> list[str]:
    if indented := re.match(r"[\[{]\r?\n([ \t]*)", text):
        unit = indented[1]
        tight = '":' in text and '": ' not in text
        return [f"indent-{'tab' if unit == _TAB else len(unit)}", *(["compact"] if tight else [])]
    layout = _LAYOUT_OF[_guess_separators(text)]
    return [] if layout == "compact" else [layout]


def _guess_separators(text: str) -> tuple[str, str]:
    """Return the first comma and the first colon outside strings, each with the space after it."""
    found: dict[str, str] = {}
    for match in _STRING_OR_MARK.finditer(text):
        if match[1]:
            found.setdefault(match[1], match[2])
            if len(found) == 2:  # noqa: PLR2004 - both are known
                break
    comma = found.get(",", found.get(":", ""))
    colon = found.get(":", found.get(",", ""))
    return "," + comma, ":" + colon


def _guess_escapes(text: str) -> list[str]:
    if "\\u" not in text and "\\/" not in text:
        return []
    single = text.replace("\\\\", "")  # what is left of backslashes begins an escape
    codes = set(_CODE.findall(single))
    numbers = {int(code, 16) for code in codes}
    words = []
    if any(number > _LARGEST_ASCII for number in numbers) and text.isascii():
        words.append("ascii")
    words += _guess_ascii_escapes(numbers, only_ascii=text.isascii())
    if "\\/" in single:
        words.append("slash")
    if any(code != code.lower() for code in codes):
        words.append("upper")
    return words


def _guess_ascii_escapes(numbers: set[int], *, only_ascii: bool) -> list[str]:
    """Name the sets of printable characters that are escaped although JSON does not ask for it."""
    escaped = {chr(number) for number in numbers if number <= _LARGEST_ASCII}
    words = []
    if escaped & {"+", "`"}:
        words.append("dotnet")
    elif escaped & {"<", ">", "&"} or (not only_ascii and numbers & {0x2028, 0x2029}):
        words.append("html")
    extra = (("apostrophe", "'"), ("equals", "="), ("delete", "\x7f"))
    words += [word for word, character in extra if character in escaped and "dotnet" not in words]
    return [*words, "quote"] if '"' in escaped else words


def _is_writable(value: object, text: str, body: bytes) -> bool:
    """Whether YAML can carry the value: no lone surrogate, not nested too deeply."""
    if "\\ud" in text or "\\uD" in text:
        json.dumps(value, ensure_ascii=False).encode()  # raises UnicodeEncodeError, a ValueError
    return _is_shallow(value, body)


def _is_shallow(value: object, body: bytes) -> bool:
    return body.count(b"{") + body.count(b"[") <= MAX_DEPTH or _depth(value) <= MAX_DEPTH


def _depth(value: object) -> int:
    """Count levels of nesting without recursion."""
    depth = 0
    level: list[object] = [value]
    while level := [item for item in level if isinstance(item, (dict, list))]:
        depth += 1
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return depth
