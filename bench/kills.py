"""Kill processes that put into one cache, over and over; count the puts that had returned and are not there."""

from __future__ import annotations

import argparse
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pytest_f3dx import Cache

WORKER = """
import os, sys
from pytest_f3dx import Cache
cache = Cache(sys.argv[1])
for n in range(1_000_000):
    cache.put({"who": sys.argv[2], "n": n}, b"x" * (n * 37 % 9000))
    cache.get({"who": sys.argv[2], "n": n // 2})
    os.write(1, b"%d\\n" % n)
"""


def killed(path: Path, name: str, workers: int, seconds: float) -> dict[str, int]:
    """Run some processes and kill them all; returns how many puts of each had returned."""
    running = [
        subprocess.Popen([sys.executable, "-c", WORKER, path, f"{name}-{n}"], stdout=subprocess.PIPE)
        for n in range(workers)
    ]
    for worker in running:
        assert worker.stdout is not None
        worker.stdout.readline()  # it has begun
    time.sleep(seconds)
    for worker in running:
        worker.send_signal(signal.SIGKILL)
    said = {f"{name}-{n}": 1 + worker.communicate()[0].count(b"\n") for n, worker in enumerate(running)}
    assert all(worker.returncode == -signal.SIGKILL for worker in running)
    return said


def lost(path: Path, said: dict[str, int]) -> int:
    """Count the answers that are absent or wrong."""
    with Cache(path) as cache:
        return sum(
            cache.peek({"who": who, "n": n}) != b"x" * (n * 37 % 9000)
            for who, count in said.items()
            for n in range(count)
        )


def main() -> int:
    """Print kills, puts and losses; 1 if anything was lost or the file is damaged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--workers", type=int, default=4)
    options = parser.parse_args()
    puts = gone = 0
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "calls.sqlite"
        for round_ in range(options.rounds):
            said = killed(path, str(round_), options.workers, chance.random() / 5)
            puts += sum(said.values())
            gone += lost(path, said)
        check = sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone()[0]
    print(f"{options.rounds * options.workers} kills, {puts} puts that returned, {gone} lost; file {check}")
    return int(gone > 0 or check != "ok")


if __name__ == "__main__":
    sys.exit(main())
