"""``pytest-f3dx demo``: the main job shown in a minute, against a server inside this process.

It writes a small suite into a temporary directory and runs pytest on it three times: recording,
replaying with the server shut down, and with a changed prompt.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

PASSED, FAILED = 0, 1  # exit codes of pytest
TEST = """\
import json
import urllib.request

import pytest

PROMPT = "Say hello."


def ask(prompt):
    body = {{"model": "tiny", "messages": [{{"role": "user", "content": prompt}}]}}
    request = urllib.request.Request(
        "{url}/v1/chat/completions",
        json.dumps(body).encode(),
        {{"content-type": "application/json", "authorization": "Bearer sk-not-a-real-key"}},
    )
    with urllib.request.urlopen(request) as response:
        return json.load(response)["choices"][0]["message"]["content"]


@pytest.mark.f3dx_cache
def test_greets():
    assert "hello" in ask(PROMPT).lower()
"""


class _Model(BaseHTTPRequestHandler):
    """Answers like a chat model: it repeats the last word of the prompt."""

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        prompt = json.loads(self.rfile.read(length))["messages"][-1]["content"]
        text = f"Of course: {prompt.split()[-1]}"
        answer = {
            "id": "chatcmpl-demo",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            ],
            "usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21},
        }
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing: the terminal belongs to pytest."""


@contextmanager
def model_server() -> Iterator[str]:
    """Serve the model on a free port of 127.0.0.1; yields its base URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Model)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# Our plugin alone: what else is installed or set would slow the runs down, or speak in between.
_PLUGINS = ("-p", "pytest_f3dx.plugin", "-p", "no:cacheprovider")
_UNSET = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")
# A proxy cannot reach a server of this machine.
_SET = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "no_proxy": "*", "NO_PROXY": "*"}


def _pytest(folder: Path, *options: str) -> int:
    command = [sys.executable, "-m", "pytest", "-q", *_PLUGINS, "--rootdir", str(folder), *options]
    print(f"\n$ {' '.join(['pytest', *options])}", flush=True)
    env = {name: value for name, value in os.environ.items() if name not in _UNSET} | _SET
    return subprocess.run(command, cwd=folder, env=env, check=False).returncode  # noqa: S603 (our own arguments)


def _steps(folder: Path) -> Generator[tuple[int, int], None, None]:
    """Show recording, replaying and a miss; yields the exit code of each run and the one it should have."""
    test = folder / "test_demo.py"
    with model_server() as url:
        test.write_text(TEST.format(url=url), encoding="utf-8")
        print(f"A test that asks a model at {url}. It is recorded once:")
        yield _pytest(folder, "--f3dx-record=once"), PASSED
    print("\nThe server is gone now. The same test, replayed:")
    yield _pytest(folder), PASSED
    print("\nThis is what was recorded; the key that the test sent is not in it:\n")
    print((folder / "cassettes/test_demo/test_greets.yaml").read_text(encoding="utf-8"))
    print("A changed prompt has no recording, and the test says so:")
    test.write_text(
        test.read_text(encoding="utf-8").replace("Say hello.", "Now say hello."), encoding="utf-8"
    )
    yield _pytest(folder), FAILED


def run() -> int:
    """Show recording, replaying and a miss.

    Returns:
        0 if each run ended as it should; 1 after the first that did not.
    """
    with tempfile.TemporaryDirectory(prefix="f3dx-demo-") as name:
        folder = Path(name).resolve()
        (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        with closing(_steps(folder)) as steps:
            for code, wanted in steps:
                if code != wanted:
                    print(f"\nThis run ended with exit code {code}, not {wanted}.")
                    return 1
    print("\nThat is all there is to it.")
    return 0
