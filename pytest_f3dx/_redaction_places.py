"""Where a name and its value stand: JSON, query strings, forms, multipart, cookies.

JSON is read in the raw text, at the position of each key, not through a parse: so it works the
same in a body, in NDJSON, in SSE, in a prompt that quotes JSON, in JSON inside a JSON string (any
depth of escaping) and in JSON that is cut off; and every other byte stays as it is.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_plus

from pytest_f3dx._redaction_names import field_meaning, is_secret, is_value, parameter_meaning, words_of
from pytest_f3dx._redaction_shapes import Find
from pytest_f3dx._redaction_sparse import names_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_f3dx._redaction_names import Meaning

# A key and its colon; backslashes before the closing quote say how deep in strings it stands.
_KEY = re.compile(r'"([\w.$ \\-]{2,80}+)"(?::|(?:\s|\\+[nrt])+:)(?:\s|\\+[nrt])*', re.ASCII)
_QUOTE = re.compile(r'(\\*)"|\n')
_WRAPPED = re.compile(
    r'\{(?:\s|\\+[nrt])*\\*"(?:value|plaintext)\\*"(?:\s|\\+[nrt])*:(?:\s|\\+[nrt])*', re.ASCII
)
_NUMBER = re.compile(r"-?[0-9][0-9.eE+-]*")
_TEXT_TOKEN = re.compile(
    r'"(?:logprobs?|top_logprobs|bytes|prob|probability|score|rank|token_str|token_id|offset|text_offset|start|end'
    r'|entity|special|index|delta)\\*"\s*:',
    re.ASCII,
)
_OBJECT_REACH = 400  # characters on each side in which the siblings of a bare "token" are looked for


def json_finds(text: str) -> Iterator[Find]:
    """Yield the leaves whose JSON key means a credential.

    Strings and numbers count, and those in arrays; objects, booleans and null do not, so that a
    JSON schema's property called ``password`` survives.
    """
    keys = frozenset(names_in(_KEY, '"', text))
    has_values, wanted = (_known_keys if len(keys) < _FEW_KEYS else _keys)(keys)
    if has_values:
        yield from _name_value_finds(text)
    if not wanted:
        return
    walk = _Walk(len(text) * 8 + _WALKED_CHARACTERS)
    for match in _KEY.finditer(text):
        meaning = wanted.get(match[1])
        if meaning is None:
            continue
        depth = _depth(text, match.start())
        if depth is not None:
            yield from _leaves(text, match.end(), depth, meaning, walk)


def _keys(keys: frozenset[str]) -> tuple[bool, dict[str, Meaning]]:
    """Return whether a pair may be among the keys of a text, and those that mean a credential."""
    has_values = not _VALUE_KEYS.isdisjoint(key.rstrip("\\") for key in keys)
    return has_values, {key: meaning for key in keys if (meaning := field_meaning(_plain_key(key)))}


_FEW_KEYS = 64
_known_keys = lru_cache(maxsize=256)(_keys)  # requests of one kind have the same keys


class _Walk:
    """How far arrays may still be walked: thousands that never end must not each be walked to the end."""

    def __init__(self, left: int) -> None:
        self.left = left


_WALKED_CHARACTERS = 100_000
_VALUE_KEYS = frozenset({"value", "Value"})
_NAME_VALUE = re.compile(
    r'"(?:[nN]ame|[kK]ey)\\*"(?:\s|\\+[nrt])*:(?:\s|\\+[nrt])*\\*"([\w.$ -]{2,80})\\*"(?:\s|\\+[nrt])*,'
    r'(?:\s|\\+[nrt])*\\*"[vV]alue\\*"(?:\s|\\+[nrt])*:(?:\s|\\+[nrt])*',
    re.ASCII,
)


def _name_value_finds(text: str) -> Iterator[Find]:
    """Yield the values of pairs: ``{"name": "X-Api-Key", "value": …}``, as HAR files have them."""
    walk = _Walk(len(text) * 8 + _WALKED_CHARACTERS)
    for match in _NAME_VALUE.finditer(text):
        meaning = field_meaning(match[1])
        depth = _depth(text, match.start())
        if meaning and depth is not None:
            yield from _leaves(text, match.end(), depth, meaning, walk)


def _plain_key(raw: str) -> str:
    r"""Undo escapes in a key, such as ``pass\u0077ord``; those of its closing quote go."""
    key = raw.rstrip("\\")
    return _unescaped(key, 0) if "\\" in key else key


def _depth(text: str, quote: int) -> int | None:
    """Return in how many strings a quote stands: 0, 1, 3, 7 backslashes before it are 0, 1, 2, 3."""
    start = quote
    while start and text[start - 1] == "\\":
        start -= 1
    count = quote - start + 1
    return count.bit_length() - 1 if count & (count - 1) == 0 else None


def _leaves(text: str, position: int, depth: int, meaning: Meaning, walk: _Walk) -> Iterator[Find]:
    """Yield the leaf that begins here, or those of the array that does."""
    if text[position : position + 1] == "[":
        yield from _array_leaves(text, position + 1, depth, meaning, walk)
        return
    wrapped = _WRAPPED.match(text, position)
    if wrapped:  # {"client_secret": {"value": …, "expires_at": …}}
        position = wrapped.end()
    find = _leaf(text, position, depth, meaning)
    if find and is_secret(find.value, meaning) and not (meaning.least and _is_text_token(text, find)):
        yield find


def _leaf(text: str, position: int, depth: int, meaning: Meaning) -> Find | None:
    """Return the string or number that begins here, secret or not."""
    quote = "\\" * ((1 << depth) - 1) + '"'
    if text.startswith(quote, position):
        start = position + len(quote)
        end = _string_end(text, start, depth)
        return Find(start, end, meaning.name, _unescaped(text[start:end], depth))
    number = _NUMBER.match(text, position)
    # A number below a name that is only perhaps a credential is an id or a count.
    if number is None or meaning.least:
        return None
    return Find(position, number.end(), meaning.name, number.group(), quote)


def _array_leaves(text: str, position: int, depth: int, meaning: Meaning, walk: _Walk) -> Iterator[Find]:
    """Yield the leaves of an array and of arrays in it; the objects in it speak for themselves."""
    arrays, objects = 1, 0
    while arrays and position < len(text) and walk.left > 0:
        walk.left -= 1
        find = _leaf(text, position, depth, meaning)
        if find:
            if objects < 1 and is_secret(find.value, meaning):
                yield find
            # Behind the closing quote of a string; a number has none.
            position = find.end + (0 if find.quote else 1 << depth)
            continue
        char = text[position]
        arrays += (char == "[") - (char == "]")
        objects += (char == "{") - (char == "}")
        position += 1


def _string_end(text: str, start: int, depth: int) -> int:
    """Return the position of the backslashes and quote that close a string, or where it is cut off."""
    unit = 1 << depth
    for match in _QUOTE.finditer(text, start):
        if match[1] is None:
            return match.start()
        backslashes = match.end() - 1 - match.start()
        if backslashes < unit:  # it ends, or the string around it does: this one is cut off
            return match.start()
        if (backslashes - (unit - 1)) % (2 * unit) == 0:
            return match.end() - unit
    return len(text)


def _unescaped(raw: str, depth: int) -> str:
    """Undo JSON escapes, once for each string around it and once for its own; raw text if they are broken."""
    value = raw
    for _ in range(depth + 1):
        try:
            value = str(json.loads(f'"{value}"', strict=False))
        except ValueError:
            return raw
    return value


def _is_text_token(text: str, find: Find) -> bool:
    """Tell a token of text from a credential by what stands beside it in its object."""
    before = text[max(0, find.start - _OBJECT_REACH) : find.start].rpartition("{")[2]
    after = text[find.end : find.end + _OBJECT_REACH].partition("}")[0]
    return _TEXT_TOKEN.search(before + after) is not None


_PAIR = re.compile(r"([^=&;#?]*)=([^&#]*)")


def pair_finds(text: str, start: int) -> Iterator[Find]:
    """Yield the values of a query string or form whose name means a credential.

    Args:
        text: Text that ends with the pairs.
        start: Where they begin.

    Yields:
        One find a value, still percent-encoded in the text, decoded in ``value``.
    """
    for match in _PAIR.finditer(text, start):
        yield from _parameter(match.start(2), match[1], match[2])


def _parameter(start: int, name: str, raw: str) -> Iterator[Find]:
    """Yield a parameter's value if it is a secret."""
    meaning = parameter_meaning(unquote_plus(name))
    value = unquote_plus(raw, encoding="latin-1")
    if meaning and is_secret(value, meaning):
        yield Find(start, start + len(raw), meaning.name, value)


