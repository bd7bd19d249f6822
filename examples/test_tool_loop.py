"""A loop of several turns: the model asks for a tool in JSON, gets its result, and answers."""

import json

import openai
import pytest

BASE_URL = "http://127.0.0.1:8123/v1"
MODEL = "SmolLM2-135M-Instruct"
CALL = {
    "type": "object",
    "properties": {
        "tool": {"type": "string", "enum": ["add"]},
        "a": {"type": "integer", "minimum": 0, "maximum": 99},
        "b": {"type": "integer", "minimum": 0, "maximum": 99},
    },
    "required": ["tool", "a", "b"],
}


def run_loop(client, question):
    """Let the model call `add` in JSON mode, then answer with the result."""
    messages = [
        {"role": "system", "content": "You add numbers. Reply with JSON: the tool and its two numbers."},
        {"role": "user", "content": question},
    ]
    shape = {"type": "json_object", "schema": CALL}
    options = {"model": MODEL, "temperature": 0, "max_tokens": 60}
    asked = client.chat.completions.create(messages=messages, response_format=shape, **options)
    call = json.loads(asked.choices[0].message.content)
    result = call["a"] + call["b"]
    messages += [
        {"role": "assistant", "content": asked.choices[0].message.content},
        {"role": "user", "content": f"The tool returned {result}. Say the result in one sentence."},
    ]
    told = client.chat.completions.create(messages=messages, **options)
    return call, result, told.choices[0].message.content


@pytest.mark.f3dx_cache
def test_tool_loop():
    """The second request holds the first answer, so both are replayed only if both are unchanged."""
    client = openai.OpenAI(base_url=BASE_URL, api_key="not needed")
    call, result, told = run_loop(client, "What is 12 plus 30?")
    assert call["tool"] == "add"
    assert str(result) in told
