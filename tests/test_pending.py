"""No paid call is lost: failing tests, kills, full disks, damaged and unwritable files."""

from __future__ import annotations

import errno
import itertools
import os
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Suite

FAILS_LATE = """
    @pytest.mark.f3dx_cache
    def test_it():
        for n in range(3):
            ask(f"number {{n}}")
        assert {verdict}
"""


def test_failing_test_does_not_pay_twice(suite: Suite) -> None:
    """What a failing test recorded is pending; the next recording run takes it up and says so."""
    suite.write(FAILS_LATE.format(verdict=False))
    suite.run("--f3dx-record=once").assert_outcomes(failed=1)
    assert not suite.cassette().exists()
    suite.write(FAILS_LATE.format(verdict=True))
    result = suite.run("--f3dx-record=once")
    result.assert_outcomes(passed=1)
    assert suite.summary(result).startswith("f3dx: 3 replayed (3 from pending), 0 recorded")
    assert len(suite.server.requests) == 3
    assert not (suite.path / "cassettes/.pending").exists()
    suite.server.stop()
    suite.run().assert_outcomes(passed=1)


def test_none_never_reads_pending(suite: Suite) -> None:
    """A plain run does not replay what no passing test has confirmed."""
    suite.write(FAILS_LATE.format(verdict=False))
    suite.run("--f3dx-record=once")
    result = suite.run()
    assert suite.summary(result).startswith("f3dx: 0 replayed, 0 recorded, 0 live, 1 missed")
    result.stdout.fnmatch_lines(["*  pending   an earlier run has recorded what is not confirmed yet*"])


def test_all_asks_anew(suite: Suite) -> None:
    """Under `all` pending exchanges are not replayed, and are gone when the test has passed."""
    suite.write(FAILS_LATE.format(verdict=False))
    suite.run("--f3dx-record=all")
    suite.write(FAILS_LATE.format(verdict=True))
    suite.run("--f3dx-record=all").assert_outcomes(passed=1)
    assert len(suite.server.requests) == 6
    assert not (suite.path / "cassettes/.pending").exists()


def test_pending_that_is_not_asked_for_stays(suite: Suite) -> None:
    """An exchange that the passing test did not ask for is neither folded nor lost."""
    suite.write(FAILS_LATE.format(verdict=False))
    suite.run("--f3dx-record=once")
    suite.write(FAILS_LATE.format(verdict=True).replace("range(3)", "range(2)"))
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    suite.run().assert_outcomes(passed=1)
    suite.write(FAILS_LATE.format(verdict=True))
    result = suite.run("--f3dx-record=new_episodes")
    assert suite.summary(result).startswith("f3dx: 3 replayed (1 from pending), 0 recorded")
    assert len(suite.server.requests) == 3


@pytest.mark.parametrize("end", ["skip", "xfail"])
def test_only_a_passing_test_folds(suite: Suite, end: str) -> None:
    """A test that was skipped or expected to fail on the way leaves its exchanges pending."""
    suite.write(
        f"    @pytest.mark.f3dx_cache\n    def test_it():\n        ask('hi')\n        pytest.{end}('why')\n"
    )
    assert suite.run("--f3dx-record=once").ret == 0
    assert not suite.cassette().exists()
    assert list((suite.path / "cassettes/.pending").rglob("*.jsonl"))


KILLED = """
    @pytest.mark.f3dx_cache
    def test_it():
        for n in range(6):
            ask(f"number {n}")
            print("ACKNOWLEDGED", n, flush=True)
"""


