"""Planted secrets, through the plugin and back: in no file, in no message, and the replay still answers."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import pytest

from pytest_f3dx._redaction import Redactor
from tests.planted import ENVIRON, PlantedServer, environ_value, places
from tests.server import Answer, Server, amazon_event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Suite
    from tests.server import Seen

SEED = "Q7x"
# Pieces of plain text, which are no strings: the unit tests look at these.
NOT_SEEN = {"got plain events, many deltas"}
SENDS = """
    from tests.planted import places, send

    @pytest.mark.f3dx_cache
    def test_it():
        for number, place in enumerate(places({seed!r})):
            seen = send(URL, number, place)
            assert {replays} or place.shown in seen, place.name
        assert {passes}
"""


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Serve what is planted, or what the parameter serves."""
    make = getattr(request, "param", lambda: PlantedServer(places(SEED)))
    with make() as running:
        yield running


def leaks(text: str) -> list[str]:
    """Name the places whose secret, or a delta that is part of it, stands in a text or in base64 in it."""
    text = _with_base64(text)
    found = []
    for place in places(SEED):
        spelled = [place.secret, json.dumps(place.secret)[1:-1], *(f'"{piece}"' for piece in place.pieces)]
        if any(spelling in text for spelling in spelled):
            found.append(place.name)
    return found


def _with_base64(text: str) -> str:
    """Add what the base64 in a text says, and what the base64 in that does."""
    parts = [text]
    for _ in range(3):
        runs = re.findall(r"[A-Za-z0-9+/]{20,}", parts[-1])
        parts.append(
            "\n".join(base64.b64decode(run + "A" * (-len(run) % 4)).decode("latin-1") for run in runs)
        )
    return "\n".join(parts)


def written(root: Path) -> str:
    """Return all that stands below a directory."""
    return "\n".join(
        path.read_bytes().decode("latin-1") for path in sorted(root.rglob("*")) if path.is_file()
    )


def test_table_has_enough_places_and_each_secret_is_its_own() -> None:
    """What follows would see nothing if the secrets were alike."""
    table = places(SEED)
    assert len(table) >= 100
    assert len({place.name for place in table}) == len(table)
    assert len({place.secret for place in table}) >= len(table) - 6  # the variable's value stands in several


