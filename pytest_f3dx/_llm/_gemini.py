"""Answers of Gemini's generateContent and streamGenerateContent, also through Vertex."""

from __future__ import annotations

from typing import Any

from pytest_f3dx._llm._model import Answer, Choice, ToolCall, Usage
from pytest_f3dx._llm._shape import Dialect, Json, as_json, count, mapping, mappings, position, text, total


def _is_response(value: Json) -> bool:
    return isinstance(value.get("candidates"), list) or "promptFeedback" in value or "usageMetadata" in value


def join(events: list[Json]) -> Json:
    """Put the chunks of a stream together: texts are continued, anything else is what the last one says."""
    whole: Json = {}
    candidates: dict[int, Json] = {}
    for event in events:
        whole.update((name, value) for name, value in event.items() if name != "candidates")
        for piece in mappings(event.get("candidates")):
            _add(candidates.setdefault(position(piece.get("index")), {}), piece)
    return {"candidates": [candidates[number] for number in sorted(candidates)], **whole}


def _add(candidate: Json, piece: Json) -> None:
    content = {**mapping(candidate.get("content")), **mapping(piece.get("content"))}
    parts = list(mappings(mapping(candidate.get("content")).get("parts")))
    for part in mappings(mapping(piece.get("content")).get("parts")):
        _add_part(parts, part)
    candidate.update(piece)
    if content:
        candidate["content"] = {**content, "parts": parts}


def _add_part(parts: list[Json], part: Json) -> None:
    last: dict[str, Any] = parts[-1] if parts else {}
    is_text = isinstance(part.get("text"), str) and isinstance(last.get("text"), str)
    if is_text and bool(last.get("thought")) == bool(part.get("thought")):
        parts[-1] = {**last, **part, "text": last["text"] + part["text"]}
    else:
        parts.append(part)


def _read(value: Json) -> Answer:
    choices = tuple(_choice(candidate) for candidate in mappings(value.get("candidates")))
    usage = _usage(mapping(value.get("usageMetadata")))
    error = text(mapping(value.get("error")).get("message"))
    return Answer("gemini", text(value.get("modelVersion")), choices, usage, value, error=error)


def _choice(candidate: Json) -> Choice:
    parts = mappings(mapping(candidate.get("content")).get("parts"))
    return Choice(
        "".join(text(part.get("text")) for part in parts if not part.get("thought")),
        "".join(text(part.get("text")) for part in parts if part.get("thought")),
        tuple(_call(part["functionCall"]) for part in parts if isinstance(part.get("functionCall"), dict)),
        text(candidate.get("finishReason")),
    )


def _call(call: Json) -> ToolCall:
    return ToolCall(text(call.get("id")), text(call.get("name")), as_json(call.get("args", {})))


def _usage(usage: Json) -> Usage | None:
    """Count the thoughts into the output, as the other APIs do."""
    if not usage:
        return None
    return Usage(
        total((usage.get("promptTokenCount"), usage.get("toolUsePromptTokenCount"))),
        total((usage.get("candidatesTokenCount"), usage.get("thoughtsTokenCount"))),
        count(usage.get("cachedContentTokenCount")),
        reasoning_tokens=count(usage.get("thoughtsTokenCount")),
    )


GENERATE = Dialect("gemini", _is_response, _is_response, join, _read)
