"""Answers of every API, whole and streamed, read as what the model said."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_f3dx._content import decoded
from pytest_f3dx._foreign import load
from pytest_f3dx._llm._answer import DIALECTS, assemble, of_value
from pytest_f3dx._llm._events import events
from pytest_f3dx._llm._model import Answer, Choice, ToolCall, Usage
from pytest_f3dx._model import header
from pytest_f3dx.errors import F3dxError

CORPUS = next(  # beside the repository, or beside the directory of its work trees
    (up / "shared" / "corpus" for up in Path(__file__).parents if (up / "shared" / "corpus").is_dir()), None
)
Json = dict[str, Any]


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


def sse(*data: object, end: str = "data: [DONE]\n\n") -> bytes:
    return "".join([*(f"data: {json.dumps(each)}\n\n" for each in data), end]).encode()


def named(*data: Json) -> bytes:
    return "".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in data).encode()


def ndjson(*data: object) -> bytes:
    return "".join(f"{json.dumps(each)}\n" for each in data).encode()


def frame(event: str, payload: object, name: bytes = b":event-type") -> bytes:
    """Build a frame of an AWS event stream, with zeros for its checksums."""
    header_block = bytes([len(name)]) + name + b"\x07" + len(event).to_bytes(2) + event.encode()
    body = as_json(payload)
    size = 12 + len(header_block) + len(body) + 4
    return size.to_bytes(4) + len(header_block).to_bytes(4) + bytes(4) + header_block + body + bytes(4)


def read(body: bytes, uri: str = "") -> Answer:
    answer = assemble(body, "", uri)
    assert answer is not None
    return answer


# -- a stream means the same as the answer without streaming ----------------------------------------

CHAT: Json = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 5,
    "model": "gpt-4o-mini",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "add", "arguments": '{"a": 1}'},
                    },
                    {"id": "call_2", "type": "function", "function": {"name": "sub", "arguments": "{}"}},
                ],
            },
            "logprobs": None,
            "finish_reason": "tool_calls",
        },
        {
            "index": 1,
            "message": {"role": "assistant", "content": "Héllo there", "reasoning_content": "Well."},
            "logprobs": {"content": [{"token": "H"}, {"token": "é"}]},
            "finish_reason": "stop",
        },
    ],
    "usage": {
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "prompt_tokens_details": {"cached_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 1},
    },
}


def chunk(index: int, delta: Json, **more: object) -> Json:
    choice = {"index": index, "delta": delta, "finish_reason": None, **more}
    return {**CHAT, "object": "chat.completion.chunk", "choices": [choice], "usage": None}


def call(index: int, **function: str) -> Json:
    return {"tool_calls": [{"index": index, "function": function}]}


CHAT_STREAM = sse(
    chunk(0, {"role": "assistant", "content": None}, logprobs=None),
    chunk(1, {"role": "assistant", "content": "", "reasoning_content": "We"}),
    chunk(
        0,
        {
            "tool_calls": [
                {"index": 0, "id": "call_1", "type": "function", "function": {"name": "add", "arguments": ""}}
            ]
        },
    ),
    chunk(0, call(0, arguments='{"a":')),
    chunk(1, {"content": "Héllo", "reasoning_content": "ll."}, logprobs={"content": [{"token": "H"}]}),
    chunk(0, {"role": "assistant", **call(0, arguments=" 1}", name="add")}),
    chunk(
        0,
        {
            "tool_calls": [
                {
                    "index": 1,
                    "id": "call_2",
                    "type": "function",
                    "function": {"name": "sub", "arguments": "{}"},
                }
            ]
        },
    ),
    chunk(1, {"content": " there"}, logprobs={"content": [{"token": "é"}]}),
    chunk(0, {}, finish_reason="tool_calls"),
    chunk(1, {}, finish_reason="stop"),
    {**CHAT, "object": "chat.completion.chunk", "choices": []},
)

COMPLETION: Json = {
    "object": "text_completion",
    "model": "davinci",
    "choices": [{"index": 0, "text": "once upon", "finish_reason": "length"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2},
}
COMPLETION_STREAM = sse(
    {**COMPLETION, "choices": [{"index": 0, "text": "once", "finish_reason": None}], "usage": None},
    {**COMPLETION, "choices": [{"index": 0, "text": " upon", "finish_reason": "length"}]},
)

RESPONSE: Json = {
    "id": "resp_1",
    "object": "response",
    "status": "incomplete",
    "incomplete_details": {"reason": "max_output_tokens"},
    "model": "o4-mini",
    "output": [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Think."}]},
        {
            "type": "message",
            "content": [{"type": "output_text", "text": "Hi"}, {"type": "refusal", "refusal": "No."}],
        },
        {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"a":1}'},
        {"type": "custom_tool_call", "id": "c2", "name": "sh", "input": "ls"},
    ],
    "usage": {
        "input_tokens": 7,
        "output_tokens": 5,
        "input_tokens_details": {"cached_tokens": 1},
        "output_tokens_details": {"reasoning_tokens": 3},
    },
}
RESPONSE_STREAM = named(
    {"type": "response.created", "response": {**RESPONSE, "status": "in_progress", "output": []}},
    {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "Hi"},
    {"type": "response.incomplete", "response": RESPONSE},
)

MESSAGE: Json = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [
        {"type": "thinking", "thinking": "Hm, so.", "signature": "s1s2"},
        {"type": "text", "text": "Let me see.", "citations": [{"n": 1}, {"n": 2}]},
        {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1}},
        {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 10,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 2,
        "output_tokens": 20,
    },
}


def block(index: int, **start: object) -> Json:
    return {"type": "content_block_start", "index": index, "content_block": start}


def delta(index: int, kind: str, **more: object) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **more}}


MESSAGE_EVENTS: tuple[Json, ...] = (
    {
        "type": "message_start",
        "message": {
            **MESSAGE,
            "content": [],
            "stop_reason": None,
            "usage": {**MESSAGE["usage"], "output_tokens": 1},
        },
    },
    block(0, type="thinking", thinking="", signature=""),
    {"type": "ping"},
    delta(0, "thinking_delta", thinking="Hm,"),
    delta(0, "thinking_delta", thinking=" so."),
    delta(0, "signature_delta", signature="s1"),
    delta(0, "signature_delta", signature="s2"),
    block(1, type="text", text=""),
    delta(1, "text_delta", text="Let me"),
    delta(1, "citations_delta", citation={"n": 1}),
    delta(1, "citations_delta", citation={"n": 2}),
    delta(1, "text_delta", text=" see."),
    delta(1, "some_later_delta", text="?"),
    {"type": "content_block_stop", "index": 1},
    block(2, type="tool_use", id="toolu_1", name="add", input={}),
    delta(2, "input_json_delta", partial_json=""),
    delta(2, "input_json_delta", partial_json='{"a":'),
    delta(2, "input_json_delta", partial_json=" 1}"),
    block(3, type="tool_use", id="toolu_2", name="now", input={}),
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 20, "input_tokens": None},
    },
    {"type": "message_stop"},
)

GEMINI: Json = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [
                    {"text": "Hm. ", "thought": True},
                    {"text": "The answer", "thoughtSignature": "x"},
                    {"functionCall": {"name": "add", "args": {"a": 1}}},
                ],
            },
            "finishReason": "STOP",
            "index": 0,
        }
    ],
    "usageMetadata": {
        "promptTokenCount": 11,
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 2,
        "cachedContentTokenCount": 4,
    },
    "modelVersion": "gemini-2.5-flash",
}


def candidate(*parts: Json, **more: object) -> Json:
    content = {"content": {"role": "model", "parts": list(parts)}} if parts else {}
    return {"candidates": [{**content, "index": 0, **more}], "modelVersion": "gemini-2.5-flash"}


GEMINI_CHUNKS: tuple[Json, ...] = (
    candidate({"text": "Hm. ", "thought": True}),
    candidate({"text": "The"}),
    candidate({"text": " answer", "thoughtSignature": "x"}),
    candidate({"functionCall": {"name": "add", "args": {"a": 1}}}),
    {**candidate(finishReason="STOP"), "usageMetadata": GEMINI["usageMetadata"]},
)

OLLAMA_CHAT: Json = {
    "model": "gemma3",
    "message": {
        "role": "assistant",
        "content": "Hi you",
        "thinking": "Hm.",
        "tool_calls": [{"function": {"name": "add", "arguments": {"a": 1}}}],
    },
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 3,
    "eval_count": 2,
}
OLLAMA_STREAM = ndjson(
    {"model": "gemma3", "message": {"role": "assistant", "content": "", "thinking": "Hm."}, "done": False},
    {"model": "gemma3", "message": {"role": "assistant", "content": "Hi"}, "done": False},
    {
        "model": "gemma3",
        "message": {
            "role": "assistant",
            "content": " you",
            "tool_calls": [{"function": {"name": "add", "arguments": {"a": 1}}}],
        },
        "done": False,
    },
    {**OLLAMA_CHAT, "message": {"role": "assistant", "content": ""}},
)
OLLAMA_GENERATE: Json = {"model": "gemma3", "response": "Okay then", "done": True, "done_reason": "length"}
OLLAMA_GENERATE_STREAM = ndjson(
    {"model": "gemma3", "response": "Okay", "done": False},
    {"model": "gemma3", "response": " then", "done": True, "done_reason": "length"},
)

CONVERSE: Json = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "Hm, so", "signature": "s"}}},
                {"text": "Hello you"},
                {"toolUse": {"toolUseId": "t1", "name": "add", "input": {"a": 1}}},
            ],
        }
    },
    "stopReason": "tool_use",
    "usage": {"inputTokens": 6, "outputTokens": 4, "cacheReadInputTokens": 1, "cacheWriteInputTokens": 2},
    "metrics": {"latencyMs": 500},
}


def piece(index: int, **more: object) -> bytes:
    return frame("contentBlockDelta", {"contentBlockIndex": index, "delta": more, "p": "abcd"})


CONVERSE_STREAM = b"".join(
    (
        frame("messageStart", {"role": "assistant"}),
        piece(0, reasoningContent={"text": "Hm,"}),
        piece(0, reasoningContent={"text": " so"}),
        piece(0, reasoningContent={"signature": "s"}),
        frame("contentBlockStop", {"contentBlockIndex": 0}),
        piece(1, text="Hello"),
        piece(1, text=" you"),
        frame(
            "contentBlockStart",
            {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "t1", "name": "add"}}},
        ),
        piece(2, toolUse={"input": '{"a":'}),
        piece(2, toolUse={"input": "1}"}),
        frame("messageStop", {"stopReason": "tool_use"}),
        frame("metadata", {"usage": CONVERSE["usage"], "metrics": CONVERSE["metrics"]}),
    )
)
INVOKE_STREAM = b"".join(
    frame("chunk", {"bytes": base64.b64encode(as_json(event)).decode()}) for event in MESSAGE_EVENTS
)

ADD = ToolCall("", "add", '{"a":1}')
PAIRS: dict[str, tuple[Json, bytes, Answer]] = {
    "chat": (
        CHAT,
        CHAT_STREAM,
        Answer(
            "openai-chat",
            "gpt-4o-mini",
            (
                Choice(
                    tool_calls=(ToolCall("call_1", "add", '{"a": 1}'), ToolCall("call_2", "sub", "{}")),
                    finish="tool_calls",
                ),
                Choice("Héllo there", "Well.", finish="stop"),
            ),
            Usage(9, 4, 2, None, 1),
            CHAT,
        ),
    ),
    "completions": (
        COMPLETION,
        COMPLETION_STREAM,
        Answer(
            "openai-completions", "davinci", (Choice("once upon", finish="length"),), Usage(1, 2), COMPLETION
        ),
    ),
    "responses": (
        RESPONSE,
        RESPONSE_STREAM,
        Answer(
            "openai-responses",
            "o4-mini",
            (
                Choice(
                    "Hi",
                    "Think.",
                    (ToolCall("c1", "add", '{"a":1}'), ToolCall("c2", "sh", "ls")),
                    "max_output_tokens",
                    "No.",
                ),
            ),
            Usage(7, 5, 1, None, 3),
            RESPONSE,
        ),
    ),
    "messages": (
        MESSAGE,
        named(*MESSAGE_EVENTS),
        Answer(
            "anthropic",
            "claude",
            (
                Choice(
                    "Let me see.",
                    "Hm, so.",
                    (ToolCall("toolu_1", "add", '{"a":1}'), ToolCall("toolu_2", "now", "{}")),
                    "tool_use",
                ),
            ),
            Usage(15, 20, 3, 2),
            MESSAGE,
        ),
    ),
    "gemini": (
        GEMINI,
        sse(*GEMINI_CHUNKS, end=""),
        Answer(
            "gemini",
            "gemini-2.5-flash",
            (Choice("The answer", "Hm. ", (ADD,), "STOP"),),
            Usage(11, 7, 4, None, 2),
            GEMINI,
        ),
    ),
    "ollama chat": (
        OLLAMA_CHAT,
        OLLAMA_STREAM,
        Answer("ollama", "gemma3", (Choice("Hi you", "Hm.", (ADD,), "stop"),), Usage(3, 2), OLLAMA_CHAT),
    ),
    "ollama generate": (
        OLLAMA_GENERATE,
        OLLAMA_GENERATE_STREAM,
        Answer("ollama", "gemma3", (Choice("Okay then", finish="length"),), None, OLLAMA_GENERATE),
    ),
    "converse": (
        CONVERSE,
        CONVERSE_STREAM,
        Answer(
            "bedrock",
            "",
            (Choice("Hello you", "Hm, so", (ToolCall("t1", "add", '{"a":1}'),), "tool_use"),),
            Usage(9, 4, 1, 2),
            CONVERSE,
        ),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_answer_is_read(name: str) -> None:
    """Text, reasoning, tool calls, finish reason and usage of every API are found."""
    value, _, wanted = PAIRS[name]
    assert read(as_json(value)) == wanted


@pytest.mark.parametrize("name", PAIRS)
def test_stream_is_the_answer_it_carries(name: str) -> None:
    """The events of a stream put together are the answer that the API gives without streaming."""
    value, stream, wanted = PAIRS[name]
    answer = read(stream)
    assert answer.value == value
    assert (answer.choices, answer.usage, answer.is_stream) == (wanted.choices, wanted.usage, True)


@pytest.mark.parametrize("body", [as_json(list(GEMINI_CHUNKS)), b"\n" + as_json(list(GEMINI_CHUNKS))])
def test_gemini_streams_an_array_too(body: bytes) -> None:
    """Without ``alt=sse`` Gemini streams its chunks as one JSON array."""
    assert read(body).value == GEMINI


def test_models_own_events_within_bedrock() -> None:
    """``InvokeModelWithResponseStream`` carries the events of the model's own API."""
    assert read(INVOKE_STREAM).value == MESSAGE


