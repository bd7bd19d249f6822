"""The openai SDK: an answer at once, streamed, and from an async client."""

import asyncio

import openai
import pytest

BASE_URL = "http://127.0.0.1:8123/v1"
MODEL = "SmolLM2-135M-Instruct"
QUESTION = [{"role": "user", "content": "What is the capital of France?\nAnswer in one short sentence."}]

pytestmark = pytest.mark.f3dx_cache


def test_answers():
    """The whole answer at once."""
    client = openai.OpenAI(base_url=BASE_URL, api_key="not needed")
    answer = client.chat.completions.create(model=MODEL, messages=QUESTION, temperature=0, max_tokens=40)
    assert "Paris" in answer.choices[0].message.content
    assert answer.usage.total_tokens > 0


def test_streams():
    """The same, word by word."""
    client = openai.OpenAI(base_url=BASE_URL, api_key="not needed")
    stream = client.chat.completions.create(
        model=MODEL, messages=QUESTION, temperature=0, max_tokens=40, stream=True
    )
    words = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert len(words) > 3
    assert "Paris" in "".join(words)


def test_answers_side_by_side():
    """Three questions at once; each gets its own answer."""

    async def ask_all(cities):
        async with openai.AsyncOpenAI(base_url=BASE_URL, api_key="not needed") as client:
            asked = [
                client.completions.create(
                    model=MODEL, prompt=f"{city} is a city in", temperature=0, max_tokens=8
                )
                for city in cities
            ]
            return [answer.choices[0].text for answer in await asyncio.gather(*asked)]

    answers = asyncio.run(ask_all(["Rome", "Tokyo", "Cairo"]))
    assert len(set(answers)) == 3
