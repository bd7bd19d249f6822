"""The prompt of a request, whatever provider it goes to."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from pytest_f3dx._llm._blocks import Attachment, ToolUse
from pytest_f3dx._llm._prompt import Message, Prompt, Tool, read_prompt

PNG = b"\x89PNG\r\n\x1a\n\xfb\xff"
B64 = base64.b64encode(PNG).decode()
PICTURE = Attachment("image/png", len(PNG), blake3(PNG).hexdigest())
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
OPENAI = "https://api.openai.com/v1"
BEDROCK = "https://bedrock-runtime.us-east-1.amazonaws.com/model"
GEMINI = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash"


def read(uri: str, **body: Any) -> Prompt:
    """Read a prompt that must be one."""
    prompt = read_prompt(json.dumps(body).encode(), uri)
    assert prompt is not None
    return prompt


CALL = ToolUse("weather", {"city": "Oslo"})
TALK = (
    Message("messages[0]", "user", "What is this?", attachments=(PICTURE,)),
    Message("messages[1]", "assistant", calls=(CALL,)),
    Message("messages[2]", "tool", "4 °C"),
)


def renamed(field: str) -> tuple[Message, ...]:
    """Return the talk as it stands under another field."""
    return tuple(
        Message(
            m.place.replace("messages", field), m.role, m.text, m.reasoning, m.attachments, m.calls, m.name
        )
        for m in TALK
    )


def test_openai_chat() -> None:
    """A chat with a system prompt, a picture, a tool call and its result."""
    prompt = read(
        f"{OPENAI}/chat/completions",
        model="gpt-4o-mini",
        temperature=0,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{B64}"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city":"Oslo"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "4 °C"},
        ],
        tools=[
            {"type": "function", "function": {"name": "weather", "description": "Ask.", "parameters": SCHEMA}}
        ],
    )
    tools = (Tool("weather", "Ask.", {"parameters": SCHEMA}),)
    assert prompt == Prompt("chat", "gpt-4o-mini", TALK, tools, (("temperature", 0),))
    assert prompt.messages[0].attachments[0].data == PNG


def test_openai_responses() -> None:
    """Instructions, items and reasoning of the responses API."""
    prompt = read(
        f"{OPENAI}/responses",
        model="o4-mini",
        instructions="Be brief.",
        input=[
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "What is this?"},
                    {"type": "input_image", "image_url": f"data:image/png;base64,{B64}"},
                ],
            },
            {"type": "function_call", "call_id": "c", "name": "weather", "arguments": '{"city":"Oslo"}'},
            {"type": "function_call_output", "call_id": "c", "output": "4 °C"},
            {
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": "Hm."}],
                "encrypted_content": "x",
            },
            {"type": "reasoning", "summary": [], "encrypted_content": "x"},
            {"type": "item_reference", "id": "i"},
        ],
        tools=[{"type": "function", "name": "weather", "parameters": SCHEMA}, {"type": "web_search"}],
    )
    assert prompt.messages == (
        Message("instructions", "system", "Be brief."),
        *renamed("input"),
        Message("input[3]", "assistant", reasoning="Hm."),
        Message("input[4]", "assistant", reasoning="(encrypted)"),
        Message("input[5]", "user", '{"type": "item_reference", "id": "i"}'),
    )
    assert prompt.tools == (Tool("weather", "", {"parameters": SCHEMA}), Tool("web_search", "", {}))
    assert read(f"{OPENAI}/responses", model="m", input="Hi").messages == (Message("input", "user", "Hi"),)


def test_anthropic() -> None:
    """Blocks of Anthropic, also sent through Bedrock and Vertex."""
    body: dict[str, Any] = {
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "max_tokens": 10,
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": B64}},
                ],
            },
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t", "name": "weather", "input": {"city": "Oslo"}}],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "4 °C"}]}
                ],
            },
        ],
        "tools": [{"name": "weather", "description": "Ask.", "input_schema": SCHEMA}],
    }
    prompt = read("https://api.anthropic.com/v1/messages", model="claude-sonnet-4", **body)
    tools = (Tool("weather", "Ask.", {"input_schema": SCHEMA}),)
    messages = (Message("system", "system", "Be brief."), *TALK)
    assert prompt == Prompt("anthropic", "claude-sonnet-4", messages, tools, (("max_tokens", 10),))
    other = read(f"{BEDROCK}/anthropic.claude-3-v1%3A0/invoke", **body)
    assert (other.messages, other.model) == (messages, "anthropic.claude-3-v1:0")


def test_anthropic_reasoning_and_documents() -> None:
    """Thinking stands apart from what is said; a document is a payload, by text, link or file."""
    turn = {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Hm."},
            {"type": "redacted_thinking", "data": "x"},
            {"type": "text", "text": "Yes."},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a,b"}},
            {"type": "document", "source": {"type": "url", "url": "https://x.example/a.pdf"}},
            {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
        ],
    }
    (message,) = read("https://api.anthropic.com/v1/messages", model="m", messages=[turn]).messages
    assert (message.reasoning, message.text) == ("Hm.\n\n(encrypted)", "Yes.")
    text, link, file = message.attachments
    assert (text.data, text.media) == (b"a,b", "text/plain")
    assert (link.url, file.url) == ("https://x.example/a.pdf", "file_1")


def test_gemini() -> None:
    """Parts of Gemini; the model stands in the path."""
    prompt = read(
        f"{GEMINI}:streamGenerateContent?alt=sse",
        systemInstruction={"parts": [{"text": "Be brief."}]},
        contents=[
            {
                "role": "user",
                "parts": [{"text": "What is this?"}, {"inlineData": {"mimeType": "image/png", "data": B64}}],
            },
            {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {"city": "Oslo"}}}]},
            {
                "role": "user",
                "parts": [{"functionResponse": {"name": "weather", "response": {"result": "4 °C"}}}],
            },
            {
                "role": "model",
                "parts": [{"text": "Hm.", "thought": True}, {"fileData": {"fileUri": "gs://a/b"}}],
            },
        ],
        tools=[{"functionDeclarations": [{"name": "weather", "parameters": SCHEMA}]}, {"googleSearch": {}}],
        toolConfig={"functionCallingConfig": {"mode": "ANY"}},
    )
    assert prompt.api == "gemini"
    assert prompt.model == "gemini-2.5-flash"
    system, asked, call, result, thought = prompt.messages
    assert (system, asked, call) == (
        Message("systemInstruction", "system", "Be brief."),
        *renamed("contents")[:2],
    )
    assert result == Message("contents[2]", "tool", "4 °C", name="weather")
    assert thought.reasoning == "Hm."
    assert thought.attachments == (Attachment("", url="gs://a/b"),)
    assert [tool.name for tool in prompt.tools] == ["weather", "googleSearch"]
    assert prompt.parameters == (("toolConfig", {"functionCallingConfig": {"mode": "ANY"}}),)


def test_bedrock_converse() -> None:
    """Blocks of Bedrock, which name no type."""
    prompt = read(
        f"{BEDROCK}/us.amazon.nova-2-lite-v1%3A0/converse-stream",
        system=[{"text": "Be brief."}],
        messages=[
            {
                "role": "user",
                "content": [
                    {"text": "What is this?"},
                    {"image": {"format": "png", "source": {"bytes": B64}}},
                ],
            },
            {
                "role": "assistant",
                "content": [{"toolUse": {"toolUseId": "t", "name": "weather", "input": {"city": "Oslo"}}}],
            },
            {"role": "user", "content": [{"toolResult": {"toolUseId": "t", "content": [{"json": "4 °C"}]}}]},
            {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "Hm."}}},
                    {"guardContent": {"text": {"text": "No."}}},
                ],
            },
        ],
        toolConfig={
            "tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}],
            "toolChoice": {"auto": {}},
        },
    )
    assert (prompt.api, prompt.model) == ("bedrock", "us.amazon.nova-2-lite-v1:0")
    thought = Message("messages[3]", "assistant", "No.", "Hm.")
    assert prompt.messages == (Message("system", "system", "Be brief."), *TALK, thought)
    assert prompt.tools == (Tool("weather", "", {"inputSchema": {"json": SCHEMA}}),)
    assert prompt.parameters == (("toolConfig", {"toolChoice": {"auto": {}}}),)


def test_ollama() -> None:
    """Ollama's chat and generate, pictures beside the text."""
    chat = read(
        "http://127.0.0.1:11434/api/chat",
        model="gemma3",
        messages=[
            {"role": "user", "content": "What is this?", "images": [B64]},
            {
                "role": "assistant",
                "content": "",
                "thinking": "Hm.",
                "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Oslo"}}}],
            },
        ],
    )
    assert chat.messages[0] == Message(
        "messages[0]", "user", "What is this?", attachments=(Attachment("", len(PNG), PICTURE.digest),)
    )
    assert chat.messages[1] == Message("messages[1]", "assistant", reasoning="Hm.", calls=(CALL,))
    one = read(
        "http://127.0.0.1:11434/api/generate", model="gemma3", prompt="Hi", system="Be brief.", images=[B64]
    )
    assert [message.text for message in one.messages] == ["Be brief.", "Hi"]
    assert [len(message.attachments) for message in one.messages] == [0, 1]
    assert one.parameters == ()