def test_shortcuts_read_the_first_choice() -> None:
    """Text, reasoning, tool calls, finish and refusal of an answer are those of its first choice."""
    answer = read(as_json(RESPONSE))
    first = answer.choices[0]
    assert (answer.text, answer.reasoning, answer.tool_calls) == (
        first.text,
        first.reasoning,
        first.tool_calls,
    )
    assert (answer.finish, answer.refusal) == (first.finish, first.refusal)


# -- dialects of the dialects ------------------------------------------------------------------------


def message(**fields: object) -> bytes:
    return as_json({"choices": [{"message": fields}]})


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (message(content=[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]), Choice("ab")),
        (
            message(
                content=[{"type": "thinking", "thinking": [{"text": "hm"}]}, {"type": "text", "text": "a"}]
            ),
            Choice("a", "hm"),
        ),
        (message(content="a", reasoning="why"), Choice("a", "why")),
        (message(content=None, refusal="I cannot."), Choice(refusal="I cannot.")),
        (
            message(function_call={"name": "f", "arguments": "{}"}),
            Choice(tool_calls=(ToolCall("", "f", "{}"),)),
        ),
        (
            message(tool_calls=[{"id": "x", "custom": {"name": "sh", "input": "ls"}}]),
            Choice(tool_calls=(ToolCall("x", "sh", "ls"),)),
        ),
        (
            message(tool_calls=[{"id": "x", "function": {"name": "f", "arguments": {"a": [1]}}}]),
            Choice(tool_calls=(ToolCall("x", "f", '{"a":[1]}'),)),
        ),
        (as_json({"choices": [{"message": {}, "finish_reason": 3}]}), Choice()),
    ],
)
def test_variants_of_chat(body: bytes, wanted: Choice) -> None:
    """Mistral's parts, OpenRouter's reasoning, refusals, functions and custom tools are read from chat answers."""
    assert read(body).first() == wanted


