"""Answers of Bedrock's Converse and ConverseStream."""

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
    "messageStart",
    "contentBlockStart",
    "contentBlockDelta",
    "contentBlockStop",
    "messageStop",
    "metadata",
}


def _is_message(value: Json) -> bool:
    return isinstance(mapping(value.get("output")).get("message"), dict)


def _is_event(event: Json) -> bool:
    return text(event.get("type")) in _EVENTS


def join(events: list[Json]) -> Json:
    """Put the events of a stream together to the answer that Converse gives."""
    whole: Json = {}
    role: object = "assistant"
    blocks: dict[int, Json] = {}
    for event in events:
        kind, number = text(event.get("type")), position(event.get("contentBlockIndex"))
        if kind == "messageStart":
            role = event.get("role")
        elif kind == "contentBlockStart":
            blocks[number] = {
                name: dict(mapping(value)) for name, value in mapping(event.get("start")).items()
            }
        elif kind == "contentBlockDelta":
            _continue(blocks.setdefault(number, {}), mapping(event.get("delta")))
        elif kind in ("messageStop", "metadata"):
            whole.update((name, value) for name, value in event.items() if name != "type")
        elif kind.endswith("Exception"):
            whole["error"] = event
    content = [_finished(blocks[number]) for number in sorted(blocks)]
    return {"output": {"message": {"role": role, "content": content}}, **whole}


def _continue(block: Json, delta: Json) -> None:
    for name, value in delta.items():
        if isinstance(value, str):
            block[name] = text(block.get(name)) + value
        elif isinstance(value, dict):
            _continue(block.setdefault(name, {}), value)


def _finished(block: Json) -> Json:
    """Give a block the shape of Converse: arguments as a value, reasoning one level deeper."""
    use = block.get("toolUse")
    if isinstance(use, dict):
        return {**block, "toolUse": {**use, "input": parsed(text(use.get("input")))}}
    if isinstance(block.get("reasoningContent"), dict):
        return {**block, "reasoningContent": {"reasoningText": block["reasoningContent"]}}
    return block


def _read(value: Json) -> Answer:
    blocks = mappings(mapping(mapping(value.get("output")).get("message")).get("content"))
    choice = Choice(
        "".join(text(block.get("text")) for block in blocks),
        "".join(_thought(block) for block in blocks),
        tuple(_call(block["toolUse"]) for block in blocks if isinstance(block.get("toolUse"), dict)),
        text(value.get("stopReason")),
    )
    error = text(mapping(value.get("error")).get("message"))
    return Answer("bedrock", "", (choice,), _usage(mapping(value.get("usage"))), value, error=error)


def _thought(block: Json) -> str:
    return text(mapping(mapping(block.get("reasoningContent")).get("reasoningText")).get("text"))


def _call(use: Json) -> ToolCall:
    return ToolCall(text(use.get("toolUseId")), text(use.get("name")), as_json(use.get("input", {})))


def _usage(usage: Json) -> Usage | None:
    """Count the whole input: this API does not count what came from a cache or went into it."""
    if not usage:
        return None
    read, written = usage.get("cacheReadInputTokens"), usage.get("cacheWriteInputTokens")
    return Usage(
        total((usage.get("inputTokens"), read, written)),
        count(usage.get("outputTokens")),
        count(read),
        count(written),
    )


CONVERSE = Dialect("bedrock", _is_message, _is_event, join, _read)
