"""Modes ``bytes`` and ``structured``. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_f3dx._diff._volatile import places
from pytest_f3dx._diff._walk import Walk, embedded, same
from pytest_f3dx._model import Change, Drift

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_f3dx._diff._sides import Side
    from pytest_f3dx._diff._volatile import Path

_SHOWN = 3


def compare_bytes(old: Side, new: Side) -> Drift:
    """Accept what is equal byte for byte; values that were given as such must be the same JSON."""
    if _outer(old, new):
        return Drift(ok=False, mode="bytes", changes=_outer(old, new), note=_note(_outer(old, new)))
    if old.raw is None or new.raw is None:
        is_equal = same(old.value, new.value)
        note = "" if is_equal else "the values differ"
    else:
        is_equal = old.raw == new.raw
        note = "" if is_equal else f"{len(old.raw)} bytes became {len(new.raw)} other bytes"
    if is_equal:
        return Drift(ok=True, mode="bytes")
    return Drift(
        ok=False, mode="bytes", changes=(Change("$", "changed", old.value, new.value, "error"),), note=note
    )


def compare_structured(old: Side, new: Side, *, ignore: Sequence[str] = (), tolerance: float = 0.0) -> Drift:
    """Accept what means the same; see `pytest_f3dx.compare`.

    Args:
        old: What there was.
        new: What there is now.
        ignore: JSONPaths (RFC 9535) to leave out beside what is volatile in the API.
        tolerance: By how much numbers may differ: relative, and absolute below 1.
    """
    outer = _outer(old, new)
    if not outer and same(old.value, new.value):
        return Drift(ok=True, mode="structured")
    answer = old.answer() or new.answer()
    walk = Walk(
        places(answer.provider if answer else ""),
        tolerance=tolerance,
        is_ignored=_chooser(ignore, old.value, new.value),
    )
    try:
        walk.pair((), old.value, new.value)
    except RecursionError:
        walk.changes = [Change("$", "changed", old.value, new.value, "error")]
    changes = (*outer, *walk.changes)
    ok = all(change.severity == "info" for change in changes)
    return Drift(ok, "structured", changes, tuple(walk.ignored), _note(changes))


def _outer(old: Side, new: Side) -> tuple[Change, ...]:
    """Compare what stands around the bodies of two responses."""
    found = []
    if old.status != new.status:
        found.append(Change("status", "changed", old.status, new.status, "error"))
    if old.failure != new.failure:
        found.append(Change("failure", "changed", old.failure, new.failure, "error"))
    return tuple(found)


def _note(changes: Sequence[Change]) -> str:
    if not changes:
        return ""
    deciding = [change for change in changes if change.severity != "info"]
    if not deciding:
        return "only added fields and counts of tokens differ"
    where = ", ".join(change.path for change in deciding[:_SHOWN])
    more = f" and {len(deciding) - _SHOWN} more" if len(deciding) > _SHOWN else ""
    return f"differs at {where}{more}"


# -- what the user leaves out ------------------------------------------------------------------------


def _chooser(ignore: Sequence[str], old: object, new: object) -> Callable[[Path], bool]:
    """Return the test for a place that the user leaves out; the paths are looked up at its first use."""
    if not ignore:
        return lambda _: False
    found: list[frozenset[Path]] = []

    def is_ignored(path: Path) -> bool:
        if not found:
            found.append(frozenset((*_selected(ignore, old), *_selected(ignore, new))))
        return path in found[0]

    return is_ignored


def _selected(ignore: Sequence[str], value: object) -> list[Path]:
    """Return the places that some JSONPaths select; within JSON in strings as well."""
    from pytest_f3dx._payload import jsonpath

    opened = _opened(value)
    if not isinstance(opened, (dict, list)):  # the package would take a string for a JSON text
        return []
    return [tuple(match.parts) for path in ignore for match in jsonpath(path).finditer(opened)]


def _opened(value: Any) -> Any:  # noqa: ANN401 (any JSON value)
    """Return a value with the JSON that its strings hold in their place, so that a path leads into it."""
    if isinstance(value, dict):
        return {name: _opened(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_opened(item) for item in value]
    if isinstance(value, str):
        inner = embedded(value)
        return value if inner is None else _opened(inner)
    return value
