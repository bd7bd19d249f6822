"""The anthropic SDK against a server of its shape, at once and streamed."""

import anthropic
import pytest

BASE_URL = "http://127.0.0.1:8124"
MODEL = "SmolLM2-135M-Instruct"
QUESTION = [{"role": "user", "content": "Name one primary colour."}]

pytestmark = pytest.mark.f3dx_cache


def test_answers():
    """A message at once."""
    client = anthropic.Anthropic(base_url=BASE_URL, api_key="not needed")
    message = client.messages.create(model=MODEL, max_tokens=40, messages=QUESTION)
    assert message.content[0].text
    assert message.usage.output_tokens > 0


def test_streams():
    """The same as a stream of events."""
    client = anthropic.Anthropic(base_url=BASE_URL, api_key="not needed")
    with client.messages.stream(model=MODEL, max_tokens=40, messages=QUESTION) as stream:
        text = "".join(stream.text_stream)
        assert text == stream.get_final_message().content[0].text
