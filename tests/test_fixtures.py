"""Fixtures that outlive a test have cassettes of their own, recorded and replayed like those of tests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Suite

LOGIN = """
    @pytest.fixture(scope="{scope}")
    def login():
        yield ask("login")
        ask("logout")

    class TestThem:
        @pytest.mark.f3dx_cache
        def test_one(self, login):
            assert "login" in login
            ask("one")

        @pytest.mark.f3dx_cache
        def test_two(self, login):
            assert "login" in login
"""


def bodies(suite: Suite) -> list[str]:
    """Return the prompts that were paid for."""
    return [seen.body.decode() for seen in suite.server.requests]


@pytest.mark.parametrize("scope", ["session", "package", "module", "class"])
@pytest.mark.parametrize("mode", ["once", "new_episodes", "all"])
def test_a_fixture_has_its_own_cassette(suite: Suite, scope: str, mode: str) -> None:
    """Set-up and teardown are recorded into `fixture.<name>`, and replayed with the server down."""
    suite.write(LOGIN.format(scope=scope))
    result = suite.run(f"--f3dx-record={mode}")
    result.assert_outcomes(passed=2)
    assert suite.summary(result).startswith("f3dx: 0 replayed, 3 recorded, 0 live, 0 missed, 0 unplayed")
    text = suite.cassette("test_it/fixture.login").read_text()
    assert "test: test_it.py::fixture.login\n" in text
    assert text.index("prompt: login") < text.index("prompt: logout")
    assert "login" not in suite.cassette("test_it/TestThem.test_one").read_text()
    assert not suite.cassette("test_it/TestThem.test_two").exists()
    assert not (suite.path / "cassettes/.pending").exists()
    suite.server.stop()
    again = suite.run()
    again.assert_outcomes(passed=2)
    assert suite.summary(again).startswith("f3dx: 3 replayed, 0 recorded, 0 live, 0 missed, 0 unplayed")


def test_none_lets_nothing_of_a_fixture_leave(suite: Suite) -> None:
    """A miss in a fixture fails the test that needs it, names the fixture, and its fix works."""
    suite.write(LOGIN.format(scope="module"))
    result = suite.run()
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        [
            "*f3dx: no recording answers this request [[]cassette-miss[]]",
            "*  fixture   login of test_it.py",
            "*  test      test_it.py::TestThem::test_one",
            "*  cassette  cassettes/test_it/fixture.login.yaml (absent, mode none)",
            '*  fix       pytest "test_it.py::TestThem::test_one" --f3dx-record=once',
        ]
    )
    assert suite.server.requests == []
    suite.paste_fix(result).assert_outcomes(passed=1)
    suite.server.stop()
    suite.run().assert_outcomes(passed=2)


def test_a_swallowed_miss_of_a_fixture_fails_the_test(suite: Suite) -> None:
    """Whatever the fixture caught, the test that set it up fails, xfail or not."""
    suite.write(
        """
    @pytest.fixture(scope="session")
    def login():
        try:
            return ask("login")
        except BaseException:
            return "nothing"

    @pytest.mark.f3dx_cache
    @pytest.mark.xfail(strict=False)
    def test_one(login):
        pass
    """
    )
    result = suite.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fixture   login of test_it.py"])


@pytest.mark.parametrize("scope", ["function", "session"])
def test_a_miss_in_a_fixture_leaves_the_next_test_alone(suite: Suite, scope: str) -> None:
    """After a miss in a set-up the fixture is set up anew, or fails alike, for the next test that needs it."""
    suite.write(
        f"""
    @pytest.fixture(scope="{scope}")
    def login():
        return ask("login")

    @pytest.mark.f3dx_cache
    @pytest.mark.parametrize("n", range(2))
    def test_it(login, n):
        pass
    """
    )
    result = suite.run()
    result.assert_outcomes(errors=2)
    assert result.stdout.str().count("no recording answers this request [cassette-miss]") >= 2
    assert "AssertionError" not in result.stdout.str()


def test_parameters_have_cassettes_of_their_own(suite: Suite) -> None:
    """Each parameter of a fixture is recorded by itself, under the id that pytest shows."""
    suite.write(
        """
    class Role:
        pass

    @pytest.fixture(scope="module", params=["admin", pytest.param(object(), id="role"), Role, object(), None])
    def login(request):
        return ask(f"login {request.param_index}")

    @pytest.fixture(scope="module", params=[1, 2], ids=["one", "two"])
    def named(request):
        return ask(f"number {request.param}")

    @pytest.fixture(scope="module", params=[1, 2], ids=lambda value: value * 10)
    def counted(request):
        return ask(f"count {request.param}")

    @pytest.mark.f3dx_cache
    def test_it(login):
        pass

    @pytest.mark.f3dx_cache
    def test_named(named, counted):
        pass
    """
    )
    suite.run("--f3dx-record=once").assert_outcomes(passed=9)
    files = (path.name for path in (suite.path / "cassettes/test_it").iterdir())
    names = sorted(re.sub(r"-\w{8}(?=\.yaml)", "-hash", name) for name in files)
    assert names == [
        "fixture.counted[10].yaml",
        "fixture.counted[20].yaml",
        "fixture.login[None]-hash.yaml",
        "fixture.login[Role]-hash.yaml",
        "fixture.login[admin].yaml",
        "fixture.login[login3].yaml",
        "fixture.login[role].yaml",
        "fixture.named[one].yaml",
        "fixture.named[two].yaml",
    ]
    suite.server.stop()
    suite.run().assert_outcomes(passed=9)


FAILS = """
    @pytest.fixture(scope="module")
    def login():
        yield ask("login")
        ask("logout")

    @pytest.mark.f3dx_cache
    def test_it(login):
        ask("it")
        assert {verdict}
