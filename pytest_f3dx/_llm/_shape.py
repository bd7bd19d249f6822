"""Reading JSON of unknown shape: each function gives an empty value of the wanted type for anything else.

What a server sends is never trusted to have the documented shape, and an odd answer is still compared.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_f3dx._llm._model import Answer

Json = dict[str, Any]


class Dialect(NamedTuple):
    """How one API answers.

    Attributes:
        name: As `Answer.provider` says it.
        is_message: Whether a JSON object is a whole answer of this API.
        is_event: Whether a JSON object is an event of its streams.
        join: Puts the events of a stream together to the whole answer.
        read: Reads a whole answer.
    """

    name: str
    is_message: Callable[[Json], bool]
    is_event: Callable[[Json], bool]
    join: Callable[[list[Json]], Json]
    read: Callable[[Json], Answer]


def mapping(value: object) -> Json:
    """Return a JSON object, empty for anything else."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    """Return a JSON array, empty for anything else."""
    return value if isinstance(value, list) else []


def mappings(value: object) -> list[Json]:
    """Return the objects of a JSON array."""
    return [item for item in items(value) if isinstance(item, dict)]


def text(value: object) -> str:
    """Return a string, empty for anything else."""
    return value if isinstance(value, str) else ""


def count(value: object) -> int | None:
    """Return a whole number of zero or more, None for anything else."""
    return value if type(value) is int and value >= 0 else None


def position(value: object) -> int:
    """Return an index, 0 for anything else."""
    return count(value) or 0


def total(values: Iterable[object]) -> int | None:
    """Add up the counts among some values; None if there is none."""
    counts = [number for number in map(count, values) if number is not None]
    return sum(counts) if counts else None


def first_text(source: Json, *names: str) -> str:
    """Return the first string among some fields that says something."""
    return next((text(source[name]) for name in names if text(source.get(name))), "")


def as_json(value: object) -> str:
    """Return arguments as JSON text; text is taken to be that already."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def parsed(arguments: str) -> object:
    """Return the value of JSON text that was sent in pieces; the text itself if it is cut off."""
    try:
        return json.loads(arguments) if arguments else {}
    except (ValueError, RecursionError):
        return arguments
