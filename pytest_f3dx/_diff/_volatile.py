"""What differs from answer to answer although the model says the same: one table, a row an API. Pure."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from pytest_f3dx._same import are_ids, is_clock

Path = tuple[str | int, ...]


class Row(NamedTuple):
    """Places in the answers of one API; JSONPaths of names and ``[*]`` only, and what is below them.

    Attributes:
        volatile: Left out of comparing: ids, clocks, signatures, what depends on caches and routing.
        counts: Tokens: a change there is told and decides nothing.
        said: What the model said: anything that comes or goes there is a change of the answer.
        texts: Natural language in what it said.
    """

    volatile: tuple[str, ...]
    counts: tuple[str, ...]
    said: tuple[str, ...]
    texts: tuple[str, ...]


_OPENAI = (
    "$.id",
    "$.created",
    "$.system_fingerprint",
    "$.service_tier",
    "$.obfuscation",  # padding of streams against traffic analysis
    "$.provider",  # OpenRouter: who served it
    "$.x_groq",
    "$.time_info",  # Cerebras
    "$.timings",  # llama.cpp
    "$.usage.prompt_tokens_details",
    "$.usage.completion_tokens_details",
    "$.usage.prompt_cache_hit_tokens",  # DeepSeek
    "$.usage.prompt_cache_miss_tokens",
    "$.usage.cost",
    "$.usage.cost_details",
)

TABLE: dict[str, Row] = {
    "openai-chat": Row(
        (
            *_OPENAI,
            "$.choices[*].message.tool_calls[*].id",
            "$.choices[*].message.audio.id",
            "$.choices[*].message.audio.expires_at",
            "$.choices[*].message.reasoning_details[*].id",
        ),
        ("$.usage",),
        ("$.choices[*].message",),
        (
            "$.choices[*].message.content",
            "$.choices[*].message.content[*].text",
            "$.choices[*].message.reasoning_content",
            "$.choices[*].message.reasoning",
            "$.choices[*].message.refusal",
        ),
    ),
    "openai-completions": Row(_OPENAI, ("$.usage",), ("$.choices[*].text",), ("$.choices[*].text",)),
    "openai-responses": Row(
        (
            "$.id",
            "$.created_at",
            "$.completed_at",
            "$.previous_response_id",
            "$.service_tier",
            "$.billing",
            "$.output[*].id",
            "$.output[*].call_id",
            "$.output[*].encrypted_content",
            "$.usage.input_tokens_details",
            "$.usage.output_tokens_details",
        ),
        ("$.usage",),
        ("$.output",),
        (
            "$.output[*].content[*].text",
            "$.output[*].content[*].refusal",
            "$.output[*].summary[*].text",
        ),
    ),
    "anthropic": Row(
        (
            "$.id",
            "$.content[*].id",
            "$.content[*].tool_use_id",
            "$.content[*].signature",
            "$.content[*].data",  # thinking that is encrypted
            "$.container",
            "$.usage.cache_creation_input_tokens",
            "$.usage.cache_read_input_tokens",
            "$.usage.cache_creation",
            "$.usage.service_tier",
            "$.usage.inference_geo",
        ),
        ("$.usage",),
        ("$.content",),
        ("$.content[*].text", "$.content[*].thinking"),
    ),
    "gemini": Row(
        (
            "$.responseId",
            "$.createTime",
            "$.candidates[*].avgLogprobs",
            "$.candidates[*].content.parts[*].thoughtSignature",
            "$.candidates[*].content.parts[*].functionCall.id",
            "$.usageMetadata.cachedContentTokenCount",
            "$.usageMetadata.cacheTokensDetails",
            "$.usageMetadata.trafficType",
        ),
        ("$.usageMetadata",),
        ("$.candidates[*].content",),
        ("$.candidates[*].content.parts[*].text",),
    ),
    "ollama": Row(
        (
            "$.created_at",
            "$.total_duration",
            "$.load_duration",
            "$.prompt_eval_duration",
            "$.eval_duration",
            "$.context",  # the tokens of prompt and answer as numbers
            "$.message.tool_calls[*].id",
        ),
        ("$.prompt_eval_count", "$.eval_count"),
        ("$.message", "$.response"),
        ("$.message.content", "$.message.thinking", "$.response", "$.thinking"),
    ),
    "bedrock": Row(
        (
            "$.metrics",
            "$.output.message.content[*].toolUse.toolUseId",
            "$.output.message.content[*].reasoningContent.reasoningText.signature",
            "$.output.message.content[*].reasoningContent.redactedContent",
            "$.usage.cacheReadInputTokens",
            "$.usage.cacheWriteInputTokens",
            "$.usage.cacheReadInputTokenCount",
            "$.usage.cacheWriteInputTokenCount",
        ),
        ("$.usage",),
        ("$.output.message",),
        (
            "$.output.message.content[*].text",
            "$.output.message.content[*].reasoningContent.reasoningText.text",
        ),
    ),
    "embeddings": Row(
        ("$.id", "$.total_duration", "$.load_duration"), ("$.usage", "$.prompt_eval_count"), (), ()
    ),
}
NOTHING = Row((), (), (), ())
_REQUEST_IDS = {
    "request_id",
    "requestId",
    "x_request_id",
    "trace_id",
    "traceId",
    "span_id",
    "took_ms",
    "duration_ms",
    "elapsed_ms",
}
_INDEX = re.compile(r"\[\d+\]")
_ANY = None  # stands for every index


class Places:
    """The places of one row, found by path."""

    def __init__(self, row: Row) -> None:
        """Parse the paths."""
        self.is_known = row is not NOTHING
        self._volatile, self._counts, self._said, self._texts = (
            frozenset(map(parse, paths)) for paths in row
        )

    def is_volatile(self, path: Path) -> bool:
        """Whether a place is one that is left out."""
        return general(path) in self._volatile

    def is_count(self, path: Path) -> bool:
        """Whether a place counts tokens."""
        return _is_below(general(path), self._counts)

    def is_said(self, path: Path) -> bool:
        """Whether a place is a part of what the model said."""
        return _is_below(general(path), self._said)

    def is_text(self, path: str) -> bool:
        """Whether a place, given as a JSONPath, is natural language that the model said."""
        return parse(_INDEX.sub("[*]", path)) in self._texts

    def is_call(self, path: str) -> bool:
        """Whether a place is said but neither a text nor a part of JSON in one: a part of a tool call."""
        place = parse(_INDEX.sub("[*]", path))
        return _is_below(place, self._said) and not _is_below(place, self._texts)


@cache
def places(provider: str) -> Places:
    """Return the places in the answers of an API; of one that is not known, none."""
    return Places(TABLE.get(provider, NOTHING))


def parse(path: str) -> tuple[str | None, ...]:
    """Split a path of the table; None stands for every index."""
    parts: list[str | None] = []
    for step in path.removeprefix("$.").split("."):
        name = step.removesuffix("[*]")
        parts += [name] if name == step else [name, _ANY]
    return tuple(parts)


def general(path: Path) -> tuple[str | None, ...]:
    """Return a path with None for each index."""
    return tuple(part if isinstance(part, str) else _ANY for part in path)


def _is_below(path: tuple[str | None, ...], roots: frozenset[tuple[str | None, ...]]) -> bool:
    return any(path[:length] in roots for length in range(1, len(path) + 1))


def is_volatile_name(path: Path, old: object, new: object) -> bool:
    """Whether a field of any API is volatile by its name: a clock, a request id, a random id.

    It is what a re-recording leaves a cassette unchanged for (`_same`).
    """
    name = next((part for part in reversed(path) if isinstance(part, str)), "")
    if isinstance(old, str) and isinstance(new, str) and are_ids(name, old, new):
        return True
    return name in _REQUEST_IDS or (is_clock(name, old) and is_clock(name, new))
