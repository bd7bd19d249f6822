"""From a selection of files to the report of what changed in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_f3dx._review import _prices
from pytest_f3dx._review._cassettes import NOTHING, is_cassette, open_cassette
from pytest_f3dx._review._changes import Comparer, Difference
from pytest_f3dx._review._entries import entry
from pytest_f3dx._review._model import (
    ADDED,
    CHANGED,
    DAMAGED,
    NOISE,
    REMOVED,
    RENAMED,
    Entry,
    Report,
    TestChange,
)
from pytest_f3dx._review._sources import Pair
from pytest_f3dx.errors import F3dxError

if TYPE_CHECKING:
    from pytest_f3dx._review._cassettes import Opened
    from pytest_f3dx._review._files import File
    from pytest_f3dx._review._payloads import Payloads
    from pytest_f3dx._review._sources import Selection

Progress = Callable[[int, int, str], None]
"""Is told before each file: how many are done, how many there are, the next one's name."""

_HALF = 0.5  # of the requests
_MOST_GUESSED = 400  # files that came or went, among which renames are looked for


@dataclass(frozen=True, slots=True)
class Options:
    """How to compare.

    Attributes:
        ignore: JSONPaths to leave out beside what is volatile.
        show_ignored: Whether what differs in volatile places only is reported too.
    """

    ignore: tuple[str, ...] = ()
    show_ignored: bool = False


@dataclass(slots=True)
class _Read:
    """A cassette as it was read, or why it was not."""

    cassette: Opened = NOTHING
    problem: str = ""
    is_foreign: bool = False


def review(
    selection: Selection, options: Options, payloads: Payloads, progress: Progress = lambda *_: None
) -> Report:
    """Compare what was selected, one pair of files after the other.

    Args:
        selection: Files that may differ.
        options: How to compare.
        payloads: Learns where the payloads of the report are.
        progress: Is told how far it got.

    Returns:
        The report; a file that cannot be read is a part of it, not an error.
    """
    pairs = _with_renames(selection.pairs)
    found: list[TestChange] = []
    unchanged, noisy = selection.unchanged, 0
    for done, each in enumerate(pairs):
        progress(done, len(pairs), each.name)
        change = _compare(each, options, payloads)
        if change is None:
            continue
        if change.status == NOISE:
            unchanged += 1
            noisy += bool(change.noisy)
            if not (options.show_ignored and change.interactions):
                continue
        found.append(change)
    progress(len(pairs), len(pairs), "")
    report = Report(selection.old, selection.new, tuple(found), unchanged, noisy)
    return replace(report, hints=_hints(report))


def _hints(report: Report) -> tuple[str, ...]:
    hints = []
    totals = report.totals
    if (totals.tokens_in_old or totals.tokens_in_new) and not _prices.is_installed():
        hints.append(_prices.HINT)
    if report.noisy and not any(test.status == NOISE for test in report.tests):
        differ = "1 cassette differs" if report.noisy == 1 else f"{report.noisy} cassettes differ"
        hints.append(f"{differ} only in ids, times and the like: --show-ignored")
    return tuple(hints)


def _compare(pair: Pair, options: Options, payloads: Payloads) -> TestChange | None:
    """Compare a pair of files; None if neither is a cassette."""
    was, now = _read(pair.old), _read(pair.new)
    if was.is_foreign and now.is_foreign:
        return None
    if (
        pair.old and pair.new and was.is_foreign != now.is_foreign
    ):  # one is a cassette: so should be the other
        was, now = _read(pair.old, must_be=True), _read(pair.new, must_be=True)
    problems = [one.problem for one in (was, now) if one.problem]
    difference = Difference()
    if not problems:
        try:
            difference = _comparer(pair, options, payloads).cassettes(was.cassette, now.cassette)
        except F3dxError as error:
            problems.append(str(error))
    settings = _settings(was.cassette, now.cassette) if pair.old and pair.new and not problems else ()
    old, new = (file.name if file else "" for file in (pair.old, pair.new))
    return TestChange(
        now.cassette.test or was.cassette.test or new or old,
        new or old,
        _status(pair, problems, difference, settings),
        old if old and new and old != new else "",
        tuple(difference.interactions),
        difference.unchanged,
        difference.noisy,
        settings,
        tuple(problems),
    )


