"""Frameworks over the SDKs: instructor, litellm, langchain. They need nothing but the marker."""

import pytest

BASE_URL = "http://127.0.0.1:8123/v1"
MODEL = "SmolLM2-135M-Instruct"
QUESTION = [{"role": "user", "content": "What is the capital of France?\nAnswer in one short sentence."}]

pytestmark = pytest.mark.f3dx_cache


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")  # importing it warns
def test_litellm(monkeypatch):
    """litellm.completion, to any endpoint that speaks like OpenAI."""
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # importing it asks the network otherwise
    litellm = pytest.importorskip("litellm")
    answer = litellm.completion(
        model=f"openai/{MODEL}",
        messages=QUESTION,
        temperature=0,
        max_tokens=40,
        api_base=BASE_URL,
        api_key="not needed",
    )
    assert "Paris" in answer.choices[0].message.content


def test_langchain():
    """A chat model of langchain."""
    langchain_openai = pytest.importorskip("langchain_openai")
    model = langchain_openai.ChatOpenAI(
        model=MODEL, base_url=BASE_URL, api_key="not needed", temperature=0, max_tokens=40
    )
    assert "Paris" in model.invoke(QUESTION[0]["content"]).content


def test_instructor():
    """A typed answer: instructor asks for JSON of a schema, and checks it."""
    instructor = pytest.importorskip("instructor")
    openai = pytest.importorskip("openai")
    pydantic = pytest.importorskip("pydantic")

    city = pydantic.create_model("City", name=(str, ...), country=(str, ...))
    client = instructor.from_openai(
        openai.OpenAI(base_url=BASE_URL, api_key="not needed"), mode=instructor.Mode.JSON
    )
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[
            {"role": "user", "content": "Berlin is the capital of Germany."},
            {"role": "assistant", "content": '{"name": "Berlin", "country": "Germany"}'},
            {"role": "user", "content": "Paris is the capital of France."},
        ],
        response_model=city,
        temperature=0,
        max_tokens=60,
        max_retries=2,
    )
    assert (answer.name, answer.country) == ("Paris", "France")
