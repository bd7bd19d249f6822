"""Measure `pytest-f3dx diff` where little changed among much: 10 of 100, of 1 000 and of 4 000 cassettes.

Usage: ``python bench/diff.py [--rounds N]``. It makes repositories in a temporary directory, each of two commits, and times
the review itself within this process, and the command as a whole in another.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pytest_f3dx import _cassette
from pytest_f3dx._blobs import BlobStore
from pytest_f3dx._fingerprint import fingerprint_request
from pytest_f3dx._model import Cassette, Interaction, Request, Response
from pytest_f3dx._review._payloads import Payloads
from pytest_f3dx._review._report import Options, review
from pytest_f3dx._review._sources import select

JSON = (("content-type", "application/json"),)
URL = "https://api.openai.com/v1/chat/completions"
TEXT = "The quick brown fox jumps over the lazy dog near the bank of river number {}. " * 12


def interaction(number: int, *, word: str = "") -> Interaction:
    """Make one: a prompt and an answer of a kilobyte each."""
    prompt = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": TEXT.format(*[number] * 12) + word}],
    }
    message = {"role": "assistant", "content": TEXT + word}
    answer = {"id": "x", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    request = Request("POST", URL, JSON, json.dumps(prompt).encode())
    response = Response(200, "OK", JSON, json.dumps(answer).encode())
    return Interaction(fingerprint_request(request), request, [response])


def write(path: Path, interactions: list[Interaction]) -> None:
    """Write a cassette."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cassette = Cassette(f"tests/{path.stem}.py::test", {one.fingerprint: one for one in interactions})
    path.write_text(_cassette.dump(cassette, BlobStore(path.parent)), encoding="utf-8")


def git(root: Path, *words: str) -> None:
    """Run git."""
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "gc.auto=0"]
    subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True)


def repository(root: Path, count: int, changed: int) -> None:
    """Make a repository of two commits, some cassettes of which differ in one prompt and its answer."""
    git(root.parent, "init", "-q", str(root))
    for n in range(count):
        write(root / "cassettes" / f"t{n % 20}" / f"c{n}.yaml", [interaction(n * 5 + k) for k in range(5)])
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    for n in range(0, count, count // changed):
        rest = [interaction(n * 5 + k) for k in range(1, 5)]
        write(root / "cassettes" / f"t{n % 20}" / f"c{n}.yaml", [interaction(n * 5, word="Please."), *rest])
    git(root, "add", "-A")
    git(root, "commit", "-qm", "two")


def one_review(root: Path, names: list[str]) -> tuple[float, int]:
    """Return the seconds of a review within this process, and how many cassettes it found changed."""
    start = time.perf_counter()
    with select(names, [], root) as selection:
        report = review(selection, Options(), Payloads())
    return time.perf_counter() - start, len(report.tests)


def command(root: Path, *words: str) -> tuple[float, int]:
    """Return seconds and peak memory (KiB) of the command as a whole."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest_f3dx", "diff", *words], cwd=root, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 1, process.returncode
    return time.perf_counter() - start, usage.ru_maxrss


def many(folder: Path, rounds: int) -> None:
    """Time ten changed cassettes among ever more."""
    for count, changed in ((100, 10), (1_000, 10), (4_000, 10), (1_000, 100)):
        root = folder / f"{count}-{changed}"
        repository(root, count, changed)
        for names in (["HEAD~", "HEAD"], ["HEAD~"]):
            found = [one_review(root, names) for _ in range(rounds)]
            assert {number for _, number in found} == {changed}
            seconds = statistics.median(seconds for seconds, _ in found)
            whole = statistics.median(command(root, *names)[0] for _ in range(rounds))
            what = "two revisions" if len(names) == 2 else "the work tree"
            print(
                f"{changed:4} of {count:5} changed, {what}: {seconds * 1e3:6.1f} ms, the command {whole * 1e3:6.0f} ms"
            )


def large(folder: Path) -> None:
    """Time one cassette of 50 MB, in which one interaction changed."""
    root = folder / "large"
    git(folder, "init", "-q", str(root))
    path = root / "cassettes" / "large.yaml"
    interactions = [interaction(n) for n in range(22_000)]
    write(path, interactions)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    interactions[7] = interaction(7, word="Please.")
    write(path, interactions)
    seconds, peak = command(root)
    size = path.stat().st_size / 1e6
    print(
        f"one of {size:.0f} MB, one interaction of 22 000 changed: {seconds:.2f} s, peak {peak / 1024:.0f} MiB"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        many(Path(folder), options.rounds)
        large(Path(folder))


if __name__ == "__main__":
    main()
