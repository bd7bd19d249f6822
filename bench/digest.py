"""Fingerprints beside f3dx 0.0.19, the Rust original, called from Python on the same requests."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from tools import ORIGINAL, OURS, Row, environment, prose

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_THEIRS = "f3dx 0.0.19"
_SIZES = (1_000, 10_000, 100_000, 1_000_000)
_TIMED = """
import json, sys, tempfile, timeit
import rfc8785
from blake3 import blake3
from f3dx.cache import Cache
from pytest_f3dx import fingerprint
from pytest_f3dx._canonical import parse_json

request = json.load(sys.stdin)
body = json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode()
assert fingerprint(parse_json(body)) == blake3(rfc8785.dumps(request)).hexdigest()
theirs = Cache(tempfile.mkdtemp() + "/cache")
ways = {
    "dict": (lambda: fingerprint(request), lambda: theirs.fingerprint(request)),
    "bytes": (lambda: fingerprint(parse_json(body)), lambda: theirs.fingerprint(json.loads(body))),
}
number = max(1, 2_000_000 // len(body))
best = {name: [9e9, 9e9] for name in ways}
for _ in range(int(sys.argv[1]) * 3):
    for name, pair in ways.items():
        for at, one in enumerate(pair):
            best[name][at] = min(best[name][at], timeit.timeit(one, number=number) / number * 1000)
print(json.dumps(best))
"""


def rows(work: Path, rounds: int, only: str = "") -> Iterator[Row]:
    """Measure each size from a dict and from bytes; the best of many, in turn."""
    if only not in "fingerprint":
        return
    python = environment(work, ORIGINAL)
    for size in _SIZES:
        request = {
            "model": "gpt-4o-mini",
            "messages": [{"role": "user", "content": prose(400)} for _ in range(max(1, size // 450))],
            "temperature": 0.7,
            "top_p": 1.0,
            "max_tokens": 512,
        }
        command = [str(python), "-c", _TIMED, str(rounds)]
        done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        for way, (ours, theirs) in json.loads(done.stdout).items():
            yield Row(
                f"fingerprint of {size:,} bytes from {way}",
                {OURS: ours, _THEIRS: theirs},
                ((_THEIRS, 1.0, None),),
            )
