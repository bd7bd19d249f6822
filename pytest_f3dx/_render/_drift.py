"""Lines about answers that drifted, for the terminal and for junit XML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_f3dx._diff._checked import DRIFT, FAILED, NEW, SAME, STOPPED, UNDECIDED, of
from pytest_f3dx.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_f3dx._diff._checked import Checked


def details(checked: Checked) -> list[str]:
    """Return the lines about one request: what it is, why it is told, and its changes."""
    head = f"{checked.request}  {checked.fingerprint[:9]}…"
    said = {
        DRIFT: f"drift ({checked.mode}): {checked.note}",
        UNDECIDED: f"undecided: {checked.note}",
        FAILED: f"no live answer to compare: {checked.note}",
        STOPPED: f"not asked: {checked.note}",
        NEW: checked.note,
    }.get(checked.outcome, checked.note)
    left_out = [f"  {checked.ignored} volatile places left out"] if checked.ignored else []
    return [
        printable(line) for line in (head, f"  {said}", *(f"  {line}" for line in checked.changes), *left_out)
    ]


def section(tests: Mapping[str, Sequence[Checked]]) -> list[str]:
    """Return the lines of the terminal section: every test that has something to tell, request by request."""
    found = []
    for test, checked in tests.items():
        told = [each for each in checked if each.outcome != SAME]
        if told:
            found.append(printable(test))
            found += [f"  {line}" for each in told for line in details(each)]
    return found


def sum_up(mode: str, checked: Iterable[Checked]) -> str:
    """Return the one line that sums a run up; empty if nothing was compared."""
    every = list(checked)
    if not every:
        return ""
    counts = [
        f"{len(of(outcome, every))} {word}"
        for outcome, word in ((SAME, "the same"), (DRIFT, "drifted"), (FAILED, "without a live answer"))
    ]
    rest = ((UNDECIDED, "undecided"), (NEW, "new"), (STOPPED, "not asked"))
    counts += [f"{len(of(outcome, every))} {word}" for outcome, word in rest if of(outcome, every)]
    noun = "answer" if len(every) == 1 else "answers"
    return f"f3dx: {len(every)} {noun} compared ({mode}): {', '.join(counts)}"
