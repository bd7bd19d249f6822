"""The part of the plugin that listens where the reports of all workers arrive, and tells the sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_f3dx._ledger import Facts, Ledger

if TYPE_CHECKING:
    import pytest

_NAME = "f3dx-reporter"


def install(config: pytest.Config) -> None:
    """Listen to the reports of a run, in the process where they arrive; once is enough.

    Nothing arrives before something was sent, so who sends nothing is not listened to.
    """
    if not (hasattr(config, "workerinput") or config.pluginmanager.has_plugin(_NAME)):
        config.pluginmanager.register(Reporter(), _NAME)


class Reporter:
    """A pytest plugin of its own: adds up what the tests of a run report."""

    def __init__(self) -> None:
        """Start with an empty ledger."""
        self._ledger = Ledger()
        self._placeholders: dict[str, None] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in the facts that came with the report of a test's last phase."""
        for fixture in getattr(report, "f3dx_fixtures", ()):
            self._ledger.add_fixture(Facts.from_dict(fixture))
        self._placeholders |= dict.fromkeys(getattr(report, "f3dx_placeholders", ()))
        facts = getattr(report, "f3dx", None)
        if facts:
            self._ledger.add(Facts.from_dict(facts))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the one line, and with -v a line for each test."""
        from pytest_f3dx._render import _summary

        line = _summary.summary(self._ledger)
        if line:
            terminalreporter.write_line(line)
        if line and terminalreporter.verbosity > 0:
            for detail in _summary.details(self._ledger, self._placeholders):
                terminalreporter.write_line(detail)