def test_custom_and_odd_deltas() -> None:
    """Objects, numbers and lists in deltas are merged; choices without an index are the first."""
    stream = sse(
        {
            "choices": [
                {"delta": {"audio": {"data": "ab", "expires_at": 1}, "notes": ["x"], "role": "assistant"}}
            ]
        },
        {"choices": [{"delta": {"audio": {"data": "cd", "expires_at": 2}, "notes": ["y"], "role": None}}]},
        {"choices": [{"delta": {"role": "assistant", "content": None, "notes": [{"a": "z"}]}}, 7]},
    )
    assert read(stream).value == {
        "choices": [
            {
                "message": {
                    "audio": {"data": "abcd", "expires_at": 2},
                    "notes": ["x", "y", {"a": "z"}],
                    "role": "assistant",
                    "content": None,
                }
            }
        ]
    }


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (
            {
                "object": "list",
                "data": [{"object": "embedding", "embedding": [0.1]}],
                "model": "e3",
                "usage": {"prompt_tokens": 5},
            },
            ("e3", Usage(5)),
        ),
        ({"model": "nomic", "embeddings": [[0.1]], "prompt_eval_count": 4}, ("nomic", Usage(4))),
        ({"embedding": {"values": [0.1]}}, ("", None)),
    ],
)
def test_embeddings(body: Json, wanted: tuple[str, Usage | None]) -> None:
    """Vectors are recognised, offer no message, and say their model and use."""
    answer = read(as_json(body))
    assert (answer.provider, answer.choices) == ("embeddings", ())
    assert (answer.model, answer.usage) == wanted


