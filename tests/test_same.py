"""Whether a re-recording says the same as the old recording."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pytest_f3dx._model import Cassette, Interaction, Request, Response
from pytest_f3dx._same import same_recording

URL = "https://api.test/v1/chat/completions"


def turn(
    key: str, sent: Any, got: Any, *, url: str = URL, headers: tuple[tuple[str, str], ...] = ()
) -> Interaction:
    """Make an interaction of a JSON request and answer; text is taken as it is."""
    request, answer = (value if isinstance(value, str) else json.dumps(value) for value in (sent, got))
    response = Response(200, "OK", headers, answer.encode(), "2026-11-23T18:40:01Z", len(key))
    return Interaction(key, Request("POST", url, (), request.encode()), [response])


def tape(*turns: Interaction, test: str = "t.py::t") -> Cassette:
    """Make a cassette of interactions."""
    return Cassette(test, {one.fingerprint: one for one in turns})


def tool_loop(call_id: str, made: int, answer: str = "It is 21 °C.") -> Cassette:
    """Make a tool loop: the id of the first answer comes back in the second request."""
    asked = {"messages": [{"role": "user", "content": "Weather?"}]}
    call = {"id": call_id, "function": {"name": "weather", "arguments": json.dumps({"call_id": call_id})}}
    back = {"messages": [{"role": "tool", "tool_call_id": call_id, "content": f"for {call_id}: 21"}]}
    first = {"id": f"chatcmpl-{made}abcdef", "created": made, "tool_calls": [call]}
    second = {"id": f"chatcmpl-{made}fedcba", "created": made + 1, "content": answer}
    return tape(turn("a", asked, first), turn(f"b{made}", back, second))


def test_ids_and_clocks_do_not_count() -> None:
    """A tool loop recorded anew is the same though its ids, clocks and timings differ."""
    assert same_recording(tool_loop("call_a1b2c3d4", 1700000001), tool_loop("call_z9y8x7w6", 1700000999))


def test_changed_answer_counts() -> None:
    """One changed word in one answer makes the recordings differ."""
    old, new = tool_loop("call_a1b2c3d4", 1700000001), tool_loop("call_z9y8x7w6", 1700000999, "It is 22 °C.")
    assert not same_recording(old, new)


def test_renaming_is_consistent() -> None:
    """An id that comes back under another name than it was learned by is a difference."""

    def pair(first: str, second: str) -> Cassette:
        return tape(turn("a", {}, {"id": first}), turn("b", {"tool_call_id": second}, {}))

    assert same_recording(pair("call_aaaa1111", "call_aaaa1111"), pair("call_bbbb2222", "call_bbbb2222"))
    assert not same_recording(pair("call_aaaa1111", "call_aaaa1111"), pair("call_bbbb2222", "call_cccc3333"))
    assert not same_recording(pair("call_aaaa1111", "call_dddd4444"), pair("call_bbbb2222", "call_bbbb2222"))


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ({"content": "86753091"}, {"content": "86753092"}, False),
        ({"n": 1}, {"n": 1.0}, False),
        ({"n": 1}, {"n": True}, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, False),
        ({"a": [1, 2]}, {"a": [1]}, False),
        ({"created": 1}, {"created": 2}, True),
        ({"created": [1]}, {"created": [2]}, False),
        ({"total_duration": 5}, {"total_duration": 6}, True),
        ({"id": "short"}, {"id": "other"}, False),
        ({"id": "chatcmpl-12345678"}, {"id": "resp_12345678x"}, False),
        ({"ids": ["file-abc12345"]}, {"ids": ["file-xyz98765"]}, True),
        ({"arguments": '{"created": 1}'}, {"arguments": '{"created": 2}'}, True),
        ({"arguments": '{"x": 1'}, {"arguments": '{"x": 2'}, False),
        (
            'data: {"id": "chatcmpl-aaaa1111", "created": 1}\n\ndata: [DONE]\n\n',
            'data: {"id": "chatcmpl-bbbb2222", "created": 2}\n\ndata: [DONE]\n\n',
            True,
        ),
        ("data: one\n\n", "data: two\n\n", False),
        ("plain", "plainer", False),
    ],
)
def test_what_counts(old: Any, new: Any, wanted: bool) -> None:
    """Ids where a field says so and clocks do not count; all else does, types included."""
    assert same_recording(tape(turn("a", {}, old)), tape(turn("a", {}, new))) is wanted


def test_binary_answers_are_compared_by_their_bytes() -> None:
    """A body that is no text is the same only if its bytes are."""
    old, new = tape(turn("a", {}, {})), tape(turn("a", {}, {}))
    old.interactions["a"].responses[0] = replace(old.interactions["a"].responses[0], body=b"\xff\x00")
    new.interactions["a"].responses[0] = replace(new.interactions["a"].responses[0], body=b"\xff\x01")
    assert not same_recording(old, new)


def test_header_count_and_request_count() -> None:
    """Another test, another number of requests, another header value or URL: all differ."""
    one = turn("a", {}, {})
    assert not same_recording(tape(one), tape(one, test="other"))
    assert not same_recording(tape(one), tape(one, turn("b", {}, {})))
    assert not same_recording(tape(one), tape(turn("a", {}, {}, headers=(("x", "1"),))))
    assert not same_recording(tape(one), tape(turn("a", {}, {}, url="https://api.test/other")))
    old, new = (tape(turn("a", {}, {}, headers=(("x-request-id", f"req_{n}abcdefgh"),))) for n in (1, 2))
    assert same_recording(old, new)
