"""The pytest plugin: options, markers, fixtures and hooks; what only some runs need is in ``_plugin``.

Importing this module loads the standard library, pytest and ``_settings`` and nothing else, and so does
a run without a marked test (tests/test_layering.py holds both): every run that has us installed pays.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_f3dx import _settings

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_f3dx._cache._cache import Cache
    from pytest_f3dx._traffic import Traffic

MARKER = "f3dx_cache"
TRACE_MARKER = "f3dx_trace"
UNFORESEEN = "f3dx-unforeseen"  # name of a plugin that goes once the marked tests of a run are followed
_MARKERS = {
    f"{MARKER}(*, name, record, ignore, replace, match_headers, repeats, unplayed, allow_hosts, redact, "
    "allow)": "record the HTTP traffic of the test once, replay it ever after",
    f"{TRACE_MARKER}(path, *, limit, on_error)": "run the test for each row of a bundle of traces, given as "
    "its argument trace",
    "f3dx_network(*hosts)": "a test without f3dx_cache may talk to these hosts, or to any if none is given, "
    "while f3dx_block_network is on",
}
_KEYS = "variables that get a placeholder in record mode none where unset (default: those of known SDKs)"
_NETWORK = "refuse the network to tests without marker; loopback stays free"
_COUNT: dict[str, Any] = {"type": _settings.count, "metavar": "N"}
_FLAGS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("record", {"choices": _settings.RECORD_MODES, "help": _settings.SETTINGS[0].text}),
    ("diff", {"metavar": "MODE", "help": _settings.DIFF_TEXTS["diff"]}),
    ("max-live", {**_COUNT, "help": _settings.DIFF_TEXTS["max_live"]}),
    ("live-concurrency", {**_COUNT, "default": 4, "help": _settings.DIFF_TEXTS["live_concurrency"]}),
    ("live-timeout", {**_COUNT, "default": 120, "help": _settings.DIFF_TEXTS["live_timeout"]}),
    ("block-network", {"action": "store_true", "help": _NETWORK}),
)
_INI: tuple[tuple[str, str, Any, Any], ...] = (  # name, text, type, default
    *((setting.name, setting.text, setting.ini, None) for setting in _settings.SETTINGS if setting.ini),
    *((name, text, "string", None) for name, (_, text) in _settings.RUN_SETTINGS.items()),
    ("cassette_dir", "cassette directory below the root directory", "string", "cassettes"),
    ("block_network", _NETWORK, "bool", False),
    ("placeholder_keys", _KEYS, "args", None),
)


class F3dxWarning(pytest.PytestWarning):
    """Something that f3dx would have you know, and that does not fail the test."""


class _Unforeseen:
    """Looks for a test that was not marked yet when it was collected, until marked tests are followed."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Follow the marked tests from the first one on, wherever its marker came from."""
        if item.get_closest_marker(MARKER):
            from pytest_f3dx._plugin import _marked

            _marked.install(item.config, warn=F3dxWarning)
        return (yield)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare flag and ini key of each setting, and where cassettes stand."""
    group = parser.getgroup("f3dx", "recording and replaying HTTP traffic (pytest-f3dx)")
    for name, how in _FLAGS:
        group.addoption(f"--f3dx-{name}", **how)
    for name, text, kind, default in _INI:
        parser.addini(f"f3dx_{name}", text, type=kind, default=default)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks for conftest authors."""
    from pytest_f3dx import hooks

    pluginmanager.add_hookspecs(hooks)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers, check what the ini file sets, load what it asks for."""
    for marker, text in _MARKERS.items():
        config.addinivalue_line("markers", f"{marker}: {text} (pytest-f3dx)")
    config.pluginmanager.register(_Unforeseen(), UNFORESEEN)
    if any(config.getini(f"f3dx_{name}") is not None for name in _settings.IN_INI):
        from pytest_f3dx._plugin import _options

        _options.check_ini(config)
    if config.getoption("--f3dx-block-network") or config.getini("f3dx_block_network"):
        from pytest_f3dx._plugin import _network

        _network.install(config)
    if config.getoption("--f3dx-diff"):
        from pytest_f3dx._plugin import _drift

        _drift.install(config, warn=F3dxWarning)


@pytest.fixture(scope="session")
def f3dx_config() -> dict[str, object]:
    """Settings for the tests that see this fixture; override it in a conftest.py.

    Keys are those of the marker and ``keep_headers``. A marker and the command line come before it,
    the ini file after it.
    """
    return {}


@pytest.fixture
def f3dx_cache_obj(request: pytest.FixtureRequest) -> Cache:
    """Give a `pytest_f3dx.Cache` over the cassette of the test, for calls that are not HTTP."""
    from pytest_f3dx._plugin._cache import cache_of

    return cache_of(request.node)


@pytest.fixture
def f3dx_cassette(request: pytest.FixtureRequest) -> Traffic:
    """Show what the test has sent so far, as it sent it, and what answered."""
    from pytest_f3dx._plugin._cache import traffic_of

    return traffic_of(request.node)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test for each row of the bundle that a test is marked with."""
    mark = metafunc.definition.get_closest_marker(TRACE_MARKER)
    if mark:
        from pytest_f3dx._plugin import _traces

        _traces.parametrize(metafunc, mark)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Prepare the marked tests before anything shuffles them."""
    marked = [(at, item) for at, item in enumerate(items) if item.get_closest_marker(MARKER)]
    if marked or config.getini("f3dx_fixtures") == "all":
        from pytest_f3dx._plugin import _collected

        _collected.prepare(config, marked, warn=F3dxWarning)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401 (a type of pytest-xdist)
    """Tell an xdist worker the id of the run, and listen to what the workers report."""
    from pytest_f3dx._plugin import _reporter, _runs

    node.workerinput["f3dx_run"] = _runs.run_id(node.config)
    _reporter.install(node.config)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tidy up after the runs of marked tests, if there were any."""
    runs = sys.modules.get("pytest_f3dx._plugin._runs")
    if runs:
        runs.end(session.config)
