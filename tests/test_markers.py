"""The marker and the other places where settings stand, in every kind of test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Suite

KINDS = {
    "function": """
    @pytest.mark.f3dx_cache
    def test_it():
        ask("hi")
    """,
    "class": """
    @pytest.mark.f3dx_cache
    class TestIt:
        def test_it(self):
            ask("hi")

        class TestInner:
            def test_it(self):
                ask("ho")
    """,
    "module": """
    pytestmark = pytest.mark.f3dx_cache

    def test_it():
        ask("hi")
    """,
    "parametrised": """
    @pytest.mark.f3dx_cache
    @pytest.mark.parametrize("word", ["a/b", "a:b", "a-b", "A"])
    def test_it(word):
        ask(word)
    """,
    "parameter": """
    @pytest.mark.parametrize("word", [pytest.param("hi", marks=pytest.mark.f3dx_cache)])
    def test_it(word):
        ask(word)
    """,
    "asyncio": """
    import asyncio

    @pytest.mark.f3dx_cache
    @pytest.mark.asyncio
    async def test_it():
        await asyncio.gather(asyncio.to_thread(ask, "hi"), asyncio.to_thread(ask, "ho"))
    """,
    "anyio": """
    import anyio

    @pytest.fixture(params=["asyncio", "trio"])
    def anyio_backend(request):
        return request.param

    @pytest.mark.f3dx_cache
    @pytest.mark.anyio
    async def test_it():
        await anyio.to_thread.run_sync(ask, "hi")
    """,
    "unittest": """
    import unittest

    @pytest.mark.f3dx_cache
    class TestIt(unittest.TestCase):
        def setUp(self):
            self.first = ask("set up")

        def test_it(self):
            assert ask("hi") and self.first

        def tearDown(self):
            ask("tear down")
    """,
    "fixtures": """
    @pytest.fixture
    def before():
        return ask("before")

    @pytest.fixture(autouse=True)
    def after():
        yield
        ask("after")

    @pytest.mark.f3dx_cache
    def test_it(before):
        assert before
        ask("hi")
    """,
    "threads": """
    from concurrent.futures import ThreadPoolExecutor

    @pytest.mark.f3dx_cache
    def test_it():
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, [f"number {n}" for n in range(16)]))
        assert all(f"number {n}" in answer for n, answer in enumerate(answers))
    """,
}


@pytest.mark.parametrize("kind", KINDS)
def test_records_and_replays(suite: Suite, kind: str) -> None:
    """Every kind of test records everything it sends and replays it with the server gone."""
    suite.write(KINDS[kind])
    first = suite.run("--f3dx-record=once")
    assert first.ret == 0
    sent = len(suite.server.requests)
    assert sent
    assert suite.summary(first).startswith(f"f3dx: 0 replayed, {sent} recorded")
    suite.server.stop()
    again = suite.run()
    assert again.ret == 0
    assert suite.summary(again).startswith(f"f3dx: {sent} replayed, 0 recorded")
    assert again.parseoutcomes() == first.parseoutcomes()


def test_unmarked_test_is_left_alone(suite: Suite) -> None:
    """A test without the marker talks to the network as if the plugin were not there, also beside marked ones."""
    suite.write(
        """
    import http.client
    REAL = http.client.HTTPConnection.putrequest

    def test_before():
        assert "hi" in ask("hi")

    @pytest.mark.f3dx_cache
    def test_it():
        assert "hi" in ask("hi")

    def test_after():
        assert http.client.HTTPConnection.putrequest is REAL
        assert "hi" in ask("hi")
    """
    )
    suite.run("--f3dx-record=once").assert_outcomes(passed=3)
    assert len(suite.server.requests) == 3
    suite.run().assert_outcomes(passed=3)
    assert len(suite.server.requests) == 5


def test_shared_cassette(suite: Suite) -> None:
    """Tests that name a cassette share it: both record into it in one run, and both replay."""
    suite.write(
        """
    @pytest.mark.f3dx_cache(name="shared/login")
    def test_one():
        ask("both")
        ask("one")

    @pytest.mark.f3dx_cache(name="shared/login")
    def test_two():
        ask("both")
        ask("two")
    """
    )
    suite.run("--f3dx-record=once").assert_outcomes(passed=2)
    assert len(suite.server.requests) == 3
    assert [p.name for p in (suite.path / "cassettes").rglob("*.yaml")] == ["login.yaml"]
    suite.run("--f3dx-record=all").assert_outcomes(passed=2)
    assert len(suite.server.requests) == 7
    suite.server.stop()
    suite.run().assert_outcomes(passed=2)
    suite.run("-k", "two").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("(recrod='once')", "did you mean 'record'?"),
        ("(record='onec')", "did you mean 'once'?"),
        ("('once')", "takes keyword arguments only"),
        ("(ignore='$.a')", "a list of strings"),
        ("(ignore=['$.['])", "$.["),
        ("(replace=[('(', 'x')])", "("),
        ("(name='../../etc/passwd')", "in parts joined by '/'"),
    ],
)
def test_wrong_marker_stops_the_run(suite: Suite, marker: str, said: str) -> None:
    """A wrong marker argument is a usage error at collection, naming test and what is accepted."""
    suite.write(f"    @pytest.mark.f3dx_cache{marker}\n    def test_it():\n        pass\n")
    result = suite.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str()
    assert "test_it.py::test_it" in text
    assert said in text
    assert "INTERNALERROR" not in text + result.stdout.str()


@pytest.mark.parametrize(
    ("ini", "said"),
    [("f3dx_record = alll", "did you mean 'all'?"), ("f3dx_replace =\n    no arrow", "regex => placeholder")],
)
def test_wrong_ini_value_stops_the_run(suite: Suite, ini: str, said: str) -> None:
    """A wrong value in the ini file is a usage error."""
    (suite.path / "tox.ini").write_text(f"[pytest]\n{ini}\n", encoding="utf-8")
    suite.write(KINDS["function"])
    result = suite.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in result.stderr.str()


def test_wrong_flag_stops_the_run(suite: Suite) -> None:
    """A wrong record mode on the command line lists the right ones."""
    result = suite.run("--f3dx-record=sometimes")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*none*once*new_episodes*all*"])


def test_wrong_fixture_fails_the_test(suite: Suite) -> None:
    """An unknown key of `f3dx_config` is an error with the nearest name, even behind a broad except."""
    suite.write(
        """
    @pytest.fixture(scope="session")
    def f3dx_config():
        return {"unplaied": "warn"}

    @pytest.mark.f3dx_cache
    def test_it():
        try:
            ask("hi")
        except Exception:
            pass
    """
    )
    result = suite.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*did you mean 'unplayed'?*"])
    assert suite.server.requests == []


def test_settings_of_every_source_are_heard(suite: Suite) -> None:
    """ini, fixture and marker all reach the test, the nearer one winning."""
    (suite.path / "tox.ini").write_text(
        "[pytest]\nf3dx_record = once\nf3dx_cassette_dir = tapes\nf3dx_ignore =\n    $.noise\n",
        encoding="utf-8",
    )
    suite.write(
        """
    import os

    @pytest.fixture(scope="session")
    def f3dx_config():
        return {"replace": [("[0-9]+", "<n>")], "keep_headers": ["x-extra"]}

    @pytest.mark.f3dx_cache(repeats="first", record="new_episodes")
    def test_it():
        one = ask("order 12", noise=os.urandom(4).hex())
        assert ask("order 34", noise=os.urandom(4).hex()) == one
    """
    )
    suite.run().assert_outcomes(passed=1)
    assert len(suite.server.requests) == 1
    suite.server.stop()
    suite.run("--f3dx-record=none").assert_outcomes(passed=1)
    text = (suite.path / "tapes/test_it/test_it.yaml").read_text(encoding="utf-8")
    assert "ignore:" in text
    assert "<n>" in text
    assert "prompt: order 12" in text


def test_closer_marker_wins_argument_by_argument(suite: Suite) -> None:
    """Marker arguments of module, class and function add up; the closest wins."""
    suite.write(
        """
    pytestmark = pytest.mark.f3dx_cache(name="of/module", record="once")

    @pytest.mark.f3dx_cache(name="of/class")
    class TestIt:
        def test_it(self):
            ask("hi")
    """
    )
    suite.run().assert_outcomes(passed=1)
    assert suite.cassette("of/class").exists()


def test_changed_settings_rekey_and_do_not_miss(suite: Suite) -> None:
    """A cassette recorded without `ignore` replays with it: it is keyed anew in memory."""
    body = """
    @pytest.mark.f3dx_cache({settings})
    def test_it():
        ask("hi", noise={noise})
    """
    suite.write(body.format(settings="", noise=1))
    suite.run("--f3dx-record=once")
    before = suite.cassette().read_bytes()
    suite.server.stop()
    suite.write(body.format(settings="ignore=['$.noise']", noise=2))
    suite.run().assert_outcomes(passed=1)
    assert suite.cassette().read_bytes() == before


def test_hooks(suite: Suite) -> None:
    """A conftest can let requests pass and change what is kept, not what the test sees."""
    (suite.path / "conftest.py").write_text(
        """
