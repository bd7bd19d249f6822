"""Warm replay, timed inside pytest: each test from the start of its protocol to the end, start-up not counted."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
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
    answer,
    environment,
    model,
    prose,
    pytest_command,
    run,
    settle,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_TIMER = """
import json, os, resource, time
import pytest

TIMES = []

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        return (yield)
    finally:
        TIMES.append((time.perf_counter() - wall, time.process_time() - cpu))

def pytest_sessionfinish(session):
    if "BENCH_TIMES" in os.environ:
        with open(os.environ["BENCH_TIMES"], "w") as file:
            json.dump({"times": TIMES, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}, file)
"""
_HTTPX = """
import httpx, pytest

BODY = {{"model": "m", "temperature": 0.0, "messages": [{{"role": "user", "content": {prompt!r}}}]}}
CLIENT = httpx.Client({transport})

{mark}
@pytest.mark.parametrize("n", range({tests}))
def test_it(n):
    answer = CLIENT.post("{url}/v1/chat/completions", json={{**BODY, "seed": n}})
    assert answer.json()["object"] == "chat.completion"
"""
_OPENAI = """
import httpx, openai, pytest

{mark}
@pytest.mark.parametrize("n", range({tests}))
def test_it(n):
    client = openai.OpenAI(base_url="{url}/v1", api_key="none" {transport})
    answer = client.chat.completions.create(
        model="m", seed=n, messages=[{{"role": "user", "content": {prompt!r}}}]
    )
    assert answer.object == "chat.completion"
"""
_SILENT = """
import httpx, pytest

{mark}
@pytest.mark.parametrize("n", range({tests}))
def test_it(n):
    assert n >= 0
