"""A loopback HTTP server that speaks like the services our users call, and remembers what it was asked.

Every answer carries a number that no other answer of the process has: the replay of a wrong answer is seen.
"""

from __future__ import annotations

import gzip
import itertools
import json
import struct
import threading
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable
    from types import TracebackType

_numbers = itertools.count(1)

BINARY = bytes(range(256)) * 4
LARGE_BYTES = 1 << 20


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """What a route answers; ``chunks`` are sent with chunked transfer coding, ``raw`` as it stands."""

    body: bytes = b""
    content_type: str = "application/json"
    status: int = 200
    reason: str | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    chunks: Iterable[bytes] | None = None
    raw: bytes | None = None


def event(data: Any, name: str | None = None) -> bytes:
    """Write a server-sent event."""
    text = data if isinstance(data, str) else json.dumps(data)
    return (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()


def amazon_event(kind: str, payload: dict[str, Any]) -> bytes:
    """Write a message of Amazon's binary event stream, with both its checksums."""
    headers = b"".join(
        struct.pack("!B", len(name)) + name + struct.pack("!BH", 7, len(value)) + value
        for name, value in (
            (b":event-type", kind.encode()),
            (b":content-type", b"application/json"),
            (b":message-type", b"event"),
        )
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + body
    return message + struct.pack("!I", zlib.crc32(message))


def _json(value: Any, **kwargs: Any) -> Answer:
    return Answer(json.dumps(value).encode(), **kwargs)


# -- what the services answer ----------------------------------------------------------------------


def chat(seen: Seen) -> Answer:
    """OpenAI /v1/chat/completions: plain, streamed, or a tool call if tools are offered."""
    asked, number = seen.json(), next(_numbers)
    frame = {"id": f"chatcmpl-{number}", "created": 1700000000 + number, "model": asked["model"]}
    last = asked["messages"][-1]["content"]
    said = f"answer {number} to {last if isinstance(last, str) else json.dumps(last)}"
    if asked.get("stream"):
        frame["object"] = "chat.completion.chunk"
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": word + " "} for word in said.split()] + [{}]
        events = [
            event(frame | {"choices": [{"index": 0, "delta": d, "finish_reason": None if d else "stop"}]})
            for d in deltas
        ]
        return Answer(content_type="text/event-stream", chunks=[*events, event("[DONE]")])
    message: dict[str, Any] = {"role": "assistant", "content": said}
    if asked.get("tools") and asked["messages"][-1]["role"] == "user":
        name = asked["tools"][0]["function"]["name"]
        call = {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": "{}"}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    finish = "tool_calls" if "tool_calls" in message else "stop"
    return _json(
        frame
        | {
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
        }
    )


def responses(seen: Seen) -> Answer:
    """OpenAI /v1/responses."""
    number = next(_numbers)
    part = {"type": "output_text", "text": f"answer {number}", "annotations": []}
    message = {"id": "m", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    return _json(
        {
            "id": f"resp_{number}",
            "object": "response",
            "created_at": 1700000000 + number,
            "model": seen.json()["model"],
            "output": [message],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "status": "completed",
        }
    )


def embeddings(seen: Seen) -> Answer:
    """OpenAI /v1/embeddings."""
    asked, number = seen.json(), next(_numbers)
    texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    data = [
        {"object": "embedding", "index": at, "embedding": [number, 0.5, len(text) + 0.25]}
        for at, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": 2, "total_tokens": 2}
    return _json({"object": "list", "model": asked["model"], "data": data, "usage": usage})


def messages(seen: Seen) -> Answer:
    """Anthropic /v1/messages: plain or streamed."""
    asked, number = seen.json(), next(_numbers)
    message: dict[str, Any] = {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": asked["model"],
        "content": [{"type": "text", "text": f"answer {number}"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 4},
    }
    if not asked.get("stream"):
        return _json(message)
    start = message | {"content": [], "stop_reason": None}
    delta = {"type": "text_delta", "text": f"answer {number}"}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 4},
        },
        {"type": "message_stop"},
    ]
    return Answer(content_type="text/event-stream", chunks=[event(each, each["type"]) for each in events])


def gemini(seen: Seen) -> Answer:
    """Google generateContent and streamGenerateContent."""
    number = next(_numbers)

    def part(text: str) -> dict[str, Any]:
        content = {"role": "model", "parts": [{"text": text}]}
        return {
            "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
            "modelVersion": "gemini-test",
            "responseId": f"r{number}",
        }

    if "streamGenerateContent" in seen.path:
        chunks = [event(part(f"answer {number} ")), event(part("ends"))]
        return Answer(content_type="text/event-stream", chunks=chunks)
    return _json(part(f"answer {number}"))


def converse(_: Seen) -> Answer:
    """Bedrock converse."""
    content = [{"text": f"answer {next(_numbers)}"}]
    usage = {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}
    return _json(
        {
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": "end_turn",
            "usage": usage,
            "metrics": {"latencyMs": 1},
        }
    )


def converse_stream(_: Seen) -> Answer:
    """Bedrock converse-stream: Amazon's binary event stream."""
    number = next(_numbers)
    chunks = [
        amazon_event("messageStart", {"role": "assistant"}),
        amazon_event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": f"answer {number}"}}),
        amazon_event("contentBlockStop", {"contentBlockIndex": 0}),
        amazon_event("messageStop", {"stopReason": "end_turn"}),
    ]
    return Answer(content_type="application/vnd.amazon.eventstream", chunks=chunks)


# -- what HTTP can do ------------------------------------------------------------------------------


def echo(seen: Seen) -> Answer:
    """Say what was asked."""
    return _json(
        {
            "number": next(_numbers),
            "method": seen.method,
            "path": seen.path,
            "body": seen.body.decode("utf-8", "replace"),
            "content_type": seen.headers.get("content-type"),
            "cookie": seen.headers.get("cookie"),
        }
    )


def redirect(_: Seen) -> Answer:
    """Set a cookie and point to /echo."""
    return Answer(
        b"elsewhere",
        "text/plain",
        302,
        headers=[("Location", "/echo?redirected=1"), ("Set-Cookie", "crumb=42; Path=/")],
    )


def _coded(encoding: str, encode: Callable[[bytes], bytes]) -> Callable[[Seen], Answer]:
    def answer(_: Seen) -> Answer:
        body = encode(json.dumps({"number": next(_numbers), "text": "grüß dich " * 50}).encode())
        return Answer(body, headers=[("Content-Encoding", encoding)])

    return answer


def _brotli(body: bytes) -> bytes:
    import brotli

    encoded: bytes = brotli.compress(body)
    return encoded


def _zstd(body: bytes) -> bytes:
    import zstandard

    encoded: bytes = zstandard.compress(body)
    return encoded


def chunked(_: Seen) -> Answer:
    """Send a body in chunks."""
    return Answer(
        content_type="text/plain", chunks=[f"{next(_numbers)}:".encode(), b"one,", b"two,", b"three"]
    )


def ndjson(_: Seen) -> Answer:
    """Send a JSON value a line."""
    lines = [json.dumps({"number": next(_numbers), "at": at}).encode() + b"\n" for at in range(3)]
    return Answer(content_type="application/x-ndjson", chunks=lines)


def large(_: Seen) -> Answer:
    """Send 1 MB."""
    number = f"{next(_numbers):08}".encode()
    return Answer(number * (LARGE_BYTES // 8), "application/octet-stream")


def latin(_: Seen) -> Answer:
    """Send text that is not UTF-8, and says so."""
    return Answer(f"grüße {next(_numbers)}".encode("latin-1"), "text/plain; charset=iso-8859-1")


def slow(seen: Seen) -> Answer:
    """Take a while."""
    time.sleep(0.05)
    return echo(seen)


_ROUTES: dict[str, Callable[[Seen], Answer]] = {
    "/v1/chat/completions": chat,
    "/v1/responses": responses,
    "/v1/embeddings": embeddings,
    "/v1/messages": messages,
    "/echo": echo,
    "/slow": slow,
    "/redirect": redirect,
    "/gzip": _coded("gzip", gzip.compress),
    "/deflate": _coded("deflate", zlib.compress),
    "/br": _coded("br", _brotli),
    "/zstd": _coded("zstd", _zstd),
    "/chunked": chunked,
    "/ndjson": ndjson,
    "/large": large,
    "/latin": latin,
    "/binary": lambda _: Answer(BINARY + str(next(_numbers)).encode(), "application/octet-stream"),
    "/blob": lambda _: Answer(BINARY * 4 + str(next(_numbers)).encode(), "application/octet-stream"),
    "/204": lambda _: Answer(status=204),
    "/304": lambda _: Answer(status=304, headers=[("ETag", '"x"')]),
    "/404": lambda _: _json({"error": {"message": f"not here {next(_numbers)}"}}, status=404),
    "/500": lambda _: _json({"error": {"message": f"broken {next(_numbers)}"}}, status=500),
    "/403": lambda _: _json({"error": {"message": "not you"}}, status=403),
    "/401": lambda _: _json({"error": {"message": "who are you?"}}, status=401),
    "/short": lambda _: Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"),
    "/unterminated": lambda _: Answer(
        raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    ),
    "/silent": lambda _: Answer(raw=b""),
    "/until-closed": lambda _: Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nall of it"),
    "/duplicates": lambda _: Answer(
        b"[]", headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Twice", "1"), ("X-Twice", "2")]
    ),
    "/reason": lambda _: Answer(b"[]", reason="Très Bien (sort of)"),
    "/folded": lambda _: Answer(raw=b"HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\nContent-Length: 2\r\n\r\nok"),
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener

    def _serve(self) -> None:
        seen = Seen(
            self.command,
            self.path,
            {name.lower(): value for name, value in self.headers.items()},
            self._body(),
        )
        self._write(seen.method, self.server.owner.answer(seen))

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = _serve  # noqa: N815 (http.server's)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _write(self, method: str, answer: Answer) -> None:
        if answer.raw is not None:
            self.wfile.write(answer.raw)
            self.close_connection = True
            return
        self.send_response(answer.status, answer.reason)
        for name, value in answer.headers:
            self.send_header(name, value)
        is_empty = answer.status in (204, 304)
        if not is_empty:
            self.send_header("Content-Type", answer.content_type)
            framing = ("Content-Length", str(len(answer.body)))
            self.send_header(*(("Transfer-Encoding", "chunked") if answer.chunks is not None else framing))
        self.end_headers()
        if method != "HEAD" and not is_empty:
            self._write_body(answer)

    def _write_body(self, answer: Answer) -> None:
        if answer.chunks is None:
            self.wfile.write(answer.body)
            return
        for chunk in answer.chunks:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: Any) -> None:
        """Be quiet."""

    def handle(self) -> None:
        self.server.owner.sockets.add(self.connection)
        try:
            super().handle()
        except (OSError, ValueError):  # the client, or stop(), hung up
            self.close_connection = True
        finally:
            self.server.owner.sockets.discard(self.connection)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    owner: Server


class Server:
    """The server: a context manager, running on a free port of 127.0.0.1 from start to stop.

    Attributes:
        requests: What it was asked, in order.
        url: ``http://127.0.0.1:port``, without a slash at its end.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.requests: list[Seen] = []
        self.sockets: set[Any] = set()
        self.url = ""
        self._lock = threading.Lock()
        self._limited: set[str] = set()
        self._listener: _Listener | None = None

    def answer(self, seen: Seen) -> Answer:
        with self._lock:
            self.requests.append(seen)
        path = urlsplit(seen.path).path
        if path == "/429":  # once for each `for=`, then fine
            name = dict(parse_qsl(urlsplit(seen.path).query)).get("for", "")
            if name not in self._limited:
                self._limited.add(name)
                return _json({"error": "slow down"}, status=429, headers=[("Retry-After", "0")])
            return echo(seen)
        if path.startswith("/model/"):
            return converse_stream(seen) if path.endswith("/converse-stream") else converse(seen)
        if path.endswith(("generateContent", "GenerateContent")):
            return gemini(seen)
        return _ROUTES.get(path, _ROUTES["/404"])(seen)

    @property
    def count(self) -> int:
        with self._lock:
            return len(self.requests)

    def start(self) -> Server:
        self._listener = _Listener(("127.0.0.1", 0), _Handler)
        self._listener.owner = self
        if self._tls is not None:
            self._listener.socket = self._tls.wrap_socket(
                self._listener.socket, server_side=True, do_handshake_on_connect=False
            )
        self.url = f"http{'s' if self._tls else ''}://127.0.0.1:{self._listener.server_port}"
        threading.Thread(target=self._listener.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop listening and hang up on everybody; does nothing when stopped already."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        listener.shutdown()
        listener.server_close()
        for connection in list(self.sockets):
            with suppress(OSError):
                connection.shutdown(2)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
