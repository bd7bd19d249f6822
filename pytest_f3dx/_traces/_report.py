"""The sum of a replay, in bounded memory however many rows there were."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_f3dx._traces._entry import ERROR, FAILED, PASSED, SKIPPED

if TYPE_CHECKING:
    from pytest_f3dx._traces._entry import Entry

KEPT_CHARS = 2000
"""Prompts and answers of kept entries are cut to so many characters; `on_entry` sees them whole."""


@dataclass(slots=True)
class Report:
    """What became of the rows of a bundle.

    Attributes:
        target: What was asked.
        mode: How answers were compared.
        keep: How many entries are kept at most.
        total: Rows seen; the sum of the next four.
        passed: Rows whose answers agree.
        failed: Rows whose answers differ.
        errors: Rows for which the target raised or gave no answer.
        skipped: Rows without an output.
        resumed: Rows whose verdict was known from an earlier run; they count above as well.
        entries: The first failures and errors, in the order of the rows.
    """

    target: str = ""
    mode: str = ""
    keep: int = 1000
    total: int = 0
    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0
    resumed: int = 0
    entries: list[Entry] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        """Count an entry, and keep it if it is among the first that did not pass."""
        self.total += 1
        self.passed += entry.status == PASSED
        self.failed += entry.status == FAILED
        self.errors += entry.status == ERROR
        self.skipped += entry.status == SKIPPED
        self.resumed += entry.resumed
        if entry.status in {FAILED, ERROR} and len(self.entries) < self.keep:
            self.entries.append(entry.cut(KEPT_CHARS))

    def merge(self, later: Report) -> None:
        """Take in the report of the rows that follow, itself counted from 1."""
        room = max(0, self.keep - len(self.entries))
        self.entries += [replace(entry, row=entry.row + self.total) for entry in later.entries[:room]]
        for name in ("total", "passed", "failed", "errors", "skipped", "resumed"):
            setattr(self, name, getattr(self, name) + getattr(later, name))

    @property
    def ok(self) -> bool:
        """Whether something was compared, and nothing differed."""
        return bool(self.passed) and not self.failed and not self.errors

    @property
    def left_out(self) -> int:
        """How many failures and errors are counted and not kept."""
        return self.failed + self.errors - len(self.entries)

    def line(self) -> str:
        """Say it in one line."""
        parts = [f"{self.total} rows: {self.passed} passed, {self.failed} failed, {self.errors} errors"]
        parts += [f"{self.skipped} skipped without an output"] * bool(self.skipped)
        parts += [f"{self.resumed} of an earlier run"] * bool(self.resumed)
        return ", ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values, the entries included; docs/traces.md has the shape."""
        names = ("target", "mode", "total", "passed", "failed", "errors", "skipped", "resumed")
        return {
            "format": "f3dx-replay/1",
            **{name: getattr(self, name) for name in names},
            "ok": self.ok,
            "entries_left_out": self.left_out,
            "entries": [entry.as_dict() for entry in self.entries],
        }
