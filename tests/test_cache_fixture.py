"""``f3dx_cache_obj`` and ``f3dx_cassette``: a cache over the test's own cassette, and what the test has sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_f3dx import cli

if TYPE_CHECKING:
    from tests.conftest import Suite

# The example of the original's documentation, its import and the call of a model aside.
ORIGINAL = """
    from types import SimpleNamespace
    from pytest_f3dx import Cache

    def call_real_llm(request):
        return SimpleNamespace(body=ask("expected substring", **request).encode(), model="gpt-4o")

    @pytest.mark.f3dx_cache
    def test_it(f3dx_cache_obj: Cache):
        request = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
        cached = f3dx_cache_obj.get(request)
        if cached is None:
            response = call_real_llm(request)
            f3dx_cache_obj.put(request, response.body, model=response.model)
            cached = response.body
        assert b"expected substring" in cached
"""
LOCAL = """
    CALLS = []

    @pytest.mark.f3dx_cache
    def test_it(f3dx_cache_obj):
        request = {{"prompt": {prompt!r}}}
        cached = f3dx_cache_obj.get(request)
        if cached is None:
            CALLS.append(1)
            cached = b"an answer"
            f3dx_cache_obj.put(request, cached, model="local", response_duration_ms=850)
        assert cached == b"an answer"
        {verdict}
"""


def local(prompt: str = "hi", verdict: str = "pass") -> str:
    return LOCAL.format(prompt=prompt, verdict=verdict)


def test_example_of_the_original(suite: Suite) -> None:
    """The original's example records once and replays without the server; its HTTP call is not left unplayed."""
    suite.write(ORIGINAL)
    result = suite.run("--f3dx-record=once")
    result.assert_outcomes(passed=1)
    assert suite.server.count == 1
    suite.server.stop()
    again = suite.run("-W", "error")
    again.assert_outcomes(passed=1)
    assert suite.summary(again).startswith("f3dx: 1 replayed, 0 recorded, 0 live, 0 missed, 0 unplayed")
    text = suite.cassette().read_text(encoding="utf-8")
    assert (
        text.count("    request:\n      method: CALL\n      uri: f3dx://cache\n")
        == text.count("request:")
        == 1
    )
    assert "headers: {model: gpt-4o}" in text


def test_the_call_that_follows_a_cold_get_is_a_miss(suite: Suite) -> None:
    """In `none` a cold get gives None, and the HTTP call behind it is refused."""
    suite.write(ORIGINAL)
    result = suite.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no recording answers this request*", "*request   POST http://127.0.0.1*"])
    assert suite.server.count == 0


def test_a_put_that_nothing_may_record_is_a_miss(suite: Suite) -> None:
    """In `none` the answer of a call that is no HTTP cannot be put: the test fails, with the nearest call."""
    suite.write(local())
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    assert suite.run().ret == 0
    suite.write(local("hi there"))
    result = suite.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*request   CALL f3dx://cache  b3:*",
            "*nearest   b3:*… differs in 1 place",
            '*$.prompt  "hi" → "hi there"',
            "*fix       pytest *--f3dx-record=new_episodes",
        ]
    )
    suite.paste_fix(result).assert_outcomes(passed=1)
    text = suite.cassette().read_text(encoding="utf-8")
    assert "prompt: hi there" in text
    assert text.count("method: CALL") == 1
    suite.run().assert_outcomes(passed=1)


def test_what_is_put_is_told_in_the_cassette(suite: Suite) -> None:
    """Duration and model stand in the cassette, and the summary counts the call; `check` finds it good."""
    suite.write(local())
    result = suite.run("--f3dx-record=once")
    assert suite.summary(result).startswith("f3dx: 0 replayed, 1 recorded, 0 live, 0 missed, 0 unplayed")
    assert "took_ms: 850}" in suite.cassette().read_text(encoding="utf-8")
    assert suite.summary(suite.run()) == (
        "f3dx: 1 replayed, 0 recorded, 0 live, 0 missed, 0 unplayed; saved 1 request, 0.8 s"
    )
    assert cli.main(["check", str(suite.cassette())]) == 0


def test_a_put_is_pending_until_the_test_has_passed(suite: Suite) -> None:
    """What a failing test put is not asked for again by the next recording run."""
    suite.write(local(verdict="assert False"))
    suite.run("--f3dx-record=once").assert_outcomes(failed=1)
    assert not suite.cassette().exists()
    suite.write(local(verdict="assert not CALLS"))
    result = suite.run("--f3dx-record=once")
    result.assert_outcomes(passed=1)
    assert suite.summary(result).startswith("f3dx: 1 replayed (1 from pending), 0 recorded")
    suite.run().assert_outcomes(passed=1)


