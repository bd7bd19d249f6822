"""What a verdict of a replay is about, in words that are the same in every run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from blake3 import blake3


def digest_of(row: Mapping[str, Any]) -> str:
    """Return 64 hex digits of the content of a row, in groups: in one piece they could be a key, or base64.

    The cache would look into them for one, at each verdict: a fifth of what a row costs.
    """
    content = json.dumps(row, sort_keys=True, default=str)
    return blake3(content.encode()).digest().hex(" ", 4)


def name_of(target: object) -> str:
    """Return a name of a function that is the same in every run: ``module:qualified name``."""
    kind = target if hasattr(target, "__qualname__") else type(target)
    return f"{kind.__module__}:{kind.__qualname__}"


def described(value: object) -> Any:  # noqa: ANN401 (any JSON value)
    """Say what a comparison is, alike in every run: a function by its name, a partial one with its options.

    Args:
        value: A function, an option of one, or what is in it.

    Returns:
        JSON values. An object is its ``repr`` if it has one of its own that says no address, else its class.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, partial):
        return {
            "function": name_of(value.func),
            "args": described(value.args),
            "options": described(value.keywords),
        }
    if isinstance(value, Mapping):
        return {str(key): described(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        parts = [described(one) for one in value]
        return sorted(parts, key=repr) if isinstance(value, set | frozenset) else parts
    if hasattr(value, "__qualname__") or type(value).__repr__ is object.__repr__:
        return name_of(value)
    shown = repr(value)
    return name_of(value) if " at 0x" in shown else f"{name_of(value)} {shown}"
