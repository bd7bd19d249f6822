"""What happened to the requests of a run: counted per test, added up over all workers."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


COUNTS = ("replayed", "resumed", "recorded", "live", "missed", "unplayed", "saved_ms", "tokens")


@dataclass(slots=True)
class Facts:
    """What happened to the requests of one test. Crosses from an xdist worker as a plain dict.

    Attributes:
        test: Node id.
        cassette: Path of its cassette, relative to the root directory.
        record: Its record mode.
        replayed: Requests answered from the cassette or from pending exchanges.
        resumed: Those of them answered from pending exchanges of an earlier run.
        recorded: Requests sent and kept.
        live: Requests sent and not kept: let through, or refused by the server with 401 or 403.
        missed: Requests that no recording answered.
        unplayed: Interactions in the cassette that were not asked for.
        saved_ms: How long the replayed requests took when they were recorded.
        tokens: How many tokens the replayed answers say they cost.
        notes: Lines for ``-v``.
    """

    test: str = ""
    cassette: str = ""
    record: str = "none"
    replayed: int = 0
    resumed: int = 0
    recorded: int = 0
    live: int = 0
    missed: int = 0
    unplayed: int = 0
    saved_ms: int = 0
    tokens: int = 0
    notes: list[str] = field(default_factory=list)

    def is_idle(self) -> bool:
        """Whether the test neither sent anything nor left anything to say."""
        return not (self.replayed or self.recorded or self.live or self.missed or self.unplayed or self.notes)

    def add(self, other: Facts) -> None:
        """Add the counts and notes of another one to these."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.notes.extend(other.notes)

    def reset(self) -> None:
        """Start counting from nothing again."""
        for name in COUNTS:
            setattr(self, name, 0)
        self.notes = []

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, fit to cross a process boundary."""
        return {name: getattr(self, name) for name in _NAMES}  # every value is plain: nothing to copy deeply

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Facts:
        """Take over what `as_dict` gave; fields of another version are left out."""
        return cls(**{name: value for name, value in values.items() if name in _NAMES})


_NAMES = tuple(item.name for item in fields(Facts))


class Ledger:
    """The facts of all tests of a run, in the order in which they ended."""

    def __init__(self) -> None:
        """Start empty."""
        self.tests: list[Facts] = []

    def add(self, facts: Facts) -> None:
        """Take in the facts of a test that has ended, unless nothing happened in it."""
        if not facts.is_idle():
            self.tests.append(facts)

    def add_fixture(self, facts: Facts) -> None:
        """Take in what happened in a fixture since it was last heard of; several workers may set it up."""
        known = next((each for each in self.tests if each.test == facts.test), None)
        if known:
            known.add(facts)
        else:
            self.add(facts)

    def total(self) -> Facts:
        """Add up all counts."""
        total = Facts()
        for facts in self.tests:
            total.add(facts)
        return total
