"""Replay a bundle: ask a target what it says to each row now, and hold it against what was recorded."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_f3dx._diff._compare import check_modes
from pytest_f3dx._traces._entry import FAILED, PASSED, Entry, has_output, replay_row
from pytest_f3dx._traces._pool import in_tasks, in_threads
from pytest_f3dx._traces._report import Report
from pytest_f3dx._traces._verdicts import described, digest_of, name_of
from pytest_f3dx.errors import SettingsError

if TYPE_CHECKING:
    from pytest_f3dx._cache._cache import Cache
    from pytest_f3dx._traces._entry import Compare
    from pytest_f3dx._traces._jsonl import OnError

Rows = str | os.PathLike[str] | Iterable[Mapping[str, Any]]
Target = Callable[[Any], object]
_Numbered = tuple[int, Mapping[str, Any]]
_Key = dict[str, Any] | None

_QUICK = {"bytes", "structured"}  # modes that only compute: they need no thread beside an event loop


def replay(
    rows: Rows,
    target: Target,
    mode: str = "structured",
    *,
    concurrency: int = 8,
    resume: Cache | str | os.PathLike[str] | None = None,
    compare: Compare | None = None,
    on_entry: Callable[[Entry], object] | None = None,
    keep: int = 1000,
) -> Report:
    """Ask a target for every row, and count where it still answers as recorded.

    Args:
        rows: A bundle (JSON Lines, or Parquet by its suffix), or any rows, of any number.
        target: Called with a row, a dict; returns, or if it is ``async`` is awaited for, the new answer:
            text, bytes or JSON values. Retries and time limits are its own business. It is called from
            many threads unless ``concurrency`` is 1.
        mode: How answers are compared; a mode of `pytest_f3dx.compare`.
        concurrency: Rows in work at once.
        resume: A `Cache`, or the path of one, that keeps the verdicts as they come: a second run asks only
            for the rows that have none, or ended in an error. The caller closes a cache that it gave.
        compare: In place of `pytest_f3dx.compare`.
        on_entry: Told every entry, in the order of the rows.
        keep: How many failures and errors the report keeps; it counts all.

    Returns:
        The sum. A target that raises is an entry, not an end.

    Raises:
        OSError: The bundle cannot be read.
        TraceError: A line of it is damaged.
        F3dxError: A setting is wrong.
    """
    report = Report(name_of(target), mode, keep)
    for entry in iter_replay(rows, target, mode, concurrency=concurrency, resume=resume, compare=compare):
        report.add(entry)
        if on_entry:
            on_entry(entry)
    return report


def iter_replay(
    rows: Rows,
    target: Target,
    mode: str = "structured",
    *,
    concurrency: int = 8,
    resume: Cache | str | os.PathLike[str] | None = None,
    compare: Compare | None = None,
) -> Iterator[Entry]:
    """Replay as `replay` does, and give the entries one by one, in constant memory.

    Returns:
        An iterator of an entry for each row, in the order of the rows; closing it ends the replay.

    Raises:
        SettingsError: The target cannot be called, the concurrency is no positive number, or the mode
            is unknown.
    """
    if not callable(target):
        raise SettingsError(
            "a target is a function of a row", ("given", repr(target)[:200]), ("fix", "give a callable")
        )
    if not _is_positive(concurrency):
        what = "concurrency is a whole number from 1 on"
        raise SettingsError(what, ("given", repr(concurrency)), ("fix", "leave it out: 8 rows at once"))
    check_modes(mode)
    return _entries(rows, _Asking(target, mode, compare), concurrency, resume)


def _is_positive(number: object) -> bool:
    return isinstance(number, int) and number > 0


def iter_rows(path: str | os.PathLike[str], *, on_error: OnError = "raise") -> Iterator[dict[str, Any]]:
    """Read the rows of a bundle one by one: as Parquet if its name says so, else as JSON Lines."""
    if Path(path).suffix.lower() == ".parquet":
        from pytest_f3dx._traces._parquet import iter_parquet

        return iter_parquet(path)
    from pytest_f3dx._traces._jsonl import iter_jsonl

    return iter_jsonl(path, on_error=on_error)


def _entries(
    rows: Rows, asking: _Asking, concurrency: int, resume: Cache | str | os.PathLike[str] | None
) -> Iterator[Entry]:
    stream = iter_rows(rows) if isinstance(rows, str | os.PathLike) else rows
    numbered = enumerate(stream, 1)
    with _opened(resume) as asking.verdicts:
        if asking.is_async:
            yield from in_tasks(numbered, asking.ask_async, concurrency)
        else:
            yield from in_threads(numbered, asking.ask, concurrency)


@contextmanager
def _opened(resume: Cache | str | os.PathLike[str] | None) -> Iterator[Cache | None]:
    if isinstance(resume, str | os.PathLike):
        from pytest_f3dx._cache._cache import Cache

        with Cache(resume) as cache:
            yield cache
    else:
        yield resume


class _Asking:
    """What is done for each row."""

    def __init__(self, target: Target, mode: str, compare: Compare | None) -> None:
        self._target, self._mode, self._compare = target, mode, compare
        self._name, self._described = name_of(target), described(compare)
        self.verdicts: Cache | None = None
        self._is_quick = compare is None and _QUICK.issuperset(check_modes(mode))
        call = getattr(target, "__call__", None)  # noqa: B004 - the method, of an object with an async one
        self.is_async = inspect.iscoroutinefunction(target) or inspect.iscoroutinefunction(call)

    def ask(self, numbered: _Numbered) -> Entry:
        """Make the entry of a row."""
        key = self._key(numbered)
        if known := self._known(numbered, key):
            return known
        _, row = numbered
        try:
            output = self._target(row)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a failing target is an entry
            output = error
        if inspect.isawaitable(output):
            if inspect.iscoroutine(output):
                output.close()
            output = TypeError("the target returned an awaitable: make it an `async def`")
        return self._judged(numbered, output, key)

    async def ask_async(self, numbered: _Numbered) -> Entry:
        """Make the entry of a row with an async target; what may block stays out of the event loop."""
        key = self._key(numbered)
        if (
            known := await asyncio.to_thread(self._known, numbered, key)
            if key
            else self._known(numbered, key)
        ):
            return known
        _, row = numbered
        output: object
        try:
            answer = self._target(row)
            output = await answer if isinstance(answer, Awaitable) else answer
        except (Exception, SystemExit, asyncio.CancelledError) as error:  # noqa: BLE001 - as in `ask`
            output = error
        if key is None and self._is_quick:
            return self._judged(numbered, output, key)
        return await asyncio.to_thread(self._judged, numbered, output, key)

    def _known(self, numbered: _Numbered, key: _Key) -> Entry | None:
        """Return the verdict that needs no asking, if there is one."""
        number, row = numbered
        if not has_output(row):
            return replay_row(row, None, self._mode, number=number)
        if self.verdicts is None or key is None or (found := self.verdicts.peek(key)) is None:
            return None
        return replace(Entry.from_dict(json.loads(found)), row=number, resumed=True)

    def _judged(self, numbered: _Numbered, output: object, key: _Key) -> Entry:
        number, row = numbered
        entry = replay_row(row, output, self._mode, number=number, compare=self._compare)
        if self.verdicts is not None and key is not None and entry.status in {PASSED, FAILED}:
            self.verdicts.put(key, json.dumps(entry.as_dict()))
        return entry

    def _key(self, numbered: _Numbered) -> _Key:
        """Say what a verdict is about: this row of this content at this place, this target, compared so.

        None if none is kept. Asked before the target is, which may change the row.
        """
        if self.verdicts is None:
            return None
        number, row = numbered
        key = {
            "replay": 1,
            "row": number,
            "content": digest_of(row),
            "target": self._name,
            "mode": self._mode,
        }
        return key if self._compare is None else {**key, "compare": self._described}
