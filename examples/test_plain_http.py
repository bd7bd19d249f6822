"""Any HTTP will do: here the requests library."""

import pytest
import requests

BASE_URL = "http://127.0.0.1:8123/v1"


@pytest.mark.f3dx_cache
def test_lists_models_and_completes():
    """A GET and a POST over one session, with a header that must not be in the file."""
    with requests.Session() as session:
        session.headers["authorization"] = "Bearer not-in-the-cassette"
        (model,) = session.get(f"{BASE_URL}/models").json()["data"]
        asked = {"model": model["id"], "prompt": "One, two, three,", "max_tokens": 6, "temperature": 0}
        answer = session.post(f"{BASE_URL}/completions", json=asked)
    assert answer.status_code == 200
    assert "four" in answer.json()["choices"][0]["text"]
