"""The ledger of a run and its lines on the terminal."""

from __future__ import annotations

from pytest_f3dx._ledger import Facts, Ledger
from pytest_f3dx._render._summary import details, summary


def ledger(*tests: Facts) -> Ledger:
    """Make a ledger of tests."""
    made = Ledger()
    for facts in tests:
        made.add(facts)
    return made


def test_nothing_sent_says_nothing() -> None:
    """A run in which no test sent anything has no line."""
    assert summary(ledger(Facts("t.py::t"))) == ""
    assert details(ledger(Facts("t.py::t"))) == []


def test_counts_add_up() -> None:
    """The line adds up all tests and says what replaying saved."""
    line = summary(
        ledger(
            Facts("a", replayed=2, resumed=1, saved_ms=1500, tokens=30, missed=1),
            Facts("b", recorded=3, live=1, unplayed=2, replayed=1, saved_ms=20),
        )
    )
    assert line == (
        "f3dx: 3 replayed (1 from pending), 3 recorded, 1 live, 1 missed, 2 unplayed"
        "; saved 3 requests, 1.5 s, 30 tokens"
    )


def test_nothing_replayed_saved_nothing() -> None:
    """A run that only recorded does not boast."""
    assert (
        summary(ledger(Facts("a", recorded=1)))
        == "f3dx: 0 replayed, 1 recorded, 0 live, 0 missed, 0 unplayed"
    )


def test_details_are_safe_on_a_terminal() -> None:
    """Each test has its line, its notes below, and no control character."""
    facts = Facts("t[\x1b]", "cassettes/t.yaml", "once", recorded=1, replayed=1, notes=["note \x07"])
    assert details(ledger(facts)) == [
        "  t[\\x1b]: 1 replayed, 1 recorded, 0 live, 0 missed, 0 unplayed; cassettes/t.yaml (mode once)",
        "    note \\x07",
    ]


def test_facts_cross_a_process() -> None:
    """Facts survive as a plain dict, and fields of another version do no harm."""
    facts = Facts("a", recorded=1, notes=["x"])
    assert Facts.from_dict({**facts.as_dict(), "new": 1}) == facts
