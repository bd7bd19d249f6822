"""Tokens taken from recorded answers."""

from __future__ import annotations

import pytest

from pytest_f3dx._usage import tokens


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'{"usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}}', 21),
        (b'{"usage":{"input_tokens":9,"output_tokens":12}}', 21),
        (b'{"usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 6, "totalTokenCount": 10}}', 10),
        (b'{"usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}}', 7),
        (b'{"prompt_eval_count": 5, "eval_count": 6}', 11),
        (
            b'data: {"usage":{"input_tokens":25,"output_tokens":1}}\n\ndata: {"usage":{"output_tokens":15}}\n\n',
            40,
        ),
        (b'{"_": "Tokyo", "x": "_tokens", "prompt_tokens": 9, "completion_tokens": 1}', 10),
        (b'{"candidatesTokenCount": 6, "T": "_count", "promptTokenCount": 4}', 10),
        (b'"prompt_eval_count":5', 5),
        (b'{"max_tokens": 400}', 0),
        (b'{"total_tokens": "many"}', 0),
        (b"", 0),
        (b"\xff\xfe", 0),
    ],
)
def test_tokens(body: bytes, wanted: int) -> None:
    """The count is the total where there is one, else input and output, over all events of a stream."""
    assert tokens(body) == wanted
