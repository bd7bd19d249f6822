"""The life of marked tests: registered when there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_f3dx._plugin import _reporter, _runs
from pytest_f3dx._plugin._options import MARKER
from pytest_f3dx._plugin._runs import RUN, RUNNING
from pytest_f3dx._session import user_frames
from pytest_f3dx.errors import F3dxError, Refusal

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

    from pytest_f3dx._session import TestRun

_NAME = "f3dx-marked"
_OUTCOMES: pytest.StashKey[list[str]] = pytest.StashKey()


def install(config: pytest.Config, *, warn: type[Warning]) -> None:
    """Follow the marked tests of a run; once is enough.

    Args:
        config: Of pytest.
        warn: Class of warnings.
    """
    if not config.pluginmanager.has_plugin(_NAME):
        config.pluginmanager.register(Marked(config, warn), _NAME)
        _reporter.install(config)


class Marked:
    """A pytest plugin of its own: the outermost, so it sees the first request of a test and the last."""

    def __init__(self, config: pytest.Config, warn: type[Warning]) -> None:
        """Follow nothing yet."""
        self._warn = warn
        self._hold = _runs.hold(config)
        self._previous: pytest.Item | None = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Start routing before the first fixture of a marked test."""
        if item.get_closest_marker(MARKER):
            self._forget_previous(item)
            run = item.stash[RUN] = item.config.stash[RUNNING] = _runs.of_test(item)
            item.stash[_OUTCOMES] = []
            self._hold.take()
            run.start()
            if "f3dx_cassette" in getattr(item, "fixturenames", ()):
                run.traffic()
        return (yield from _phase(item))

    def _forget_previous(self, item: pytest.Item) -> None:
        """Let go of the cassette of the test before: pytest keeps every item to the end of the run."""
        if self._previous is not None and RUN in self._previous.stash:
            del self._previous.stash[RUN]
        self._previous = item

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Fail the test at the end of its call phase for what it swallowed."""
        return (yield from _phase(item))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, Any, Any]:
        """Fold the recordings of a passing test after its last fixture has ended."""
        run = _runs.of(item)
        passed = False
        try:
            result = yield from _phase(item)
            outcomes = item.stash.get(_OUTCOMES, [])
            passed = len(outcomes) > 1 and set(outcomes) == {"passed"}
        finally:
            if run:
                del item.config.stash[RUNNING]
                if nextitem is None or not nextitem.get_closest_marker(MARKER):
                    self._hold.let_go()
                self._finish(run, item, passed=passed)
        return result

    def _finish(self, run: TestRun, item: pytest.Item, *, passed: bool) -> None:
        try:
            unplayed = run.finish(passed=passed)
        except F3dxError as error:
            raise pytest.fail.Exception(str(error), pytrace=False) from None
        if unplayed and run.config().unplayed == "warn":
            item.warn(self._warn(str(unplayed)))
        elif unplayed:
            raise pytest.fail.Exception(str(unplayed), pytrace=False)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Keep the outcome of each phase; a miss in a test that is expected to fail fails it all the same."""
        report = yield
        run = _runs.of(item)
        if run:
            if hasattr(report, "wasxfail") and run.has_problems():
                del report.wasxfail
                report.outcome = "failed"
            item.stash[_OUTCOMES].append(report.outcome)
            if report.when == "teardown" and not run.facts.is_idle():
                report.f3dx = run.facts.as_dict()  # type: ignore[attr-defined]  # crosses from xdist workers
        return report


def _phase(item: pytest.Item) -> Generator[None, Any, Any]:
    """Run a phase; a problem fails it at its end, whatever was caught on the way."""
    run = _runs.of(item)
    try:
        result = yield
    except Refusal as refusal:
        if run:
            run.news()
        raise refusal.with_traceback(_cut(refusal.__traceback__, item)) from None
    except BaseException as error:
        problem = run.news() if run else ""
        if problem:
            raise pytest.fail.Exception(problem, pytrace=False) from error
        raise
    problem = run.news() if run else ""
    if problem:
        raise pytest.fail.Exception(problem, pytrace=False)
    return result


def _cut(trace: TracebackType | None, item: pytest.Item) -> TracebackType | None:
    return trace if item.config.getoption("fulltrace") else user_frames(trace, item.config.rootpath)
