"""What the benchmarks share: the peers in environments of their own, a model on loopback, processes that are timed."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

HERE = Path(__file__).resolve().parent.parent
FLOOR, OURS, RECORDING, CASSETTER, ORIGINAL = "floor", "pytest-f3dx", "pytest-recording", "cassetter", "f3dx"
PYTEST_TOOLS = (FLOOR, OURS, RECORDING, CASSETTER)
_PACKAGES = {
    FLOOR: ["pytest", "httpx", "openai"],
    OURS: ["pytest", "httpx", "openai", "-e", str(HERE)],
    RECORDING: ["pytest", "httpx", "openai", "pytest-recording"],
    CASSETTER: ["pytest", "httpx", "openai", "cassetter"],
    ORIGINAL: ["f3dx==0.0.19", "blake3", "-e", str(HERE)],
}
MARKS = {
    FLOOR: "",
    OURS: "@pytest.mark.f3dx_cache",
    RECORDING: "@pytest.mark.vcr",
    CASSETTER: "@pytest.mark.vcr",
}
RECORD = {OURS: "--f3dx-record=once", RECORDING: "--record-mode=once", CASSETTER: "--record-mode=once"}


@dataclass(frozen=True)
class Row:
    """A line of the table: times in milliseconds by tool, and what is to hold between them.

    Attributes:
        what: What was measured.
        ms: Milliseconds by tool.
        targets: Of (the other tool, must, aim): ours divided by theirs.
        note: What else there is to say.
        unit: Of the numbers.
    """

    what: str
    ms: Mapping[str, float]
    targets: tuple[tuple[str, float, float | None], ...] = ()
    note: str = ""
    unit: str = "ms"

    def lines(self) -> list[str]:
        """Write the line, and one for each target."""
        found = [
            f"{self.what}: " + ", ".join(f"{name} {value:.3f} {self.unit}" for name, value in self.ms.items())
        ]
        ours = next(iter(self.ms.values()))
        for other, must, aim in self.targets:
            ratio = ours / self.ms[other]
            wanted = f"must {must:g}" + (f", aim {aim:g}" if aim is not None else "")
            found.append(f"    / {other:24} {ratio:6.2f}  ({wanted}) {'ok' if ratio <= must else 'MISSED'}")
        return [*found, f"    {self.note}"] if self.note else found


def environment(work: Path, name: str) -> Path:
    """Make the virtual environment of a tool, once; returns its python."""
    folder = work / "envs" / name
    python = folder / "bin" / "python"
    if not (folder / "made").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *_PACKAGES[name]], check=True)
        (folder / "made").touch()
    return python


class Model(BaseHTTPRequestHandler):
    """Answers every POST alike: a chat completion of a given size."""

    protocol_version = "HTTP/1.1"
    answer = b""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


def answer(size: int) -> bytes:
    """Return a chat completion whose content has about so many bytes."""
    content = prose(size)
    message = {"role": "assistant", "content": content}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1764000000,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21},
    }
    return json.dumps(body, separators=(",", ":")).encode()


def prose(size: int) -> str:
    """Return text such as prompts are made of: sentences, quotes, line ends, some of it not ASCII."""
    text = 'Read the invoice, check its "total" – and answer in one line.\nThe sum is 42 euros, or is it?\n'
    return (text * (size // len(text) + 1))[:size]


@contextmanager
def model(size: int) -> Iterator[str]:
    """Serve on loopback; yields the base URL."""
    handler = type("Sized", (Model,), {"answer": answer(size)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def run(command: list[str], folder: Path, **more: str) -> float:
    """Run a process to its end; returns its seconds, and stops all if it fails."""
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "NO_PROXY": "*", "OPENAI_API_KEY": "none", **more}
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    taken_s = time.perf_counter() - start
    if done.returncode not in (0, 5):  # 5: pytest collected nothing to run
        sys.exit(f"{folder} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return taken_s


def pytest_command(python: Path, *more: str) -> list[str]:
    """Return the command that runs pytest with an environment's own plugins."""
    return [str(python), "-m", "pytest", "-q", *more]


def settle(python: Path, folder: Path) -> None:
    """Replay once, unmeasured: what a tool keeps of a replay it has kept then; ours not of a file this new."""
    time.sleep(2.1)
    run(pytest_command(python), folder)


def interleaved(rounds: int, measure: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Measure each in turn, so that the drift of the machine is the same for all."""
    found: dict[str, list[float]] = {name: [] for name in measure}
    for _ in range(rounds):
        for name, one in measure.items():
            found[name].append(one())
    return found


def medians(times: Mapping[str, list[float]]) -> dict[str, float]:
    """Return the median of each."""
    return {name: statistics.median(each) for name, each in times.items()}
