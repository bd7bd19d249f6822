"""The fuzz targets themselves: they run, the same each time, and they notice a fault."""

from __future__ import annotations

import sys
from itertools import islice
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.fuzz import __main__ as runner
from tests.fuzz import targets
from tests.fuzz.mutate import inputs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", targets.TARGETS)
def test_target_holds_for_inputs_that_are_the_same_each_time(name: str) -> None:
    """No input is a fault; the same seed gives the same inputs."""
    first = list(islice(inputs(name, Random(3)), 300))
    for data in first:
        assert targets.TARGETS[name](data)
    assert first == list(islice(inputs(name, Random(3)), 300))


def test_fault_ends_the_run_and_its_input_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the target raises comes through, and the input that did it can be run again."""

    def picky(data: bytes) -> str:
        assert b"sk-ant-" not in data
        return "fine"

    found = tmp_path / "found.bin"
    monkeypatch.setitem(targets.TARGETS, "redact", picky)
    monkeypatch.setattr(sys, "argv", ["fuzz", "redact", "--runs", "3000", "--found", str(found)])
    with pytest.raises(AssertionError):
        runner.main()
    assert b"sk-ant-" in found.read_bytes()
    assert "redact: a fault after" in capsys.readouterr().err


def test_runner_counts_how_inputs_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each target on stdout; an unknown target is wrong usage."""
    monkeypatch.setattr(sys, "argv", ["fuzz", "fingerprint", "--runs", "20"])
    assert runner.main() == 0
    assert capsys.readouterr().out == "fingerprint: 20 inputs, 20 named\n"
    monkeypatch.setattr(sys, "argv", ["fuzz", "nothing"])
    with pytest.raises(SystemExit):
        runner.main()
    assert "no such target: nothing" in capsys.readouterr().err
