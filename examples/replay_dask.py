"""Replay a bundle on Dask, for more rows than one machine can ask for.

    pip install pytest-f3dx dask
    python examples/replay_dask.py 'traces-*.jsonl'

The verdict on a row is a pure function, so Dask's part is to cut the bundle and to map; with `dask.distributed`
and a `Client` the same code runs on a cluster.
"""

import json
import sys
from pathlib import Path

import dask.bag

from pytest_f3dx import Report, replay_row

sys.path.insert(0, str(Path(__file__).parent))
from replay_target import ask

MODE = "structured"


def verdicts(lines):
    """Sum up the lines of one partition; only the sum travels."""
    report = Report("replay_target:ask", MODE)
    for number, line in enumerate(filter(str.strip, lines), 1):
        row = json.loads(line)
        try:
            output = ask(row)
        except Exception as error:
            output = error
        report.add(replay_row(row, output, MODE, number=number))
    return [report]


def replay(paths, *, scheduler="processes", block_bytes=64_000_000):
    """Replay a bundle, or several by a pattern; the rows are numbered through."""
    lines = dask.bag.read_text(paths, blocksize=block_bytes)
    total = Report("replay_target:ask", MODE)
    for part in lines.map_partitions(verdicts).compute(scheduler=scheduler):
        total.merge(part)
    return total


if __name__ == "__main__":
    report = replay(sys.argv[1])
    print(report.line())
    sys.exit(not report.ok)
