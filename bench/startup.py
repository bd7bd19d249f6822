"""Whole processes: what it costs to have a tool installed, and to start up with one marked test."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from tools import (
    CASSETTER,
    FLOOR,
    MARKS,
    OURS,
    PYTEST_TOOLS,
    RECORD,
    RECORDING,
    Row,
    environment,
    interleaved,
    model,
    pytest_command,
    run,
    settle,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_UNMARKED = """
import pytest

@pytest.mark.parametrize("n", range(500))
def test_it(n):
    pass
"""
_ONE = """
import httpx, pytest

{mark}
def test_it():
    client = httpx.Client({transport})
    assert client.post("{url}/v1/chat/completions", json={{"model": "m"}}).json()["object"]
"""
_MOCK = "transport=httpx.MockTransport(lambda r: httpx.Response(200, content=b'{\"object\": 1}'))"


def rows(work: Path, rounds: int, only: str = "") -> Iterator[Row]:
    """Measure both in turn."""
    pythons = {name: environment(work, name) for name in PYTEST_TOOLS}
    if only in "collect-only":
        folder = _written(work / "collect", _UNMARKED)
        times = _times(rounds * 2, pythons, dict.fromkeys(pythons, folder), "--collect-only")
        yield _row("collect-only of 500 unmarked tests, whole process", times, ((FLOOR, 1.05, None),))
    if only in "start-up":
        with model(200) as url:
            folders = {}
            for name in PYTEST_TOOLS:
                text = _ONE.format(mark=MARKS[name], url=url, transport=_MOCK if name == FLOOR else "")
                folders[name] = _written(work / "start" / name, text)
                if name in RECORD:
                    run(pytest_command(pythons[name], RECORD[name]), folders[name])
                    settle(pythons[name], folders[name])
        times = _times(rounds * 2, pythons, folders)
        targets = ((RECORDING, 1.0, None), (CASSETTER, 1.0, None))
        yield _row("start-up with one marked httpx test, whole process", times, targets)


def _written(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("cassettes/**/*.yaml"):
        old.unlink()
    (folder / "test_bench.py").write_text(text, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    return folder


def _times(
    rounds: int, pythons: dict[str, Path], folders: dict[str, Path], *more: str
) -> dict[str, list[float]]:
    def one(name: str) -> float:
        return run(pytest_command(pythons[name], *more), folders[name])

    return interleaved(rounds, {name: lambda name=name: one(name) for name in PYTEST_TOOLS})  # type: ignore[misc]  # a default binds the name


def _row(
    what: str, times: dict[str, list[float]], targets: tuple[tuple[str, float, float | None], ...]
) -> Row:
    names = (OURS, FLOOR, CASSETTER, RECORDING)
    best = ", ".join(f"{name} {min(times[name]) * 1000:.0f}" for name in names)
    ms = {name: statistics.median(times[name]) * 1000 for name in names}
    return Row(what, ms, targets, f"best: {best}")
