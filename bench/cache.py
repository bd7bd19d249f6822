"""`Cache` beside f3dx 0.0.19, both called from Python in one process on the same requests, interleaved; ratios.

Both stand in a virtual environment of its own below --work, made on the first run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parent.parent
F3DX = "f3dx==0.0.19"
SIZES_KB = (1, 20, 100)
WORDS = (
    "The invoice names forty-two euros for the month of November. Straße, 東京, “quotes” and a\nnew line. "
)
ROUNDS = {"fingerprint": (25, 40), "peek": (25, 40), "get": (10, 50), "put": (200, 1), "puts": (20, 20)}
"""Rounds, and calls in a round. Single puts, which wait for the disk, take turns call by call."""
MEANS = {"puts"}
"""Of these all rounds count, with the work that one put does for many: a log that is copied, a file that grows."""


def request(size_kb: int) -> dict[str, Any]:
    """Build the request of a chat of some size, as a client would send it."""
    text = (WORDS * (size_kb * 100 // len(WORDS) + 1))[: size_kb * 100 - 30]
    turns = [{"role": ("user", "assistant")[n % 2], "content": f"{n} {text}"} for n in range(10)]
    return {"model": "gpt-4o-mini", "temperature": 0.7, "top_p": 0.95, "seed": 42, "messages": turns}


def timed(action: Callable[[], object], calls: int) -> float:
    """Return the microseconds of one call."""
    began = time.perf_counter()
    for _ in range(calls):
        action()
    return (time.perf_counter() - began) / calls * 1e6


def actions(cache: Any, asked: dict[str, Any], answer: bytes) -> dict[str, Callable[[], object]]:
    """Say what is measured; each put is of a request that is not there yet."""
    number = iter(range(1_000_000))
    cache.put(asked, answer)

    def put() -> object:
        return cache.put({**asked, "n": next(number)}, answer, model="m", response_duration_ms=1)

    return {
        "fingerprint": lambda: cache.fingerprint(asked),
        "peek": lambda: cache.peek(asked),
        "get": lambda: cache.get(asked),
        "put": put,
        "puts": put,
    }


def measure(files: Path) -> list[dict[str, Any]]:
    """Measure both, a round of one after a round of the other."""
    import f3dx.cache  # type: ignore[import-not-found]  # in the environment below --work only

    from pytest_f3dx import Cache

    rows = []
    for size_kb in SIZES_KB:
        asked, answer = (
            request(size_kb),
            json.dumps({"text": WORDS * (size_kb * 1000 // len(WORDS))}).encode(),
        )
        for path in files.glob(f"cache-{size_kb}.*"):
            path.unlink()
        ours = actions(Cache(files / f"cache-{size_kb}.sqlite"), asked, answer)
        theirs = actions(f3dx.cache.Cache(str(files / f"cache-{size_kb}.redb")), asked, answer)
        for name, (rounds, calls) in ROUNDS.items():
            mine, other = [], []
            for _ in range(rounds):
                mine.append(timed(ours[name], calls))
                other.append(timed(theirs[name], calls))
            typical = statistics.mean if name in MEANS else statistics.median
            one, two = typical(mine), typical(other)
            rows.append({"kb": size_kb, "call": name, "ours_us": one, "f3dx_us": two, "ratio": one / two})
    return rows


def synced(path: Path) -> float:
    """Return the microseconds of a write in place that is on the disk: what any durable put takes at least."""
    with path.open("w+b", buffering=0) as file:

        def write() -> None:
            os.pwrite(file.fileno(), bytes(4096), 0)
            os.fdatasync(file.fileno())

        return statistics.median([timed(write, 1) for _ in range(100)])


def environment(work: Path) -> Path:
    """Make the virtual environment; returns its python."""
    python = work / "env" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(python.parent.parent)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "-q", str(HERE), F3DX], check=True)
    return python


def main() -> int:
    """Print a table of times and ratios, and how long the disk takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("/tmp/f3dx-bench-cache"))
    parser.add_argument(
        "--files", type=Path, help="where the caches lie, by default --work; memory shows all but the disk"
    )
    parser.add_argument("--inner", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    files = options.files or options.work
    for folder in (options.work, files):
        folder.mkdir(parents=True, exist_ok=True)
    if not options.inner:
        command = [
            str(environment(options.work)),
            str(Path(__file__)),
            "--inner",
            "--work",
            str(options.work),
            "--files",
            str(files),
        ]
        return subprocess.run(command, check=False).returncode
    rows = measure(files)
    print("| KB | call | ours, µs | f3dx, µs | ours / f3dx |\n|---:|---|---:|---:|---:|")
    for row in rows:
        print("| {kb} | {call} | {ours_us:.1f} | {f3dx_us:.1f} | {ratio:.2f} |".format(**row))
    print(f"\nThe disk: {synced(files / 'sync'):.1f} µs to write 4 KB in place and wait for it.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
