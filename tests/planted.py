"""The table of places in which a secret can stand, each with a secret of its own.

Everything in here is made up. Keys are put together at run time so that scanners leave the file alone.
"""

from __future__ import annotations

import base64
import http.client
import itertools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from tests.server import Answer, Server, amazon_event, event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.server import Seen

ENVIRON = "PLANTED_TENANT_TOKEN"  # its value is a secret by its name alone


@dataclass
class Place:
    """Where one secret is planted.

    Attributes:
        name: What to call it in a failure.
        secret: What must be in no file.
        method, target, headers, body: The request; the target is behind ``/p<number>``.
        answer: What the server says.
        shown: What the test must see while recording.
        pieces: Deltas that are part of the secret; none may be in any file as a string.
    """

    name: str
    secret: str
    method: str = "GET"
    target: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    answer: Answer = field(default_factory=lambda: Answer(b'{"ok": true}'))
    shown: str = ""
    pieces: tuple[str, ...] = ()


def environ_value(seed: str) -> str:
    """Return the value of the variable."""
    return f"tenant+{seed}/Zq21x=7Yb"


class _Table:
    """Builds the places; secrets differ by place and by seed."""

    def __init__(self, seed: str) -> None:
        self.seed = seed
        self.places: list[Place] = []
        self._numbers = itertools.count(100)

    def password(self) -> str:
        """Return a secret that only its name gives away."""
        return f"pw-{next(self._numbers)}-{self.seed}-Horse7"

    def key(self) -> str:
        """Return a secret that its shape gives away."""
        return "sk-" + "proj-" + f"Ab{next(self._numbers)}{self.seed}Cd45Ef67Gh89Ij01Kl23"

    def sent(self, name: str, secret: str, target: str = "", *, kind: str = "", body: str | bytes = b"", **headers: str) -> None:  # fmt: skip
        """Plant a secret in a request."""
        raw = body.encode() if isinstance(body, str) else body
        heads = {key.replace("_", "-"): value for key, value in headers.items()}
        heads |= {"Content-Type": kind} if kind else {}
        self.places.append(Place(f"sent {name}", secret, "POST" if raw else "GET", target, heads, raw))

    def json(self, name: str, secret: str, template: str) -> None:
        """Plant a secret in a JSON body, going out and coming back."""
        self.sent(f"JSON, {name}", secret, kind="application/json", body=template.replace("{}", secret))
        other = secret[:-3] + "x" + secret[-3:]
        self.got(f"JSON, {name}", other, Answer(template.replace("{}", other).encode()))

    def got(
        self, name: str, secret: str, answer: Answer, shown: str | None = None, deltas: Iterable[str] = ()
    ) -> None:
        """Plant a secret in an answer."""
        pieces = tuple(delta for delta in deltas if len(delta) > 2 and delta in secret)
        shown = secret if shown is None else shown
        self.places.append(Place(f"got {name}", secret, answer=answer, shown=shown, pieces=pieces))

    def stream(
        self, name: str, wrap: Callable[[str], bytes], content_type: str = "text/event-stream"
    ) -> None:
        """Plant a secret in a stream: in one delta, in pieces of three, and in a tool's arguments."""
        whole, pieces, named = self.key(), self.key(), self.password()
        self.got(f"{name}, one delta", whole, Answer(wrap(f"use {whole} now"), content_type), "")
        texts = ["it is ", *_cut(pieces, 3), " indeed"]
        self.got(f"{name}, many deltas", pieces, _streamed(wrap, texts, content_type), "", texts)
        texts = _cut(json.dumps({"user": "bob", "password": named}), 5)
        self.got(f"{name}, arguments", named, _streamed(wrap, texts, content_type), "", texts)


def _streamed(wrap: Callable[[str], bytes], texts: Iterable[str], content_type: str) -> Answer:
    return Answer(b"".join(map(wrap, texts)), content_type)


def _cut(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def _requests(table: _Table) -> None:
    """Plant in every part of a request that is no JSON."""
    k, p = table.key, table.password
    for header, scheme in {
        "Authorization": "Bearer ", "Proxy-Authorization": "Bearer ", "X-Api-Key": "", "Api-Key": "", "X-Goog-Api-Key": "",
        "X-Amz-Security-Token": "", "X-Custom-Token": "", "Cookie": "theme=dark; session=", "X-Unheard-Of": "",
    }.items():  # fmt: skip
        secret = p()
        table.sent(f"header {header}", secret, **{header: scheme + secret})
    secret = p()
    basic = base64.b64encode(f"bob:{secret}".encode()).decode()
    table.sent("Basic auth", secret, Authorization=f"Basic {basic}")
    table.sent("Basic auth, as it is encoded", basic[6:], Authorization=f"Basic {basic}")
    for name in (
        "api_key",
        "apiKey",
        "access-token",
        "token",
        "X-Amz-Signature",
        "client_secret",
        "api%5Fkey",
    ):
        secret = p()
        table.sent(f"query {name}", secret, f"?page=2&{name}={secret}&max_tokens=5")
    table.sent("query, by shape", secret := k(), f"?q=use+{secret}")
    table.sent("path, behind bot", secret := f"123456:{p()}", f"/bot{secret}/sendMessage")
    table.sent("path, behind a name", secret := f"a1B2c3D4e5F6g7H8{p()}", f"/access_token/{secret}/me")
    table.sent("path, by shape", secret := k(), f"/v1/{secret}/me")
    form = "application/x-www-form-urlencoded"
    table.sent("form password", secret := p(), kind=form, body=f"user=bob&password={secret}&x=")
    table.sent("form, by shape", secret := k(), kind=form, body=f"text=it+is+{secret}")
    multipart = 'multipart/form-data; boundary="b0"'
    head = '--b0\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n--b0--\r\n'
    file = '; filename="a.txt"\r\nContent-Type: text/plain'
    table.sent("multipart field", secret := p(), kind=multipart, body=head.format("api_key", "", secret))
    table.sent("multipart file .env", secret := p(), kind=multipart, body=head.format("f", file, f"A=1\nDB_PASSWORD={secret}\n"))  # fmt: skip
    table.sent("multipart file, JSON", secret := p(), kind=multipart, body=head.format("f", file, f'{{"apiKey": "{secret}"}}'))  # fmt: skip
    table.sent("multipart file, by shape", secret := k(), kind=multipart, body=head.format("f", file, secret))


def _prompts(table: _Table) -> None:
    """Plant in what people paste into a prompt."""
    k, p = table.key, table.password
    jwt = f"eyJ{table.seed}hbGciOiJIUzI1NiJ9.eyJ{table.seed}zdWIiOiIxMjM0In0.{p()}"
    pem = f"-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA{table.seed}{'a1B2c3D4' * 4}\n-----END RSA PRIVATE KEY-----"
    value = environ_value(table.seed)
    pasted: list[tuple[str, str, str]] = [
        ("a key", key := k(), f"my key is {key}, keep it"),
        ("a key in a second line", key := k(), f"key:\n{key}\n"),
        ("a JWT", jwt, f"token {jwt}"),
        ("a private key", f"MIIEpAIBAAKCAQEA{table.seed}", f"see\n{pem}\n"),
        ("Bearer", secret := p(), f"curl -H 'Authorization: Bearer {secret}' x"),
        ("a header", secret := p(), f"curl -H 'X-Api-Key: {secret}' x"),
        ("an assignment", secret := p(), f"export ACME_SECRET={secret}\n"),
        ("userinfo", secret := p(), f"clone https://bob:{secret}@git.example/x.git"),
        ("a signed link", secret := p(), f"look at https://x.example/i.png?se=1&sig={secret}&x=1"),
        ("JSON", secret := p(), f'the body is {{"client_secret": "{secret}"}}'),
        ("XML", secret := p(), f"<user><Password>{secret}</Password></user>"),
        ("base64 of JSON", secret := p(), base64.b64encode(f'{{"user": "b", "apiKey": "{secret}"}}'.encode()).decode()),
        ("a variable's value", value, f"our tenant is {value}!"),
        ("a variable's value, percent-encoded", quote(value, safe=""), f"https://x.example/{quote(value, safe='')}"),
        ("a variable's value in base64", value, "data:text/plain;base64," + base64.b64encode(f"our tenant is {value}".encode()).decode()),
    ]  # fmt: skip
    for name, secret, text in pasted:
        body = json.dumps({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": text}]})
        table.sent(f"prompt with {name}", secret, kind="application/json", body=body)


def _json(table: _Table) -> None:
    """Plant below names, at every depth, in both directions."""
    p = table.password
    table.json("snake", p(), '{"access_token": "{}", "max_tokens": 5}')
    table.json("camel", p(), '{"clientSecret": "{}"}')
    table.json("kebab", p(), '{"api-key": "{}"}')
    table.json("nested", p(), '{"a": [{"b": {"db_password": "{}"}}]}')
    table.json("array", p(), '{"api_keys": ["", "{}"]}')
    table.json("string in JSON", p(), '{"arguments": "{\\"password\\": \\"{}\\"}"}')
    table.json(
        "string in a string", p(), '{"a": "{\\"b\\": \\"{\\\\\\"secret\\\\\\": \\\\\\"{}\\\\\\"}\\"}"}'
    )
    table.json("name and value", p(), '{"headers": [{"name": "X-Api-Key", "value": "{}"}]}')
    table.json("wrapped", p(), '{"client_secret": {"value": "{}"}}')
    table.json("by shape", table.key(), '{"note": "{}"}')


def _answers(table: _Table) -> None:
    """Plant in every part of an answer that is no JSON."""
    k, p = table.key, table.password

    def headers(name: str, secret: str, value: str, status: int = 200) -> None:
        answer = Answer(b"{}", status=status, headers=[(name, value)])
        table.got(f"header {name}: {value.replace(secret, '…')}", secret, answer)

    headers("Set-Cookie", secret := p(), f"session={secret}; Path=/; HttpOnly")
    headers("X-Auth-Token", secret := p(), secret)
    headers("X-Note", secret := k(), f"use {secret}")
    headers("Location", secret := p(), f"https://h.example/cb?access_token={secret}&state=1", 302)
    headers("Location", secret := p(), f"https://h.example/cb#id_token={secret}", 302)
    headers("Location", secret := k(), f"https://h.example/{secret}/next", 302)
    headers("Location", secret := p(), f"https://bob:{secret}@h.example/", 302)
    headers("Link", secret := p(), f'<https://h.example/2?sig={secret}&page=2>; rel="next"')
    error = Answer(
        json.dumps({"error": {"message": f"Incorrect API key: {(secret := k())}"}}).encode(), status=400
    )
    table.got("error body", secret, error)
    xml = "<r><Credentials><SecretAccessKey>{}</SecretAccessKey></Credentials></r>"
    table.got("XML", secret := p(), Answer(xml.format(secret).encode(), "text/xml"))
    html = '<form><input type="hidden" name="csrf_token" value="{}"></form>'
    table.got("hidden field", secret := p(), Answer(html.format(secret).encode(), "text/html"))
    table.got("plain text", secret := k(), Answer(f"the key is {secret}\n".encode(), "text/plain"))
    table.got(
        "bytes",
        secret := k(),
        Answer(b"\x00\xff\x01" + secret.encode() + b"\x00", "application/octet-stream"),
    )
    encoded = base64.b64encode(f"DB_PASSWORD={(secret := p())}\nA=1\n".encode())
    table.got("a file in base64", secret, Answer(b'{"content": "' + encoded + b'"}'), "")
    table.got("base64 of a key", base64.b64encode(secret.encode()).decode()[4:-4], Answer(b'{"content": "' + encoded + b'"}'), "")  # fmt: skip
    value = environ_value(table.seed)
    table.got("a variable's value", value, Answer(f'{{"tenant": "{value}"}}'.encode()))
    echoed = Place("got what was in a header", p() + "-echoed", headers={}, shown="")
    echoed.headers["Authorization"] = f"Bearer {echoed.secret}"
    echoed.answer = Answer(f'{{"seen": "{echoed.secret}"}}'.encode())
    table.places.append(echoed)


def _streams(table: _Table) -> None:
    """Plant in the streams of every provider, in one event and over many."""

    def sse(build: Callable[[str], Any]) -> Callable[[str], bytes]:
        return lambda text: event(build(text))

    def lines(build: Callable[[str], Any]) -> Callable[[str], bytes]:
        return lambda text: json.dumps(build(text)).encode() + b"\n"

    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m"}
    deltas: dict[str, Callable[[str], Any]] = {
        "OpenAI chat": lambda t: head | {"choices": [{"index": 0, "delta": {"content": t}, "finish_reason": None}]},
        "OpenAI tool call": lambda t: head | {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": t}}]}}]},
        "OpenAI responses": lambda t: {"type": "response.output_text.delta", "output_index": 0, "delta": t},
        "Anthropic text": lambda t: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": t}},
        "Anthropic tool": lambda t: {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": t}},
        "Gemini": lambda t: {"candidates": [{"content": {"parts": [{"text": t}], "role": "model"}, "index": 0}]},
    }  # fmt: skip
    for name, build in deltas.items():
        table.stream(name, sse(build))
    table.stream(
        "Ollama",
        lines(lambda t: {"model": "m", "message": {"role": "a", "content": t}}),
        "application/x-ndjson",
    )
    table.stream("Bedrock converse", lambda t: amazon_event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": t}}), "application/vnd.amazon.eventstream")  # fmt: skip

    def chunk(text: str) -> bytes:
        inner = json.dumps({"type": "content_block_delta", "index": 0, "delta": {"text": text}}).encode()
        return amazon_event("chunk", {"bytes": base64.b64encode(inner).decode(), "p": "abc"})

    whole, pieces = table.key(), table.key()
    kind = "application/vnd.amazon.eventstream"
    table.got("Bedrock invoke, one delta", whole, _streamed(chunk, [whole], kind), "")
    texts = _cut(pieces, 4)
    table.got("Bedrock invoke, many deltas", pieces, _streamed(chunk, texts, kind), "", texts)
    value = environ_value(table.seed)
    texts = ["our tenant is ", *_cut(value, 4), "."]
    build = sse(deltas["OpenAI chat"])
    table.got(
        "a variable's value, many deltas", value, _streamed(build, texts, "text/event-stream"), "", texts
    )
    texts = ["the key: ", *_cut(pieces := table.key(), 5), " it was"]
    plain = _streamed(event, texts, "text/event-stream")
    table.got("plain events, many deltas", pieces, plain, "")
    texts = ["the key: ", *_cut(pieces := table.key(), 5), " it was"]
    vercel = _streamed(lambda text: f"0:{json.dumps(text)}\n".encode(), texts, "text/plain; charset=utf-8")
    table.got("Vercel's data stream, many deltas", pieces, vercel, "", texts)
    texts = ["a ", *_cut(pieces := table.key(), 5), " b"]
    array = "\n,\r\n".join(json.dumps(deltas["Gemini"](text)) for text in texts)
    table.got("Gemini, a growing array", pieces, Answer(f"[{array}\n]".encode()), "", texts)


def places(seed: str) -> list[Place]:
    """Return the table; another seed plants other secrets in the same places."""
    table = _Table(seed)
    for plant in (_requests, _prompts, _json, _answers, _streams):
        plant(table)
    return table.places


class PlantedServer(Server):
    """Answers the request of a place with what is planted there.

    Attributes:
        places: The table.
    """

    def __init__(self, planted: list[Place]) -> None:
        super().__init__()
        self.places = planted

    def answer(self, seen: Seen) -> Answer:
        self.requests.append(seen)
        return self.places[int(urlsplit(seen.path).path.split("/")[1][1:])].answer


def send(url: str, number: int, place: Place) -> str:
    """Send the request of a place; returns headers and body of the answer as one text."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.request(place.method, f"/p{number}{place.target}", place.body or None, place.headers)
    response = connection.getresponse()
    text = f"{response.headers}\n{response.read().decode('latin-1')}"
    connection.close()
    return text