def _comparer(pair: Pair, options: Options, payloads: Payloads) -> Comparer:
    old, new = pair.old or pair.new, pair.new or pair.old
    assert old
    assert new
    return Comparer(
        lambda attachment: payloads.blob(attachment, old),
        lambda attachment: payloads.blob(attachment, new),
        options.ignore,
        options.show_ignored,
    )


def _status(pair: Pair, problems: list[str], found: Difference, settings: tuple[Entry, ...]) -> str:
    if problems:
        return DAMAGED
    if not pair.new:
        return REMOVED
    if not pair.old:
        return ADDED
    if settings or any(one.request or one.answer for one in found.interactions):
        return CHANGED
    return RENAMED if pair.old.name != pair.new.name else NOISE


def _settings(old: Opened, new: Opened) -> tuple[Entry, ...]:
    """Compare what stands in the heads: a reviewer sees what was loosened."""
    found = [
        entry("setting", "test", old.test, new.test),
        entry("setting", "ignore", "\n".join(old.ignore), "\n".join(new.ignore)),
        entry("setting", "replace", *(_replacements(one) for one in (old, new))),
        entry("setting", "match_headers", "\n".join(old.match_headers), "\n".join(new.match_headers)),
    ]
    return tuple(one for one in found if one)


def _replacements(cassette: Opened) -> str:
    return "\n".join(f"{regex} → {placeholder}" for regex, placeholder in cassette.replace)


def _read(file: File | None, *, must_be: bool = False) -> _Read:
    if file is None:
        return _Read(is_foreign=True)
    try:
        data = file.read()
    except FileNotFoundError:
        return _Read(problem=f"{file.name}: it was there a moment ago")
    except F3dxError as error:
        return _Read(problem=str(error))
    if not is_cassette(data) and not (must_be or file.must_be):
        return _Read(is_foreign=True)
    try:
        return _Read(open_cassette(data, file.name))
    except F3dxError as error:
        return _Read(problem=str(error))


# -- renames that git has not found, such as to a file it does not track yet -------------------------------


def _with_renames(pairs: tuple[Pair, ...]) -> list[Pair]:
    """Join a file that went with one that came if they are of one test or answer the same requests."""
    gone = [pair.old for pair in pairs if pair.old and not pair.new]
    came = [pair.new for pair in pairs if pair.new and not pair.old]
    if not gone or not came or len(gone) + len(came) > _MOST_GUESSED:
        return list(pairs)
    joined = _renames(gone, came)
    taken = {old.name for old in joined.values()}
    found = []
    for pair in pairs:
        if pair.new and not pair.old and pair.new.name in joined:
            found.append(Pair(joined[pair.new.name], pair.new))
        elif pair.new or (pair.old and pair.old.name not in taken):
            found.append(pair)
    return found


def _renames(gone: list[File], came: list[File]) -> dict[str, File]:
    """Return the old file by the name of the new one."""
    keys = {file.name: _identity(file) for file in (*gone, *came)}
    left, joined = list(gone), {}
    for new in came:
        likeness = {old.name: _likeness(keys[old.name], keys[new.name]) for old in left}
        best = max(left, key=lambda old: likeness[old.name], default=None)
        if best and likeness[best.name] >= _HALF:
            joined[new.name] = best
            left.remove(best)
    return joined


def _identity(file: File) -> tuple[str, frozenset[str]]:
    cassette = _read(file).cassette
    return cassette.test, frozenset(cassette.fingerprints)


def _likeness(one: tuple[str, frozenset[str]], other: tuple[str, frozenset[str]]) -> float:
    """Return how much two cassettes are one: of the same test, or by the part of requests they share."""
    if one[0] and one[0] == other[0]:
        return 2.0
    return len(one[1] & other[1]) / (len(one[1] | other[1]) or 1)
