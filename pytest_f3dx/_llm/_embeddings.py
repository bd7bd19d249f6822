"""Answers that are vectors: OpenAI, Ollama, Gemini, Cohere. Only model and use are read, not the numbers."""

from __future__ import annotations

from pytest_f3dx._llm._model import Answer, Usage
from pytest_f3dx._llm._shape import Dialect, Json, count, mapping, mappings, text


def _is_embeddings(value: Json) -> bool:
    is_openai = any(item.get("object") == "embedding" for item in mappings(value.get("data"))[:1])
    return is_openai or bool(value.get("embeddings")) or isinstance(value.get("embedding"), (list, dict))


def _is_event(_event: Json) -> bool:
    return False  # vectors are not streamed


def _join(events: list[Json]) -> Json:
    return events[0]


def _read(value: Json) -> Answer:
    usage = mapping(value.get("usage"))
    spent = count(usage.get("prompt_tokens", value.get("prompt_eval_count")))
    used = None if spent is None else Usage(spent)
    return Answer("embeddings", text(value.get("model")), (), used, value)


EMBEDDINGS = Dialect("embeddings", _is_embeddings, _is_event, _join, _read)