"""


def test_a_failing_test_does_not_lose_the_recording_of_its_fixture(suite: Suite) -> None:
    """A fixture that was set up is folded, whatever became of the tests that used it."""
    suite.write(FAILS.format(verdict=False))
    suite.run("--f3dx-record=once").assert_outcomes(failed=1)
    assert "prompt: logout" in suite.cassette("test_it/fixture.login").read_text()
    suite.write(FAILS.format(verdict=True))
    result = suite.run("--f3dx-record=once")
    result.assert_outcomes(passed=1)
    assert len(suite.server.requests) == 3
    assert suite.summary(result).startswith("f3dx: 3 replayed (1 from pending), 0 recorded")


def test_a_run_that_stops_early_folds_at_its_end(suite: Suite) -> None:
    """With `-x` a session fixture is torn down after the last report; what it recorded is kept."""
    suite.write(
        FAILS.format(verdict=False).replace("module", "session") + "\n    def test_more(login): ...\n"
    )
    assert suite.run("--f3dx-record=once", "-x").ret == 1
    assert "prompt: logout" in suite.cassette("test_it/fixture.login").read_text()
    result = suite.run("-x", "-k", "test_more")
    result.assert_outcomes(passed=1, deselected=1)
    assert len(suite.server.requests) == 3


def test_a_fixture_that_cannot_be_set_up_leaves_its_calls_pending(suite: Suite) -> None:
    """The recording of a fixture that failed is not folded; the next run takes it up and says so."""
    body = """
    @pytest.fixture(scope="module")
    def login():
        ask("login")
        assert {verdict}
        return "there"

    @pytest.mark.f3dx_cache
    def test_it(login):
        pass
    """
    suite.write(body.format(verdict=False))
    suite.run("--f3dx-record=once").assert_outcomes(errors=1)
    assert not suite.cassette("test_it/fixture.login").exists()
    suite.write(body.format(verdict=True))
    result = suite.run("--f3dx-record=once", "-v")
    result.stdout.fnmatch_lines(["  test_it.py::fixture.login: 1 replayed (1 from pending), 0 recorded*"])
    assert len(suite.server.requests) == 1


def test_an_unmarked_test_that_comes_first_changes_nothing(suite: Suite) -> None:
    """A fixture that a marked test uses is routed, whichever test happens to need it first."""
    suite.write(
        """
    @pytest.fixture(scope="session")
    def login():
        return ask("login")

    def test_first(login):
        pass

    @pytest.mark.f3dx_cache
    def test_marked(login):
        pass
    """
    )
    result = suite.run()
    result.assert_outcomes(errors=2)
    assert suite.server.requests == []
    suite.paste_fix(result).assert_outcomes(passed=1)
    suite.run().assert_outcomes(passed=2)
    assert len(suite.server.requests) == 1


ONLY_UNMARKED = """
    @pytest.fixture(scope="{scope}")
    def f3dx_config():
        return {{"keep_headers": ["x-kept"]}}

    @pytest.fixture(scope="session")
    def login():
        return ask("login")

    def test_it(login):
        pass
