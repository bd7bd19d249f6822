"""What a marked test costs beside its requests, and what it leaves to the others: counted, not timed."""

from __future__ import annotations

import http.client
import os
import textwrap
from typing import TYPE_CHECKING

import httpx
import pytest

from pytest_f3dx import _files, _session
from pytest_f3dx._clients import _switch
from pytest_f3dx._plugin import _collected, _options
from pytest_f3dx._routing import current

if TYPE_CHECKING:
    from pytest_f3dx._config import Config
    from tests.conftest import Suite

PATCHED = """
    import http.client
    import httpx

    SENDING = httpx.HTTPTransport.handle_request
    PUTTING = http.client.HTTPConnection.putrequest

    def is_patched():
        sending, putting = httpx.HTTPTransport.handle_request, http.client.HTTPConnection.putrequest
        assert (sending is SENDING) == (putting is PUTTING)
        return sending is not SENDING
"""


def test_a_test_without_the_marker_sees_libraries_as_they_are(suite: Suite) -> None:
    """Patches stay between marked tests that follow one another, and are gone before any other test starts."""
    suite.write(
        textwrap.dedent(PATCHED)
        + textwrap.dedent("""
        import pytest

        marked = pytest.mark.f3dx_cache

        @pytest.fixture
        def clean():
            assert not is_patched()
            yield
            assert not is_patched()

        def test_before(clean): assert not is_patched()
        @marked
        def test_one(): assert is_patched()
        @marked
        def test_two(): assert is_patched()
        def test_between(clean): assert not is_patched()
        @marked
        def test_fails(): assert not is_patched()
        def test_after_a_failure(clean): assert not is_patched()
        @marked
        def test_last(): assert is_patched()
        """)
    )
    suite.run().assert_outcomes(passed=6, failed=1)
    assert http.client.HTTPConnection.putrequest.__module__ == "http.client"


