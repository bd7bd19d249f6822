"""Calls that no patch of an HTTP client sees, through the cache in the cassette of the test."""

import asyncio
import json
import subprocess
import sys

import pytest

from pytest_f3dx import acached_call, cached_call

pytestmark = pytest.mark.f3dx_cache

BASE_URL = "http://127.0.0.1:8123/v1"
QUESTION = {
    "model": "SmolLM2-135M-Instruct",
    "messages": [
        {"role": "user", "content": "What is the capital of France?\nAnswer in one short sentence."}
    ],
    "temperature": 0,
    "max_tokens": 40,
}

CHILD = """
import json, sys, urllib.request
data = sys.stdin.buffer.read()
request = urllib.request.Request(sys.argv[1] + "/chat/completions", data, {"content-type": "application/json"})
print(urllib.request.urlopen(request).read().decode())
"""


def ask_in_a_child(request):
    """Ask the model from another process, which could be a program in any language."""
    command = [sys.executable, "-c", CHILD, BASE_URL]
    done = subprocess.run(command, input=json.dumps(request).encode(), stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def test_child_process(f3dx_cache_obj):
    """A child process sends the request; in a replay it is not started."""
    answer = cached_call(f3dx_cache_obj, QUESTION, ask_in_a_child, model=QUESTION["model"])
    assert "Paris" in answer["choices"][0]["message"]["content"]


def test_side_by_side(f3dx_cache_obj):
    """Tasks that ask the same at once are answered by one call."""

    async def ask(request):
        return await asyncio.to_thread(ask_in_a_child, request)

    async def ask_thrice():
        return await asyncio.gather(*(acached_call(f3dx_cache_obj, QUESTION, ask) for _ in range(3)))

    one, two, three = asyncio.run(ask_thrice())
    assert one == two == three


def test_tool(f3dx_cache_obj):
    """What a tool found out is kept by its arguments."""

    @f3dx_cache_obj.memoize(name="count_words/1")
    def count_words(text):
        return len(text.split())

    assert count_words("one two three") == count_words(text="one two three") == 3


def test_f3dx(f3dx_cache_obj):
    """The client of f3dx sends from Rust, which no patch of Python reaches."""
    f3dx = pytest.importorskip("f3dx")

    def ask(request):
        client = f3dx.OpenAI(api_key="not needed", base_url=BASE_URL, http2=False)
        return client.chat_completions_create(request)

    answer = cached_call(f3dx_cache_obj, QUESTION, ask, model=QUESTION["model"])
    assert "Paris" in answer["choices"][0]["message"]["content"]