@pytest.mark.parametrize(
    ("uri", "body", "texts"),
    [
        (f"{OPENAI}/completions", {"model": "m", "prompt": ["a", "b"], "suffix": "c"}, ["a", "b", "c"]),
        (f"{OPENAI}/completions", {"model": "m", "prompt": [1, 2]}, ["[1, 2]"]),
        (f"{OPENAI}/embeddings", {"model": "m", "input": "a"}, ["a"]),
        ("https://api.cohere.com/v2/embed", {"model": "m", "texts": ["a", "b"]}, ["a", "b"]),
        (f"{GEMINI}:embedContent", {"content": {"parts": [{"text": "a"}]}}, ["a"]),
        (f"{GEMINI}:batchEmbedContents", {"requests": [{"content": {"parts": [{"text": "a"}]}}]}, ["a"]),
        ("https://api.writer.com/v1/chat", {"model": "m", "messages": [{"role": "user", "content": "a"}]}, ["a"]),
        ("https://x.example/ask", {"model": "m", "messages": ["a", {"role": "user", "content": [3, None]}]}, ["a", "3"]),
    ],
)  # fmt: skip
def test_texts(uri: str, body: dict[str, Any], texts: list[str]) -> None:
    """Completions, embeddings, and what only looks like a chat."""
    assert [message.text for message in read(uri, **body).messages] == texts


