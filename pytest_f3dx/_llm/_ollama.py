"""Answers of Ollama's chat and generate."""

from __future__ import annotations

from pytest_f3dx._llm._model import Answer, Choice, ToolCall, Usage
from pytest_f3dx._llm._shape import Dialect, Json, as_json, count, items, mapping, mappings, text

_TEXTS = ("content", "thinking", "response")


def _is_message(value: Json) -> bool:
    return isinstance(value.get("done"), bool) and (
        isinstance(value.get("message"), dict) or isinstance(value.get("response"), str)
    )


def _is_event(event: Json) -> bool:
    return _is_message(event)


def join(events: list[Json]) -> Json:
    """Put the lines of a stream together: texts are continued, tool calls gathered, the last line counts."""
    whole: Json = {}
    for event in events:
        message = _joined(mapping(whole.get("message")), mapping(event.get("message")))
        whole = _joined(whole, event)
        if message:
            whole["message"] = message
    return whole


def _joined(old: Json, new: Json) -> Json:
    both = {**old, **new}
    for name in _TEXTS:
        if name in both:
            both[name] = text(old.get(name)) + text(new.get(name))
    if "tool_calls" in both:
        both["tool_calls"] = [*items(old.get("tool_calls")), *items(new.get("tool_calls"))]
    return both


def _read(value: Json) -> Answer:
    message = mapping(value.get("message"))
    choice = Choice(
        text(message.get("content")) + text(value.get("response")),
        text(message.get("thinking")) + text(value.get("thinking")),
        tuple(_call(call) for call in mappings(message.get("tool_calls"))),
        text(value.get("done_reason")),
    )
    spent, given = count(value.get("prompt_eval_count")), count(value.get("eval_count"))
    usage = None if spent is None and given is None else Usage(spent, given)
    error = text(value.get("error"))
    return Answer("ollama", text(value.get("model")), (choice,), usage, value, error=error)


def _call(call: Json) -> ToolCall:
    function = mapping(call.get("function"))
    return ToolCall(text(call.get("id")), text(function.get("name")), as_json(function.get("arguments", {})))


CHAT = Dialect("ollama", _is_message, _is_event, join, _read)
