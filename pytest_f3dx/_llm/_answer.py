"""From the body of a response to what the model answered, whatever API it came through. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pytest_f3dx._llm import _anthropic, _bedrock, _embeddings, _gemini, _ollama, _openai, _openai_responses
from pytest_f3dx._llm._events import events

if TYPE_CHECKING:
    from pytest_f3dx._llm._model import Answer
    from pytest_f3dx._llm._shape import Dialect, Json

DIALECTS: tuple[Dialect, ...] = (
    _openai.CHAT,
    _openai_responses.RESPONSES,
    _anthropic.MESSAGES,
    _gemini.GENERATE,
    _openai.COMPLETIONS,
    _ollama.CHAT,
    _bedrock.CONVERSE,
    _embeddings.EMBEDDINGS,
)
# Gemini and Vertex, Bedrock, Azure: APIs whose answers need not name the model that their address names.
_MODEL_IN_PATH = re.compile(r"/(?:models?|deployments)/([^/:?]+)")
_NEVER = ("image/", "audio/", "video/", "text/html")


def assemble(body: bytes, content_type: str = "", uri: str = "") -> Answer | None:
    """Read an answer of a model, putting the events of a stream together.

    It is recognised by its content, not by its host: most servers speak the dialect of another. Odd
    input gives what could be read of it.

    Args:
        body: Of the response, content encoding undone.
        content_type: Only to leave images and the like alone.
        uri: Of the request; names the model where the answer does not.

    Returns:
        The answer; None if the body is not one of a known API (an error is not one either).
    """
    if not body or content_type.strip().lower().startswith(_NEVER):
        return None
    try:
        answer = _whole(body) or _stream(body)
    except RecursionError:  # nested as deep as the parser just allows, and the stack is not empty here
        return None
    if answer and not answer.model:
        named = _MODEL_IN_PATH.search(urlsplit(uri).path) if uri else None
        return replace(answer, model=unquote(named[1])) if named else answer
    return answer


def _whole(body: bytes) -> Answer | None:
    if body.lstrip()[:1] != b"{":
        return None
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return of_value(value)


def of_value(value: object) -> Answer | None:
    """Read an answer that is a JSON value already; None if it is not one of a known API."""
    if not isinstance(value, dict):
        return None
    dialect = next((dialect for dialect in DIALECTS if dialect.is_message(value)), None)
    return dialect.read(value) if dialect else None


def _stream(body: bytes) -> Answer | None:
    found = events(body)
    dialect = _spoken(found)
    if dialect is None:
        return None
    answer = dialect.read(dialect.join(found))
    return replace(answer, is_stream=True, error=answer.error or _error(found))


def _spoken(found: list[Json]) -> Dialect | None:
    """Return the dialect of the first event that has one: pings, errors and the like come in between."""
    pairs = ((dialect, event) for event in found for dialect in DIALECTS)
    return next((dialect for dialect, event in pairs if dialect.is_event(event)), None)


def _error(found: list[Json]) -> str:
    """Return what an event says went wrong."""
    for event in found:
        error = event.get("error")
        if isinstance(error, dict):
            return str(error.get("message") or error.get("type") or "unknown error")
        if error and isinstance(error, str):
            return error
    return ""