@pytest.mark.parametrize(
    ("uri", "wanted"),
    [
        ("https://bedrock-runtime.us-east-1.amazonaws.com/model/amazon.nova%3A0/converse", "amazon.nova:0"),
        ("https://g/v1beta/models/gemini-2.5-flash:generateContent?key=x", "gemini-2.5-flash"),
        ("https://x.azure.com/openai/deployments/mine/chat/completions", "mine"),
        ("https://api.openai.com/v1/chat", ""),
        ("", ""),
    ],
)
def test_model_of_the_address(uri: str, wanted: str) -> None:
    """Where the answer names no model the address of the request does."""
    assert read(as_json(CONVERSE), uri).model == wanted


def test_model_of_the_answer_comes_first() -> None:
    """The model that answered counts, not the one that was asked for."""
    assert read(as_json(CHAT), "https://x/deployments/mine/chat").model == "gpt-4o-mini"


# -- broken off, damaged, hostile --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "text", "error"),
    [
        (sse(chunk(0, {"content": "Hal"}), end='data: {"choices": [{"del'), "Hal", ""),
        (
            sse(chunk(0, {"content": "Hal"}), {"error": {"message": "overloaded"}}, end=""),
            "Hal",
            "overloaded",
        ),
        (named(*MESSAGE_EVENTS[:1], delta(0, "text_delta", text="Hal")), "", ""),
        (
            named(
                MESSAGE_EVENTS[0],
                block(0, type="text", text=""),
                delta(0, "text_delta", text="Hal"),
                {"type": "error", "error": {"type": "overloaded_error"}},
            ),
            "Hal",
            "overloaded_error",
        ),
        (OLLAMA_STREAM[:250], "Hi", ""),
        (ndjson({"model": "m", "response": "Hal", "done": False}, {"error": "gone"}), "Hal", "gone"),
        (CONVERSE_STREAM[:-400], "Hello you", ""),
        (
            piece(0, text="Hal") + frame("throttlingException", {"message": "slow down"}, b":exception-type"),
            "Hal",
            "slow down",
        ),
    ],
)
def test_stream_that_broke_off(body: bytes, text: str, error: str) -> None:
    """Of a stream that broke off there is what came, and the error it ended with."""
    answer = read(body)
    assert (answer.text, answer.error) == (text, error)


