"""Saving: from 1 000 exchanges that are recorded and in memory to the finished cassette file."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

from tools import CASSETTER, OURS, Row, environment, prose

if TYPE_CHECKING:
    from collections.abc import Iterator
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
def fold(name, exchanges):
    journal = Journal(folder, path, name)
    auditor = Auditor()
    auditor.share(Redactor())
    store = Store(folder, folder / name / path, config, "test_it.py::test_it", journal)
    store.fold(exchanges, rewrite=False, played=(), replayed=(), look=Gate(auditor).cassette)
def exchange(n, body):
    request = Request("POST", "https://api.test/v1/chat", headers, body)
    return Exchange(n, fingerprint_request(request), request, Response(200, "OK", headers, body, "2026-11-25T00:00:00Z", 5))
exchanges = [exchange(n, body) for n, body in enumerate(bodies)]
(folder / "first").mkdir()
fold("first", exchanges[:1])
print(json.dumps([*timed(lambda: fold("whole", exchanges)), 0]))
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
both, _ = timed(lambda: recorded("both", bodies).save())
whole = recorded("whole", bodies)
print(json.dumps([*timed(whole.save), both]))
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
        (ours, busy, _), (_, their_busy, both) = middle[OURS], middle[CASSETTER]
        yield Row(
            f"saving {_COUNT} exchanges of {shown}",
            {name: ms[0] for name, ms in middle.items()},
            ((CASSETTER, 1.0, None),),
            f"processor {busy:.0f} / {their_busy:.0f} ms = {busy / their_busy:.2f}; "
            f"beside its record, which reads the bodies, and save: {ours:.0f} / {both:.0f} ms = {ours / both:.2f}",
        )


def _measured(python: Path, code: str, folder: Path, prompt: str) -> tuple[float, ...]:
    """Return milliseconds of the clock and of the processor; for theirs, of recording and saving together."""
    done = subprocess.run(
        [str(python), "-c", code, str(folder)], input=prompt, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return tuple(json.loads(done.stdout))
