"""Answers of OpenAI's chat completions and legacy completions, which most other servers imitate."""

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

_SAID_ONCE = {"role", "type", "id", "object", "finish_reason", "format"}  # never continued in a later chunk
_CHUNK_OBJECTS = {"chat.completion.chunk": "chat.completion"}


def _has(value: Json, field: str) -> bool:
    return any(field in choice for choice in mappings(value.get("choices")))


def _is_chat(value: Json) -> bool:
    return value.get("object") == "chat.completion" or _has(value, "message")


def _is_chunk(event: Json) -> bool:
    return event.get("object") == "chat.completion.chunk" or _has(event, "delta")


def _is_completion(value: Json) -> bool:
    return value.get("object") == "text_completion" or _has(value, "text")


# -- streams ---------------------------------------------------------------------------------------


def join(events: list[Json]) -> Json:
    """Put chunks together: what the answer would have been without ``stream``.

    Text is continued, lists are merged by the ``index`` of their items, anything else is replaced by
    what a later chunk says; null says nothing.
    """
    whole: Json = {}
    choices: dict[int, Json] = {}
    for event in events:
        for name, value in event.items():
            if name != "choices" and (value is not None or name not in whole):
                whole[name] = value
        for piece in mappings(event.get("choices")):
            _add_choice(choices.setdefault(position(piece.get("index")), {}), piece)
    kind = whole.get("object")
    if isinstance(kind, str):
        whole["object"] = _CHUNK_OBJECTS.get(kind, kind)
    return {**whole, "choices": [_without_indices(choices[number]) for number in sorted(choices)]}


def _add_choice(choice: Json, piece: Json) -> None:
    for name, value in piece.items():
        if name == "delta":
            _add(choice.setdefault("message", {}), mapping(value))
        elif name == "text":
            choice["text"] = text(choice.get("text")) + text(value)
        elif name == "logprobs" and isinstance(value, dict):
            logprobs = choice.get("logprobs")
            choice["logprobs"] = logprobs if isinstance(logprobs, dict) else {}
            _add(choice["logprobs"], value)
        elif value is not None or name not in choice:
            choice[name] = value


def _add(whole: Json, delta: Json) -> None:
    """Continue an object by what a chunk adds to it."""
    for name, value in delta.items():
        old = whole.get(name)
        if value is None:
            whole.setdefault(name, None)
        elif isinstance(value, str) and isinstance(old, str):
            is_repeated = name in _SAID_ONCE or (name == "name" and old == value)
            whole[name] = old if is_repeated and old else old + value
        elif isinstance(value, dict) and isinstance(old, dict):
            _add(old, value)
        elif isinstance(value, list):
            whole[name] = _longer(items(old), value)
        elif isinstance(value, dict):
            whole[name] = {}
            _add(whole[name], value)
        else:
            whole[name] = value


def _longer(whole: list[Any], more: list[Any]) -> list[Any]:
    """Continue a list; items that carry an index continue the one of that index."""
    for item in more:
        number = item.get("index") if isinstance(item, dict) else None
        known = [old for old in whole if isinstance(old, dict) and old.get("index") == number]
        if number is not None and known:
            _add(known[0], item)
        elif isinstance(item, dict):
            fresh: Json = {}
            _add(fresh, item)
            whole.append(fresh)
        else:
            whole.append(item)
    return whole


def _without_indices(choice: Json) -> Json:
    """Drop the index of each tool call, which only streams have."""
    for call in mappings(mapping(choice.get("message")).get("tool_calls")):
        call.pop("index", None)
    return choice


# -- reading ---------------------------------------------------------------------------------------


def _read_chat(value: Json) -> Answer:
    choices = tuple(_choice(choice) for choice in mappings(value.get("choices")))
    return Answer("openai-chat", text(value.get("model")), choices, _usage(value), value)


def _choice(choice: Json) -> Choice:
    message = mapping(choice.get("message"))
    said, thought = _content(message.get("content"))
    return Choice(
        said,
        first_text(message, "reasoning_content", "reasoning") or thought,
        _tool_calls(message),
        text(choice.get("finish_reason")),
        text(message.get("refusal")),
    )


def _content(content: object) -> tuple[str, str]:
    """Split content into what is said and what is thought; Mistral sends both as parts of a list."""
    if isinstance(content, str):
        return content, ""
    parts = mappings(content)
    said = "".join(text(part.get("text")) for part in parts)
    thought = "".join(text(piece.get("text")) for part in parts for piece in mappings(part.get("thinking")))
    return said, thought


def _tool_calls(message: Json) -> tuple[ToolCall, ...]:
    calls = [
        ToolCall(text(call.get("id")), *_function(call.get("function") or call.get("custom")))
        for call in mappings(message.get("tool_calls"))
    ]
    if isinstance(message.get("function_call"), dict):  # before tools there were functions
        calls.append(ToolCall("", *_function(message["function_call"])))
    return tuple(calls)


def _function(function: object) -> tuple[str, str]:
    called = mapping(function)
    return text(called.get("name")), as_json(called.get("arguments", called.get("input", "")))


def _usage(value: Json) -> Usage | None:
    usage = mapping(value.get("usage"))
    if not usage:
        return None
    prompt = mapping(usage.get("prompt_tokens_details"))
    return Usage(
        count(usage.get("prompt_tokens")),
        count(usage.get("completion_tokens")),
        count(prompt.get("cached_tokens")),
        count(prompt.get("cache_write_tokens")),
        count(mapping(usage.get("completion_tokens_details")).get("reasoning_tokens")),
    )


def _read_completion(value: Json) -> Answer:
    choices = tuple(
        Choice(text(choice.get("text")), finish=text(choice.get("finish_reason")))
        for choice in mappings(value.get("choices"))
    )
    return Answer("openai-completions", text(value.get("model")), choices, _usage(value), value)


CHAT = Dialect("openai-chat", _is_chat, _is_chunk, join, _read_chat)
COMPLETIONS = Dialect("openai-completions", _is_completion, _is_completion, join, _read_completion)