def test_the_http_call_behind_a_put_is_pending_too(suite: Suite) -> None:
    """A run that fails before its put does not pay again for the HTTP call; that leaves no interaction behind."""
    broken = ORIGINAL.replace("f3dx_cache_obj.put(", "1 / 0; f3dx_cache_obj.put(")
    suite.write(broken)
    suite.run("--f3dx-record=once").assert_outcomes(failed=1)
    suite.write(ORIGINAL)
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    assert suite.server.count == 1
    suite.server.stop()
    suite.run().assert_outcomes(passed=1)


def test_http_beside_a_call_is_recorded(suite: Suite) -> None:
    """What a test sends outside the two steps of a call stays an interaction of its own."""
    suite.write(ORIGINAL.replace("assert b", "ask('beside')\n        assert b"))
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    suite.server.stop()
    again = suite.run()
    again.assert_outcomes(passed=1)
    assert suite.summary(again).startswith("f3dx: 2 replayed")


def test_all_asks_anew(suite: Suite) -> None:
    """Under `all` a get gives None although the cassette has an answer, and the new one takes its place."""
    suite.write(local())
    suite.run("--f3dx-record=once")
    suite.write(local(verdict="assert CALLS").replace("an answer", "a new answer"))
    suite.run("--f3dx-record=all").assert_outcomes(passed=1)
    assert "a new answer" in suite.cassette().read_text(encoding="utf-8")
    suite.write(local(verdict="assert not CALLS").replace("an answer", "a new answer"))
    suite.run().assert_outcomes(passed=1)


def test_a_call_left_unplayed_fails(suite: Suite) -> None:
    """A passing replay that did not get what its cassette holds fails, naming the call."""
    suite.write(local())
    suite.run("--f3dx-record=once")
    suite.write("    @pytest.mark.f3dx_cache\n    def test_it():\n        pass\n")
    result = suite.run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*unplayed  b3:*… CALL f3dx://cache"])


def test_a_call_is_redacted(suite: Suite) -> None:
    """A secret in a request or an answer is not in the cassette, and the call is found all the same."""
    secret = "sk-proj-" + "a1B2" * 10
    suite.write(local(f"my key is {secret}"))
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    assert secret not in suite.cassette().read_text(encoding="utf-8")
    suite.run().assert_outcomes(passed=1)


MANY = """
    @pytest.mark.f3dx_cache
    def test_it(f3dx_cache_obj):
        cache = f3dx_cache_obj
        assert cache.peek({{}}) is None
        cache.put({{}}, "one")
        cache.put({{}}, "two", model="m", system_fingerprint="fp")
        assert cache.get({{}}) == b"two"
        cache.put({{"n": 2}}, b"")
        assert cache.get({{"n": 2}}) == b""
        {more}
"""


def test_the_last_put_counts(suite: Suite) -> None:
    """A call has one answer, the last that was put; entries and stats tell of the file and of what is pending."""
    more = """
        assert len(cache) == 2
        assert cache.stats() == {"entries": 2, "hits": 2, "misses": 0, "bytes_requests": 9, "bytes_responses": 3}
        first, second = cache
        assert (first.request, first.response, first.meta.model) == ({}, b"two", "m")
        assert first.created_at_ms > 1_700_000_000_000
        assert {} in cache and {"n": 3} not in cache
        with pytest.raises(Exception, match="not deleted by a test"):
            cache.delete({})
        assert repr(cache) == "<the cache of a test>"
        cache.close()
    """
    suite.write(MANY.format(more=more.strip()))
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    assert suite.cassette().read_text(encoding="utf-8").count("status: 200") == 2
    body = """
    @pytest.mark.f3dx_cache
    def test_it(f3dx_cache_obj):
        assert f3dx_cache_obj.get({}) == b"two"
        assert f3dx_cache_obj.get({"n": 2}) == b""
        assert len(f3dx_cache_obj) == 2
        f3dx_cache_obj.put({"n": 2}, b"")
    """
    suite.write(body)
    suite.run().assert_outcomes(passed=1)


