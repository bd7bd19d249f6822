"""The lines about a run at the end of a terminal report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_f3dx.errors import printable

if TYPE_CHECKING:
    from collections.abc import Collection

    from pytest_f3dx._ledger import Facts, Ledger


def _counts(facts: Facts) -> str:
    resumed = f" ({facts.resumed} from pending)" if facts.resumed else ""
    return (
        f"{facts.replayed} replayed{resumed}, {facts.recorded} recorded, {facts.live} live, "
        f"{facts.missed} missed, {facts.unplayed} unplayed"
    )


def _saved(facts: Facts) -> str:
    if not facts.replayed:
        return ""
    tokens = f", {facts.tokens} tokens" if facts.tokens else ""
    requests = "1 request" if facts.replayed == 1 else f"{facts.replayed} requests"
    return f"; saved {requests}, {facts.saved_ms / 1000:.1f} s{tokens}"


def summary(ledger: Ledger) -> str:
    """Return the one line that sums a run up; empty if no test sent anything."""
    if not ledger.tests:
        return ""
    total = ledger.total()
    return f"f3dx: {_counts(total)}{_saved(total)}"


def details(ledger: Ledger, placeholders: Collection[str] = ()) -> list[str]:
    """Return the lines for ``-v``: one for each test that sent something, with its notes below.

    Args:
        ledger: What happened.
        placeholders: Environment variables that were given one.
    """
    lines = []
    for facts in ledger.tests:
        lines.append(f"  {facts.test}: {_counts(facts)}; {facts.cassette} (mode {facts.record})")
        lines.extend(f"    {note}" for note in facts.notes)
    if placeholders:
        lines.append(f"  placeholders, as no key is needed in replay: {' '.join(placeholders)}")
    return [printable(line) for line in lines]