def test_search_sees_every_secret_that_is_not_redacted(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without redaction every place leaks into the journal: so the tests below can fail."""
    monkeypatch.setattr(Redactor, "request", lambda _, request: request)
    monkeypatch.setattr(Redactor, "response", lambda _, response, **__: response)
    suite.write(SENDS.format(seed=SEED, passes=False, replays=False))
    suite.run("--f3dx-record=once").assert_outcomes(failed=1)
    missed = {place.name for place in places(SEED)} - set(leaks(written(suite.path / "cassettes")))
    assert missed == NOT_SEEN


@pytest.mark.parametrize("passes", [True, False], ids=["passing", "failing"])
def test_no_planted_secret_is_written_and_all_replay(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, *, passes: bool
) -> None:
    """No secret is in cassette, blob, journal or output; the test saw them; other secrets replay the same."""
    monkeypatch.setenv(ENVIRON, environ_value(SEED))
    suite.write(SENDS.format(seed=SEED, passes=passes, replays=False))
    result = suite.run("--f3dx-record=once", "--tb=line", "-v")
    result.assert_outcomes(passed=int(passes), failed=int(not passes))
    text = written(suite.path / "cassettes")
    assert "[redacted:" in text
    assert leaks(text) == []
    assert leaks(str(result.stdout) + str(result.stderr)) == []
    if passes:
        suite.server.stop()
        monkeypatch.setenv(ENVIRON, environ_value("Z9w"))
        suite.write(SENDS.format(seed="Z9w", passes=passes, replays=True))
        suite.run().assert_outcomes(passed=1)


def test_miss_shows_no_planted_secret(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request that no recording answers is told without its secret."""
    monkeypatch.setenv(ENVIRON, environ_value(SEED))
    suite.write(
        f"""
    from contextlib import suppress
    from tests.planted import places, send

    @pytest.mark.f3dx_cache
    @pytest.mark.parametrize("number", range({len(places(SEED))}))
    def test_it(number):
        send(URL, number, places({SEED!r})[number])
    """
    )
    result = suite.run("--tb=short")
    result.assert_outcomes(failed=len(places(SEED)))
    assert leaks(str(result.stdout)) == []


class LoginServer(Server):
    """A service with three ways to log in; every token is new, and nothing else opens the door."""

    def __init__(self) -> None:
        super().__init__()
        self.valid: set[str] = set()

    def answer(self, seen: Seen) -> Answer:
        self.requests.append(seen)
        path, _, query = seen.path.partition("?")
        if path == "/login":
            return self._hand_out(seen.json())
        sent = {seen.headers.get("authorization", "")[7:], seen.headers.get("cookie", "")[8:]}
        sent |= {value for _, value in parse_qsl(query)} | {path.rpartition("/")[2]}
        if not sent & self.valid:
            return Answer(b'{"error": "no"}', status=401)
        return Answer(json.dumps({"hello": path.split("/")[1], "n": len(self.requests)}).encode())

    def _hand_out(self, asked: dict[str, str]) -> Answer:
        token = f"Ab{len(self.requests)}x-Cd34Ef_56Gh78Ij90Kl"
        self.valid.add(token)
        if asked["password"] != PASSWORD:
            return Answer(b'{"error": "no"}', status=403)
        if asked["by"] == "token":
            return Answer(json.dumps({"access_token": token, "max_tokens": 5}).encode())
        if asked["by"] == "cookie":
            return Answer(b"{}", headers=[("Set-Cookie", f"session={token}; Path=/; HttpOnly")])
        target = (
            f"/inside?ticket=1&access_token={token}" if asked["by"] == "query" else f"/inside/token/{token}"
        )
        return Answer(b"{}", status=303, headers=[("Location", target)])


PASSWORD = "correct-horse-42"
LOGIN = """
    import httpx

    @pytest.mark.f3dx_cache
    @pytest.mark.parametrize("by", ["token", "cookie", "query", "path", "poll"])
    def test_it(by):
        with httpx.Client(base_url=URL, follow_redirects=True) as client:
            first = client.post("/login", json={{"by": "token" if by == "poll" else by, "password": {password!r}}})
            assert first.status_code == 200
            headers = {{}}
            if by in ("token", "poll"):
                headers["Authorization"] = "Bearer " + first.json()["access_token"]
                assert ("redacted" in headers["Authorization"]) == {replays}
            path = "/jobs/" + first.json()["access_token"] if by == "poll" else "/me"
            if by in ("token", "cookie", "poll"):
                answer = client.get(path, headers=headers)
                assert answer.json()["hello"] == path.split("/")[1]
            else:
                assert first.json()["hello"] == "inside"
"""


@pytest.mark.parametrize("server", [LoginServer], indirect=True)
def test_login_flows_replay(suite: Suite) -> None:
    """Token, cookie and redirect of an answer are redacted, are sent on as placeholders, and are found."""
    assert isinstance(suite.server, LoginServer)
    suite.write(LOGIN.format(password=PASSWORD, replays=False))
    suite.run("--f3dx-record=once").assert_outcomes(passed=5)
    text = written(suite.path / "cassettes")
    assert [token for token in (*suite.server.valid, PASSWORD) if token in text] == []
    suite.server.stop()
    suite.write(LOGIN.format(password="another-one-77", replays=True))
    suite.run().assert_outcomes(passed=5)


BEDROCK = """
    import boto3

    @pytest.mark.f3dx_cache
    def test_it():
        client = boto3.client("bedrock-runtime", region_name="us-east-1", endpoint_url=URL,
                              aws_access_key_id="AKIA" + "Q7Q7Q7Q7Q7Q7Q7Q7", aws_secret_access_key="{secret}")
        messages = [{{"role": "user", "content": [{{"text": "hello"}}]}}]
        stream = client.converse_stream(modelId="m", messages=messages)["stream"]
        texts = [event["contentBlockDelta"]["delta"]["text"] for event in stream]
        assert "".join(texts) == {said!r}
"""


class BedrockServer(Server):
    """Answers with a key in pieces."""

    def answer(self, seen: Seen) -> Answer:
        texts = ["it is ", KEY[:9], KEY[9:20], KEY[20:], " !"]
        frames = [
            amazon_event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": t}}) for t in texts
        ]
        return Answer(b"".join(frames), "application/vnd.amazon.eventstream")


KEY = "sk-" + "proj-" + "a1B2c3D4e5F6" * 3


@pytest.mark.parametrize("server", [BedrockServer], indirect=True)
def test_botocore_accepts_the_checksums_of_what_was_redacted(suite: Suite) -> None:
    """Header values that are bytes, a signature, and a binary stream with a key over three messages."""
    secret = "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYQ7x"
    suite.write(BEDROCK.format(secret=secret, said=f"it is {KEY} !"))
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    text = written(suite.path / "cassettes")
    assert [found for found in (secret, "AKIA" + "Q7Q7", KEY, KEY[9:20]) if found in _with_base64(text)] == []
    assert "authorization" not in text.lower()
    suite.server.stop()
    suite.write(BEDROCK.format(secret="other", said="it is [redacted:openai-key] !"))
    suite.run().assert_outcomes(passed=1)
