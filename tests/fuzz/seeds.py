"""Where the mutator starts, and the tokens it likes to put in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from pytest_f3dx import _cassette
from pytest_f3dx._blobs import BlobStore
from pytest_f3dx._fingerprint import fingerprint_request
from pytest_f3dx._journal import Exchange, _encode
from pytest_f3dx._model import Cassette, Failure, Interaction, Request, Response

DATA = Path(__file__).parents[1] / "data"
CHAT = {
    "model": "m",
    "messages": [{"role": "user", "content": "a\nb \n\tc ä \u2028 😀"}],
    "tools": [{"function": {"name": "f", "parameters": {"properties": {"password": {"type": "string"}}}}}],
    "max_tokens": 10,
    "temperature": 0.7,
    "seed": 12345678901234567890,
}
STREAM = (
    b'data: {"id":"chatcmpl-1","choices":[{"delta":{"content":"Hel"}}]}\n\n'
    b'data: {"choices":[{"delta":{"content":"lo"}}]}\n\ndata: [DONE]\n\n'
)
BODIES = (
    json.dumps(CHAT).encode(),
    json.dumps(CHAT, separators=(",", ":"), ensure_ascii=False).encode(),
    b'{"a": {"password": "hunter2hunter2", "token": 17}, "b": "{\\"api_key\\": \\"abc123def456\\"}"}',
    STREAM,
    b"grant_type=password&password=a%20b&username=u",
    b'--b\r\nContent-Disposition: form-data; name="token"\r\n\r\nabc12345\r\n--b--\r\n',
    b"plain text\nwith lines \n\n",
    bytes(range(256)),
    b"[1, 1.0, -0.0, 1e400, NaN, 1e-7]",
    b'{"a": 1, "a": 2}',
    b"",
)


_CONVERSATIONS = tuple(
    text.encode()
    for text in (
        (
            '{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a","tool_calls":'
            '[{"id":"t","type":"function","function":{"name":"f","arguments":"{\\"a\\": 1}"}}]},"finish_reason":"stop"}],'
            '"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}'
        ),
        (
            '{"id":"r","object":"response","model":"m","output":[{"type":"message","role":"assistant","content":'
            '[{"type":"output_text","text":"a"}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}]}'
        ),
        (
            '{"type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"a"},{"type":"tool_use",'
            '"id":"t","name":"f","input":{"a":1}}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}}'
        ),
        (
            'event: message_start\ndata: {"type":"message_start","message":{"role":"assistant","content":[]}}\n\n'
            'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text",'
            '"text":""}}\n\nevent: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":'
            '{"type":"text_delta","text":"a"}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n'
        ),
        (
            '{"candidates":[{"content":{"parts":[{"text":"a"},{"functionCall":{"name":"f","args":{}}}],"role":"model"},'
            '"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2}}'
        ),
        (
            '{"model":"m","message":{"role":"assistant","content":"a"},"done":false}\n'
            '{"model":"m","message":{"role":"assistant","content":"b"},"done":true,"eval_count":2}\n'
        ),
        '{"output":{"message":{"role":"assistant","content":[{"text":"a"}]}},"stopReason":"end_turn","usage":{}}',
        (
            '{"system":[{"text":"s"}],"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png",'
            '"data":"aaaa"}}]}],"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:,"}}]}],'
            '"input":["a",{"role":"user","content":"b"}],"tools":[{"type":"function","function":{"name":"f"}}]}'
        ),
    )
)


def _cassettes() -> list[bytes]:
    cassette = Cassette("tests/a.py::b", ignore=("$.a",), replace=(("x", "y"),), match_headers=("accept",))
    for body in BODIES:
        headers = (("content-type", "application/json"),)
        request = Request("POST", "https://h.test/p?q=1", headers, body)
        key = fingerprint_request(request)
        answers = [
            Response(200, "OK", headers, body, "2026-11-23T18:40:01Z", 850),
            Response(0, failure=Failure("httpx.ReadTimeout", "late")),
        ]
        cassette.interactions[key] = Interaction(key, request, answers)
    store = BlobStore(Path("nowhere"))
    whole = _cassette.dump(cassette, store).encode()
    first = Cassette("t", dict(list(cassette.interactions.items())[:1]))
    return [whole, _cassette.dump(first, store).encode(), _cassette.dump(Cassette("t"), store).encode()]


def _journals() -> list[bytes]:
    request = Request("POST", "https://h.test/", (("accept", "*/*"),), b"{}")
    response = Response(200, "OK", (("content-type", "text/plain"),), b"hi", "2026-11-23T18:40:01Z", 3)
    exchange = Exchange(1, "b3:" + "0" * 64, request, response)
    failed = replace(exchange, response=Response(0, failure=Failure("x.Y", "z")))
    return [_encode(each).partition(b" ")[2].rstrip(b"\n") for each in (exchange, failed)]


def seeds(target: str) -> list[bytes]:
    """Return the inputs that a target starts from."""
    if target == "journal":
        return _journals()
    if target == "conversation":
        return [bytes([kind]) + body for kind in (0, 3, 4) for body in (*_CONVERSATIONS, *BODIES)]
    if target == "read":
        return [
            *_cassettes() * 12,
            *(path.read_bytes() for path in sorted((DATA / "bad_cassettes").glob("*.yaml"))),
        ]
    return [bytes([kind]) + body for kind in range(7) for body in BODIES]


TOKENS = tuple(
    token.encode("utf-8", "surrogatepass")
    for token in (
        *"\n : ' \" | > { } [ ] # & * ! % @ ` , - ? \t \r \0 \x1b \x85 \u2028 \ufeff".split(" "),
        "...\n", "---\n", "&a ", "*a", "!!python/object/apply:os.system ", "!!binary ", "<<: ", "\n  ", "\n    ",
        "  b3:" + "0" * 64 + ":\n", "interactions:\n", "responses:\n", "- status: 200\n", "body:\n", "text: |\n",
        "json:\n", "base64: ", "blob: ", "<<<<<<< a\n", "%YAML 1.1\n", "null", "true", "1e400", "NaN", "-0", "1_000",
        "0x1F", "2026-11-23", "\\u0000", "\\ud800", "\\n", "\\\\", "%0A", "%5B", "[redacted:token]", "[redacted:",
        "password", "token=", "Bearer ", "sk-ant-", "eyJ", "-----BEGIN PRIVATE KEY-----", "data: ", "\r\n", "=", "&",
        '{"a":', "}", "]", "[" * 200, '"' * 3, "\ud800", "9" * 30, "AKIA" + "A" * 16, "https://u:p@h/",
    )
)  # fmt: skip