def test_arguments_that_broke_off_stay_text() -> None:
    """Arguments of a tool that were cut off are the text that came."""
    assert read(named(*MESSAGE_EVENTS[:17])).tool_calls == (ToolCall("toolu_1", "add", '{"a":'),)


def test_response_is_built_from_deltas_if_its_end_is_missing() -> None:
    """A responses stream without its last event is put together from its deltas."""
    stream = named(
        {"type": "response.created", "response": {"object": "response", "model": "m", "output": []}},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {"type": "reasoning", "summary": []},
        },
        {
            "type": "response.reasoning_summary_text.delta",
            "output_index": 0,
            "summary_index": 0,
            "delta": "Hm",
        },
        {
            "type": "response.reasoning_summary_text.delta",
            "output_index": 0,
            "summary_index": 7,
            "delta": "?",
        },
        {"type": "response.output_item.added", "output_index": 1, "item": {"type": "message", "content": []}},
        {
            "type": "response.content_part.added",
            "output_index": 1,
            "part": {"type": "output_text", "text": ""},
        },
        {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "He"},
        {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "llo"},
        {
            "type": "response.output_item.added",
            "output_index": 2,
            "item": {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""},
        },
        {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": '{"a"'},
        {"type": "response.output_text.delta", "output_index": 3, "content_index": 0, "delta": "lost start"},
    )
    answer = read(stream)
    assert (answer.text, answer.reasoning, answer.model) == ("Hello", "Hm", "m")
    assert answer.tool_calls == (ToolCall("c", "f", '{"a"'),)


