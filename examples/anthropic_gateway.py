"""Serve the shape of Anthropic's messages API from a model behind an OpenAI-compatible one.

Used once, to record the cassettes of test_anthropic.py:

    python examples/anthropic_gateway.py PORT http://127.0.0.1:8123/v1
"""

import json
import sys
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STOP = {"stop": "end_turn", "length": "max_tokens"}


def ask(base_url, wanted):
    """Ask the model behind; returns its text, why it stopped and its usage."""
    keys = ("model", "messages", "max_tokens", "temperature")
    body = json.dumps({key: wanted[key] for key in keys if key in wanted}).encode()
    request = urllib.request.Request(
        f"{base_url}/chat/completions", body, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:
        answer = json.load(response)
    choice, usage = answer["choices"][0], answer["usage"]
    counts = {"input_tokens": usage["prompt_tokens"], "output_tokens": usage["completion_tokens"]}
    return choice["message"]["content"], STOP[choice["finish_reason"]], counts


def message(wanted, text, stop, usage):
    """Build a message as Anthropic's API gives it."""
    content = [{"type": "text", "text": text}] if text is not None else []
    return {
        "id": f"msg_{uuid.uuid4().hex[:24]}",
        "type": "message",
        "role": "assistant",
        "model": wanted["model"],
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": usage,
    }


def events(wanted, text, stop, usage):
    """Yield the events of a streamed message, a word a delta."""
    start = message(wanted, None, None, {**usage, "output_tokens": 1})
    yield {"type": "message_start", "message": start}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for word in text.split(" "):
        piece = word if word == text.split(" ")[0] else f" {word}"
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
    yield {"type": "content_block_stop", "index": 0}
    done = {"stop_reason": stop, "stop_sequence": None}
    yield {"type": "message_delta", "delta": done, "usage": {"output_tokens": usage["output_tokens"]}}
    yield {"type": "message_stop"}


class Gateway(BaseHTTPRequestHandler):
    """Answers POST /v1/messages."""

    base_url = ""

    def do_POST(self):
        wanted = json.loads(self.rfile.read(int(self.headers["content-length"])))
        text, stop, usage = ask(self.base_url, wanted)
        if wanted.get("stream"):
            lines = [
                f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events(wanted, text, stop, usage)
            ]
            kind, body = "text/event-stream", "".join(lines)
        else:
            kind, body = "application/json", json.dumps(message(wanted, text, stop, usage))
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("request-id", f"req_{uuid.uuid4().hex[:24]}")
        self.end_headers()
        self.wfile.write(body.encode())


if __name__ == "__main__":
    Gateway.base_url = sys.argv[2]
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Gateway).serve_forever()
