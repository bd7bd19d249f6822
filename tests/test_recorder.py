"""The recorder of one test, asked directly: waiting, failing, ending."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
import trio

from pytest_f3dx._config import Config
from pytest_f3dx._journal import Journal
from pytest_f3dx._ledger import Facts
from pytest_f3dx._model import Request, Response
from pytest_f3dx._recorder import Recorder
from pytest_f3dx._store import Store
from pytest_f3dx.errors import CassetteMiss, MissError, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Suite

NAME = PurePosixPath("test_it/test_it.yaml")
ASKED = Request("POST", "https://api.test/chat", (("Content-Type", "application/json"),), b'{"a": 1}')
ANSWER = Response(200, "OK", (("Content-Type", "text/plain"), ("Date", "today")), b"hello")


def recorder(root: Path, config: Config, **more: Any) -> Recorder:
    """Make a recorder of its own run in a directory."""
    journal = Journal(root, NAME, f"run{threading.get_ident()}")
    store = Store(root, root / NAME, config, "test_it.py::test_it", journal)
    more.setdefault("explain", lambda *_: MissError("no recording answers this request"))
    return Recorder(config, store, journal, Facts(), **more)


def test_recorded_answer_is_replayed_without_its_noise(tmp_path: Path) -> None:
    """What comes back is the body and the telling headers; the file names the request once."""
    first = recorder(tmp_path, Config("once"))
    ticket = first.ask(ASKED)
    assert ticket.response is None
    assert ticket.request is ASKED
    first.answer(ticket, ANSWER)
    first.close(passed=True)
    again = recorder(tmp_path, Config()).ask(ASKED).response
    assert again is not None
    assert (again.status, again.reason, again.body) == (200, "OK", b"hello")
    assert again.headers == (("content-type", "text/plain"),)
    assert again.recorded_at.endswith("Z")
    assert again.took_ms is not None


class Awaited(threading.Event):
    """Does something in another thread once somebody waits for it."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__()
        self._then = threading.Thread(target=then)

    def wait(self, timeout: float | None = None) -> bool:
        self._then.start()
        return super().wait(timeout)


def when_waited_for(tested: Recorder, then: Callable[[], None]) -> None:
    """Answer or fail the one request in flight, but not before another one waits for it."""
    ((key, _),) = tested._in_flight.items()
    tested._in_flight[key] = Awaited(then)


@pytest.mark.parametrize("run", [asyncio.run, trio.run], ids=["asyncio", "trio"])
def test_tasks_that_ask_the_same_wait_without_blocking(tmp_path: Path, run: Callable[..., Any]) -> None:
    """Under `first` a second task waits for the answer of the first while the loop goes on."""
    tested = recorder(tmp_path, Config("once", repeats="first"))

    async def scenario() -> bytes:
        ticket = await tested.ask_async(ASKED)
        when_waited_for(tested, lambda: tested.answer(ticket, ANSWER))
        response = (await tested.ask_async(ASKED)).response
        assert response is not None
        return response.body

    assert run(scenario) == b"hello" if run is trio.run else run(scenario()) == b"hello"
    tested.close(passed=False)


@pytest.mark.parametrize("error", [ConnectionError("lost"), asyncio.CancelledError()])
def test_one_that_waited_for_a_failure_asks_itself(tmp_path: Path, error: BaseException) -> None:
    """If the first answer does not come, the next one to ask goes live instead of hanging."""
    tested = recorder(tmp_path, Config("once", repeats="first"))
    ticket = tested.ask(ASKED)
    when_waited_for(tested, lambda: tested.fail(ticket, error))
    again = tested.ask(ASKED)
    assert again.response is None
    tested.answer(again, ANSWER)
    tested.close(passed=True)
    text = (tmp_path / NAME).read_text(encoding="utf-8")
    assert "text: hello" in text
    assert "error:" not in text


def test_cancelled_request_is_not_an_answer(tmp_path: Path) -> None:
    """A request that was cancelled, not failed, leaves nothing behind."""
    tested = recorder(tmp_path, Config("once"))
    tested.fail(tested.ask(ASKED), asyncio.CancelledError())
    tested.close(passed=True)
    assert not (tmp_path / NAME).exists()


