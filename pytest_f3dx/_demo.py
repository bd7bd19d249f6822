"""``pytest-f3dx demo``: the main job shown in a minute, against a server inside this process.

It writes a small suite into a temporary directory and runs pytest on it four times: recording,
replaying with the server shut down, with a changed prompt, and with the changed prompt recorded.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

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
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
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


def _pytest(folder: Path, *options: str) -> int:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), *options]
    print(f"\n$ pytest {' '.join(options)}", flush=True)
    return subprocess.run(command, cwd=folder, check=False).returncode  # noqa: S603 (our own arguments)


def run() -> int:
    """Show recording, replaying and a miss.

    Returns:
        0 if each run ended as it should, else 1.
    """
    with tempfile.TemporaryDirectory(prefix="f3dx-demo-") as name:
        folder = Path(name).resolve()
        (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        test = folder / "test_demo.py"
        with model_server() as url:
            test.write_text(TEST.format(url=url), encoding="utf-8")
            print(f"A test that asks a model at {url}. It is recorded once:")
            codes = [_pytest(folder, "--f3dx-record=once")]
        print("\nThe server is gone now. The same test, replayed:")
        codes.append(_pytest(folder))
        print("\nThis is what was recorded; the key that the test sent is not in it:\n")
        print((folder / "cassettes/test_demo/test_greets.yaml").read_text(encoding="utf-8"))
        print("A changed prompt has no recording, and the test says so:")
        test.write_text(test.read_text(encoding="utf-8").replace("Say hello.", "Now say hello."), encoding="utf-8")
        codes.append(_pytest(folder))
    wanted = [0, 0, 1]
    print("\nThat is all there is to it." if codes == wanted else f"\nExit codes {codes}, not {wanted}.")
    return 0 if codes == wanted else 1