def test_other_blocks() -> None:
    """Recordings and files are payloads; a refusal is text; a block of no known kind is its JSON."""
    content = [
        {"type": "input_audio", "input_audio": {"data": B64, "format": "wav"}},
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{B64}", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "input_file", "file_url": "https://x.example/a.pdf"},
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:text/plain,a%20b"}},
        {"type": "refusal", "refusal": "No."},
        {"type": "mystery", "x": 1},
    ]
    turn = {
        "role": "function",
        "name": "n",
        "content": content,
        "refusal": "Never.",
        "reasoning_content": "Hm.",
    }
    call = {"role": "assistant", "function_call": {"name": "f", "arguments": "no json"}}
    one, two = read(f"{OPENAI}/chat/completions", model="m", messages=[turn, call]).messages
    assert [a.media for a in one.attachments] == ["audio/wav", "application/pdf", "", "", "", "text/plain"]
    assert [a.url for a in one.attachments][2:5] == [
        "file-1",
        "https://x.example/a.pdf",
        "https://x.example/a.png",
    ]
    assert (one.role, one.name, one.reasoning) == ("tool", "n", "Hm.")
    assert one.text == 'No.\n\n{"type": "mystery", "x": 1}\n\nNever.'
    assert two.calls == (ToolUse("f", "no json"),)


def test_a_blob_that_is_no_base64_is_named_as_it_is() -> None:
    """A payload that cannot be decoded, such as a redacted one, keeps its text."""
    block = {"type": "image_url", "image_url": "[redacted:image]"}
    (message,) = read(
        f"{OPENAI}/chat/completions", model="m", messages=[{"role": "user", "content": [block]}]
    ).messages
    assert message.attachments == (Attachment("", url="[redacted:image]"),)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"a":1}', b'{"messages":1}', b"\xff", b"[" * 100_000])
def test_what_is_no_prompt(body: bytes) -> None:
    """Anything else is no prompt, and no error."""
    assert read_prompt(body, "https://x.example/v1/things") is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["type", "text", "content", "role", "source", "image", "tool_calls", "function", "parts",
                         "name", "input", "data", "toolResult", "functionResponse", "response", "file", "thinking",
                         "reasoningContent", "guardContent", "image_url", "summary", "format", "bytes", "url"]),
        inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(JSON, JSON, st.sampled_from(["chat/completions", "responses", "messages", "a:generateContent", "converse",
                                    "api/chat", "api/generate", "embeddings", "completions"]))  # fmt: skip
def test_total(content: object, tools: object, path: str) -> None:
    """Whatever stands where a provider's fields should be, reading raises nothing."""
    fields = ("messages", "input", "contents", "prompt", "system", "instructions", "systemInstruction")
    body = {**dict.fromkeys(fields, content), "tools": tools, "toolConfig": tools}
    read_prompt(json.dumps(body).encode(), f"https://x.example/{path}")
    body["messages"] = body["input"] = body["contents"] = [
        {"role": content, "content": content, "parts": content}
    ]
    read_prompt(json.dumps(body).encode(), f"https://x.example/{path}")