import dataclasses

def pytest_f3dx_passthrough(request, item):
    return "/until-closed" in request.uri or None

def pytest_f3dx_edit_response(request, response, item):
    assert item.name == "test_it"
    return dataclasses.replace(response, body=response.body.replace(b"hi", b"HI"))
""",
        encoding="utf-8",
    )
    suite.write(
        """
    @pytest.mark.f3dx_cache
    def test_it(request):
        ask(path="/until-closed")
        assert ("hi" if request.config.getoption("--f3dx-record") else "HI") in ask("hi")
    """
    )
    first = suite.run("--f3dx-record=once")
    first.assert_outcomes(passed=1)
    assert suite.summary(first).startswith("f3dx: 0 replayed, 1 recorded, 1 live")
    again = suite.run()
    again.assert_outcomes(passed=1)
    assert suite.summary(again).startswith("f3dx: 1 replayed, 0 recorded, 1 live")


@pytest.mark.parametrize("hook", ["passthrough(request, item)", "edit_response(request, response, item)"])
def test_failing_hook_fails_the_test_at_once(suite: Suite, hook: str) -> None:
    """An error in a hook is not for the client to catch and to retry: nothing is asked or paid twice."""
    (suite.path / "conftest.py").write_text(f"def pytest_f3dx_{hook}:\n    raise KeyError('oops')\n", "utf-8")
    suite.write(
        """
    @pytest.mark.f3dx_cache
    def test_it():
        for _ in range(3):
            try:
                ask("hi")
            except Exception:
                pass
    """
    )
    result = suite.run("--f3dx-record=once")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*  reason    KeyError: 'oops'"])
    assert len(suite.server.requests) == ("edit" in hook)


def test_request_after_the_test_is_refused(suite: Suite) -> None:
    """A thread that outlives its test and carries its context cannot record into the next one's cassette."""
    suite.write(
        """
    import contextvars
    import threading

    go, done, caught = threading.Event(), threading.Event(), []

    def later():
        go.wait(60)
        try:
            ask("late")
        except BaseException as error:
            caught.append(str(error))
        done.set()

    @pytest.mark.f3dx_cache
    def test_a():
        ask("a")
        threading.Thread(target=contextvars.copy_context().run, args=(later,)).start()

    @pytest.mark.f3dx_cache
    def test_it():
        ask("b")
        go.set()
        assert done.wait(60)
        assert "after its test had ended" in caught[0]
    """
    )
    suite.run("--f3dx-record=once").assert_outcomes(passed=2)
    assert "late" not in suite.cassette().read_text(encoding="utf-8")


@pytest.mark.skipif(not hasattr(pytest, "Subtests"), reason="subtests came with pytest 9")
@pytest.mark.parametrize("caught", ["ZeroDivisionError", "BaseException"])
def test_a_miss_in_a_subtest_fails_the_subtest(suite: Suite, caught: str) -> None:
    """It is told once, where it happened, whether the subtest has caught it or not; the others go on."""
    suite.write(f"""
    @pytest.mark.f3dx_cache
    def test_it(subtests):
        with subtests.test("asks"):
            try:
                ask()
            except {caught}:
                pass
        with subtests.test("goes on"):
            pass
    """)
    result = suite.run()
    result.stdout.fnmatch_lines(
        [
            "SUBFAILED*asks* test_it.py::test_it - *",
            "FAILED test_it.py::test_it - contains 1 failed subtest",
            "*2 failed* in *",
        ]
    )
