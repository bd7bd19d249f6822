"""`pytest-f3dx demo`: the main job shown, by itself and whatever is set around it."""

from __future__ import annotations

import re
import urllib.error
import urllib.request

import pytest

from pytest_f3dx import _demo, cli

KEY = "sk-not-a-real-key"


@pytest.fixture
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what would break a run of pytest or lead its requests astray."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    monkeypatch.setenv("PYTEST_PLUGINS", "no_such_plugin")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")


@pytest.mark.usefixtures("_surroundings")
def test_demo_shows_the_job(capfd: pytest.CaptureFixture[str]) -> None:
    """It records, replays and misses, shows the recording without the key, and says no more than that."""
    assert KEY in _demo.TEST
    assert cli.main(["demo"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert re.findall(r"^f3dx: (\d) replayed, (\d) recorded, 0 live, (\d) missed", out, re.MULTILINE) == [
        ("0", "1", "0"),
        ("1", "0", "0"),
        ("0", "0", "1"),
    ]
    assert re.findall(r"^\$ (.*)$", out, re.MULTILINE) == ["pytest --f3dx-record=once", "pytest", "pytest"]
    assert '$.messages[0].content  "Say hello." → "Now say hello."' in out
    cassette = out[out.index("format: f3dx/1") : out.index("\n...\n")]
    assert "content: Say hello." in cassette
    assert KEY not in cassette
    assert "authorization" not in cassette
    assert out.endswith("\nThat is all there is to it.\n")


def test_demo_stops_at_the_first_surprise(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a run does not end as it should it says so, goes no further, and ends with 1."""
    monkeypatch.setattr(_demo, "TEST", _demo.TEST.replace('assert "hello" in', 'assert "goodbye" in'))
    assert _demo.run() == 1
    out = capfd.readouterr().out
    assert out.endswith("\nThis run ended with exit code 1, not 0.\n")
    assert out.count("\n$ pytest") == 1


def test_server_answers_and_is_gone_afterwards() -> None:
    """The model repeats the last word of the prompt; its port is closed when the block ends."""
    body = b'{"messages": [{"content": "Say cheese"}]}'
    with _demo.model_server() as url, urllib.request.urlopen(f"{url}/v1/chat/completions", body) as response:
        assert b"Of course: cheese" in response.read()
    with pytest.raises(urllib.error.URLError, match="refused"):
        urllib.request.urlopen(url, body)