"""


@dataclass(frozen=True)
class Scenario:
    """What a test does, and what is to hold of its time."""

    name: str
    text: str
    prompt: int
    answer: int
    targets: tuple[tuple[str, float, float | None], ...]
    above_floor: bool = True
    tests: int = 100
    options: tuple[str, ...] = ()


_FIRST = ("-p", "no:cacheprovider")  # as if no run had gone before
SCENARIOS = (
    Scenario("2 KB prompt", _HTTPX, 2048, 200, ((CASSETTER, 0.6, 0.25), (RECORDING, 0.2, 0.06))),
    Scenario("100 KB prompt", _HTTPX, 100_000, 200, ((CASSETTER, 0.6, 0.25), (RECORDING, 0.2, None))),
    Scenario("4 KB prompt, 20 KB answer", _HTTPX, 4096, 20_000, ((CASSETTER, 0.6, 0.25),)),
    Scenario("2 KB prompt, first replay", _HTTPX, 2048, 200, ((CASSETTER, 1.0, None),), options=_FIRST),
    Scenario("100 KB prompt, first replay", _HTTPX, 100_000, 200, ((CASSETTER, 1.0, None),), options=_FIRST),
    Scenario(
        "own OpenAI() client, whole test",
        _OPENAI,
        2048,
        200,
        ((RECORDING, 0.4, 0.15),),
        above_floor=False,
        tests=40,
    ),
    Scenario("marked, sends nothing", _SILENT, 0, 0, (), tests=1000),
)


def rows(work: Path, rounds: int, only: str = "") -> Iterator[Row]:
    """Measure each scenario with every tool in turn."""
    for at, scenario in enumerate(SCENARIOS):
        if only in scenario.name:
            yield _measured(work, rounds, scenario, f"warm-{at}")
    if only in "memory":
        yield _memory(work)


def _memory(work: Path) -> Row:
    """Replay 100 MB of cassettes in one process, and a tenth of that: what grows with the suite is the difference."""
    grown: dict[str, float] = {}
    peaks = []
    with model(200) as url:
        for name in RECORD:
            python, peak = environment(work, name), []
            for tests in (80, 800):
                scenario = Scenario("memory", _HTTPX, 120_000, 200, (), tests=tests)
                folder = _suite(work / f"memory-{tests}", name, url, scenario)
                run(pytest_command(python, RECORD[name]), folder)
                settle(python, folder)
                _one_run(python, folder)
                peak.append(json.loads((folder / "times.json").read_text(encoding="utf-8"))["peak"])
            grown[name] = peak[1] - peak[0]
            peaks.append(f"{name} {peak[1]:.0f} MB")
    what = "memory that 90 MB more of cassettes take"
    return Row(what, grown, ((CASSETTER, 1.0, None),), f"peak with 100 MB: {', '.join(peaks)}", "MB")


def _measured(work: Path, rounds: int, scenario: Scenario, slug: str) -> Row:
    pythons = {name: environment(work, name) for name in PYTEST_TOOLS}
    with model(scenario.answer) as url:
        folders = {name: _suite(work / slug, name, url, scenario) for name in PYTEST_TOOLS}
        for name, option in RECORD.items():
            run(pytest_command(pythons[name], option), folders[name])
            settle(pythons[name], folders[name])
    wall: dict[str, list[float]] = {name: [] for name in PYTEST_TOOLS}
    cpu: dict[str, list[float]] = {name: [] for name in PYTEST_TOOLS}
    for _ in range(rounds):
        for name in PYTEST_TOOLS:
            one = _one_run(pythons[name], folders[name], *scenario.options)
            wall[name].append(one[0])
            cpu[name].append(one[1])
    return _row(scenario, wall, cpu)


def _row(scenario: Scenario, wall: dict[str, list[float]], cpu: dict[str, list[float]]) -> Row:
    """The medians above the floor; beside them the best round, and processor time, which noise disturbs less."""
    names = (OURS, CASSETTER, RECORDING)
    found = {name: _above(wall, name, statistics.median, above=scenario.above_floor) for name in names}
    notes = [
        _note(
            "best round",
            {name: _above(wall, name, min, above=scenario.above_floor) for name in names},
            scenario,
        ),
        _note(
            "processor",
            {name: _above(cpu, name, statistics.median, above=scenario.above_floor) for name in names},
            scenario,
        ),
    ]
    what = f"{scenario.name}{', above the floor' if scenario.above_floor else ''}"
    return Row(what, found, scenario.targets, "\n    ".join(notes))


def _note(what: str, times: dict[str, float], scenario: Scenario) -> str:
    ratios = "".join(f"; {times[OURS] / times[name]:.2f} of {name}" for name, *_ in scenario.targets)
    return f"{what}: " + ", ".join(f"{name} {ms:.3f}" for name, ms in times.items()) + ratios


def _above(
    times: dict[str, list[float]], name: str, chosen: Callable[[list[float]], float], *, above: bool
) -> float:
    floor = chosen(times[FLOOR]) if above else 0.0
    return (chosen(times[name]) - floor) * 1000


def _suite(work: Path, name: str, url: str, scenario: Scenario) -> Path:
    folder = work / name
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("cassettes/**/*.yaml"):
        old.unlink()
    mock = (
        f"transport=httpx.MockTransport(lambda r: httpx.Response(200, content={answer(scenario.answer)!r}))"
    )
    if scenario.text is _OPENAI:
        mock = f", http_client=httpx.Client({mock})"
    text = scenario.text.format(
        prompt=prose(scenario.prompt),
        transport=mock if name == FLOOR else "",
        mark=MARKS[name],
        tests=scenario.tests,
        url=url,
    )
    (folder / "test_bench.py").write_text(text, encoding="utf-8")
    (folder / "conftest.py").write_text(_TIMER, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    return folder


def _one_run(python: Path, folder: Path, *options: str) -> tuple[float, float]:
    """Run a suite once; returns the median seconds of a test by the clock and of the processor."""
    run(pytest_command(python, *options), folder, BENCH_TIMES=str(folder / "times.json"))
    times = json.loads((folder / "times.json").read_text(encoding="utf-8"))["times"][
        5:
    ]  # the first ones import
    return statistics.median(t[0] for t in times), statistics.median(t[1] for t in times)