def test_request_that_passes_is_not_looked_at(tmp_path: Path) -> None:
    """A request that is let through is answered live, fails live, and is only counted."""
    tested = recorder(tmp_path, Config(), passes=lambda _: True)
    ticket = tested.ask(ASKED)
    assert ticket.response is None
    tested.answer(ticket, ANSWER)
    tested.fail(tested.ask(ASKED), ConnectionError("lost"))
    assert tested.problems == []
    tested.close(passed=True)
    assert list(tmp_path.iterdir()) == []


def test_closed_recorder_refuses(tmp_path: Path) -> None:
    """After its test a recorder answers nobody."""
    tested = recorder(tmp_path, Config("once"))
    tested.close(passed=True)
    with pytest.raises(Refusal, match="after its test had ended"):
        tested.ask(ASKED)


def test_miss_is_raised_and_remembered(tmp_path: Path) -> None:
    """A miss is a refusal, counted, and kept for the end of the test."""
    tested = recorder(tmp_path, Config())
    with pytest.raises(CassetteMiss):
        tested.ask(ASKED)
    assert [problem.slug for problem in tested.problems] == ["cassette-miss"]


def test_secret_of_a_replayed_answer_comes_back_as_its_placeholder(tmp_path: Path) -> None:
    """A login whose token was redacted replays: the placeholder that the client sends back is found."""
    login = Request(
        "POST", "https://api.test/login", (("content-type", "application/json"),), b'{"user": "me"}'
    )
    token = "Zx81kPq77LmN0aBcD3eFgH9i"
    told = Response(
        200, "OK", (("content-type", "application/json"),), b'{"access_token": "%s"}' % token.encode()
    )

    def use(value: str) -> Request:
        body = json.dumps({"access_token": value, "q": 1}).encode()
        return Request("POST", "https://api.test/use", (("content-type", "application/json"),), body)

    first = recorder(tmp_path, Config("once"))
    first.answer(first.ask(login), told)
    first.answer(first.ask(use(token)), ANSWER)
    first.close(passed=True)
    assert token not in (tmp_path / NAME).read_text(encoding="utf-8")
    again = recorder(tmp_path, Config())
    replayed = again.ask(login).response
    assert replayed is not None
    seen = json.loads(replayed.body)["access_token"]
    assert seen == "[redacted:access-token]"
    assert again.ask(use(seen)).response is not None
    assert again.unplayed() == []


def test_value_of_the_environment_is_in_no_file(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that only its variable tells is in no byte of what is written, and replays with another value."""
    suite.write(
        """
    import os

    @pytest.mark.f3dx_cache
    def test_it():
        assert "ok" in "ok" + ask("use " + os.environ["TENANT_TOKEN"])
        assert not os.environ.get("FAIL")
    """
    )
    monkeypatch.setenv("TENANT_TOKEN", "tk8Zq21x-first")
    monkeypatch.setenv("FAIL", "1")
    suite.run("--f3dx-record=once").assert_outcomes(failed=1)
    assert not any(
        b"tk8Zq21x" in p.read_bytes() for p in (suite.path / "cassettes").rglob("*") if p.is_file()
    )
    monkeypatch.delenv("FAIL")
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    assert "prompt: use [redacted:tenant-token]" in suite.cassette().read_text(encoding="utf-8")
    monkeypatch.setenv("TENANT_TOKEN", "tk9Yr32w-second")
    suite.run().assert_outcomes(passed=1)
    assert len(suite.server.requests) == 1


VCRPY = Path(__file__).parent / "data" / "bad_cassettes" / "00_good.yaml"


def test_nothing_is_added_to_a_cassette_of_vcrpy(suite: Suite) -> None:
    """A cassette of vcrpy replays; a new request beside it is pending, and the file stays as it is."""
    suite.write(
        """
    def known():
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
        request = urllib.request.Request(
            "http://127.0.0.1:9/v1/chat/completions",
            json.dumps(body).encode(),
            {"content-type": "application/json"},
        )
        return urllib.request.urlopen(request).read()

    @pytest.mark.f3dx_cache
    def test_it():
        assert b"hello" in known()
        ask("new")
    """
    )
    suite.cassette().parent.mkdir(parents=True)
    shutil.copyfile(VCRPY, suite.cassette())
    result = suite.run("--f3dx-record=new_episodes")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*a cassette of vcrpy is replayed, but nothing is added to it*"])
    assert suite.cassette().read_bytes() == VCRPY.read_bytes()