def test_items_count_if_the_last_event_leaves_them_out() -> None:
    """Some servers send the finished response without its output, which came item by item."""
    item = {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}
    stream = named(
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {
            "type": "response.completed",
            "response": {"object": "response", "status": "completed", "output": []},
        },
    )
    assert read(stream).text == "Hi"
    assert read(stream).finish == "completed"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", ""),
        (b"plain text", "text/plain"),
        (b"\xff\xfe\x00", ""),
        (b"{", ""),
        (b"[1, 2]", ""),
        (b'{"a": 1}\n{"b": 2}', ""),
        (b"data: hello\n\n", "text/event-stream"),
        (b"data: {not json}\n\ndata: 3\n\n", "text/event-stream"),
        (as_json({"error": {"message": "no such key"}}), ""),
        (as_json({"status": "succeeded", "output": ["a", "b"]}), ""),
        (as_json({"object": "list", "data": []}), ""),
        (as_json(CHAT), "image/png"),
        (b'{"a":' + b"[" * 100_000, ""),
        (b"\0\0\0\x20" + b"\0" * 10, ""),
        (frame("messageStart", [1]), ""),
        (frame("chunk", {"bytes": "*"}), ""),
        (frame("chunk", {"bytes": "W10="}), ""),
    ],
)
def test_not_an_answer(body: bytes, content_type: str) -> None:
    """A body that is no answer of a known API is none, whatever it is instead."""
    assert assemble(body, content_type) is None


def test_lines_of_a_stream() -> None:
    """Events end with any kind of line, may have comments and several data lines, and U+2028 is no end."""
    body = (
        '\ufeff: hi\r\ndata: {"a":\rdata: "x\u2028y"}\r\rid: 7\nevent: named\ndata:{"b": 1}\n\ndata: {"c": 2}'
    )
    assert events(body.encode()) == [{"a": "x\u2028y"}, {"type": "named", "b": 1}, {"c": 2}]


