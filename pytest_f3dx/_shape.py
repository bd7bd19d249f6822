"""Check that what YAML gave has the fields and types a cassette has, naming the place if not."""

from __future__ import annotations

import re
from typing import TypeVar

from pytest_f3dx._body import type_name
from pytest_f3dx._model import CALL_URI

Keys = tuple[str | int, ...]
T = TypeVar("T")
URI = re.compile(rf"(?i:https?)://[^\s/?#][^\r\n]*|{re.escape(CALL_URI)}")
LEAST_STATUS, GREATEST_STATUS = 100, 999
_EXPECTED: dict[type, str] = {dict: "a mapping", list: "a list", str: "text", int: "a whole number"}


class ShapeError(Exception):
    """A value is not what it must be.

    Attributes:
        keys: Where it stands: keys and positions, outermost first.
        fix: What to do.
    """

    def __init__(self, keys: Keys, what: str, *, fix: str = "correct the line") -> None:
        """Say what is wrong, and where."""
        self.keys = keys
        self.fix = fix
        super().__init__(what)


def typed(value: object, kind: type[T], keys: Keys) -> T:
    """Return the value if it is of a type; a boolean is no number.

    Raises:
        ShapeError: It is of another type.
    """
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    fix = "put quotes around it" if kind is str and isinstance(value, (int, float)) else ""
    what = f"{dotted(keys)}: expected {_EXPECTED[kind]}, got {type_name(value)}"
    raise ShapeError(keys, what, fix=fix or "correct the line")


def mapping(
    value: object, keys: Keys, *, required: tuple[str, ...], optional: tuple[str, ...]
) -> dict[str, object]:
    """Return the value if it is a mapping that has the required fields and no unknown ones.

    Raises:
        ShapeError: It is not; an unknown field is reported with the nearest known one.
    """
    fields: dict[str, object] = typed(value, dict, keys)
    known = (*required, *optional)
    for name in fields:
        if name not in known:
            import difflib

            near = difflib.get_close_matches(name, known, n=1)
            fix = f"the nearest known field is {near[0]!r}" if near else f"known fields: {', '.join(known)}"
            raise ShapeError((*keys, name), f"unknown field {dotted((*keys, name))}", fix=fix)
    for name in required:
        if name not in fields:
            raise ShapeError(keys, f"{dotted(keys)}: no field {name!r}".removeprefix(": "))
    return fields


def dotted(keys: Keys) -> str:
    """Write a place as ``responses[1].headers``, counted from 1; a fingerprint is cut short."""
    text = ""
    for key in keys:
        if isinstance(key, int):
            text += f"[{key + 1}]"
        else:
            name = f"{key[:9]}…" if key.startswith("b3:") else key
            text += f".{name}" if text else name
    return text