# A parameter of an address somewhere in a text; `&` may be escaped as &amp; (HTML) or \u0026 (Go, Ruby).
_LINKED_NAME = r"([A-Za-z][\w.%-]{0,40})="
_LINKED_VALUE = r"([^&\s\"'<>\\#()\[\]{}`,]+)"
# One for each sign, for they begin with a literal then, which is searched for several times faster.
_LINKED_NAMES = tuple((re.compile(re.escape(sign) + _LINKED_NAME, re.ASCII), sign) for sign in "?&;")
_LINKED = re.compile(r"(?:[?&]|&amp;)" + _LINKED_NAME + _LINKED_VALUE, re.ASCII)
_LINKED_ESCAPED = re.compile(r"\\u0026" + _LINKED_NAME + _LINKED_VALUE, re.ASCII)


def link_finds(text: str) -> Iterator[Find]:
    """Yield parameters that mean a credential in addresses within a text, such as signed links."""
    found = [names_in(pattern, sign, text) for pattern, sign in _LINKED_NAMES] if "=" in text else []
    if any(parameter_meaning(unquote_plus(name)) for name in set().union(*found)):
        yield from _linked(_LINKED, text)
    yield from _linked(_LINKED_ESCAPED, text)


def _linked(pattern: re.Pattern[str], text: str) -> Iterator[Find]:
    """Yield the parameters that one spelling of ``&`` shows."""
    for match in pattern.finditer(text):
        yield from _parameter(match.start(2), match[1], match[2].rstrip(".;"))


