"""Bundles of traces: reading 100 MB beside f3dx 0.0.19, and what replaying a row costs beside its target."""

from __future__ import annotations

import json
import random
import statistics
import subprocess
from typing import TYPE_CHECKING, Any

from tools import ORIGINAL, OURS, Row, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MEGABYTES = 100
_WORDS = "amber birch cedar delta ember flint grove heron iris jade kite lotus maple north otter pine quartz".split()
_READ = """
from {module} import read_jsonl
rows = read_jsonl({path!r})
count = len(rows)
"""
_STREAM = """
from pytest_f3dx import iter_jsonl
count = sum(1 for row in iter_jsonl({path!r}))
"""
_REPLAY = """
from itertools import islice
from pytest_f3dx import iter_jsonl, replay

{kind} target(row):
    return row["output"]

def rows():
    while True:
        yield from iter_jsonl({path!r})

report = replay(islice(rows(), {rows}), target, concurrency={concurrency}, resume={resume!r})
assert report.passed == {rows}, report.line()
count = report.total
"""
_TIMED = """
import json, resource, time
import {module}
wall, cpu = time.perf_counter(), time.process_time()
{code}
found = {{"ms": 1000 * (time.perf_counter() - wall), "cpu": 1000 * (time.process_time() - cpu), "count": count}}
print(json.dumps(found | {{"mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}}))
"""
REPLAYS = (
    ("replay, in the caller's thread", "def", 1, 100_000, False),
    ("replay, 8 threads", "def", 8, 100_000, False),
    ("replay, 8 tasks", "async def", 8, 100_000, False),
    ("replay, 8 threads, resumable", "def", 8, 5_000, True),
    ("replay of a million rows, 8 threads", "def", 8, 1_000_000, False),
)


def rows(work: Path, rounds: int, only: str = "") -> Iterator[Row]:
    """Measure reading in turn with f3dx, then replaying."""
    bundle = _bundle(work)
    python = environment(work, ORIGINAL)
    if only in "read 100 MB":
        yield _reading(python, bundle, rounds)
    for at, (name, kind, concurrency, count, is_resumed) in enumerate(REPLAYS):
        if only in name:
            resume = work / f"verdicts-{at}.sqlite" if is_resumed else None
            for left in work.glob(f"verdicts-{at}.sqlite*"):
                left.unlink()
            code = _REPLAY.format(
                kind=kind,
                path=str(bundle),
                rows=count,
                concurrency=concurrency,
                resume=str(resume) if resume else None,
            )
            found = _run(python, "pytest_f3dx", code)
            note = f"{1000 * count / found['ms']:,.0f} rows a second, {found['mb']:.0f} MB at most"
            yield Row(f"{name}, a row", {OURS: found["ms"] / count}, note=note)


def _reading(python: Path, bundle: Path, rounds: int) -> Row:
    path = str(bundle)
    runs: dict[str, list[dict[str, float]]] = {OURS: [], ORIGINAL: [], "streamed": []}
    for _ in range(rounds):
        runs[OURS].append(_run(python, "pytest_f3dx", _READ.format(module="pytest_f3dx", path=path)))
        runs[ORIGINAL].append(_run(python, "f3dx.cache", _READ.format(module="f3dx.cache", path=path)))
        runs["streamed"].append(_run(python, "pytest_f3dx", _STREAM.format(path=path)))
    assert len({one["count"] for each in runs.values() for one in each}) == 1
    wall, cpu, mb = (
        {name: statistics.median(one[key] for one in each) for name, each in runs.items()}
        for key in ("ms", "cpu", "mb")
    )
    note = (
        f"processor {cpu[OURS]:.0f} / {cpu[ORIGINAL]:.0f} ms = {cpu[OURS] / cpu[ORIGINAL]:.2f}; "
        f"memory {mb[OURS]:.0f} / {mb[ORIGINAL]:.0f} MB = {mb[OURS] / mb[ORIGINAL]:.2f}, streamed {mb['streamed']:.0f} MB"
    )
    return Row(f"read {MEGABYTES} MB", wall, ((ORIGINAL, 1.0, None),), note)


def _run(python: Path, module: str, code: str) -> dict[str, float]:
    script = _TIMED.format(module=module, code=code)
    done = subprocess.run([str(python), "-c", script], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _bundle(work: Path) -> Path:
    """Write rows as f3dx does, once; returns the file."""
    path = work / f"traces-{MEGABYTES}.jsonl"
    if path.exists():
        return path
    work.mkdir(parents=True, exist_ok=True)
    chance = random.Random(1)
    size = number = 0
    with path.with_suffix(".tmp").open("wb") as file:
        while size < MEGABYTES * 1_000_000:
            line = (
                json.dumps(_row(chance, number), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
            )
            size += file.write(line)
            number += 1
    return path.with_suffix(".tmp").rename(path)


def _row(chance: random.Random, number: int) -> dict[str, Any]:
    prompt = " ".join(chance.choices(_WORDS, k=chance.randint(5, 120)))
    output = " ".join(chance.choices(_WORDS, k=chance.randint(5, 160)))
    if number % 7 == 0:
        output += ' "quoted"\nand a new line 😀'
    calls = [] if number % 3 else [{"id": f"call_{number:024x}", "name": "get_weather"}]
    return {
        "concurrent_tool_dispatch": True,
        "duration_ms": 900 * chance.random(),
        "input_tokens": len(prompt) // 4,
        "iterations": 1,
        "max_iterations": 5,
        "max_tool_calls": 8,
        "messages_count": 3,
        "output": output,
        "output_chars": len(output),
        "output_tokens": len(output) // 4,
        "prompt": prompt,
        "system_prompt": "You are terse.",
        "system_prompt_chars": 14,
        "tool_calls": calls,
        "tool_calls_executed": len(calls),
        "ts": 1795459733.7 + number * 0.11,
    }