def test_patches_are_put_in_place_once_for_tests_that_follow_one_another(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three marked tests in a row patch once; one that stopped the run leaves nothing behind."""
    installed = []
    install = _switch._Switch.install

    def counted(switch: _switch._Switch) -> None:
        installed.append(switch)
        install(switch)

    monkeypatch.setattr(_switch._Switch, "install", counted)
    suite.write("""
        @pytest.mark.parametrize("n", range(3))
        @pytest.mark.f3dx_cache
        def test_it(n):
            if n == 2:
                pytest.exit("enough")
    """)
    suite.run()
    assert len(installed) == 1
    assert current() is None
    assert http.client.HTTPConnection.putrequest.__module__ == "http.client"


def test_a_patch_taken_away_between_tests_is_put_back() -> None:
    """A mock that was there before ours and ends restores the original over it; the next test is seen again."""
    hold = _switch.Hold()
    original = httpx.HTTPTransport.handle_request
    hold.take()
    try:
        httpx.HTTPTransport.handle_request = original  # type: ignore[method-assign]  # what unittest.mock would do
        hold.take()
        assert httpx.HTTPTransport.handle_request is not original
    finally:
        hold.let_go()
        hold.let_go()
    assert httpx.HTTPTransport.handle_request is original


@pytest.mark.parametrize("own", [False, True])
def test_the_fixture_is_evaluated_only_where_it_can_say_something(suite: Suite, own: bool) -> None:
    """Without a fixture f3dx_config of the user's a marked test has no fixture of ours; with one it has its value."""
    if own:
        suite.path.joinpath("conftest.py").write_text(
            "import pytest\n@pytest.fixture\ndef f3dx_config(): return {'unplayed': 'ignore'}\n",
            encoding="utf-8",
        )
    suite.write(f"""
        @pytest.mark.f3dx_cache
        def test_it(request): assert ("f3dx_config" in request.fixturenames) is {own}
        @pytest.mark.f3dx_cache
        class TestIt:
            @pytest.fixture
            def f3dx_config(self): return {{}}
            def test_it(self, request): assert "f3dx_config" in request.fixturenames
    """)
    suite.run().assert_outcomes(passed=2)


def test_in_doubt_the_fixture_is_evaluated(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pytest that does not tell which fixtures there are costs time, not settings."""
    monkeypatch.setattr(_collected, "_FIXTURES", "_no_such_attribute")
    suite.write("""
        @pytest.mark.f3dx_cache
        def test_it(request): assert "f3dx_config" in request.fixturenames
    """)
    suite.run().assert_outcomes(passed=1)


def test_a_marked_test_that_sends_nothing_reads_nothing(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It opens no file, makes no recorder, and its settings are decided once for all that share them."""
    suite.write("""
        @pytest.mark.parametrize("n", range(3))
        @pytest.mark.f3dx_cache
        def test_it(n): pass
    """)
    decided = []
    resolve = _options.resolve

    def counted(item: pytest.Item) -> Config:
        decided.append(item)
        return resolve(item)

    monkeypatch.setattr(_options, "resolve", counted)
    monkeypatch.setattr(_files, "read_bytes", lambda *_: pytest.fail("a file was read"))
    suite.run().assert_outcomes(passed=3)
    assert len(decided) == 1
    assert not (suite.path / "cassettes").exists()


def test_a_marked_test_that_sends_nothing_leaves_the_rest_undone(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens to its reports, and beside one listing for all of a module nothing is asked of the disk."""
    suite.path.joinpath("conftest.py").write_text(
        "def pytest_sessionfinish(session):\n"
        "    names = {name for name, _ in session.config.pluginmanager.list_name_plugin()}\n"
        "    assert 'f3dx-marked' in names and 'f3dx-reporter' not in names\n",
        encoding="utf-8",
    )
    suite.write("""
        @pytest.mark.parametrize("n", range(3))
        @pytest.mark.f3dx_cache
        def test_it(n): pass
    """)
    looked: list[str] = []
    listdir = os.listdir

    def counted(path: str = ".") -> list[str]:
        looked.append(str(path))
        return listdir(path)

    monkeypatch.setattr(os, "listdir", counted)
    monkeypatch.setattr(os, "access", lambda *_: pytest.fail("os.access"))
    for name in ("_make_recorder", "_at_end"):
        monkeypatch.setattr(_session.TestRun, name, lambda *_, name=name: pytest.fail(name))
    suite.run().assert_outcomes(passed=3)
    assert [path for path in looked if "cassettes" in path] == [f"{suite.path}/cassettes/test_it/"]


def test_silent_tests_beside_recorded_ones_are_told_apart(suite: Suite) -> None:
    """Of tests of one module that send nothing those that have a cassette fail, in the first run that sees it."""
    suite.write("""
        import os

        @pytest.mark.parametrize("n", range(3))
        @pytest.mark.f3dx_cache
        def test_it(n):
            if n != 1 and not os.path.exists("quiet"):
                ask()
    """)
    suite.run().assert_outcomes(passed=1, failed=2)
    suite.run("--f3dx-record=once").assert_outcomes(passed=3)
    (suite.path / "quiet").touch()
    suite.run().assert_outcomes(passed=3, errors=2)
    suite.run("--f3dx-record=all").assert_outcomes(passed=3)
    suite.run().assert_outcomes(passed=3)


def test_an_exit_between_set_up_and_teardown_stops_routing(suite: Suite) -> None:
    """A run that pytest.exit cuts short routes nothing any more when its session ends, and nothing is patched."""
    suite.path.joinpath("conftest.py").write_text(
        "import pytest\nfrom pytest_f3dx._routing import current\n"
        "@pytest.hookimpl(trylast=True)\ndef pytest_sessionfinish(): assert current() is None\n",
        encoding="utf-8",
    )
    suite.write("""
        @pytest.mark.f3dx_cache
        def test_it(): pytest.exit("enough")
    """)
    suite.run()
    assert current() is None
    assert http.client.HTTPConnection.putrequest.__module__ == "http.client"


def test_what_a_test_has_read_does_not_outlive_the_next(suite: Suite) -> None:
    """Of a hundred cassettes one or two are in memory, not all of them."""
    suite.write("""
        import gc
        from pytest_f3dx._index import LazyCassette

        def alive():
            return {id(each) for each in gc.get_objects() if isinstance(each, LazyCassette)}

        BEFORE = alive()  # of other tests in this process

        @pytest.mark.parametrize("n", range(6))
        @pytest.mark.f3dx_cache
        def test_it(n):
            ask(f"{n}")
            gc.collect()
            assert len(alive() - BEFORE) <= 2
    """)
    suite.run("--f3dx-record=once").assert_outcomes(passed=6)
    suite.run().assert_outcomes(passed=6)


@pytest.mark.parametrize(
    "hook", ["pytest_collection_modifyitems(items)", "pytest_collection_finish(session)"]
)
def test_a_marker_that_is_added_late_counts(suite: Suite, hook: str) -> None:
    """A run in which no test was marked when it was collected follows those that are marked when they start."""
    items = "items" if "items" in hook else "session.items"
    conftest = f"""
        def {hook}:
            {items}[1].add_marker("f3dx_cache")
    """
    (suite.path / "conftest.py").write_text(textwrap.dedent(conftest), encoding="utf-8")
    suite.write("""
        def test_before(): ask("a")
        def test_marked(): ask("b")
        def test_after(): ask("c")
    """)
    result = suite.run()
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*[[]cassette-miss[]]*", "f3dx: * 1 missed*"])
