"""Cassettes of many interactions: any one request, saving, memory."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tools import OURS, Row, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEAD = """
import json, random, resource, statistics, sys, time
from pathlib import Path
folder, count, size, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
folder.mkdir(parents=True, exist_ok=True)
random.seed(1)
words = [f"{random.choice('bcdfglmnprst')}{random.choice('aeiou')}{n:x}" for n in range(5000)]
def prose(): return " ".join(random.choices(words, k=size // 12)) + ".\\nAnd so on."
def body(n): return json.dumps({"model": "m", "n": n, "messages": [{"role": "user", "content": prose()}]}, separators=(",", ":")).encode()
def out(**facts): print(json.dumps(facts))
"""
_OURS = (
    _HEAD
    + """
from pytest_f3dx._config import Config
from pytest_f3dx._journal import Journal
from pytest_f3dx._ledger import Facts
from pytest_f3dx._recorder import Recorder
from pytest_f3dx._store import Store
from pytest_f3dx._model import Request, Response

from pathlib import PurePosixPath
JSON = (("content-type", "application/json"),)
CONFIG = Config(name="shared")
def recorder(record="none"):
    path = PurePosixPath("shared.yaml")
    journal = Journal(folder, path, "run")
    config = Config(name="shared", record=record)
    return Recorder(config, Store(folder, folder / path, config, "t", journal), journal, Facts(), explain=lambda *_: None)
if sys.argv[5] == "save":
    from pytest_f3dx._model import Cassette, Interaction
    from pytest_f3dx._cassette import dump
    from pytest_f3dx._blobs import BlobStore
    from pytest_f3dx._files import write_atomic
    from pytest_f3dx._fingerprint import fingerprint_request
    cassette = Cassette("t")
    asked = []
    for n in range(count):
        request = Request("POST", "https://api.test/v1/chat", JSON, body(n))
        asked.append(request.body.decode())
        key = fingerprint_request(request)
        cassette.interactions[key] = Interaction(key, request, [Response(200, "OK", JSON, body(n))])
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        write_atomic(folder / "shared.yaml", dump(cassette, BlobStore(folder / "_blobs")).encode())
        times.append(time.perf_counter() - start)
    (folder / "asked.json").write_text(json.dumps(asked[:: max(1, count // 50)]))
    out(ms=min(times) * 1000, bytes=(folder / "shared.yaml").stat().st_size)
else:
    asked = [Request("POST", "https://api.test/v1/chat", JSON, one.encode()) for one in json.loads((folder / "asked.json").read_text())]
    random.shuffle(asked)
    times = []
    for request in asked:
        start = time.perf_counter()
        assert recorder().ask(request).response.status == 200
        times.append(time.perf_counter() - start)
    out(ms=statistics.median(times) * 1000, first=times[0] * 1000, peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
)


def rows(work: Path, rounds: int, only: str = "") -> Iterator[Row]:
    """Measure cassettes of 10, of 1 000 large and of 10 000 small interactions."""
    python = environment(work, OURS)
    found: dict[str, dict[str, Any]] = {}
    for name, count, size in (
        ("10 x 20 KB", 10, 20_000),
        ("1 000 x 20 KB", 1_000, 20_000),
        ("10 x 1 KB", 10, 1_000),
        ("10 000 x 1 KB", 10_000, 1_000),
    ):
        if only not in f"cassette of {name}":
            continue
        folder = work / "large" / name.replace(" ", "-")
        saved = _run(python, folder, count, size, rounds, "save")
        found[name] = {
            **_run(python, folder, count, size, rounds, "ask"),
            "save": saved["ms"],
            "bytes": saved["bytes"],
        }
    for name, small in (("1 000 x 20 KB", "10 x 20 KB"), ("10 000 x 1 KB", "10 x 1 KB")):
        if name in found and small in found:
            each, base = found[name], found[small]
            yield Row(
                f"any one request of a shared cassette of {name} ({each['bytes'] / 1e6:.0f} MB)",
                {OURS: each["ms"], f"of {small}": base["ms"]},
                ((f"of {small}", 2.0, None),),
                f"the first one, which reads the file: {each['first']:.1f} ms; peak memory {each['peak']:.0f} MB; saved in {each['save']:.0f} ms",
            )


def _run(python: Path, folder: Path, *arguments: object) -> dict[str, Any]:
    command = [str(python), "-c", _OURS, str(folder), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts
