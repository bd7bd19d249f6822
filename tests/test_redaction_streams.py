"""Secrets in pieces and inside other encodings: gone, and what is around them still decodes."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_f3dx._model import Request, Response
from pytest_f3dx._redaction import Redactor
from pytest_f3dx._redaction_encoded import encoded_texts, redact_frames
from pytest_f3dx._redaction_streams import is_stream, strands
from tests.server import amazon_event, event

KEY = "sk-" + "proj-" + "a1B2c3D4e5F6" * 4
MARK = "[redacted:openai-key]"
SSE = (("content-type", "text/event-stream"),)
FRAMES = (("content-type", "application/vnd.amazon.eventstream"),)


def got(
    body: bytes, headers: tuple[tuple[str, str], ...] = SSE, *, redactor: Redactor | None = None
) -> bytes:
    """Return the body of a redacted answer."""
    return (redactor or Redactor()).response(Response(200, "OK", headers, body)).body


def deltas(*texts: str, index: int = 0) -> bytes:
    """Write the deltas of a chat."""
    return b"".join(event({"choices": [{"index": index, "delta": {"content": text}}]}) for text in texts)


def said(body: bytes) -> list[str]:
    """Read the deltas of a chat."""
    return [
        json.loads(line[6:])["choices"][0]["delta"]["content"] for line in body.decode().split("\n") if line
    ]


def test_first_piece_gets_the_placeholder_and_the_others_lose_their_part() -> None:
    """Events stay as many and as valid as they were; every other byte stays."""
    pieces = ["it is s", KEY[1:9], KEY[9:20], KEY[20:] + " ", "ok"]
    body = deltas(*pieces)
    assert said(got(body)) == [f"it is {MARK}", "", "", " ", "ok"]
    expected = deltas(f"it is {MARK}", "", "", " ", "ok")
    assert got(body) == expected
    assert got(expected) == expected


def test_streams_that_alternate_are_read_apart() -> None:
    """Two choices, each with a key of its own, sent in turns."""
    other = KEY[::-1].replace("jorp-ks", "") and "sk-" + "proj-" + "Zz9Yy8Xx7Ww6" * 3
    halves = [(KEY[:10], 0), (other[:10], 1), (KEY[10:], 0), (other[10:], 1)]
    body = b"".join(deltas(text, index=index) for text, index in halves)
    assert said(got(body)) == [MARK, "[redacted:openai-key-2]", "", ""]


def test_parts_of_one_event_belong_together() -> None:
    """A key that begins in the second part of one event and ends in the next event."""
    body = event({"parts": [{"text": "a "}, {"text": KEY[:9]}]}) + event({"parts": [{"text": KEY[9:]}]})
    assert got(body) == event({"parts": [{"text": "a "}, {"text": MARK}]}) + event({"parts": [{"text": ""}]})


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (['{"pass', 'word": "hun', 'ter2"}'], ['{"pass', 'word": "[redacted:password]', '"}']),
        (['{"otp": 12', "3456}"], ['{"otp": "[redacted:otp]"', "}"]),
        (['{"password": "', 'a\\"b\\u00e9', '"}'], ['{"password": "', "[redacted:password]", '"}']),
        (["\U0001f600\u00e9 " + KEY[:9], KEY[9:]], ["\U0001f600\u00e9 " + MARK, ""]),
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_names_are_found_in_what_the_pieces_say(
    pieces: list[str], expected: list[str], *, ascii_only: bool
) -> None:
    """The arguments of a tool come in pieces; escapes, characters beyond ASCII and numbers included."""

    def stream(texts: list[str]) -> bytes:
        return b"".join(
            b"data: " + json.dumps({"delta": text}, ensure_ascii=ascii_only).encode() + b"\n\n"
            for text in texts
        )

    assert got(stream(pieces)) == stream(expected)


def test_broken_escapes_in_pieces_do_no_harm() -> None:
    """Lone surrogates and invalid escapes count as a character each."""
    body = b'data: {"delta": "\\ud800 \\x sk-"}\n\ndata: {"delta": "' + KEY[3:].encode() + b'"}\n\n'
    assert got(body) == b'data: {"delta": "\\ud800 \\x ' + MARK.encode() + b'"}\n\ndata: {"delta": ""}\n\n'


def test_known_values_are_found_over_events() -> None:
    """A value of the environment, and one that was learnt, in pieces."""
    redactor = Redactor(values={"tenant-token": "tk8Zq/21+x"})
    assert said(got(deltas("it is tk8", "Zq/2", "1+x."), redactor=redactor)) == [
        "it is [redacted:tenant-token]",
        "",
        ".",
    ]
    redactor.request(Request("GET", "https://h.test/", (("authorization", "Bearer a1B2c3D4e5F6g7H8i9"),)))
    body = deltas("a1B2c3D4e5", "F6g7H8i9")
    assert said(got(body, redactor=redactor)) == ["[redacted:authorization]", ""]


def test_plain_pieces_are_put_together() -> None:
    """Events that are text, and lines that are strings."""
    body = f"data: it is {KEY[:9]}\n\ndata: {KEY[9:]}\n\ndata: , ok\n\n".encode()
    assert got(body) == f"data: it is {MARK}\n\ndata: \n\ndata: , ok\n\n".encode()
    body = f'0:"it is {KEY[:9]}"\n0:"{KEY[9:]}"\nd:{{"finishReason":"stop"}}\n'.encode()
    plain = (("content-type", "text/plain; charset=utf-8"),)
    assert got(body, plain) == f'0:"it is {MARK}"\n0:""\nd:{{"finishReason":"stop"}}\n'.encode()


@pytest.mark.parametrize("between", ["\n,\r\n", ",\n", ",\r\n", "\n,\n"])
def test_array_that_grows_is_a_stream(between: str) -> None:
    """Google's answer without ``alt=sse``."""
    objects = [json.dumps({"parts": [{"text": text}]}) for text in ("a ", KEY[:9], KEY[9:])]
    kind = (("content-type", "application/json; charset=UTF-8"),)
    clean = got(f"[{between.join(objects)}\n]".encode(), kind)
    assert [one["parts"][0]["text"] for one in json.loads(clean)] == ["a ", MARK, ""]


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ('{"a": 1}', "application/json", False),
        ('[{"a": 1}, {"a": 2}]', "application/json", False),
        ("data: x", "image/png", False),
        ("data: x", "", True),
        ("hello", "text/plain", False),
        ('{"a": 1}\n{"a": 2}', "application/x-ndjson", True),
        ("", "text/event-stream", True),
    ],
)
def test_stream_is_told_by_type_and_head(text: str, kind: str, *, expected: bool) -> None:
    """What is no stream is not looked through for pieces."""
    assert is_stream(text, kind) is expected


def test_ids_and_repetitions_are_no_text() -> None:
    """What is the same in every event is not put together, nor what stands in one event only."""
    body = deltas("a", "a", "a") + event({"id": "x1", "once": "b"}) + event({"id": "x2"})
    assert [strand.text for strand in strands(body.decode())] == []


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.text(max_size=8), min_size=2, max_size=6), st.booleans())
def test_stream_without_a_secret_is_the_same_object(texts: list[str], ascii_only: bool) -> None:
    """Whatever is said, in whatever pieces."""
    lines = (json.dumps({"delta": text}, ensure_ascii=ascii_only) for text in texts)
    body = "".join(f"data: {line}\n\n" for line in lines).encode("utf-8", "surrogatepass")
    assert got(body) is body


# -- Amazon's event streams ------------------------------------------------------------------------


def payloads(body: bytes) -> list[Any]:
    """Read an event stream strictly: every length and checksum must fit."""
    found, at = [], 0
    while at < len(body):
        length, head = struct.unpack_from("!II", body, at)
        assert zlib.crc32(body[at : at + 8]) == struct.unpack_from("!I", body, at + 8)[0]
        assert zlib.crc32(body[at : at + length - 4]) == struct.unpack_from("!I", body, at + length - 4)[0]
        found.append(json.loads(body[at + 12 + head : at + length - 4]))
        at += length
    return found


def test_frames_keep_their_lengths_and_checksums() -> None:
    """A key in one message and one over two; the others stay to the byte."""
    first = amazon_event("messageStart", {"role": "assistant"})
    body = first + b"".join(
        amazon_event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}})
        for text in (f"use {KEY} or s", KEY[1:30], KEY[30:] + "!")
    )
    clean = got(body, FRAMES)
    assert clean.startswith(first)
    assert [one["delta"]["text"] for one in payloads(clean)[1:]] == [f"use {MARK} or {MARK}", "", "!"]
    assert got(clean, FRAMES) is clean


def test_events_in_base64_in_frames_are_seen() -> None:
    """Bedrock wraps a model's own events; a payload with the usual break of lines in it does no harm."""

    def chunk(text: str) -> bytes:
        inner = json.dumps({"delta": {"text": text}}).encode()
        return amazon_event("chunk", {"bytes": base64.b64encode(inner).decode(), "p": "ab\n\x1e\ncd"})

    def odd(text: str) -> bytes:
        raw = b'{"text":"' + text.encode() + b'",\n\x1e\n"a":1}'
        lengths = struct.pack("!II", 16 + len(raw), 0)
        message = lengths + struct.pack("!I", zlib.crc32(lengths)) + raw
        return message + struct.pack("!I", zlib.crc32(message))

    clean = payloads(got(chunk("a " + KEY[:9]) + chunk(KEY[9:]), FRAMES))
    assert [json.loads(base64.b64decode(one["bytes"]))["delta"]["text"] for one in clean] == [f"a {MARK}", ""]
    assert got(odd(KEY) + odd(" x"), FRAMES) == odd(MARK) + odd(" x")


def test_what_is_no_event_stream_is_searched_as_bytes() -> None:
    """Cut off, wrong checksums, impossible lengths, nothing at all."""
    good = amazon_event("e", {"text": KEY})
    broken = [
        good[:-1],
        good[:8],
        good[:20] + b"\x00" + good[21:],
        good[:9] + b"\x00" + good[10:],
        struct.pack("!III", 4, 0, zlib.crc32(struct.pack("!II", 4, 0))) + b"\0" * 8,
        struct.pack("!III", 20, 90, zlib.crc32(struct.pack("!II", 20, 90))) + b"\0" * 8,
        b"",
    ]
    assert [redact_frames(body, str.upper) for body in broken] == [None] * len(broken)
    assert KEY.encode() not in got(good[:-1], FRAMES)


# -- base64 in texts ---------------------------------------------------------------------------------

DOCUMENT = f'{{"user": "bob", "apiKey": "hunter2-{"x" * 9}", "note": "ä"}}'
REDACTED = DOCUMENT.replace(f"hunter2-{'x' * 9}", "[redacted:api-key]")


@pytest.mark.parametrize("pad", range(3))
@pytest.mark.parametrize(
    "form", ["{}", "data:text/plain;base64,{}", '{{"content": "{}"}}', "a\\n{}\\nb", "a%0A{}", "({})"]
)
def test_text_in_base64_is_redacted_and_encoded_again(form: str, pad: int) -> None:
    """It still decodes, with the alphabet and the padding it had; base64 in base64 too."""
    clean, dirty = REDACTED + " " * pad, DOCUMENT + " " * pad
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for strip in ("", "="):
            written = [encode(text.encode()).decode().rstrip(strip) for text in (dirty, clean)]
            once = Redactor().text(form.format(written[0]))
            # Nothing tells whether a text that needs no padding would have it.
            assert once.replace("=", "") == form.format(written[1]).replace("=", "")
            assert len(written[0]) % 4 == 0 or once == form.format(written[1])
            twice = Redactor().text(form.format(encode(written[0].encode()).decode().rstrip(strip)))
            (inner,) = encoded_texts(twice)
            (innermost,) = encoded_texts(inner.text)
            assert innermost.text.encode("latin-1").decode() == clean


def test_base64_of_no_text_is_left_alone() -> None:
    """Images, hashes, ids, paths and words decode to nothing readable."""
    for text in (
        base64.b64encode(bytes(range(256))).decode(),
        base64.b64encode(b"hello there, my friend \xff\xfe and so on and on").decode(),
        "/api/v1/organisations/projects/members/",
        "chatcmpl-9a8B7c6D5e4F3g2H1i0J " * 2,
        "0123456789abcdef" * 4,
        "a" * 100 + "=",
    ):
        assert list(encoded_texts(text)) == []
        assert Redactor().text(text) is text


def test_character_cut_off_at_the_end_of_base64_is_still_text() -> None:
    """A text that was cut in the middle of a character."""
    encoded = base64.b64encode("a readable text, cut: ä".encode()[:-1]).decode()
    assert [each.text for each in encoded_texts(encoded)] == ["a readable text, cut: Ã"]


# -- edges that a mutation of the code showed to be untold -----------------------------------------------


def test_elements_of_a_growing_array_may_have_many_lines() -> None:
    """Pretty-printed candidates whose index stands on another line than their text are not mixed."""
    kind = (("content-type", "application/json"),)
    halves = [(KEY[:9], 0), ("x" + KEY[1:11], 1), (KEY[9:], 0), (KEY[11:], 1)]
    objects = [json.dumps({"text": text, "index": index}, indent=1) for text, index in halves]
    clean = json.loads(got(("[" + "\n,\n".join(objects) + "\n]").encode(), kind))
    assert [one["text"] for one in clean] == [MARK, "x" + KEY[1:11], "", KEY[11:]]


def test_several_parts_of_each_event_are_each_a_text() -> None:
    """Two parts that grow side by side, an event at a time, and a part that only one event has."""
    events = [[KEY[:9], "one "], [KEY[9:], "two "], ["!", "three"]]
    body = b"".join(event({"parts": [{"text": text} for text in texts]}) for texts in events)
    clean = [[MARK, "one "], ["", "two "], ["!", "three"]]
    assert got(body) == b"".join(event({"parts": [{"text": text} for text in texts]}) for texts in clean)


def test_names_of_pieces_are_not_mixed() -> None:
    """What is thought and what is said grow at once; a key in each is found and nothing is made of both."""
    pieces = [("thinking", KEY[:9]), ("text", "sk-"), ("thinking", KEY[9:]), ("text", "proj")]
    body = b"".join(event({"a": {name: text}, "b": [{"n": "0"}, {"n": "1"}]}) for name, text in pieces)
    clean = [("thinking", MARK), ("text", "sk-"), ("thinking", ""), ("text", "proj")]
    assert got(body) == b"".join(
        event({"a": {name: text}, "b": [{"n": "0"}, {"n": "1"}]}) for name, text in clean
    )


def test_two_plain_pieces_are_enough() -> None:
    """A key in the only two events there are."""
    assert got(f"data: {KEY[:9]}\n\ndata: {KEY[9:]}\n\n".encode()) == f"data: {MARK}\n\ndata: \n\n".encode()


def test_percent_signs_beyond_ascii_keep_their_places() -> None:
    """What stands before and behind a find is as long as it was, whatever the bytes mean."""
    text = f"a%C3%BC%F0%9F%98%80%2F {KEY[:3]}%70{KEY[4:]} %C3%BC%3A b"
    assert got(text.encode(), ()).decode() == f"a%C3%BC%F0%9F%98%80%2F {MARK} %C3%BC%3A b"


@pytest.mark.parametrize("before", ["", "x", "xx"])
@pytest.mark.parametrize("url_safe", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_base64_is_written_as_it_was(*, before: str, url_safe: bool, padded: bool) -> None:
    """The alphabet and the padding of what is put back are those of what was there."""
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    said = f'{before}{{"password": "hunter-42", "a": "??>>~~??>>~~", "b": "?>~?>~?>~"}}'
    for end in ("", "y", "yy"):
        written = encode((said + end).encode()).decode()
        raw = written if padded else written.rstrip("=")
        clean = got(f"<{raw}>".encode(), ()).decode()[1:-1]
        expected = encode((said + end).replace("hunter-42", "[redacted:password]").encode()).decode()
        if "=" not in written and expected.endswith("="):  # nothing shows which of both it was
            assert clean.rstrip("=") == expected.rstrip("=")
        else:
            assert clean == (expected if padded else expected.rstrip("="))


def message(headers: bytes, payload: bytes, *, headers_length: int | None = None) -> bytes:
    """Write a message of Amazon's event stream whose checksums are right, whatever its lengths say."""
    length = len(headers) if headers_length is None else headers_length
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), length)
    text = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return text + struct.pack("!I", zlib.crc32(text))


def test_messages_may_be_empty() -> None:
    """A message without payload, or with nothing at all, ends no stream: keys over events are seen still."""

    def stream(*texts: str) -> bytes:
        first, last = (message(b"", json.dumps({"text": text}).encode()) for text in texts)
        return message(b"", b"") + first + message(b"headers", b"") + last + message(b"", b"")

    assert got(stream(KEY[:9], KEY[9:]), FRAMES) == stream(MARK, "")


@pytest.mark.parametrize("rest", [b"\0", b"\0" * 11, b"\0" * 15])
def test_a_stream_with_something_behind_it_is_none(rest: bytes) -> None:
    """Less than a message at the end, or headers that reach into the checksum: searched as bytes, no crash."""
    assert redact_frames(message(b"", b"{}") + rest, str.upper) is None
    assert redact_frames(message(b"", b"abc", headers_length=5), str.upper) is None
    assert redact_frames(message(b"", b"abc", headers_length=3), str.upper) == message(
        b"", b"abc", headers_length=3
    )


def test_a_chunk_that_is_no_base64_is_searched_as_it_is() -> None:
    """One wrong chunk does not hide the others, and stays as it was."""
    wrong = message(b"", b'{"bytes":"A"}')
    key = message(b"", json.dumps({"text": KEY}).encode())
    assert got(wrong + key, FRAMES) == wrong + message(b"", json.dumps({"text": MARK}).encode())


def test_delta_glued_to_a_placeholder_is_no_secret() -> None:
    """What follows a placeholder in the next delta is left as it is when a recording is looked at again."""
    text = '{"b": "{\\"api_key\\": \\"[redacted:api-key]", "n": 17}\n{"b": "{\\"api_key\\": \\"[redacted:api-key]\\"}"}\n'
    response = Response(200, "OK", (("content-type", "text/plain"),), text.encode())
    assert Redactor().response(response).body == text.encode()


def test_long_remainder_behind_a_placeholder_is_a_secret() -> None:
    """A placeholder does not shield what is glued to it and looks like a credential itself."""
    text = '{"api_key": "[redacted:api-key]Zq7Rm2Xw9Lk4Zq7R"}'
    response = Response(200, "OK", (("content-type", "application/json"),), text.encode())
    assert b"Zq7Rm2" not in Redactor().response(response).body
