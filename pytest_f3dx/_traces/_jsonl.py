"""Rows of a JSON Lines bundle, as f3dx and others write them; damage is told by line and column."""

from __future__ import annotations

import gc
import json
import re
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import orjson

from pytest_f3dx._traces._fields import FIELDS, NAMED
from pytest_f3dx._traces._open import STREAM_ERRORS, open_bundle
from pytest_f3dx.errors import TraceError, TraceWarning

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

Row = dict[str, Any]
OnError = Literal["raise", "skip"] | Callable[[TraceError], object]
"""``raise`` ends the reading; ``skip`` goes on and warns at the end; a function is told each and goes on."""

LINE_BYTES = 512 * 1024 * 1024
"""A longer line is an error: a file without line ends must not fill the memory."""

_MAX_DEPTH = 254  # `_canonical.MAX_PARSED_DEPTH`: deeper, a value has no fingerprint
_SHOWN = 10  # numbers of lines in a warning
_SHOWN_DIGITS = 40
_SPACE = " \t\r\n"
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[\]{}]|[^\s",:\[\]{}]+')
_STEPS = {"{": 1, "[": 1, "}": -1, "]": -1}
_FIX = 'mend the line or take it out; read_jsonl(path, on_error="skip") leaves such lines out'
_DIGITS = bytes(ord("0") if chr(byte).isdecimal() else ord(" ") for byte in range(256))
_LONG_NUMBER = b"0" * 19  # digits; all numbers of fewer fit into 64 bits
_NAMED_KEYS = re.compile(rb'"(' + "|".join(FIELDS).encode() + rb')"[ \t]*:')


class _EndlessError(Exception):
    """A line has no end within `LINE_BYTES`."""


class _RowError(Exception):
    """What is wrong with a line, and at which column if that is known."""

    def __init__(self, what: str, column: int | None = None) -> None:
        super().__init__(what)
        self.what, self.column = what, column


class _LiteralError(Exception):
    """A literal that JSON, or a double, cannot hold; the parser does not say where it stands."""

    def __init__(self, what: str, literal: str) -> None:
        super().__init__(what)
        self.what, self.literal = what, literal


def _number(literal: str) -> float:
    """Read a number; one beyond the range of doubles would be infinite, and nobody wrote that."""
    value = float(literal)
    if value - value != 0:
        raise _LiteralError(f"the number {literal[:_SHOWN_DIGITS]} is beyond the range of doubles", literal)
    return value


def _constant(name: str) -> None:
    raise _LiteralError(f"the line is no JSON: {name}", name)


_DECODER = json.JSONDecoder(parse_float=_number, parse_constant=_constant)


def read_jsonl(path: str | os.PathLike[str], *, on_error: OnError = "raise") -> list[Row]:
    """Read all rows of a JSON Lines bundle.

    Args:
        path: The file; ``.gz`` and ``.zst`` are decompressed.
        on_error: What to do about a line that is no row; see `OnError`.

    Returns:
        A dict for each line that is not blank; each has the fields that f3dx names, None where absent,
        and all others as they stand.

    Raises:
        OSError: There is no such file, or it cannot be read.
        TraceError: A line is no JSON object; names file, line and column.
    """
    with _collector_paused():
        return list(iter_jsonl(path, on_error=on_error))


def iter_jsonl(path: str | os.PathLike[str], *, on_error: OnError = "raise") -> Iterator[Row]:
    """Read the rows of a JSON Lines bundle one by one, in constant memory.

    The file is opened with the first row and closed with the last, or with the iterator. See `read_jsonl`
    for arguments, rows and errors.

    Yields:
        The rows, in order.
    """
    path = Path(path)
    skipped = _Skipped(path) if on_error == "skip" else None
    tell = skipped or on_error
    with open_bundle(path) as file:
        lines = enumerate(iter(partial(file.readline, LINE_BYTES), b""), 1)
        number = 0
        while True:
            try:
                number, line = next(lines, (number, b""))
                row = _row(line, number)
            except (*STREAM_ERRORS, _EndlessError) as error:
                what = f"the file is damaged or cut off: {error}"
                line_number = number + (not isinstance(error, _EndlessError))  # else no line was read
                fault = TraceError(path, what, ("fix", "restore the file"), line=line_number)
                _hand(tell, fault, error)
                break
            except _RowError as error:
                fault = TraceError(path, error.what, ("fix", _FIX), line=number, column=error.column)
                _hand(tell, fault, error)
                continue
            if row is not None:
                yield row
            elif not line:
                break
    if skipped:
        skipped.warn()


def _hand(tell: object, fault: TraceError, cause: Exception) -> None:
    if not callable(tell):
        raise fault from (None if isinstance(cause, _RowError) else cause)
    tell(fault)


def _row(line: bytes, number: int) -> Row | None:
    """Parse a line; None if it is blank."""
    if len(line) == LINE_BYTES:
        raise _EndlessError(f"a line of {LINE_BYTES} bytes and more")
    row = _quick(line)
    return _slow(line, number) if row is None else {**NAMED, **row}


def _quick(line: bytes) -> Row | None:
    """Parse a line by orjson if nothing gets lost; None leaves it to the long way, which says what is wrong.

    orjson rounds integers beyond 64 bits and takes the last of repeated keys. Neither can be where its own
    spelling of what it read is the line again, as for all that f3dx writes; else both are looked for.
    """
    try:
        row = orjson.loads(line)
        text = orjson.dumps(row)  # refuses what is nested too deep
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None
    if type(row) is not dict:
        return None
    if line.startswith(text):
        return row
    keys = _NAMED_KEYS.findall(line)
    return None if _LONG_NUMBER in line.translate(_DIGITS) or len(set(keys)) != len(keys) else row


def _slow(line: bytes, number: int) -> Row | None:
    """Parse a line by the standard library; None if it is blank."""
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise _not_utf8(line, error) from None
    if number == 1:
        text = text.removeprefix("\ufeff")
    row, end = _scanned(text)
    if row is None:
        return None
    if not isinstance(row, dict):
        raise _RowError(f"a row is a JSON object, not {_kind(row)}", 1)
    if rest := text[end:].strip(_SPACE):
        raise _RowError("something follows the row", text.index(rest, end) + 1)
    if line.count(b"[") + line.count(b"{") > _MAX_DEPTH:
        _check_depth(text)
    keys = _NAMED_KEYS.findall(line)
    if len(set(keys)) != len(keys):
        _check_repeats(text)
    return {**NAMED, **row}


def _scanned(text: str) -> tuple[Any, int]:
    """Parse the value at the beginning; None for a blank line."""
    try:
        # Of a line that ends where its row does this is all; whatever is odd goes the long way.
        return _DECODER.raw_decode(text) if text[:1] == "{" else _sought(text)
    except json.JSONDecodeError as error:
        raise _not_json(text, error) from None
    except _LiteralError as error:
        raise _RowError(error.what, _column(text, error.literal)) from None
    except RecursionError:
        raise _RowError(f"nested deeper than {_MAX_DEPTH} levels") from None
    except ValueError as error:  # int() refuses more than 4300 digits
        digits = max(re.findall(r"\d+", text), key=len)  # the longest is one that was refused, or as bad
        raise _RowError(f"a number has too many digits: {error}", text.index(digits) + 1) from None


def _sought(text: str) -> tuple[Any, int]:
    start = len(text) - len(text.lstrip(_SPACE))
    if start == len(text):
        return None, start
    value, end = _DECODER.raw_decode(text, start)
    return (_Null if value is None else value), end


def _column(text: str, literal: str) -> int | None:
    """Find a literal outside of strings."""
    return next((found.start() + 1 for found in _TOKEN.finditer(text) if found[0] == literal), None)


class _Null:
    """Stands for a row ``null``, which is not the same as no row."""


def _kind(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "null")


def _not_json(text: str, error: json.JSONDecodeError) -> _RowError:
    what = f"the line is no JSON: {error.msg}"
    if not text.endswith("\n"):
        what += "; it is the last and has no end: the file was cut off, or is still being written"
    return _RowError(what, min(error.pos, len(text.rstrip(_SPACE))) + 1)


def _not_utf8(line: bytes, error: UnicodeDecodeError) -> _RowError:
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _RowError("the file is UTF-16; a bundle is UTF-8", 1)
    return _RowError("the line is not UTF-8", len(line[: error.start].decode()) + 1)


def _check_depth(text: str) -> None:
    from pytest_f3dx._canonical import NotJsonError, parse_json

    try:
        parse_json(text.encode("utf-8", "surrogatepass"))
    except NotJsonError as error:
        raise _RowError(str(error)) from None


def _check_repeats(text: str) -> None:
    """Refuse a row in which a field that f3dx names stands twice; deeper down, or in a prompt, it may."""
    seen = set()
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += _STEPS.get(token[0], 0)
        if depth == 1 and token[0][0] == '"' and text[token.end() :].lstrip(_SPACE)[:1] == ":":
            key = json.loads(token[0])
            if key in seen and key in NAMED:
                raise _RowError(f"the field {key!r} stands twice", token.start() + 1)
            seen.add(key)


class _Skipped:
    """Counts the lines that were left out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[int] = []
        self._count = 0

    def __call__(self, fault: TraceError) -> None:
        self._count += 1
        if len(self._lines) < _SHOWN and fault.line:
            self._lines.append(fault.line)

    def warn(self) -> None:
        if self._count:
            which = ", ".join(map(str, self._lines)) + (", …" if self._count > len(self._lines) else "")
            count = f"{self._count} line{'' if self._count == 1 else 's'}"
            warnings.warn(f"f3dx: {count} of {self._path} left out: {which}", TraceWarning, stacklevel=3)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause the cyclic garbage collector: it walks all rows read so far again and again, and finds nothing.

    A third of the time of reading 100 MB goes there (bench/traces.py); parsed JSON has no cycles.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
