"""Replaying without redacting gives what redacting first would give."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_f3dx import _deferred
from pytest_f3dx._config import Config
from pytest_f3dx._deferred import DeferredRedactor
from pytest_f3dx._model import Request, Response
from pytest_f3dx._recorder import Recorder
from pytest_f3dx._redaction import Redactor
from pytest_f3dx.errors import CassetteMiss, MissError
from tests.test_recorder import recorder

if TYPE_CHECKING:
    from pathlib import Path

JSON = ("Content-Type", "application/json")
TOKEN = "q8Zr2vTn5LxW0bKc7Yd4"  # learnt from a header, then known wherever it stands
OTHER = "Jm3pQ9sVh6TgR1wXz8Ka"


def post(body: Any, *headers: tuple[str, str], path: str = "/chat") -> Request:
    """Build a request."""
    return Request("POST", f"https://api.test{path}", (JSON, *headers), json.dumps(body).encode())


def answered(number: int, text: str = "") -> Response:
    """Build an answer that no other request has got."""
    return Response(200, "OK", (JSON,), json.dumps({"n": number, "text": text}).encode())


REQUESTS = [
    post({"q": "plain"}),
    post({"q": "plain"}, ("Authorization", f"Bearer {TOKEN}")),
    post({"q": f"my token is {TOKEN}"}, ("Authorization", f"Bearer {TOKEN}")),
    post({"q": f"my token is {OTHER}"}),  # not known to be one
    post({"q": "[redacted:authorization]"}),
    post({"user": "a", "password": "hunter2-one"}),
    post({"user": "a", "password": "hunter2-two"}),
    post({"user": "a", "password": "[redacted:password-2]"}),
    post({"q": "é"}, path=f"/chat?api_key={TOKEN}"),
    post({"q": 1.0}, path="/chat?api_key=[redacted:api-key]"),
    post({"t": "x"}, ("X-Tenant", "one")),
    post({"t": "x"}, ("X-Tenant", "two")),
    post({"t": "x"}, ("X-Tenant", "Bearer Tn5LxW0bKc7Yd4q8Zr2v")),
    Request("GET", "https://api.test/chat"),
]


def record(root: Path, config: Config, asked: list[Request]) -> None:
    """Record an answer of its own to each request."""
    tested = recorder(root, config)
    for number, request in enumerate(asked):
        ticket = tested.ask(request)
        if ticket.response is None:
            tested.answer(ticket, answered(number, "[redacted:password-3]" if number % 3 == 0 else ""))
    tested.close(passed=True)


def replay(root: Path, config: Config, asked: list[Request]) -> tuple[list[bytes], list[str]]:
    """Ask again; returns the bodies (empty for a miss) and the requests of the misses as they would be stored."""
    missed: list[str] = []

    def explain(request: Request, *_: object) -> MissError:
        missed.append(repr(request))
        return MissError("no recording answers this request")

    tested = recorder(root, config, explain=explain)
    bodies = []
    for request in asked:
        try:
            response = tested.ask(request).response
        except CassetteMiss:
            bodies.append(b"")
        else:
            assert response is not None
            bodies.append(response.body)
    tested.close(passed=False)
    return bodies, missed


CONFIGS = [
    Config(),
    Config(repeats="strict"),
    Config(match_headers=("x-tenant",)),
    Config(ignore=("$.password",), replace=((r"\d+", "N"),)),
]


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(st.sampled_from(REQUESTS), max_size=6),
    st.lists(st.sampled_from(REQUESTS), max_size=8),
    st.sampled_from(CONFIGS),
)
def test_a_request_that_is_found_unredacted_is_found_redacted(
    tmp_path: Path, recorded: list[Request], asked: list[Request], config: Config
) -> None:
    """Whether redacting comes before looking or after it: the answers, the misses and their texts are the same."""
    shutil.rmtree(tmp_path / "test_it", ignore_errors=True)
    record(
        tmp_path,
        Config("once", match_headers=config.match_headers, ignore=config.ignore, replace=config.replace),
        recorded,
    )
    found = replay(tmp_path, config, asked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recorder, "_replay_unredacted", lambda *_: False)
        assert replay(tmp_path, config, asked) == found


def test_a_replay_that_finds_everything_redacts_nothing(tmp_path: Path) -> None:
    """Neither is the environment read nor a redactor made, though a credential is in a header."""
    asked = post({"q": "plain"}, ("Authorization", f"Bearer {TOKEN}"))
    record(tmp_path, Config("once"), [asked])

    def never() -> dict[str, str]:
        pytest.fail("the environment was read")

    assert recorder(tmp_path, Config(), secrets=never).ask(asked).response is not None


def test_a_value_that_became_a_secret_later_is_still_found(tmp_path: Path) -> None:
    """Redacting first would miss: the same bytes were recorded before the value was known to be a secret."""
    asked = post({"q": f"my token is {OTHER}"})
    record(tmp_path, Config("once"), [asked])
    tested = recorder(tmp_path, Config(), secrets=lambda: {"api-key": OTHER})
    response = tested.ask(asked).response
    assert response is not None
    assert json.loads(response.body)["n"] == 0


def test_a_secret_of_a_replayed_request_is_known_to_the_next(tmp_path: Path) -> None:
    """A token that was only in the header of a replayed request does not get into the file later."""
    first = post({"q": "plain"}, ("Authorization", f"Bearer {TOKEN}"))
    record(tmp_path, Config("once"), [first])
    tested = recorder(tmp_path, Config("new_episodes"))
    assert tested.ask(first).response is not None
    tested.answer(tested.ask(post({"q": f"my token is {TOKEN}"})), answered(2))
    tested.close(passed=True)
    text = (tmp_path / "test_it" / "test_it.yaml").read_text(encoding="utf-8")
    assert TOKEN not in text
    assert "my token is [redacted:authorization]" in text


def test_large_bodies_are_not_kept_for_the_redactor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a bound what was replayed is shown to the redactor at once, and let go."""
    monkeypatch.setattr(_deferred, "_KEPT_BYTES", 100)
    made: list[Redactor] = []

    def make() -> Redactor:
        made.append(Redactor())
        return made[0]

    tested = DeferredRedactor(make)
    tested.replayed(post({"q": "x" * 60}), answered(1))
    assert (len(made), len(tested._unseen)) == (0, 1)
    tested.replayed(post({"q": "x" * 60}, ("Authorization", f"Bearer {TOKEN}")), answered(2))
    assert (len(made), len(tested._unseen)) == (1, 0)
    assert TOKEN not in tested.get().text(f"it is {TOKEN}")