def test_another_answer_than_the_recorded_one_is_refused(suite: Suite) -> None:
    """A put that would change the cassette fails where nothing may be recorded; it replaces where it may."""
    suite.write(local())
    suite.run("--f3dx-record=once")
    body = "    @pytest.mark.f3dx_cache\n    def test_it(f3dx_cache_obj):\n        f3dx_cache_obj.put({'prompt': 'hi'}, 'new')\n"
    suite.write(body)
    result = suite.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the cassette has another answer to this call*"])
    suite.run("--f3dx-record=new_episodes").assert_outcomes(passed=1)
    text = suite.cassette().read_text(encoding="utf-8")
    assert "text: new" in text
    assert text.count("status:") == 1


def test_what_passes_is_not_kept(suite: Suite) -> None:
    """A call that the hook lets pass has no answer and keeps none; it counts as live."""
    suite.write(local())
    conftest = "def pytest_f3dx_passthrough(request):\n    return request.method == 'CALL' or None\n"
    (suite.path / "conftest.py").write_text(conftest, encoding="utf-8")
    result = suite.run("--f3dx-record=once")
    assert suite.summary(result).startswith("f3dx: 0 replayed, 0 recorded, 1 live")
    assert not suite.cassette().exists()


@pytest.mark.parametrize("name", ["f3dx_cache_obj", "f3dx_cassette"])
def test_the_fixtures_need_the_marker(suite: Suite, name: str) -> None:
    """Without the marker there is no cassette, and the fixture says so."""
    suite.write(f"    def test_it({name}):\n        pass\n")
    result = suite.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*the fixture {name} needs @pytest.mark.f3dx_cache on the test*"])


def test_the_cache_of_a_test_stays_in_its_process(suite: Suite) -> None:
    """It cannot be pickled, and says why."""
    suite.write(
        "    import pickle\n    @pytest.mark.f3dx_cache\n    def test_it(f3dx_cache_obj):\n"
        "        with pytest.raises(TypeError, match='does not cross'):\n            pickle.dumps(f3dx_cache_obj)\n"
    )
    suite.run().assert_outcomes(passed=1)


SENT = """
    import asyncio, threading

    @pytest.fixture
    def early():
        ask("from a fixture")

    @pytest.mark.f3dx_cache
    def test_it(early, f3dx_cassette, f3dx_cache_obj):
        ask("hi", path="/echo?key=1")
        f3dx_cache_obj.get({"n": 1}) or f3dx_cache_obj.put({"n": 1}, b"one")
        with pytest.raises(OSError):
            ask(path="/status/500")
        prompts = [sent.json().get("prompt") for sent in f3dx_cassette]
        assert prompts == ["from a fixture", "hi", None, "hi"]
        first, second, call, failed = f3dx_cassette.requests
        assert len(f3dx_cassette) == 4 and f3dx_cassette[1] is second and f3dx_cassette[:1] == [first]
        assert second.method == "POST" and second.uri.endswith("/echo?key=1")
        assert second.header("Content-Type") == "application/json"
        assert '"prompt": "hi"' in second.text and second.text.encode() == second.body
        assert ("Content-type", "application/json") in second.headers or second.headers
        assert call.method == "CALL" and call.json() == {"n": 1} and call.response.body == b"one"
        assert b"hi" in second.response.body
        assert len(f3dx_cassette.replayed) == REPLAYED and len(f3dx_cassette.live) == 4 - REPLAYED
        assert "echo" in repr(f3dx_cassette) and "key=1" not in repr(f3dx_cassette)
"""


def test_what_a_test_has_sent(suite: Suite) -> None:
    """``f3dx_cassette`` shows what is sent now, from fixtures too, whether it is recorded or replayed."""
    suite.write(SENT.replace("REPLAYED", "0"))
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    suite.server.stop()
    suite.write(SENT.replace("REPLAYED", "4"))
    suite.run().assert_outcomes(passed=1)


ASYNC = """
    import httpx

    @pytest.mark.f3dx_cache
    @pytest.mark.asyncio
    async def test_it(f3dx_cassette):
        async with httpx.AsyncClient() as client:
            await client.post(URL + "/echo", json={"n": 1})
            with pytest.raises(BaseException):
                await client.post("http://127.0.0.1:9/echo", json={"n": 2})
        assert [sent.json()["n"] for sent in f3dx_cassette] == [1, 2]
        assert f3dx_cassette[1].response is None
        assert "unanswered" in repr(f3dx_cassette[1])
"""


def test_what_an_async_test_has_sent(suite: Suite) -> None:
    """A request that failed is shown, too."""
    suite.write(ASYNC)
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