"""


@pytest.mark.parametrize("scope", ["session", "function"])
def test_fixtures_of_unmarked_tests_on_demand(suite: Suite, scope: str) -> None:
    """With `f3dx_fixtures = all` the wider fixtures of every test are recorded and replayed."""
    suite.write(ONLY_UNMARKED.format(scope=scope))
    option = ("-o", "f3dx_fixtures=all")
    suite.run(*option).assert_outcomes(errors=1)
    suite.run(*option, "--f3dx-record=once").assert_outcomes(passed=1)
    suite.server.stop()
    suite.run(*option).assert_outcomes(passed=1)
    suite.run().assert_outcomes(errors=1)  # unmarked tests are left alone by default


def test_off_leaves_fixtures_to_the_test_that_needs_them_first(suite: Suite) -> None:
    """With `f3dx_fixtures = off` nothing is routed to a fixture."""
    suite.write(LOGIN.format(scope="module"))
    suite.run("-o", "f3dx_fixtures=off", "--f3dx-record=once").assert_outcomes(passed=2)
    assert not suite.cassette("test_it/fixture.login").exists()
    assert "prompt: login" in suite.cassette("test_it/TestThem.test_one").read_text()


def test_a_wrong_value_is_refused(suite: Suite) -> None:
    """An unknown value of `f3dx_fixtures` stops the run and names the nearest one."""
    suite.write(ONLY_UNMARKED.format(scope="session"))
    result = suite.run("-o", "f3dx_fixtures=al")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*f3dx_fixtures of the ini file is 'al'; did you mean 'all'?*"])


@pytest.mark.parametrize(
    ("unplayed", "outcome"), [("fail", {"errors": 1}), ("warn", {"warnings": 1}), ("ignore", {})]
)
def test_what_a_fixture_leaves_unplayed_is_told(suite: Suite, unplayed: str, outcome: dict[str, int]) -> None:
    """A fixture that no longer sends what its cassette holds fails at the end of its teardown."""
    suite.write(LOGIN.format(scope="module"))
    suite.run("--f3dx-record=once")
    suite.write(LOGIN.format(scope="module").replace('        ask("logout")\n', ""))
    result = suite.run("-W", "default", "-o", f"f3dx_unplayed={unplayed}")
    result.assert_outcomes(passed=2, **outcome)
    if unplayed == "fail":
        result.stdout.fnmatch_lines(
            ["*1 recorded interaction was not asked for*", "*fixture   login of test_it.py"]
        )
        suite.paste_fix(result)
        suite.run().assert_outcomes(passed=2)


def test_what_several_classes_set_up_is_not_judged(suite: Suite) -> None:
    """A fixture of a conftest that is set up for each class is paid for once, and no class must ask for all."""
    (suite.path / "conftest.py").write_text(
        "import pytest\n@pytest.fixture(scope='class')\n"
        "def login(request):\n    import test_it\n    test_it.ask('login')\n"
        "    test_it.ask(request.cls.__name__)\n"
    )
    suite.write(
        """
    class TestA:
        @pytest.mark.f3dx_cache
        def test_it(self, login): ...

    class TestB:
        @pytest.mark.f3dx_cache
        def test_it(self, login): ...
    """
    )
    suite.run("--f3dx-record=all").assert_outcomes(passed=2)
    assert len(suite.server.requests) == 3
    assert suite.cassette("conftest/fixture.login").read_text().count("    request:") == 3
    suite.server.stop()
    suite.run().assert_outcomes(passed=2)
    suite.run("-k", "TestB").assert_outcomes(passed=1, deselected=1)


ASYNC = """
    import asyncio
    import httpx
    import pytest_asyncio

    @pytest_asyncio.fixture(scope="session", loop_scope="session")
    async def login():
        async with httpx.AsyncClient() as client:
            yield (await client.post(URL + "/echo", json={"prompt": "login"})).text
            await client.post(URL + "/echo", json={"prompt": "logout"})

    @pytest.mark.f3dx_cache
    @pytest.mark.asyncio(loop_scope="session")
    async def test_it(login):
        assert "login" in login
        async with httpx.AsyncClient() as client:
            await asyncio.gather(*(client.post(URL + "/echo", json={"prompt": str(n)}) for n in range(3)))
"""
ANYIO = """
    import anyio
    import httpx

    @pytest.fixture(scope="session")
    def anyio_backend():
        return "asyncio"

    @pytest.fixture(scope="session")
    async def login(anyio_backend):
        async with httpx.AsyncClient() as client:
            yield (await client.post(URL + "/echo", json={"prompt": "login"})).text
            await client.post(URL + "/echo", json={"prompt": "logout"})

    @pytest.mark.f3dx_cache
    @pytest.mark.anyio
    async def test_it(login):
        assert "login" in login
        async with httpx.AsyncClient() as client:
            for n in range(3):
                await client.post(URL + "/echo", json={"prompt": str(n)})
