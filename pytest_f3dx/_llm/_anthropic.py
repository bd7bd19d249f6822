"""Answers of Anthropic's messages API, also through Bedrock and Vertex."""

from __future__ import annotations

from pytest_f3dx._llm._model import Answer, Choice, ToolCall, Usage
from pytest_f3dx._llm._shape import (
    Dialect,
    Json,
    as_json,
    count,
    mapping,
    mappings,
    parsed,
    position,
    text,
    total,
)

_EVENTS = {
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
}
# Type of a delta -> the field of the block that it continues.
_TEXTS = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
_CALLS = ("tool_use", "server_tool_use", "mcp_tool_use")


def _is_message(value: Json) -> bool:
    return value.get("type") == "message" and isinstance(value.get("content"), list)


def _is_event(event: Json) -> bool:
    return text(event.get("type")) in _EVENTS


def join(events: list[Json]) -> Json:
    """Put the events of a stream together to the message."""
    message: Json = {"type": "message"}
    blocks: dict[int, Json] = {}
    inputs: dict[int, str] = {}
    for event in events:
        kind, number = event.get("type"), position(event.get("index"))
        if kind == "message_start":
            message = dict(mapping(event.get("message")))
        elif kind == "content_block_start":
            blocks[number] = dict(mapping(event.get("content_block")))
        elif kind == "content_block_delta":
            delta = mapping(event.get("delta"))
            inputs[number] = inputs.get(number, "") + text(delta.get("partial_json"))
            _continue(blocks.setdefault(number, {}), delta)
        elif kind == "message_delta":
            _end(message, event)
        elif kind == "error":
            message["error"] = event.get("error")
    for number, arguments in inputs.items():
        if arguments:
            blocks[number]["input"] = parsed(arguments)
    return {**message, "content": [blocks[number] for number in sorted(blocks)]}


def _continue(block: Json, delta: Json) -> None:
    kind = text(delta.get("type"))
    if kind in _TEXTS:
        field = _TEXTS[kind]
        block[field] = text(block.get(field)) + text(delta.get(field))
    elif kind == "citations_delta":
        block["citations"] = [*(block.get("citations") or []), delta.get("citation")]


def _end(message: Json, event: Json) -> None:
    """Take over what is known only at the end; counts given before stay where they are not given again."""
    message.update(mapping(event.get("delta")))
    counts = {name: value for name, value in mapping(event.get("usage")).items() if value is not None}
    message["usage"] = {**mapping(message.get("usage")), **counts}


def _read(value: Json) -> Answer:
    blocks = mappings(value.get("content"))
    choice = Choice(
        "".join(text(block.get("text")) for block in blocks if block.get("type") == "text"),
        "\n\n".join(text(block.get("thinking")) for block in blocks if block.get("type") == "thinking"),
        tuple(_call(block) for block in blocks if text(block.get("type")) in _CALLS),
        text(value.get("stop_reason")),
    )
    error = text(mapping(value.get("error")).get("message"))
    usage = _usage(mapping(value.get("usage")))
    return Answer("anthropic", text(value.get("model")), (choice,), usage, value, error=error)


def _call(block: Json) -> ToolCall:
    return ToolCall(text(block.get("id")), text(block.get("name")), as_json(block.get("input", {})))


def _usage(usage: Json) -> Usage | None:
    """Count the whole input: this API does not count what came from a cache or went into it."""
    if not usage:
        return None
    read, written = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
    return Usage(
        total((usage.get("input_tokens"), read, written)),
        count(usage.get("output_tokens")),
        count(read),
        count(written),
    )


MESSAGES = Dialect("anthropic", _is_message, _is_event, join, _read)
