"""What asking again gave for one request; crosses from an xdist worker as a plain dict."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SAME, DRIFT, FAILED, UNDECIDED = "same", "drift", "failed", "undecided"
NEW, STOPPED = "new", "stopped"


@dataclass(frozen=True, slots=True)
class Checked:
    """One request and how its answer of now compares with the recorded one.

    Attributes:
        outcome: ``same`` (accepted), ``drift``, ``failed`` (no answer to compare), ``undecided`` (no
            verdict was to be had), ``new`` (nothing recorded
            to compare with) or ``stopped`` (the budget of live requests was used up).
        request: Method and address, redacted.
        fingerprint: Of the request.
        mode: The mode that decided, empty if none did.
        note: Why, in one line.
        changes: A line for each change, redacted, fit for a terminal.
        ignored: How many volatile places were left out.
    """

    outcome: str
    request: str
    fingerprint: str
    mode: str = ""
    note: str = ""
    changes: tuple[str, ...] = ()
    ignored: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, fit to cross a process boundary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Checked:
        """Take over what `as_dict` gave."""
        known = {item.name for item in fields(cls)} & set(values)
        return cls(**{**{name: values[name] for name in known}, "changes": tuple(values["changes"])})


def of(outcome: str, checked: Iterable[Checked]) -> list[Checked]:
    """Return those of an outcome."""
    return [each for each in checked if each.outcome == outcome]
