"""However a recording ends, no call that its test has seen the answer of is paid for again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.killing import Figures, kill

if TYPE_CHECKING:
    from tests.conftest import Suite

EVERY = 31  # one point in so many; `python -m tests.killing` tries them all


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_kill_at_any_call_loses_nothing() -> None:
    """Before, after and amid system calls, and with a full disk: nothing paid twice, nothing half-written."""
    figures = kill(EVERY)
    assert figures.points > 15
    assert (figures.paid_twice, figures.half_written, figures.broken) == (0, 0, 0), figures.why


def test_the_full_harness_prints_its_figures() -> None:
    """The command line prints what was tried, and fails if anything was lost."""
    command = [sys.executable, "-m", "tests.killing", "--every", "200"]
    root = Path(__file__).parent.parent
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    assert " kill points: 0 acknowledged calls paid twice, 0 half-written cassettes" in done.stdout
    assert Figures().points == 0


ENDS = {
    "os._exit": "os._exit(9)",
    "sigterm": "os.kill(os.getpid(), signal.SIGTERM)",
    "sigkill": "os.kill(os.getpid(), signal.SIGKILL)",
    "timeout, thread": "strike(request, 'thread')",
    "timeout, signal": "strike(request, 'signal')",
}
LIFE = """
    import os
    import signal
    import threading

    def strike(request, method):  # the time of the test is over now, however long all before has taken
        import pytest_timeout
        settings = pytest_timeout.Settings(0.01, method, False, True)
        request.config.hook.pytest_timeout_set_timer(item=request.node, settings=settings)
        threading.Event().wait()

    @pytest.fixture(scope="session")
    def login():
        return ask("login")

    @pytest.mark.f3dx_cache
    def test_it(login, request):
        for n in range(3):
            ask(f"number {{n}}")
        if "END" in os.environ:
            {end}

    @pytest.mark.f3dx_cache
    def test_other():
        ask("other")
"""
CASES = [
    ("os._exit", ()),
    ("sigterm", ()),
    ("sigkill", ()),
    ("timeout, thread", ("-p", "pytest_timeout")),
    ("timeout, signal", ("-p", "pytest_timeout")),
    ("os._exit", ("-n1",)),
]


@pytest.mark.parametrize(("end", "options"), CASES, ids=map(str, range(len(CASES))))
def test_the_next_run_takes_up_what_was_paid_for(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, end: str, options: tuple[str, ...]
) -> None:
    """After each kind of end the next run replays from pending, says how much, and pays for the rest only."""
    suite.write(LIFE.format(end=ENDS[end]))
    with monkeypatch.context() as patch:
        patch.setenv("END", "1")
        ended = suite.spawn("--f3dx-record=once", *options)
    assert "Timeout" in f"{ended.stdout}{ended.stderr}" or "timeout" not in end
    paid = [seen.body for seen in suite.server.requests]
    assert len(paid) >= 4
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    result = suite.run("--f3dx-record=once", "-v")
    result.assert_outcomes(passed=2)
    again = [seen.body for seen in suite.server.requests[len(paid) :]]
    assert not set(again) & set(paid)
    result.stdout.fnmatch_lines(
        ["f3dx: * replayed (* from pending)*", "*test_it: 3 replayed (3 from pending), 0 recorded*"]
    )
    assert not (suite.path / "cassettes/.pending").exists()
    suite.server.stop()
    suite.run().assert_outcomes(passed=2)


def test_an_interrupted_write_leaves_no_torn_line(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A timeout that strikes amid the write of a journal leaves it as it was before."""
    suite.write(
        """
    import os

    @pytest.mark.f3dx_cache
    def test_it(monkeypatch):
        ask("one")
        write = os.write
        def strikes(handle, data):
            write(handle, bytes(data)[:9])
            raise pytest.fail.Exception("timeout")
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", strikes)
            with pytest.raises(BaseException):
                ask("two")
        ask("three")
        assert "END" not in os.environ
    """
    )
    with monkeypatch.context() as patch:
        patch.setenv("END", "1")
        suite.run("--f3dx-record=once").assert_outcomes(failed=1)
    (journal,) = (suite.path / "cassettes/.pending").rglob("*.jsonl")
    assert journal.read_bytes().count(b"\n") == 3  # what it is, and two exchanges
