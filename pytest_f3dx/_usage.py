"""Tokens that a recorded answer reports to have used."""

from __future__ import annotations

import re

_MARKS = (b"_tokens", b"okenCount", b"eval_count")  # OpenAI and Anthropic; Gemini and Bedrock; Ollama
_NUMBER = re.compile(
    rb'"(total_tokens|totalTokenCount|totalTokens|input_tokens|prompt_tokens|inputTokens|promptTokenCount'
    rb"|prompt_eval_count|output_tokens|completion_tokens|outputTokens|candidatesTokenCount|eval_count)"
    rb'"\s*:\s*(\d{1,12})\b'
)
_TOTAL = {b"total_tokens", b"totalTokenCount", b"totalTokens"}
_INPUT = {b"input_tokens", b"prompt_tokens", b"inputTokens", b"promptTokenCount", b"prompt_eval_count"}


def tokens(body: bytes) -> int:
    """Count the tokens that an answer says it cost, 0 if it says nothing.

    Streams repeat and raise their counts, so the largest of each kind counts; a total, where one is
    given, is taken instead of the sum of input and output.

    Args:
        body: JSON, SSE or NDJSON of OpenAI, Anthropic, Gemini, Bedrock, Ollama or their likes.
    """
    if not any(mark in body for mark in (*_MARKS, b"Tokens")):
        return 0
    total = spent = answered = 0
    for name, digits in _NUMBER.findall(body):
        count = int(digits)
        if name in _TOTAL:
            total = max(total, count)
        elif name in _INPUT:
            spent = max(spent, count)
        else:
            answered = max(answered, count)
    return total or spent + answered
