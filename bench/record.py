"""Recording: what keeping an exchange costs beyond what this disk takes to keep anything."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from tools import OURS, Row, environment, prose

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TIMED = """
import json, os, shutil, statistics, sys, time
from pathlib import Path, PurePosixPath
from pytest_f3dx._config import Config
from pytest_f3dx._journal import Journal
from pytest_f3dx._ledger import Facts
from pytest_f3dx._model import Request, Response
from pytest_f3dx._recorder import Recorder
from pytest_f3dx._store import Store

folder, prompt = Path(sys.argv[1]), sys.stdin.read()
shutil.rmtree(folder, ignore_errors=True)
folder.mkdir(parents=True)
path, config = PurePosixPath("test_it.yaml"), Config(record="once")
journal = Journal(folder, path, "run")
recorder = Recorder(config, Store(folder, folder / path, config, "t", journal), journal, Facts(), explain=lambda *_: None)
JSON = (("content-type", "application/json"),)
bare = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
ours, disk = [], []
for n in range(1000):
    body = json.dumps({"model": "m", "seed": n, "messages": [{"role": "user", "content": prompt}]}).encode()
    start = time.perf_counter()
    ticket = recorder.ask(Request("POST", "https://api.test/v1/chat", JSON, body))
    recorder.answer(ticket, Response(200, "OK", JSON, body))
    ours.append(time.perf_counter() - start)
    start = time.perf_counter()
    os.write(bare, body + body)
    os.fsync(bare)
    disk.append(time.perf_counter() - start)
start = time.perf_counter()
recorder.close(passed=True)
folded = time.perf_counter() - start
print(json.dumps([statistics.median(ours) * 1000, statistics.median(disk) * 1000, folded * 1000]))
"""


def rows(work: Path, rounds: int, only: str = "") -> Iterator[Row]:
    """Record 1 000 exchanges of 2 KB, each beside a bare write and fsync of as many bytes."""
    del rounds
    if only in "recording":
        command = [str(environment(work, OURS)), "-c", _TIMED, str(work / "record")]
        done = subprocess.run(command, input=prose(2048), capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr[-3000:])
        ours, disk, folded = json.loads(done.stdout)
        note = f"adds {ours - disk:.3f} ms (must 1); folding all of them into the cassette {folded:.0f} ms"
        yield Row("recording one of 1 000 exchanges", {OURS: ours, "write and fsync": disk}, (), note)
