"""Answers of OpenAI's responses API."""

from __future__ import annotations

from typing import Any

from pytest_f3dx._llm._model import Answer, Choice, ToolCall, Usage
from pytest_f3dx._llm._shape import (
    Dialect,
    Json,
    as_json,
    count,
    first_text,
    items,
    mapping,
    mappings,
    position,
    text,
)

_PREFIX = "response."
_FINAL = {"response.completed", "response.incomplete", "response.failed"}
_CALLS = {"function_call": "arguments", "custom_tool_call": "input", "mcp_call": "arguments"}
# Event -> the list in an item and the field of its entry that the delta continues; "" is a field of the item.
_DELTAS = {
    "response.output_text.delta": ("content", "text", "output_text"),
    "response.refusal.delta": ("content", "refusal", "refusal"),
    "response.reasoning_text.delta": ("content", "text", "reasoning_text"),
    "response.reasoning_summary_text.delta": ("summary", "text", "summary_text"),
    "response.function_call_arguments.delta": ("", "arguments", ""),
    "response.custom_tool_call_input.delta": ("", "input", ""),
    "response.mcp_call_arguments.delta": ("", "arguments", ""),
}


def _is_response(value: Json) -> bool:
    is_like_one = any("type" in item for item in mappings(value.get("output"))) and "status" in value
    return value.get("object") == "response" or is_like_one


def _is_event(event: Json) -> bool:
    return text(event.get("type")).startswith(_PREFIX)


def join(events: list[Json]) -> Json:
    """Return the response that the last event carries; of a stream that broke off, what there was of it."""
    whole: Json = {}
    output: dict[int, Json] = {}
    for event in events:
        kind = text(event.get("type"))
        if isinstance(event.get("response"), dict):
            whole = dict(event["response"])
        number = position(event.get("output_index"))
        if kind in ("response.output_item.added", "response.output_item.done"):
            output[number] = _own(mapping(event.get("item")))
        elif kind in _DELTAS:
            _continue(output.setdefault(number, {}), event, *_DELTAS[kind])
        elif kind == "error":
            whole["error"] = event
    if not items(whole.get("output")):
        whole["output"] = [output[number] for number in sorted(output)]
    return whole


def _own(item: Json) -> Json:
    """Copy an item as deep as deltas reach into it."""
    return {
        name: [dict(part) if isinstance(part, dict) else part for part in value]
        if isinstance(value, list)
        else value
        for name, value in item.items()
    }


def _continue(item: Json, event: Json, where: str, field: str, kind: str) -> None:
    target = item
    if where:
        parts: list[Any] = items(item.get(where))
        number = position(event.get("content_index", event.get("summary_index")))
        if number > len(parts):
            return
        item[where] = parts
        if number == len(parts):
            parts.append({"type": kind})
        target = mapping(parts[number])
    target[field] = text(target.get(field)) + text(event.get("delta"))


def _read(value: Json) -> Answer:
    output = mappings(value.get("output"))
    parts = [
        part for item in output if item.get("type") == "message" for part in mappings(item.get("content"))
    ]
    choice = Choice(
        "".join(text(part.get("text")) for part in parts),
        "\n\n".join(_thoughts(output)),
        tuple(_call(item) for item in output if text(item.get("type")) in _CALLS),
        _finish(value),
        "".join(text(part.get("refusal")) for part in parts),
    )
    error = text(mapping(value.get("error")).get("message"))
    return Answer(
        "openai-responses",
        text(value.get("model")),
        (choice,) if output else (),
        _usage(mapping(value.get("usage"))),
        value,
        error=error,
    )


def _thoughts(output: list[Json]) -> list[str]:
    return [
        text(part.get("text"))
        for item in output
        if item.get("type") == "reasoning"
        for part in (*mappings(item.get("summary")), *mappings(item.get("content")))
    ]


def _call(item: Json) -> ToolCall:
    arguments = as_json(item.get(_CALLS[item["type"]], ""))
    return ToolCall(first_text(item, "call_id", "id"), text(item.get("name")), arguments)


def _finish(value: Json) -> str:
    """Say why it ended: the reason if it is incomplete, else its status."""
    reason = text(mapping(value.get("incomplete_details")).get("reason"))
    return reason or text(value.get("status"))


def _usage(usage: Json) -> Usage | None:
    if not usage:
        return None
    details = mapping(usage.get("input_tokens_details"))
    return Usage(
        count(usage.get("input_tokens")),
        count(usage.get("output_tokens")),
        count(details.get("cached_tokens")),
        count(details.get("cache_write_tokens")),
        count(mapping(usage.get("output_tokens_details")).get("reasoning_tokens")),
    )


RESPONSES = Dialect("openai-responses", _is_response, _is_event, join, _read)
