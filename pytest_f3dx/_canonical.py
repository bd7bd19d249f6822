r"""One spelling for every JSON value: RFC 8785, and a tagged form for what RFC 8785 excludes. Pure.

How we read what RFC 8785 leaves open (tests/test_canonical.py holds each):

- A number literal with a fraction or an exponent is a double, and equal doubles are equal:
  ``1.0``, ``1e0`` and ``1`` are one value, and so are ``0.1`` and ``0.1000000000000000055``.
- A literal of digits alone is an integer. Up to ±(2^53 - 1) it is also a double. Beyond, RFC 8785
  (by I-JSON, RFC 7493 sec. 2.2) excludes it: all its digits count, and it equals no double. So
  ``100000000000000000000`` is not ``1e20``, though RFC 8785 prints the latter so; a miss costs a
  recording, a rounded 19-digit id would answer for another one.
- A literal beyond the range of doubles (``1e400``) counts as the decimal number it spells.
- Repeated keys: all their values count, in order. ``{"a":1,"a":2}`` is not ``{"a":2}``.
- A byte order mark is not part of the value.

The tagged form begins with a byte that no UTF-8 text holds, so no JSON text can ever equal it.
Within it, values are spelled as RFC 8785 does, and what is excluded by tokens that are no JSON:
``#`` before an integer or a decimal beyond range, ``NaN``, ``Infinity``, and lone surrogates as
their three bytes of generalised UTF-8.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pytest_f3dx import _fast_json

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH = 256
"""Levels of nesting up to which a value has its RFC 8785 form.

A fixed number, because where a recursive encoder fails depends on how deep its caller stands in
the stack, and a fingerprint must not.
"""

MAX_PARSED_DEPTH = MAX_DEPTH - 2
"""Levels of nesting up to which a body counts as JSON; an envelope adds two."""

_TAG = b"\xfff3dx:beyond-rfc8785/1:"
_MAX_SAFE = 2**53 - 1
_MAX_INT_DIGITS = 4000  # below CPython's limit of 4300 digits for int() and str()
_NUMBER = re.compile(r"(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?")
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


@dataclass(frozen=True, slots=True)
class Literal:
    """A number literal that no Python number holds: beyond doubles, or an integer too long for `int`.

    Attributes:
        text: The one spelling of its value: all digits of an integer, else digits without zeros at
            either end, ``e``, and the exponent.
    """

    text: str


class RepeatedKeys(Mapping[str, Any]):
    """An object in which a key occurs more than once.

    A mapping of the last values, as parsers see it, that knows all of them; not a ``dict``, so
    that no encoder takes it for a proper object.

    Attributes:
        pairs: All keys and values in their order.
    """

    __slots__ = ("_last", "pairs")

    def __init__(self, pairs: tuple[tuple[str, Any], ...]) -> None:
        """Keep the pairs."""
        self.pairs = pairs
        self._last = dict(pairs)

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 (any JSON value)
        """Return the last value of a key."""
        return self._last[key]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys, each once."""
        return iter(self._last)

    def __len__(self) -> int:
        """Count the different keys."""
        return len(self._last)

    def __eq__(self, other: object) -> bool:
        """Compare all pairs."""
        return isinstance(other, RepeatedKeys) and self.pairs == other.pairs

    def __hash__(self) -> int:
        """Hash the keys; values may be unhashable."""
        return hash(tuple(key for key, _ in self.pairs))

    def __repr__(self) -> str:
        """Show all pairs."""
        return f"RepeatedKeys({self.pairs!r})"


class NotJsonError(ValueError):
    """The bytes are no JSON text, or one nested deeper than `MAX_PARSED_DEPTH`."""


def as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | RepeatedKeys:
    """Make an object of pairs without losing any.

    Args:
        pairs: Keys and values in order.

    Returns:
        A dict, or `RepeatedKeys` if a key repeats.
    """
    found = dict(pairs)
    return found if len(found) == len(pairs) else RepeatedKeys(tuple(pairs))


def _integer(literal: str) -> int | Literal:
    return int(literal) if len(literal) <= _MAX_INT_DIGITS else Literal(literal)


def _float(literal: str) -> float | Literal:
    """Read a literal as a double, or exactly if it is beyond their range."""
    value = float(literal)
    return Literal(_decimal(literal)) if math.isinf(value) else value


def _decimal(literal: str) -> str:
    """Spell a decimal literal other than zero in one way, whatever zeros and exponent it has."""
    sign, whole, fraction, exponent = _NUMBER.findall(literal)[0]  # the parser hands over nothing else
    if len(exponent) > _MAX_INT_DIGITS:
        return literal.lower()  # an exponent of 4000 digits is not worth arithmetic: its spelling counts
    digits = (whole + fraction).lstrip("0")
    stripped = digits.rstrip("0")
    power = int(exponent or "0") - len(fraction) + len(digits) - len(stripped)
    return f"{sign}{stripped}e{power}"


def _is_deep(text: str, limit: int) -> bool:
    """Tell whether a JSON text is nested more than `limit` levels, in time linear in its length."""
    if text.count("[") + text.count("{") <= limit:
        return False
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > limit:
            return True
    return False


def parse_json(body: bytes) -> Any:  # noqa: ANN401 (any JSON value)
    """Parse a JSON text without losing what `json.loads` loses.

    Args:
        body: UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Returns:
        Python values; `RepeatedKeys` for an object whose keys repeat, `Literal` for a number that no
        Python number holds. As Python's parser does, NaN and Infinity are accepted, because
        Python clients send them.

    Raises:
        NotJsonError: It is no JSON, or nested deeper than `MAX_PARSED_DEPTH`.
    """
    fast = _fast_json.parse(body)
    return _parsed(body) if fast is None else fast