def _kill_after(suite: Suite, answers: int) -> int:
    """Kill a run once its test has had so many answers; returns how many it had in the end."""
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "--f3dx-record=once"]
    with subprocess.Popen(command, cwd=suite.path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = list(itertools.islice((line for line in process.stdout if b"ACKNOWLEDGED" in line), answers))
        process.kill()
        said += [line for line in process.stdout if b"ACKNOWLEDGED" in line]
    return len(said)


@pytest.mark.parametrize("answers", [1, 2, 4, 6])
def test_kill_9_pays_for_no_acknowledged_call_twice(suite: Suite, answers: int) -> None:
    """Killed and run again, no answer that reached the test is asked for again."""
    suite.write(KILLED)
    had = _kill_after(suite, answers)
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    asked = Counter(seen.json()["prompt"] for seen in suite.server.requests)
    assert answers <= had <= 6
    assert asked.keys() == {f"number {n}" for n in range(6)}
    # The one call in flight at the kill may have been asked twice: nobody saw its answer.
    assert {prompt for prompt, times in asked.items() if times > 1} <= {f"number {had}"}
    assert asked.total() <= 7
    suite.server.stop()
    suite.run().assert_outcomes(passed=1)


@pytest.mark.parametrize("mode", ["none", "once", "new_episodes", "all"])
@pytest.mark.parametrize("damage", ["cut", "conflict", "empty", "directory"])
def test_damaged_cassette_is_an_error_in_every_mode(suite: Suite, mode: str, damage: str) -> None:
    """Nothing is asked and nothing overwritten because a cassette could not be read."""
    suite.write("    @pytest.mark.f3dx_cache\n    def test_it():\n        ask('hi')\n")
    suite.run("--f3dx-record=once")
    path = suite.cassette()
    good = path.read_bytes()
    if damage == "directory":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes({"cut": good[:-20], "conflict": b"<<<<<<< a\n" + good, "empty": b""}[damage])
    result = suite.run(f"--f3dx-record={mode}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*cassette  *test_it/test_it.yaml*", "*fix       *"])
    assert len(suite.server.requests) == 1
    if damage == "directory":
        assert path.is_dir()
    else:
        assert (
            path.read_bytes() == {"cut": good[:-20], "conflict": b"<<<<<<< a\n" + good, "empty": b""}[damage]
        )


def test_unwritable_directory_is_said_before_paying(suite: Suite) -> None:
    """If nothing can be kept, nothing is asked: the test fails with the reason."""
    suite.write("    @pytest.mark.f3dx_cache\n    def test_it():\n        ask('hi')\n")
    (suite.path / "cassettes").write_text("a file in the way")
    result = suite.run("--f3dx-record=once")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*a recorded exchange cannot be kept*"])
    assert suite.server.requests == []


def test_full_disk_while_saving_keeps_everything_pending(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the cassette cannot be written the test fails, and the next run pays for nothing."""
    suite.write("    @pytest.mark.f3dx_cache\n    def test_it():\n        ask('hi')\n")
    replace = os.replace

    def full(source: Path, target: Path) -> None:
        if str(target).endswith(".yaml"):
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        result = suite.run("--f3dx-record=once")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*No space left on device*"])
    assert not suite.cassette().exists()
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    assert len(suite.server.requests) == 1


def test_killed_between_saving_and_settling_adds_nothing_twice(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exchanges that are in the cassette already are not folded into it a second time."""
    from pytest_f3dx._journal import Journal

    suite.write("    @pytest.mark.f3dx_cache\n    def test_it():\n        ask('hi')\n")
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "settle", lambda *_: None)
        suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    before = suite.cassette().read_bytes()
    assert list((suite.path / "cassettes/.pending").rglob("*.jsonl"))
    suite.write("    @pytest.mark.f3dx_cache\n    def test_it():\n        ask('hi')\n        ask('ho')\n")
    suite.run("--f3dx-record=new_episodes").assert_outcomes(passed=1)
    text = suite.cassette().read_bytes()
    assert text.startswith(before.removesuffix(b"...\n"))
    assert text.count(b"status:") == 2
    assert not (suite.path / "cassettes/.pending").exists()


def test_fix_of_a_damaged_cassette_works(suite: Suite) -> None:
    """Deleted and recorded again, as the message says, a damaged cassette is whole."""
    suite.write("    @pytest.mark.f3dx_cache\n    def test_it():\n        ask('hi')\n")
    suite.run("--f3dx-record=once")
    suite.cassette().write_bytes(suite.cassette().read_bytes()[:-9])
    result = suite.run()
    result.stdout.fnmatch_lines(["*fix *delete it and record it again with --f3dx-record=once"])
    suite.cassette().unlink()
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    suite.run().assert_outcomes(passed=1)
