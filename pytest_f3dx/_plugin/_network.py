"""Refuses the network to tests without marker; registered when `f3dx_block_network` is on."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from pytest_f3dx import _guard
from pytest_f3dx._clients import _sockets
from pytest_f3dx._clients._switch import patched
from pytest_f3dx._plugin import _options
from pytest_f3dx.errors import NetworkError, Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Generator

MARKER = "f3dx_network"


def install(config: pytest.Config) -> None:
    """Refuse the network to the tests of a run, but to the hosts that the ini file allows."""
    hosts: Collection[str] = _options.ini(config).get("allow_hosts", ())
    config.pluginmanager.register(Network(hosts), "f3dx-network")


class Network:
    """A pytest plugin of its own: watches collection, tests and fixtures of every scope."""

    def __init__(self, allowed: Collection[str]) -> None:
        """Start watching; nothing is refused before collection (an xdist controller collects nothing).

        Args:
            allowed: Hosts that every test may talk to.
        """
        self._allowed = tuple(allowed)
        self._where = ""
        self._item: pytest.Item | None = None
        self._problems: list[NetworkError] = []
        self._stack = ExitStack()
        self._stack.enter_context(patched())
        _sockets.watchers.append(self._watch)
        self._stack.callback(_sockets.watchers.remove, self._watch)

    def _watch(self, host: str, shown: str) -> bool:
        if not self._where:
            return False
        if _guard.is_allowed(host, [*self._allowed, *self._of_marker()]):
            return True
        error = _guard.refusal(shown, self._where, marked=False)
        self._problems.append(error)
        raise Refusal(error)

    def _of_marker(self) -> Collection[str]:
        marks = list(self._item.iter_markers(MARKER)) if self._item else []
        if any(not mark.args for mark in marks):
            return ("*", "0.0.0.0/0", "::/0")
        return [host for mark in marks for host in mark.args]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Generator[None, Any, Any]:
        """Watch what modules do when they are imported."""
        self._where = f"the collection of {collector.nodeid or 'the tests'}"
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Watch a test from its first fixture to its last."""
        self._item, self._where = item, item.nodeid
        try:
            return (yield)
        finally:
            self._item = None

    def _phase(self) -> Generator[None, Any, Any]:
        """Fail a phase for what it has swallowed."""
        self._problems.clear()
        result = yield
        if self._problems:
            raise pytest.fail.Exception(str(self._problems[0]), pytrace=False)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self) -> Generator[None, Any, Any]:
        """Fail a set-up for what it has swallowed."""
        return (yield from self._phase())

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None, Any, Any]:
        """Fail a test for what it has swallowed."""
        return (yield from self._phase())

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self) -> Generator[None, Any, Any]:
        """Fail a teardown for what it has swallowed."""
        return (yield from self._phase())

    def pytest_unconfigure(self) -> None:
        """Stop watching."""
        self._stack.close()