def _parsed(body: bytes) -> Any:  # noqa: ANN401 (any JSON value)
    """Parse any JSON text; the reference for the fast path."""
    try:
        text = body.decode(json.detect_encoding(body))
    except UnicodeDecodeError as error:
        raise NotJsonError(str(error)) from error
    if _is_deep(text, MAX_PARSED_DEPTH):
        what = f"nested deeper than {MAX_PARSED_DEPTH} levels"
        raise NotJsonError(what)
    try:
        return json.loads(text, object_pairs_hook=as_object, parse_int=_integer, parse_float=_float)
    except (ValueError, RecursionError) as error:  # the latter only if the caller used up the stack
        raise NotJsonError(str(error)) from error


def canonical(value: object) -> bytes:
    """Spell a JSON value in the one way that equal values share.

    Args:
        value: What `parse_json` returns, or Python values a JSON text can express; tuples are arrays.

    Returns:
        Its RFC 8785 form; for what RFC 8785 excludes (see the module) or nests deeper than
        `MAX_DEPTH`, the tagged form, which no JSON text can equal. Different values differ.

    Raises:
        TypeError: Something in it is no JSON value; names its JSONPath.
    """
    fast = _fast_json.canonical(value)
    return _spelt(value) if fast is None else fast


def _spelt(value: object) -> bytes:
    """Spell any JSON value; the reference for the fast path."""
    import rfc8785  # a replay of ordinary requests does without

    try:
        text = rfc8785.dumps(value)  # type: ignore[arg-type] # it refuses what it cannot encode
    # rfc8785 0.1.4 raises a bare UnicodeEncodeError for a lone surrogate in a key, and a
    # bare ValueError for an int too long to be shown in its own error message.
    except (ValueError, RecursionError):
        return _TAG + b"".join(_Beyond().tokens(value))
    if _is_deep(text.decode(), MAX_DEPTH):
        return _TAG + b"".join(_Beyond().tokens(value))
    return text


class _Token(bytes):
    """Bytes that are already encoded, on the stack of `_Beyond`."""

    __slots__ = ()


_Path = tuple[Any, ...]  # (path of the parent, key or index); a linked list, so that depth costs no copies


class _Beyond:
    """Encode with a stack of its own: any depth, and the path at hand when something is no JSON."""

    def __init__(self) -> None:
        self._stack: list[tuple[object, _Path]] = []
        self._open: dict[int, int] = {}  # id of a container -> height of the stack at which it is done

    def tokens(self, value: object) -> Iterator[bytes]:
        self._stack.append((value, ()))
        while self._stack:
            self._close(len(self._stack))
            item, path = self._stack.pop()
            if isinstance(item, _Token):
                yield item
            elif isinstance(item, (dict, RepeatedKeys, list, tuple)):
                self._enter(item, path)
            else:
                yield _scalar(item, path)

    def _close(self, height: int) -> None:
        """Forget the containers that are done; they stand in the order they were opened."""
        while self._open and next(reversed(self._open.values())) >= height:
            self._open.popitem()

    def _enter(self, item: Any, path: _Path) -> None:  # noqa: ANN401 (one of four container types)
        if id(item) in self._open:
            raise TypeError(_no_json("a container that contains itself", path))
        self._open[id(item)] = len(self._stack)
        if isinstance(item, (list, tuple)):
            self._push(b"[", [(b"", one, (path, i)) for i, one in enumerate(item)], b"]")
            return
        pairs = item.pairs if isinstance(item, RepeatedKeys) else item.items()
        members = [(_key(key, path), one, (path, key)) for key, one in sorted(pairs, key=_by_utf16)]
        self._push(b"{", members, b"}")

    def _push(self, first: bytes, members: list[tuple[bytes, object, _Path]], last: bytes) -> None:
        """Put a container's tokens and values on the stack, the first on top."""
        self._stack.append((_Token(last), ()))
        for i in range(len(members) - 1, -1, -1):
            key, one, path = members[i]
            self._stack.append((one, path))
            self._stack.append((_Token((b"," if i else b"") + key), ()))
        self._stack.append((_Token(first), ()))


def _by_utf16(pair: tuple[Any, object]) -> tuple[bytes, str]:
    """Sort by UTF-16 code units (RFC 8785 sec. 3.2.3); unpaired halves equal a pair, so the text decides."""
    key = str(pair[0])
    return key.encode("utf-16-be", "surrogatepass"), key


def _key(key: object, path: _Path) -> bytes:
    if not isinstance(key, str):
        raise TypeError(_no_json(f"a key of type {type(key).__name__}", (path, key)))
    return _string(key) + b":"


def _string(text: str) -> bytes:
    """Escape as RFC 8785 sec. 3.2.2.2 does; lone surrogates keep their own bytes."""
    return json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _scalar(item: object, path: _Path) -> bytes:
    if isinstance(item, Literal):
        return b"#" + item.text.encode()
    if isinstance(item, str):
        return _string(item)
    if isinstance(item, int) and abs(item) > _MAX_SAFE:
        return b"#" + str(Decimal(int(item))).encode()  # str(int) refuses more than 4300 digits
    if isinstance(item, float) and not math.isfinite(item):
        return json.dumps(float(item)).encode()  # NaN, Infinity, -Infinity
    if item is None or isinstance(item, (bool, int, float)):
        import rfc8785

        return rfc8785.dumps(item)
    raise TypeError(_no_json(f"a {type(item).__name__}", path))


def _no_json(what: str, path: _Path) -> str:
    steps = []
    while path:
        path, step = path
        steps.append(f".{step}" if isinstance(step, str) and step.isidentifier() else f"[{step!r}]")
    return f"${''.join(reversed(steps))} is {what}, which JSON cannot express"
