"""What a run says on the terminal, under xdist and with other plugins' options."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Suite

MANY = """
    @pytest.mark.f3dx_cache
    @pytest.mark.parametrize("n", range(6))
    def test_it(n):
        ask(f"number {n}")
"""
SHARED = """
    @pytest.mark.f3dx_cache(name="all")
    @pytest.mark.parametrize("n", range(12))
    def test_it(n):
        assert f"number {n}" in ask(f"number {n}")
"""


@pytest.fixture(params=[("-n0",), ("-n2",)], ids=["n0", "n2"])
def workers(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Give the options of a run in one process or in several."""
    options: tuple[str, ...] = request.param
    return options


def test_one_summary_whatever_the_number_of_workers(suite: Suite, workers: tuple[str, ...]) -> None:
    """The counts of all workers are added up and told once."""
    suite.write(MANY)
    first = suite.spawn(*workers, "--f3dx-record=once")
    first.assert_outcomes(passed=6)
    assert suite.summary(first).startswith("f3dx: 0 replayed, 6 recorded")
    suite.server.stop()
    again = suite.spawn(*workers)
    again.assert_outcomes(passed=6)
    assert suite.summary(again).startswith("f3dx: 6 replayed, 0 recorded")


@pytest.mark.parametrize("mode", ["once", "new_episodes", "all"])
def test_workers_share_a_cassette_without_loss(suite: Suite, mode: str) -> None:
    """Twelve tests of four workers that record into one cassette leave twelve interactions, each once."""
    suite.write(SHARED)
    suite.spawn("-n4", f"--f3dx-record={mode}").assert_outcomes(passed=12)
    text = suite.cassette("all").read_text(encoding="utf-8")
    assert all(text.count(f"prompt: number {n}\n") == 1 for n in range(12))
    assert len(suite.server.requests) == 12
    suite.server.stop()
    suite.spawn("-n4").assert_outcomes(passed=12)


def test_quiet_run_keeps_the_line_and_verbose_adds_details(suite: Suite) -> None:
    """-q shows the one line; -v shows a line for each test with its cassette and mode."""
    suite.write(MANY)
    assert suite.summary(suite.run("-q", "--f3dx-record=once")).startswith("f3dx: 0 replayed, 6 recorded")
    result = suite.run("-v")
    result.stdout.fnmatch_lines(
        ["  test_it.py::test_it[[]5]: 1 replayed, *; cassettes/test_it/test_it[[]5].yaml (mode none)"]
    )


def test_run_without_marked_tests_says_nothing(suite: Suite) -> None:
    """A suite that does not use the plugin sees no line of it."""
    suite.write("    def test_it():\n        pass\n")
    assert "f3dx:" not in suite.run("-v").stdout.str().replace("f3dx-", "")


def test_saved_tokens_are_counted(suite: Suite) -> None:
    """The summary of a replay says what the recorded answers had cost."""
    suite.write(
        """
    @pytest.mark.f3dx_cache
    def test_it():
        ask(path="/v1/chat/completions", model="m", messages=[{"role": "user", "content": "hi"}])
    """
    )
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    line = suite.summary(suite.run())
    assert line.endswith(" tokens")
    assert "saved 1 request," in line


def test_junit_xml_tells_of_a_miss(suite: Suite) -> None:
    """The failure in a junit report is the whole message."""
    suite.write(MANY)
    suite.run("--junitxml=out.xml").assert_outcomes(failed=6)
    failures = list(ET.parse(suite.path / "out.xml").iter("failure"))
    assert len(failures) == 6
    assert all("no recording answers this request" in (f.text or "") for f in failures)


@pytest.mark.parametrize(
    "option", ["no:terminal", "no:cacheprovider", "no:junitxml", "no:warnings", "no:xdist"]
)
def test_other_plugins_may_be_absent(suite: Suite, option: str) -> None:
    """A run without another plugin is the same."""
    suite.write(MANY)
    assert suite.exit_code("-p", option, "--f3dx-record=once") == 0
    assert len(suite.server.requests) == 6


def test_entry_point_is_found(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed, the plugin is there without being asked for, and can be switched off by its name."""
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", raising=False)
    pytester.makepyfile("import pytest\n\n@pytest.mark.f3dx_cache\ndef test_it():\n    pass\n")
    loop = ("-o", "asyncio_default_fixture_loop_scope=function")
    assert pytester.runpytest_subprocess(*loop, "--strict-markers").ret == 0
    off = pytester.runpytest_subprocess(*loop, "--strict-markers", "-p", "no:f3dx")
    off.stdout.fnmatch_lines(["*'f3dx_cache' not found in `markers` configuration option*"])
