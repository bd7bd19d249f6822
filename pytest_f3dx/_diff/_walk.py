"""Two JSON values walked in step: every place in which they differ, and whether it matters. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_f3dx._diff._volatile import is_volatile_name
from pytest_f3dx._model import Change
from pytest_f3dx._paths import json_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_f3dx._diff._volatile import Path, Places

_VECTOR = 16  # numbers; a list of at least so many is one value
_MOST_ALIGNED = 250_000  # pairs of items that deepdiff may look at; beyond it lists are compared in order
_EMPTY: tuple[object, ...] = (None, "", [], {})


def same(old: object, new: object) -> bool:
    """Whether two values are one to canonical JSON: 1 and 1.0 are, 1 and true are not.

    Python's own comparison decides at C speed; only what it takes for equal is looked at for booleans, which
    it takes for numbers.
    """
    return old == new and _same_booleans(old, new)


def _same_booleans(old: object, new: Any) -> bool:  # noqa: ANN401 (equal to old, so of its shape)
    if isinstance(old, dict):
        return all(_same_booleans(value, new[name]) for name, value in old.items())
    if isinstance(old, list):
        return all(map(_same_booleans, old, new))
    return isinstance(old, bool) == isinstance(new, bool)


def embedded(text: str) -> object:
    """Return the JSON object or array that a string holds, such as arguments of a tool; else None."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def kind_of(value: object) -> str:
    """Return JSON's word for the type of a value."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    names = {dict: "object", list: "array", str: "string", type(None): "null"}
    return names.get(type(value), type(value).__name__)


class Walk:
    """Gathers the differences of two values.

    Attributes:
        changes: Places that differ, in the order of the document.
        ignored: Those of them that are volatile.
    """

    def __init__(
        self, places: Places, *, tolerance: float = 0.0, is_ignored: Callable[[Path], bool] = lambda _: False
    ) -> None:
        """Start with nothing found.

        Args:
            places: What is volatile, counted and said in the answers of the API.
            tolerance: By how much numbers may differ: relative, and absolute below 1.
            is_ignored: Whether the user leaves a place out.
        """
        self.changes: list[Change] = []
        self.ignored: list[Change] = []
        self._places, self._tolerance, self._is_ignored = places, tolerance, is_ignored

    def pair(self, path: Path, old: Any, new: Any) -> None:  # noqa: ANN401 (any JSON value)
        """Compare what stands at one place."""
        if same(old, new):
            return
        if self._is_left_out(path, old, new):
            self.ignored.append(Change(json_path(path), _kind(old, new), old, new, "info"))
        elif isinstance(old, dict) and isinstance(new, dict):
            self._objects(path, old, new)
        elif isinstance(old, list) and isinstance(new, list):
            self._lists(path, old, new)
        elif not self._is_near(old, new) and not self._is_json_text(path, old, new):
            self._add(path, _kind(old, new), old, new, "error")

    def _is_left_out(self, path: Path, old: object, new: object) -> bool:
        return self._places.is_volatile(path) or is_volatile_name(path, old, new) or self._is_ignored(path)

    def _add(self, path: Path, kind: str, old: object, new: object, severity: str) -> None:
        if self._places.is_count(path):
            severity = "info"
        self.changes.append(Change(json_path(path), kind, old, new, severity))

    def _is_near(self, old: object, new: object) -> bool:
        """Whether two numbers are equal within the tolerance; not-a-number is itself."""
        if kind_of(old) != "number" or kind_of(new) != "number":
            return False
        was, now = float(old), float(new)  # type: ignore[arg-type]  # kind_of has looked
        if was != was or now != now:  # noqa: PLR0124 (true of NaN alone)
            return was != was and now != now  # noqa: PLR0124
        return self._tolerance > 0 and abs(was - now) <= self._tolerance * max(1.0, abs(was), abs(now))

    def _is_json_text(self, path: Path, old: object, new: object) -> bool:
        """Compare two strings that hold JSON as what they hold; False if they do not."""
        if not isinstance(old, str) or not isinstance(new, str):
            return False
        was, now = embedded(old), embedded(new)
        if was is None or now is None:
            return False
        self.pair(path, was, now)
        return True

    # -- objects -------------------------------------------------------------------------------

    def _objects(self, path: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
        for name, value in old.items():
            if name in new:
                self.pair((*path, name), value, new[name])
            else:
                self._field((*path, name), "removed", value, None)
        for name, value in new.items():
            if name not in old:
                self._field((*path, name), "added", None, value)

    def _field(self, path: Path, kind: str, old: object, new: object) -> None:
        """Note a field that came or went; in a known API one that says nothing may."""
        value = new if kind == "added" else old
        says_nothing = self._places.is_known and value in _EMPTY
        if says_nothing or self._is_left_out(path, value, value):
            self.ignored.append(Change(json_path(path), kind, old, new, "info"))
            return
        severity = "info" if kind == "added" else "warn"
        self._add(path, kind, old, new, "error" if self._places.is_said(path) else severity)

    # -- lists ---------------------------------------------------------------------------------

    def _lists(self, path: Path, old: list[Any], new: list[Any]) -> None:
        if _is_vector(old) and _is_vector(new):
            if len(old) != len(new) or not all(map(self._is_near, old, new)):
                self._add(path, "changed", old, new, "error")
        elif len(old) == len(new):
            for index, (was, now) in enumerate(zip(old, new, strict=True)):
                self.pair((*path, index), was, now)
        else:
            self._unequal_lists(path, old, new)

    def _unequal_lists(self, path: Path, old: list[Any], new: list[Any]) -> None:
        """Compare lists of different lengths: what they begin and end with alike is left aside first."""
        most = min(len(old), len(new))
        start = _alike(zip(old[:most], new[:most], strict=True))
        end = _alike(zip(reversed(old[start:]), reversed(new[start:]), strict=False))
        was, now = old[start : len(old) - end], new[start : len(new) - end]
        if was and now and len(was) * len(now) <= _MOST_ALIGNED:
            self._aligned(path, start, was, now)
            return
        both = min(len(was), len(now))
        for index in range(both):
            self.pair((*path, start + index), was[index], now[index])
        self._items(path, "removed", start + both, was[both:])
        self._items(path, "added", start + both, now[both:])

    def _items(self, path: Path, kind: str, start: int, values: list[Any]) -> None:
        """Note items that came or went: the list has another value, so it is no mere addition."""
        for index, value in enumerate(values, start):
            old, new = (None, value) if kind == "added" else (value, None)
            self._add((*path, index), kind, old, new, "error")

    def _aligned(self, path: Path, start: int, old: list[Any], new: list[Any]) -> None:
        """Let deepdiff find which items belong together; it costs milliseconds, so it gets only this part."""
        from deepdiff import DeepDiff
        from deepdiff.helper import NotPresent, notpresent

        tree = DeepDiff(old, new, view="tree", ignore_nan_inequality=True, threshold_to_diff_deeper=0)
        found = [level for levels in tree.values() for level in levels]
        for level in sorted(found, key=lambda level: _sortable(level.path(output_format="list"))):
            index, *rest = level.path(output_format="list")
            place = (*path, start + index, *rest)
            is_new, is_old = (
                isinstance(value, NotPresent) or value is notpresent for value in (level.t1, level.t2)
            )
            if is_new or is_old:
                self._came_or_went(place, level.t1, level.t2, is_new=is_new)
            else:
                self.pair(place, level.t1, level.t2)

    def _came_or_went(self, path: Path, old: object, new: object, *, is_new: bool) -> None:
        kind, was, now = ("added", None, new) if is_new else ("removed", old, None)
        if isinstance(path[-1], str):
            self._field(path, kind, was, now)
        else:
            self._items(path[:-1], kind, path[-1], [now if is_new else was])


def _kind(old: object, new: object) -> str:
    return "changed" if kind_of(old) == kind_of(new) else "type changed"


def _is_vector(values: list[Any]) -> bool:
    return len(values) >= _VECTOR and all(type(value) in (int, float) for value in values)


def _alike(pairs: Iterator[tuple[Any, Any]] | zip[tuple[Any, Any]]) -> int:
    """Count the pairs that are the same before the first that is not."""
    found = 0
    for old, new in pairs:
        if not same(old, new):
            break
        found += 1
    return found


def _sortable(parts: list[Any]) -> list[tuple[int, int, str]]:
    """Order paths as in the document, as far as indices tell."""
    return [(0, part, "") if isinstance(part, int) else (1, 0, str(part)) for part in parts]
