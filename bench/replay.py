"""Warm replay of a suite under pytest-f3dx, pytest-recording and cassetter, interleaved; prints ratios.

Each tool has a virtual environment of its own below --work, made on the first run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
TOOLS = {
    "floor": ([], "", []),
    "pytest-f3dx": ([str(HERE)], "@pytest.mark.f3dx_cache", ["--f3dx-record=once"]),
    "pytest-recording": (["pytest-recording"], "@pytest.mark.vcr", ["--record-mode=once"]),
    "cassetter": (["cassetter"], "@pytest.mark.vcr", ["--record-mode=once"]),
}
TEST = """
import httpx, pytest

BODY = {{"model": "m", "messages": [{{"role": "user", "content": "{prompt}"}}]}}
CLIENT = httpx.Client({transport})

{mark}
@pytest.mark.parametrize("n", range({tests}))
def test_it(n):
    answer = CLIENT.post("{url}/v1/chat/completions", json={{**BODY, "n": n}})
    assert answer.json()["ok"]
"""
ANSWER = json.dumps({"ok": True, "text": "An answer of ordinary length. " * 10}).encode()


class Model(BaseHTTPRequestHandler):
    """Answers every POST alike."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


def environment(work: Path, name: str) -> Path:
    """Make the virtual environment of a tool; returns its python."""
    folder = work / "envs" / name
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    packages = ["pytest", "httpx", *TOOLS[name][0]]
    subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True)
    return python


def suite(work: Path, name: str, url: str, options: argparse.Namespace) -> Path:
    """Write the suite of a tool."""
    folder = work / "suites" / name
    folder.mkdir(parents=True, exist_ok=True)
    mock = f"transport=httpx.MockTransport(lambda r: httpx.Response(200, content={ANSWER!r}))"
    prompt = ("word " * (options.prompt_bytes // 5))[: options.prompt_bytes]
    text = TEST.format(
        prompt=prompt,
        transport=mock if name == "floor" else "",
        mark=TOOLS[name][1],
        tests=options.tests,
        url=url,
    )
    (folder / "test_bench.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    return folder


def run(python: Path, folder: Path, *more: str) -> float:
    """Run a suite; returns seconds of the whole process."""
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *more]
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "NO_PROXY": "*"}
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    taken_s = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{folder.name} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return taken_s


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--prompt-bytes", type=int, default=2048)
    parser.add_argument("--work", type=Path, default=Path("/tmp/f3dx-bench"))
    options = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    ready = {}
    for name, (_, _, record) in TOOLS.items():
        ready[name] = environment(options.work, name), suite(options.work, name, url, options)
        for old in ready[name][1].glob("cassettes/**/*.yaml"):
            old.unlink()
        if record:
            run(*ready[name], *record)
    server.shutdown()
    server.server_close()
    times: dict[str, list[float]] = {name: [] for name in TOOLS}
    for _ in range(options.rounds):
        for name in TOOLS:
            times[name].append(run(*ready[name]))
    floor = statistics.median(times["floor"])
    above = {name: (statistics.median(t) - floor) / options.tests * 1000 for name, t in times.items()}
    print(
        f"{options.tests} tests, prompt {options.prompt_bytes} B, median of {options.rounds} rounds, {sys.version.split()[0]}"
    )
    print(f"{'':18}{'process s':>10}{'ms a test above floor':>24}{'ours / theirs':>16}")
    for name in TOOLS:
        ratio = f"{above['pytest-f3dx'] / above[name]:.2f}" if name not in ("floor", "pytest-f3dx") else ""
        print(f"{name:18}{statistics.median(times[name]):10.2f}{above[name]:24.3f}{ratio:>16}")


if __name__ == "__main__":
    main()
