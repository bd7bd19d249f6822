"""The life of marked tests: registered when there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_f3dx._clients._switch import Hold
from pytest_f3dx._plugin import _reporter, _runs
from pytest_f3dx._plugin._options import FOLLOWER, UNFORESEEN, marks_of
from pytest_f3dx._plugin._runs import RUN
from pytest_f3dx._session import user_frames
from pytest_f3dx.errors import F3dxError, Refusal

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

    from pytest_f3dx._plugin._fixtures import Fixtures
    from pytest_f3dx._session import TestRun


def install(config: pytest.Config, *, warn: type[Warning]) -> Marked:
    """Follow the marked tests of a run; once is enough.

    Args:
        config: Of pytest.
        warn: Class of warnings.

    Returns:
        The plugin that follows them.
    """
    marked: Marked | None = config.pluginmanager.get_plugin(FOLLOWER)
    if marked is None:
        marked = Marked(config, warn)
        config.pluginmanager.register(marked, FOLLOWER)
        config.pluginmanager.unregister(name=UNFORESEEN)  # it would cost each test as much as a hook here
    return marked


class Marked:
    """A pytest plugin of its own: the outermost, so it sees the first request of a test and the last.

    Every marked test pays for each line of it, so what only some tests need is made when they need it.

    Attributes:
        fixtures: Is told which test is running; None if no fixture is routed.
    """

    def __init__(self, config: pytest.Config, warn: type[Warning]) -> None:
        """Follow nothing yet."""
        self.fixtures: Fixtures | None = None
        self._config, self._warn = config, warn
        self._hold = Hold()
        self._item: pytest.Item | None = None  # the test that was set up last
        self._run: TestRun | None = None  # its run, if it is marked
        self._next: pytest.Item | None = None  # the test after it
        self._outcomes: list[str] = []  # of its phases
        self._is_running = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Start routing before the first fixture of a marked test."""
        self._forget_previous()
        self._item = item
        if self.fixtures is not None:
            self.fixtures.before(item)
        if marks_of(item):
            run = self._run = item.stash[RUN] = _runs.of_test(item)
            self._outcomes = []
            self._is_running = True
            self._hold.take()
            run.start()
            if "f3dx_cassette" in getattr(item, "fixturenames", ()):
                run.traffic()

    def _forget_previous(self) -> None:
        """Let go of the cassette of the test before: pytest keeps every item to the end of the run."""
        if self._run is not None and self._item is not None:
            del self._item.stash[RUN]
            self._run = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, nextitem: pytest.Item | None) -> None:
        """Note which test comes next."""
        self._next = nextitem

    def _of(self, item: pytest.Item) -> TestRun | None:
        """Return the run of a test, if it is marked and has been set up."""
        return self._run if item is self._item else None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Judge each phase of a marked test at its end, and after the last one fold what was recorded."""
        run = self._of(item)
        self._judge(run, item, call)
        if call.when == "teardown" and item is self._item:
            self._end(run, item, call)
        report = yield
        if run is not None:
            if run.has_problems() and hasattr(report, "wasxfail"):  # a miss is not what was expected to fail
                del report.wasxfail
                report.outcome = "failed"
            self._outcomes.append(report.outcome)
            if report.when == "teardown" and not run.facts.is_idle():
                self._send(report, "f3dx", run.facts.as_dict())
        if self.fixtures is not None and self.fixtures.has_news() and (news := self.fixtures.news()):
            self._send(report, "f3dx_fixtures", news)
        return report

    def _judge(self, run: TestRun | None, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """Fail a phase for what went wrong in it, whatever the test has caught on the way."""
        problem = "" if run is None else run.news()
        error = None if call.excinfo is None else call.excinfo.value
        if isinstance(error, Refusal):
            call.excinfo = _raised(error.with_traceback(_cut(error.__traceback__, item)), None)
        elif problem:
            call.excinfo = _raised(pytest.fail.Exception(problem, pytrace=False), error)

    def _end(self, run: TestRun | None, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """Stop routing; fold the recordings of a passing test, now that its last fixture has ended."""
        if self.fixtures is not None:
            self.fixtures.after()
        if run is None:
            return
        self._is_running = False
        if self._next is None or not marks_of(self._next):
            self._hold.let_go()
        passed = call.excinfo is None and self._outcomes.count("passed") == len(self._outcomes) > 1
        try:
            self._finish(run, item, passed=passed)
        except (pytest.exit.Exception, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - as of any phase: pytest reports it
            call.excinfo = pytest.ExceptionInfo.from_exception(error)

    def _finish(self, run: TestRun, item: pytest.Item, *, passed: bool) -> None:
        try:
            unplayed = run.finish(passed=passed)
        except F3dxError as error:
            raise pytest.fail.Exception(str(error), pytrace=False) from None
        if unplayed and run.config().unplayed == "warn":
            item.warn(self._warn(str(unplayed)))
        elif unplayed:
            raise pytest.fail.Exception(str(unplayed), pytrace=False)

    def _send(self, report: pytest.TestReport, name: str, news: object) -> None:
        """Send something along with a report, across from xdist workers; from the first one on we listen."""
        setattr(report, name, news)
        if self.fixtures is not None and (supplied := self.fixtures.supplied()):
            report.f3dx_placeholders = supplied  # type: ignore[attr-defined]  # as f3dx_drift
        _reporter.install(self._config)

    def pytest_sessionfinish(self) -> None:
        """Stop routing if pytest.exit in a test has left out its teardown."""
        if self.fixtures is not None:
            self.fixtures.after()
        if self._is_running and self._run is not None:
            self._is_running = False
            self._run.finish(passed=False)
        self._hold.let_go()


def _cut(trace: TracebackType | None, item: pytest.Item) -> TracebackType | None:
    return trace if item.config.getoption("fulltrace") else user_frames(trace, item.config.rootpath)


def _raised(error: BaseException, cause: BaseException | None) -> pytest.ExceptionInfo[BaseException]:
    """Return an error as if a phase had raised it."""
    try:
        raise error from cause  # noqa: TRY301 - it wants a traceback
    except BaseException:  # noqa: BLE001 - it is the one that was raised
        return pytest.ExceptionInfo.from_current()