"""


@pytest.mark.parametrize(
    "body", [ASYNC, ANYIO, ANYIO.replace('"asyncio"', '"trio"')], ids=["asyncio", "anyio", "trio"]
)
def test_async_fixtures(suite: Suite, body: str) -> None:
    """An async fixture of the session has its own cassette, and the test that shares its loop has its own."""
    suite.write(body)
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    assert suite.cassette("test_it/fixture.login").read_text().count("    request:") == 2
    assert suite.cassette().read_text().count("    request:") == 3
    suite.server.stop()
    suite.run().assert_outcomes(passed=1)


THREAD = """
    import queue
    import threading

    @pytest.fixture(scope="module")
    def worker():
        jobs, done = queue.Queue(), queue.Queue()
        def work():
            while (job := jobs.get()) is not None:
                done.put(ask(job))
        thread = threading.Thread(target=work)
        thread.start()
        yield lambda job: (jobs.put(job), done.get(timeout=60))[1]
        jobs.put(None)
        thread.join()

    @pytest.mark.f3dx_cache
    def test_one(worker):
        assert "from the thread" in worker("from the thread")
        ask("from the test")

    def test_unmarked(worker):
        assert "from a test without marker" in worker("from a test without marker")
"""


def test_a_thread_of_a_fixture_works_for_the_running_test(suite: Suite) -> None:
    """What a thread that a fixture has started sends is the running test's; between marked tests the fixture's."""
    suite.write(THREAD)
    suite.run("--f3dx-record=once").assert_outcomes(passed=2)
    text = suite.cassette("test_it/test_one").read_text()
    assert text.index("from the thread") < text.index("from the test")
    text = suite.cassette("test_it/fixture.worker").read_text()
    assert "from the thread" not in text
    assert "from a test without marker" in text
    suite.server.stop()
    suite.run().assert_outcomes(passed=2)


SERVED = """
    import asyncio
    import threading
    import httpx
    import pytest_asyncio
    from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

    class App(BaseHTTPRequestHandler):
        def do_GET(self):
            body = ask(self.path).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_): ...

    @pytest.fixture(scope="session")
    def app():
        with {server}(("127.0.0.1", 0), App) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield f"http://127.0.0.1:{{server.server_address[1]}}"
            server.shutdown()
            thread.join()

    def visit(app, path):
        import socket
        host, port = app.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(f"GET {{path}} HTTP/1.0\\r\\n\\r\\n".encode())
            return client.makefile("rb").read().decode()

    @pytest.mark.f3dx_cache
    @pytest.mark.parametrize("n", range(2))
    def test_it(app, n):
        assert f"/page/{{n}}" in visit(app, f"/page/{{n}}")
"""


@pytest.mark.parametrize("kind", ["HTTPServer", "ThreadingHTTPServer"])
def test_a_live_server_works_for_the_running_test(suite: Suite, kind: str) -> None:
    """What the application behind a server of the session asks is recorded with the test that made it ask."""
    suite.write(SERVED.format(server=kind))
    suite.run("--f3dx-record=once").assert_outcomes(passed=2)
    for n in range(2):
        assert f"prompt: /page/{n}" in suite.cassette(f"test_it/test_it[{n}]").read_text()
    assert not suite.cassette("test_it/fixture.app").exists()
    suite.server.stop()
    suite.run().assert_outcomes(passed=2)
    suite.run("-k", "1").assert_outcomes(passed=1, deselected=1)


def test_workers_pay_once_for_a_fixture(suite: Suite) -> None:
    """Each xdist worker sets the session fixture up: one records it, the others wait and replay."""
    suite.write(
        """
    @pytest.fixture(scope="session")
    def login():
        yield ask("login")
        ask("logout")

    @pytest.mark.f3dx_cache
    @pytest.mark.parametrize("n", range(4))
    def test_it(login, n):
        ask(f"number {n}")
    """
    )
    for mode in ("once", "all"):
        suite.server.requests.clear()
        result = suite.spawn("-n2", f"--f3dx-record={mode}")
        result.assert_outcomes(passed=4)
        assert sorted(text for text in bodies(suite) if "log" in text) == [
            '{"prompt": "login"}',
            '{"prompt": "logout"}',
        ]
        assert len(suite.server.requests) == 6
        assert suite.summary(result).startswith("f3dx: 2 replayed, 6 recorded")
        assert suite.cassette("test_it/fixture.login").read_text().count("    request:") == 2
        assert not (suite.path / "cassettes/.pending").exists()
    suite.server.stop()
    suite.spawn().assert_outcomes(passed=4)
