"""Results of tools that read the world, kept as long as a witness says that it has not changed.

Never for what changes the world: a call that is answered from the cache is not made.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pytest_f3dx._cache._call import Call, as_json, from_json
from pytest_f3dx._fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_f3dx._cache._cache import Cache

# The texts of witnesses are those of f3dx, so that what it has kept is found after `import-redb`.


class Witness(Protocol):
    """Tells in a text what the result of a tool depends on beside its arguments."""

    def witness(self) -> str:
        """Return a text that changes when the result may."""


@dataclass(frozen=True)
class FileWitness:
    """Changes when one of some files does: its time of modification or its size.

    Attributes:
        paths: The files; one that is absent counts as such.
    """

    paths: Sequence[str]

    def witness(self) -> str:
        """Return times and sizes."""
        return "FileWitness:" + ";".join(map(_state, self.paths))


def _state(path: str) -> str:
    try:
        status = os.stat(path)  # noqa: PTH116 (the path is shown as it was given)
    except FileNotFoundError:
        return f"{path}|missing"
    return f"{path}|{status.st_mtime_ns}|{status.st_size}"


@dataclass(frozen=True)
class TTLWitness:
    """Changes every so many seconds, at whole multiples of them: a result may live shorter, never longer.

    Attributes:
        seconds: How many; one at least.
    """

    seconds: int

    def witness(self) -> str:
        """Return which multiple it is."""
        return f"TTLWitness:{self.seconds}s:bucket={int(time.time()) // max(1, self.seconds)}"


@dataclass(frozen=True)
class EnvWitness:
    """Changes when one of some variables of the environment does. Their values are stored, redacted.

    Attributes:
        keys: Names of the variables.
    """

    keys: Sequence[str]

    def witness(self) -> str:
        """Return names and values."""
        return "EnvWitness:" + ";".join(f"{key}={os.environ.get(key, '')}" for key in self.keys)


@dataclass(frozen=True)
class CompositeWitness:
    """Changes when one of several witnesses does.

    Attributes:
        witnesses: The witnesses.
    """

    witnesses: Sequence[Witness]

    def witness(self) -> str:
        """Return what all of them say."""
        return "Composite:" + "|".join(one.witness() for one in self.witnesses)


def cache_tool_call(
    cache: Cache,
    *,
    tool: str,
    args: Mapping[str, Any],
    fetch: Callable[[Mapping[str, Any]], Any],
    witness: Witness | None = None,
    encoder: Callable[[Any], bytes] = as_json,
    decoder: Callable[[bytes], Any] = from_json,
) -> Any:  # noqa: ANN401 (what the tool returns)
    """Answer a tool call from a cache, or make it and keep its result.

    Args:
        cache: Where results are kept.
        tool: Name of the tool, stored as the model.
        args: Its arguments, JSON values.
        fetch: Makes the call; is given the arguments.
        witness: Part of the key: when it changes the call is made anew. None: the result never changes.
        encoder: Turns a result into bytes; JSON by default.
        decoder: Turns the bytes back; the result has always gone through both.

    Returns:
        The result.
    """
    said = witness.witness() if witness else "no-witness"
    request = {"tool": tool, "args": dict(args), "witness": said}
    return Call(cache, request, tool, encoder, decoder).run(lambda: fetch(args))


def fingerprint_args(tool: str, args: Mapping[str, Any]) -> str:
    """Return the fingerprint of a tool and its arguments, 64 hex digits, whatever a witness says."""
    return fingerprint({"tool": tool, "args": dict(args)})