_AUTHORITY = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//([^/?#\\]*)@")


def address_finds(url: str) -> Iterator[Find]:
    """Yield the secrets of a URL that its structure shows: userinfo, query and fragment."""
    authority = _AUTHORITY.match(url)
    if authority:
        yield from _userinfo(authority.start(1), authority[1])
    position = min((at for at in (url.find("?"), url.find("#")) if at >= 0), default=len(url))
    yield from _segment_finds(url, position)
    yield from pair_finds(url, position)


_SEGMENT = re.compile(r"/([A-Za-z][\w-]{2,30})/(?=([^/?#]{16,512}))", re.ASCII)


def _segment_finds(url: str, end: int) -> Iterator[Find]:
    """Yield segments of a path behind one that names a credential: ``/access_token/a1B2…``, ``/key/…``.

    A plural names a list, and what stands behind it is an id: ``/api_keys/key_a1B2``.
    """
    for match in _SEGMENT.finditer(url, 0, end):
        words = words_of(match[1])
        if not words or words[-1].endswith("s") or not _is_random(match[2]):
            continue
        meaning = parameter_meaning(match[1])
        if meaning:
            yield Find(match.start(2), match.end(2), meaning.name, unquote(match[2], encoding="latin-1"))


_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)


def _is_random(value: str) -> bool:
    """Tell a token from a name with a number in it and from the id of a record."""
    if _UUID.fullmatch(value) or not (re.search("[0-9]", value) and re.search("[A-Za-z]", value)):
        return False
    longest = max(map(len, re.split(r"[^A-Za-z0-9]", value)))
    has_cases = re.search("[a-z]", value) and re.search("[A-Z]", value)
    return longest >= _RANDOM_CHARACTERS or (has_cases is not None and len(value) >= _MIXED_CHARACTERS)


_RANDOM_CHARACTERS = 16
_MIXED_CHARACTERS = 24  # of a value with separators in it


# Not before an @: in a userinfo the encoded spelling is the one that parses.
_ENCODED_PLACEHOLDER = re.compile(r"%5Bredacted(?::|%3A)[a-z0-9-]+%5D(?!:?@)", re.IGNORECASE)


def plain_placeholders(url: str) -> str:
    """Make the placeholders of a URL readable that a client has percent-encoded, save in a userinfo."""
    if "%5" not in url:
        return url
    return _ENCODED_PLACEHOLDER.sub(lambda match: unquote(match.group()).lower(), url)


def _userinfo(start: int, userinfo: str) -> Iterator[Find]:
    """Yield the password, or the user if there is none (tokens are given so)."""
    user, colon, password = userinfo.partition(":")
    at, raw = (start + len(user) + 1, password) if colon and password else (start, user)
    value = unquote_plus(raw)
    if is_value(value):
        yield Find(at, at + len(raw), "userinfo", value, encoded=True)


_BOUNDARY = re.compile(r"boundary=(?:\"([^\"]+)\"|([^\s;]+))", re.IGNORECASE)
_DISPOSITION_NAME = re.compile(
    r"content-disposition:[^\r\n]*?[;\s]name=(?:\"([^\"\r\n]*)\"|([^\s;]+))", re.IGNORECASE
)
_HEAD_END = re.compile(r"\r?\n\r?\n")


def multipart_finds(text: str, content_type: str) -> Iterator[Find]:
    """Yield the contents of the parts of a multipart body whose name means a credential."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        return
    delimiter = re.compile(r"(?:^|\r?\n)--" + re.escape(found[1] or found[2]) + r"(?:--)?[ \t]*(?=\r?\n|$)")
    edges = list(delimiter.finditer(text))
    for left, right in pairwise(edges):
        yield from _part(text, left.end(), right.start())


def _part(text: str, start: int, end: int) -> Iterator[Find]:
    """Yield the content of one part if its name means a credential."""
    part = text[start:end]
    head = _HEAD_END.search(part)
    name = _DISPOSITION_NAME.search(part[: head.end()]) if head else None
    if head is None or name is None:
        return
    meaning = parameter_meaning(name[1] or name[2] or "")
    content = part[head.end() :]
    if meaning and is_secret(content, meaning):
        yield Find(start + head.end(), end, meaning.name, content)
