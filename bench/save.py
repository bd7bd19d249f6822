"""Saving: from 1 000 exchanges that are recorded and in memory to the finished cassette file.

What either tool does with an exchange while it is recorded is not saving, but is part of what a recording costs: a
second row has both together.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

from tools import CASSETTER, OURS, Row, environment, prose

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_COUNT = 1000
_BODIES = f"""
import json, shutil, sys, time
from pathlib import Path, PurePosixPath
folder, prompt = Path(sys.argv[1]), sys.stdin.read()
def body(n):
    value = {{"model": "m", "seed": n, "messages": [{{"role": "user", "content": prompt}}]}}
    return json.dumps(value, separators=(",", ":")).encode()
bodies = [body(n) for n in range({_COUNT})]
def timed(save):
    wall, ticks = time.perf_counter(), time.process_time()
    save()
    return (time.perf_counter() - wall) * 1000, (time.process_time() - ticks) * 1000
shutil.rmtree(folder, ignore_errors=True)
folder.mkdir(parents=True)
"""
_OURS = """
from pytest_f3dx._audit import Auditor
from pytest_f3dx._config import Config
from pytest_f3dx._fingerprint import fingerprint_request
from pytest_f3dx._gate import Gate
from pytest_f3dx._journal import Exchange, Journal
from pytest_f3dx._model import Request, Response
from pytest_f3dx._redaction import Redactor
from pytest_f3dx._store import Store

path, config, headers = PurePosixPath("test_it.yaml"), Config(record="once"), (("content-type", "application/json"),)
def opened(name):
    journal = Journal(folder, path, name)
    return Store(folder, folder / name / path, config, "test_it.py::test_it", journal)
def recorded(name, exchanges):
    store = opened(name)
    for one in exchanges:
        store.prepare(one)
    return store
def fold(store, exchanges):
    auditor = Auditor()
    auditor.share(Redactor())
    store.fold(exchanges, rewrite=False, played=(), replayed=(), look=Gate(auditor).cassette)
def exchange(n, body):
    request = Request("POST", "https://api.test/v1/chat", headers, body)
    return Exchange(n, fingerprint_request(request), request, Response(200, "OK", headers, body, "2026-11-25T00:00:00Z", 5))
exchanges = [exchange(n, body) for n, body in enumerate(bodies)]
(folder / "first").mkdir()
fold(recorded("first", exchanges[:1]), exchanges[:1])
both = timed(lambda: fold(recorded("both", exchanges), exchanges))
whole = recorded("whole", exchanges)
print(json.dumps([*timed(lambda: fold(whole, exchanges)), *both]))
"""
_THEIRS = """
from cassetter.cassette import Cassette
from cassetter.recording import RecordMode

headers = {"content-type": ["application/json"]}
def recorded(name, bodies):
    made = Cassette(folder / f"{name}.yaml", record_mode=RecordMode.ONCE)
    for one in bodies:
        made.record("POST", "https://api.test/v1/chat", headers, one, 200, headers, one)
    return made
recorded("first", bodies[:1]).save()
both = timed(lambda: recorded("both", bodies).save())
whole = recorded("whole", bodies)
print(json.dumps([*timed(whole.save), *both]))
"""


def rows(work: Path, rounds: int, only: str = "") -> Iterator[Row]:
    """Save cassettes of 1 000 exchanges, each in a process of its own, ours and theirs in turn."""
    code = {OURS: _BODIES + _OURS, CASSETTER: _BODIES + _THEIRS}
    pythons = {name: environment(work, name) for name in code}
    for size, shown in ((1024, "1 KB"), (20 * 1024, "20 KB")):
        if only not in f"saving {shown}":
            continue
        found: dict[str, list[tuple[float, ...]]] = {name: [] for name in code}
        for _ in range(rounds):
            for name, one in code.items():
                found[name].append(_measured(pythons[name], one, work / "save" / name, prose(size)))
        middle = {
            name: [statistics.median(each) for each in zip(*all_ms, strict=True)]
            for name, all_ms in found.items()
        }
        what = f"{_COUNT} exchanges of {shown}"
        yield _row(f"saving {what}", {name: ms[:2] for name, ms in middle.items()}, 1.0)
        yield _row(f"recording and saving {what}", {name: ms[2:] for name, ms in middle.items()})


def _row(what: str, ms: Mapping[str, Sequence[float]], must: float | None = None) -> Row:
    """Make a row of milliseconds of the clock and of the processor."""
    (ours, busy), (theirs, their_busy) = ms[OURS], ms[CASSETTER]
    note = f"{ours / theirs:.2f}; processor {busy:.0f} / {their_busy:.0f} ms = {busy / their_busy:.2f}"
    targets = ((CASSETTER, must, None),) if must else ()
    return Row(what, {name: clock for name, (clock, _) in ms.items()}, targets, note)


def _measured(python: Path, code: str, folder: Path, prompt: str) -> tuple[float, ...]:
    """Return milliseconds of the clock and of the processor: of saving, then of recording and saving."""
    done = subprocess.run(
        [str(python), "-c", code, str(folder)], input=prompt, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return tuple(json.loads(done.stdout))
