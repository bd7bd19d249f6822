"""``--f3dx-diff``: replay while asking live, and tell what drifted. Registered only with the option."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import pytest

from pytest_f3dx._diff._budget import Budget
from pytest_f3dx._diff._checked import DRIFT, FAILED, SAME, STOPPED, UNDECIDED, Checked, of
from pytest_f3dx._diff._compare import check_modes
from pytest_f3dx._diff._watch import Watch
from pytest_f3dx._plugin import _runs
from pytest_f3dx._render import _drift
from pytest_f3dx.errors import DriftError, F3dxError, JudgeError, LiveBudgetError, LiveError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Collection, Generator

    from pytest_f3dx._config import Config
    from pytest_f3dx._routing import Ticket
    from pytest_f3dx._session import TestRun

NAME = "f3dx-drift"
_CHECKED: pytest.StashKey[list[Checked]] = pytest.StashKey()


def install(config: pytest.Config, *, warn: type[Warning]) -> None:
    """Register what compares, in every process, and what tells it, in the one that reports.

    Args:
        config: Of pytest.
        warn: Class of warnings.

    Raises:
        pytest.UsageError: A mode is unknown or needs an extra that is not installed.
    """
    try:
        modes = _modes(config)
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from None
    watch = Watch(
        ",".join(modes),
        Budget(config.getoption("--f3dx-max-live"), _runs.run_id(config)),
        concurrency=config.getoption("--f3dx-live-concurrency"),
        timeout_s=config.getoption("--f3dx-live-timeout"),
        verdicts=lambda settings: _verdicts(config, settings),
    )
    config.pluginmanager.register(Drifts(watch, warn), NAME)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(DriftReporter(",".join(modes), watch.budget), f"{NAME}-reporter")


def _modes(config: pytest.Config) -> Collection[str]:
    mode = config.getoption("--f3dx-diff")
    modes = check_modes(mode)
    if "embedding" in modes and importlib.util.find_spec("wordllama") is None:
        raise SettingsError(
            "--f3dx-diff=embedding needs the package wordllama",
            ("fix", "pip install 'pytest-f3dx[embedding]'"),
        )
    return modes


def _verdicts(config: pytest.Config, settings: Config) -> str | None:
    """Return where the verdicts of a judge are kept: where the settings say, else in pytest's cache."""
    if settings.judge_verdicts:
        return str(config.rootpath / settings.judge_verdicts)
    cache: pytest.Cache | None = getattr(config, "cache", None)  # absent under -p no:cacheprovider
    return str(cache.mkdir("f3dx") / "verdicts.sqlite") if cache else None


class Drifts:
    """A pytest plugin of its own, in the process that runs tests; the runs tell it what they are asked."""

    def __init__(self, watch: Watch, warn: type[Warning]) -> None:
        """Stand beside the runs."""
        self._watch, self._warn = watch, warn

    def asked(self, run: TestRun, ticket: Ticket) -> None:
        """Note that a run was asked for a request."""
        self._watch.asked(run, ticket)

    def answered(self, run: TestRun, ticket: Ticket) -> None:
        """Note that a run has recorded an answer."""
        self._watch.answered(run, ticket)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Compare when the test has ended, and fail one that passed for what drifted."""
        return (yield from self._phase(item))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Compare what was asked after the test: in its teardown, or after a set-up that failed."""
        return (yield from self._phase(item))

    def _phase(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Run a phase; one that failed has its own error, and what drifted in it is only noted."""
        try:
            result = yield
        except BaseException:
            self._settle(item)
            raise
        self._tell(item, self._settle(item))
        return result

    def _settle(self, item: pytest.Item) -> list[Checked]:
        fresh = self._watch.settle()
        item.stash.setdefault(_CHECKED, []).extend(fresh)
        for each in fresh:
            if each.outcome != SAME:
                text = "\n".join(_drift.details(each))
                item.user_properties.append((f"f3dx_{each.outcome}", text))
        return fresh

    def _tell(self, item: pytest.Item, fresh: list[Checked]) -> None:
        """Fail or warn; a budget that is used up stops the run."""
        run = _runs.of(item)
        error = _error(item, run, fresh)
        if error is None:
            return
        if isinstance(error, LiveBudgetError):
            item.session.shouldstop = f"f3dx: {error.what}"
        config = run.config() if run else None
        if config is None or (config.on_drift == "fail" and config.record != "all") or of(STOPPED, fresh):
            raise pytest.fail.Exception(str(error), pytrace=False)
        if config.record != "all":
            item.warn(self._warn(str(error)))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Send what was compared with the last report of a test; xdist carries it to where it is told."""
        report = yield
        if call.when == "teardown" and item.stash.get(_CHECKED, None):
            report.f3dx_drift = [each.as_dict() for each in item.stash[_CHECKED]]  # type: ignore[attr-defined]  # as f3dx
        return report

    def pytest_unconfigure(self) -> None:
        """Give up what is under way."""
        self._watch.close()


def _error(item: pytest.Item, run: TestRun | None, fresh: list[Checked]) -> F3dxError | None:
    """Build the error of a phase: the budget first, then drift, then live requests that failed."""
    stopped, drifted, failed = (of(outcome, fresh) for outcome in (STOPPED, DRIFT, FAILED))
    test = ("test", item.nodeid)
    if stopped:
        limit = item.config.getoption("--f3dx-max-live")
        return LiveBudgetError(
            f"the budget of {limit} live requests is used up",
            test,
            ("not asked", _all_lines(stopped)),
            ("fix", "run fewer tests, or allow more with --f3dx-max-live"),
        )
    if drifted:
        answers = ("answers", _all_lines([*drifted, *failed]))
        fix = [("if right", "record the new answers:"), ("fix", run.command("all"))] if run else []
        return DriftError(f"{len(drifted)} of {len(fresh)} answers drifted", test, answers, *fix)
    undecided = of(UNDECIDED, fresh)
    if undecided:
        what = f"{len(undecided)} of {len(fresh)} answers could not be judged"
        return JudgeError(what, test, ("answers", _all_lines([*undecided, *failed])))
    if failed:
        what = f"{len(failed)} of {len(fresh)} live requests got no answer to compare"
        return LiveError(
            what, test, ("requests", _all_lines(failed)), ("fix", "see to what they say, run again")
        )
    return None


def _all_lines(checked: list[Checked]) -> str:
    return "\n".join(line for each in checked for line in _drift.details(each))


class DriftReporter:
    """A pytest plugin of its own: tells what drifted, in a section of the terminal."""

    def __init__(self, mode: str, budget: Budget) -> None:
        """Start with nothing to tell."""
        self._mode, self._budget = mode, budget
        self._tests: dict[str, list[Checked]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in what came with the last report of a test."""
        found = getattr(report, "f3dx_drift", None)
        if found:
            self._tests[report.nodeid] = [Checked.from_dict(each) for each in found]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the section, and the line that sums it up."""
        told = _drift.section(self._tests)
        if told:
            terminalreporter.section("f3dx: answers of now beside the recorded ones")
            for line in told:
                terminalreporter.write_line(line)
        summary = _drift.sum_up(self._mode, [each for checked in self._tests.values() for each in checked])
        if summary:
            terminalreporter.write_line(summary)

    def pytest_unconfigure(self) -> None:
        """Forget how many live requests there were."""
        self._budget.forget()