def test_headers_of_a_frame_that_are_no_strings() -> None:
    """A header of another type than string ends the reading of headers, not of the stream."""
    body = as_json({"a": 1})
    odd = b"\x01x\x00" + b"\x01y\x07\x00\x01z"
    data = (16 + len(odd) + len(body)).to_bytes(4) + len(odd).to_bytes(4) + bytes(4) + odd + body + bytes(4)
    assert events(data) == [{"a": 1}]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def mutated(value: Any, data: st.DataObject) -> Any:
    """Replace some part of a JSON value by another."""
    if isinstance(value, dict) and value and data.draw(st.booleans()):
        name = data.draw(st.sampled_from(sorted(value)))
        return {**value, name: mutated(value[name], data)}
    if isinstance(value, list) and value and data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(value) - 1))
        return [*value[:at], mutated(value[at], data), *value[at + 1 :]]
    return data.draw(JSON_VALUES)


@given(st.data())
def test_odd_answers_never_raise(data: st.DataObject) -> None:
    """Whatever stands in a place of an answer or of an event, reading it does not raise."""
    value, stream, _ = PAIRS[data.draw(st.sampled_from(sorted(PAIRS)))]
    assemble(as_json(mutated(value, data)))
    pieces = events(stream)
    at = data.draw(st.integers(0, len(pieces) - 1))
    pieces[at] = mutated(pieces[at], data)
    assemble(sse(*pieces))


@given(st.binary(max_size=60), st.integers(0, 4000), st.sampled_from(sorted(PAIRS)))
def test_damaged_bytes_never_raise(junk: bytes, at: int, name: str) -> None:
    """Bytes put into a stream anywhere do not make reading it raise."""
    stream = PAIRS[name][1]
    assemble(stream[:at] + junk + stream[at:])


def test_every_dialect_is_tried() -> None:
    """Each dialect in the table has a pair above, embeddings apart, which are not streamed."""
    assert {wanted.provider for *_, wanted in PAIRS.values()} | {"embeddings"} == {d.name for d in DIALECTS}


@pytest.mark.skipif(CORPUS is None, reason="the corpus of public cassettes is not beside this checkout")
def test_real_streams() -> None:
    """Every stream of a known API in real cassettes is put together to words or tool calls, with its usage."""
    assert CORPUS
    found = []
    for file in sorted(CORPUS.rglob("*.yaml")):
        try:
            exchanges = load(file.read_bytes(), file)
        except F3dxError:
            continue
        for request, response in exchanges:
            headers, body = decoded(response.headers, response.body)
            answer = assemble(body, header(headers, "content-type") or "", request.uri)
            if answer and answer.is_stream:
                found.append(answer)
    assert len(found) >= 11
    assert {answer.provider for answer in found} >= {
        "openai-chat",
        "anthropic",
        "gemini",
        "ollama",
        "bedrock",
    }
    for answer in found:
        assert answer.model
        assert answer.text or answer.tool_calls
        assert not answer.error
        assert answer.usage
        assert answer.usage.input_tokens
        assert answer.usage.output_tokens


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"type": "message", "content": []}, None),
        ({"output": {"message": {"content": []}}}, None),
        ({"candidates": []}, None),
        ({"candidates": [], "usageMetadata": {"promptTokenCount": True}}, Usage()),
    ],
)
def test_usage_that_is_not_said(body: Json, wanted: Usage | None) -> None:
    """An answer that reports no tokens has no usage, and what is no count is not one."""
    assert read(as_json(body)).usage == wanted


def test_value_that_is_no_object() -> None:
    """A JSON value that is no object is no answer."""
    assert of_value([CHAT]) is None


def test_error_event_that_is_a_word() -> None:
    """An event may say in one word what went wrong, or not say it at all."""
    assert read(sse(chunk(0, {"content": "x"}), {"error": "gone"})).error == "gone"
    assert read(sse(chunk(0, {"content": "x"}), {"error": {}})).error == "unknown error"
    assert read(sse(chunk(0, {"content": "x"}), {"error": None})).error == ""


def test_frame_that_wraps_no_base64() -> None:
    """What a frame says to be base64 and is not leaves the frame as it is."""
    assert events(frame("chunk", {"bytes": "abc"})) == [{"bytes": "abc"}]
