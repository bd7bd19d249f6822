"""The pytest plugin: declares options, marker, fixture and hooks, and delegates.

Importing this module loads the standard library, pytest, ``_config`` and ``errors`` and nothing else
(tests/test_layering.py holds this): it is paid for by every run that has us installed.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pytest_f3dx import _config
from pytest_f3dx.errors import F3dxError, Refusal, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Mapping
    from types import TracebackType

    from pytest_f3dx._cache._cache import Cache
    from pytest_f3dx._clients._switch import Hold
    from pytest_f3dx._fixture_run import FixtureRun
    from pytest_f3dx._model import Request, Response
    from pytest_f3dx._plugin._keys import Keys
    from pytest_f3dx._session import Place, TestRun, Watch
    from pytest_f3dx._traffic import Traffic

MARKER = "f3dx_cache"
TRACE_MARKER = "f3dx_trace"
_PLACE: pytest.StashKey[Place] = pytest.StashKey()
_INI: pytest.StashKey[Mapping[str, object]] = pytest.StashKey()
_RUN_INI: pytest.StashKey[Mapping[str, str]] = pytest.StashKey()
_RUN_ID: pytest.StashKey[str] = pytest.StashKey()
_RUN: pytest.StashKey[TestRun] = pytest.StashKey()
_ORDER: pytest.StashKey[int] = pytest.StashKey()
_OUTCOMES: pytest.StashKey[list[str]] = pytest.StashKey()
_SETTINGS: pytest.StashKey[tuple[list[pytest.Mark], dict[str, Any]]] = pytest.StashKey()
_LATEST: pytest.StashKey[tuple[list[pytest.Mark], _config.Config]] = pytest.StashKey()
_HOLD: pytest.StashKey[Hold] = pytest.StashKey()
_RUNNING: pytest.StashKey[TestRun] = pytest.StashKey()
_PREVIOUS: pytest.StashKey[pytest.Item] = pytest.StashKey()
_FIXTURES = "_fixturemanager"


class F3dxWarning(pytest.PytestWarning):
    """Something that f3dx would have you know, and that does not fail the test."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare flag and ini key of each setting, and where cassettes stand."""
    group = parser.getgroup("f3dx", "recording and replaying HTTP traffic (pytest-f3dx)")
    group.addoption("--f3dx-record", choices=_config.RECORD_MODES, help=_config.SETTINGS[0].text)
    group.addoption("--f3dx-diff", metavar="MODE", help=_config.DIFF_TEXTS["diff"])
    group.addoption("--f3dx-max-live", type=_config.count, metavar="N", help=_config.DIFF_TEXTS["max_live"])
    for name, default in (("concurrency", 4), ("timeout", 120)):
        text = _config.DIFF_TEXTS[f"live_{name}"]
        group.addoption(f"--f3dx-live-{name}", type=_config.count, default=default, metavar="N", help=text)
    for setting in _config.SETTINGS:
        if setting.ini:
            kind: Any = setting.ini
            parser.addini(f"f3dx_{setting.name}", setting.text, type=kind, default=None)
    parser.addini("f3dx_cassette_dir", "cassette directory below the root directory", default="cassettes")
    network = "refuse the network to tests without marker; loopback stays free"
    group.addoption("--f3dx-block-network", action="store_true", help=network)
    parser.addini("f3dx_block_network", network, type="bool", default=False)
    keys = "variables that get a placeholder in record mode none where unset (default: those of known SDKs)"
    parser.addini("f3dx_placeholder_keys", keys, type="args", default=None)
    for name, (_, text) in _config.RUN_SETTINGS.items():
        parser.addini(f"f3dx_{name}", text, default=None)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks for conftest authors."""
    from pytest_f3dx import hooks

    pluginmanager.add_hookspecs(hooks)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker and check the ini file."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(*, name, record, ignore, replace, match_headers, repeats, unplayed, allow_hosts, redact, "
        "allow): "
        "record the HTTP traffic of the test once, replay it ever after (pytest-f3dx)",
    )
    config.addinivalue_line(
        "markers",
        f"{TRACE_MARKER}(path, *, limit, on_error): "
        "run the test for each row of a bundle of traces, given as its argument trace (pytest-f3dx)",
    )
    config.addinivalue_line(
        "markers",
        "f3dx_network(*hosts): a test without f3dx_cache may talk to these hosts, or to any if none is "
        "given, while f3dx_block_network is on (pytest-f3dx)",
    )
    values = {s.name: config.getini(f"f3dx_{s.name}") for s in _config.SETTINGS if s.ini}
    given = {name: value for name, value in values.items() if value is not None}
    config.stash[_INI] = _checked("the ini file", given)
    config.stash[_RUN_INI] = _checked_run_settings(config)
    if config.getoption("--f3dx-block-network") or config.getini("f3dx_block_network"):
        from pytest_f3dx._plugin._network import Network

        hosts: Any = config.stash[_INI].get("allow_hosts", ())
        network = Network(hosts)
        config.pluginmanager.register(network, "f3dx-network")
    if config.getoption("--f3dx-diff"):
        _compare_live(config)


def _compare_live(config: pytest.Config) -> None:
    from pytest_f3dx._plugin import _drift

    try:
        _drift.install(
            config, _run_id(config), run_of=lambda item: item.stash.get(_RUN, None), warn=F3dxWarning
        )
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from None


def _checked_run_settings(config: pytest.Config) -> dict[str, str]:
    try:
        return {
            name: _config.check_run_setting(name, config.getini(f"f3dx_{name}"))
            for name in _config.RUN_SETTINGS
        }
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from None


def _checked(source: str, values: Mapping[str, object], *, marker: bool = False) -> dict[str, Any]:
    try:
        checked = _config.check_source(source, values, marker=marker)
        _config.check_loosening(source, checked)
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from None
    return checked


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

    return cache_of(request.node.stash.get(_RUN, None))


@pytest.fixture
def f3dx_cassette(request: pytest.FixtureRequest) -> Traffic:
    """Show what the test has sent so far, as it sent it, and what answered."""
    from pytest_f3dx._plugin._cache import traffic_of

    return traffic_of(request.node.stash.get(_RUN, None))


def _marker_settings(item: pytest.Item) -> dict[str, Any] | None:
    """Gather the marker's arguments, the closest marker first; None without a marker."""
    marks = list(item.iter_markers(MARKER))
    if not marks:
        return None
    known = item.stash.get(_SETTINGS, None)
    if known and known[0] == marks:
        return known[1]
    source = f"@pytest.mark.{MARKER} on {item.nodeid}"
    given: dict[str, object] = {}
    for mark in reversed(marks):
        if mark.args:
            said = f"f3dx: {source} takes keyword arguments only, not {mark.args!r} [settings]"
            raise pytest.UsageError(said)
        given.update(mark.kwargs)
    item.stash[_SETTINGS] = marks, _checked(source, given, marker=True)
    return item.stash[_SETTINGS][1]


def _has_own_fixture(item: pytest.Item) -> bool:
    """Whether a conftest.py or the like overrides ``f3dx_config`` for a test; in doubt yes.

    A fixture costs each test 70 us, more than all else for a test that sends nothing, so ours is
    evaluated only where it can say something. Pytest has no public way to ask for that.
    """
    manager = getattr(item.session, _FIXTURES, None)
    try:
        return len(manager.getfixturedefs("f3dx_config", item)) != 1  # type: ignore[union-attr]  # caught below
    except (AttributeError, TypeError):
        return True


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test for each row of the bundle that a test is marked with."""
    mark = metafunc.definition.get_closest_marker(TRACE_MARKER)
    if mark:
        from pytest_f3dx._plugin import _traces

        _traces.parametrize(metafunc, mark)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check the markers; ask for ``f3dx_config`` before any other fixture of a marked test."""
    used: dict[str, str] = {}
    replayed: set[str] = set()
    flag, ini = config.getoption("--f3dx-record"), config.stash[_INI].get("record", "none")
    if config.getoption("--f3dx-diff"):
        flag = flag or "diff"  # what is replayed is sent as well, so it needs real keys
    for order, item in enumerate(items):  # before anything shuffles them
        marker = _marker_settings(item)
        if marker is not None:
            item.stash[_ORDER] = order
            names: list[str] = getattr(item, "fixturenames", [])
            if "f3dx_config" not in names[:1] and _has_own_fixture(item):
                names.insert(0, "f3dx_config")
            for name in names:
                used.setdefault(name, item.nodeid)
            if (flag or marker.get("record", ini)) == "none":
                replayed.add(item.nodeid)
    keys = partial(_keys, config, replayed, is_replay=(flag or ini) == "none")
    _watch_fixtures(config, used, keys)


def _keys(config: pytest.Config, replayed: Collection[str], *, is_replay: bool) -> Keys:
    from pytest_f3dx._plugin._keys import Keys

    return Keys(config.getini("f3dx_placeholder_keys"), replayed, is_replay=is_replay)


def _watch_fixtures(config: pytest.Config, used: Mapping[str, str], keys: Callable[[], Keys]) -> None:
    """Route the fixtures that outlive a test, if any test of the run asks for it."""
    which, plugins = config.stash[_RUN_INI]["fixtures"], config.pluginmanager
    if not (used or which == "all") or plugins.has_plugin("f3dx-fixtures"):
        return
    from pytest_f3dx._plugin._fixtures import Fixtures

    plugin = Fixtures(
        {"marked": used, "off": {}}.get(which),
        keys(),
        make=_new_fixture_run,
        run_of=lambda item: None if which == "off" else item.stash.get(_RUN, None),
        warn=lambda item, text: item.warn(F3dxWarning(text)),
    )
    plugins.register(plugin, "f3dx-fixtures")


def _place(config: pytest.Config) -> Place:
    """Say where the run stands; made when the first marked test starts."""
    from pytest_f3dx import _session

    if _PLACE not in config.stash:
        root, inifile = config.rootpath, config.inipath
        config.stash[_PLACE] = _session.Place(
            root,
            root / str(config.getini("f3dx_cassette_dir")),
            config.invocation_params.dir,
            _run_id(config),
            toml=inifile is None or inifile.suffix == ".toml",
            has_late_tls=config.stash[_RUN_INI]["fast_tls"] == "on",
        )
    return config.stash[_PLACE]


def _run_id(config: pytest.Config) -> str:
    """Return the id of the run: the controller's in an xdist worker."""
    from pytest_f3dx._session import new_run_id

    given: Mapping[str, str] = getattr(config, "workerinput", {})
    return config.stash.setdefault(_RUN_ID, given.get("f3dx_run") or new_run_id())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401 (a type of pytest-xdist)
    """Tell an xdist worker the id of the run."""
    node.workerinput["f3dx_run"] = _run_id(node.config)


# -- the life of a marked test ---------------------------------------------------------------------


def _settings(item: pytest.Item) -> _config.Config:
    """Decide the settings of a test, or take those of the test before: parametrised tests share all."""
    if "f3dx_config" in getattr(item, "funcargs", {}):
        return _resolve(item)
    marks = list(item.iter_markers(MARKER))
    latest = item.config.stash.get(_LATEST, None)
    if latest is None or latest[0] != marks:
        latest = item.config.stash[_LATEST] = marks, _resolve(item)
    return latest[1]


def _resolve(item: pytest.Item, given: Mapping[str, object] | None = None) -> _config.Config:
    flag = item.config.getoption("--f3dx-record")
    if given is None:
        given = getattr(item, "funcargs", {}).get("f3dx_config", {})
    fixture = _config.check_source("the fixture f3dx_config", given)
    _config.check_loosening("the fixture f3dx_config", fixture)
    return _config.resolve(
        flag={} if flag is None else {"record": flag},
        marker=_marker_settings(item) or {},
        fixture=fixture,
        ini=item.config.stash[_INI],
    )


def _new_run(item: pytest.Item) -> TestRun:
    from pytest_f3dx._session import TestRun

    passes, edit = _hooks(item)
    run = TestRun(_place(item.config), item.nodeid, lambda: _settings(item), passes=passes, edit=edit)
    run.order = item.stash.get(_ORDER, 0)
    return run


def _watch(config: pytest.Config) -> Watch | None:
    return config.pluginmanager.get_plugin("f3dx-drift")


def _new_fixture_run(
    item: pytest.Item,
    request: pytest.FixtureRequest,
    **facts: Any,  # noqa: ANN401 (those that only `_fixtures` knows)
) -> FixtureRun:
    """Make the run of a fixture; its settings are those of the test that needs it first, but for a name."""
    from pytest_f3dx._fixture_run import FixtureRun

    is_marked = item.get_closest_marker(MARKER)
    seen: Mapping[str, object] = getattr(item, "funcargs", {}).get("f3dx_config", {})
    given = seen if is_marked else _config_fixture(request)

    def configure() -> _config.Config:
        return replace(_resolve(item, given), name=None)

    passes, edit = _hooks(item)
    workers = hasattr(item.config, "workerinput")
    place = _place(item.config)
    run = FixtureRun(place, configure=configure, has_workers=workers, passes=passes, edit=edit, **facts)
    run.watch = _watch(item.config)
    run.order = item.stash.get(_ORDER, 0)
    return run


def _config_fixture(request: pytest.FixtureRequest) -> Mapping[str, object]:
    """Return the value of ``f3dx_config`` for a test without marker; nothing if it is of narrower scope."""
    try:
        value: Mapping[str, object] = request.getfixturevalue("f3dx_config")
    except (pytest.FixtureLookupError, pytest.fail.Exception):
        return {}
    return value


def _hooks(item: pytest.Item) -> tuple[Callable[[Request], bool], Callable[[Request, Response], Response]]:
    hook = item.ihook

    def passes(request: Request) -> bool:
        return bool(hook.pytest_f3dx_passthrough(request=request, item=item))

    def edit(request: Request, response: Response) -> Response:
        changed = hook.pytest_f3dx_edit_response(request=request, response=response, item=item)
        return response if changed is None else changed

    return passes, edit


def _forget_previous(item: pytest.Item) -> None:
    """Let go of the cassette of the marked test before: pytest keeps every item to the end of the run."""
    previous = item.config.stash.get(_PREVIOUS, None)
    if previous is not None and _RUN in previous.stash:
        del previous.stash[_RUN]
    item.config.stash[_PREVIOUS] = item


def _hold(config: pytest.Config) -> Hold:
    from pytest_f3dx._clients._switch import Hold

    return config.stash.setdefault(_HOLD, Hold())


def _phase(item: pytest.Item) -> Generator[None, Any, Any]:
    """Run a phase; a problem fails it at its end, whatever was caught on the way."""
    run = item.stash.get(_RUN, None)
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
    from pytest_f3dx._session import user_frames

    return trace if item.config.getoption("fulltrace") else user_frames(trace, item.config.rootpath)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    """Start routing before the first fixture of a marked test."""
    if item.get_closest_marker(MARKER):
        _forget_previous(item)
        run = item.stash[_RUN] = item.config.stash[_RUNNING] = _new_run(item)
        run.watch = _watch(item.config)
        item.stash[_OUTCOMES] = []
        _hold(item.config).take()
        run.start()
        if "f3dx_cassette" in getattr(item, "fixturenames", ()):
            run.traffic()
    return (yield from _phase(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail the test at the end of its call phase for what it swallowed."""
    return (yield from _phase(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, Any, Any]:
    """Fold the recordings of a passing test after its last fixture has ended."""
    run = item.stash.get(_RUN, None)
    passed = False
    try:
        result = yield from _phase(item)
        outcomes = item.stash.get(_OUTCOMES, [])
        passed = len(outcomes) > 1 and set(outcomes) == {"passed"}
    finally:
        if run:
            del item.config.stash[_RUNNING]
            if nextitem is None or not nextitem.get_closest_marker(MARKER):
                _hold(item.config).let_go()
            _finish(run, item, passed=passed)
    return result


def _finish(run: TestRun, item: pytest.Item, *, passed: bool) -> None:
    try:
        unplayed = run.finish(passed=passed)
    except F3dxError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    if unplayed and run.config().unplayed == "warn":
        item.warn(F3dxWarning(str(unplayed)))
    elif unplayed:
        raise pytest.fail.Exception(str(unplayed), pytrace=False)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the outcome of each phase; a miss in a test that is expected to fail fails it all the same."""
    report = yield
    run = item.stash.get(_RUN, None)
    if run:
        if hasattr(report, "wasxfail") and run.has_problems():
            del report.wasxfail
            report.outcome = "failed"
        item.stash[_OUTCOMES].append(report.outcome)
        if report.when == "teardown" and not run.facts.is_idle():
            report.f3dx = run.facts.as_dict()  # type: ignore[attr-defined]  # crosses from xdist workers as it is
    return report


# -- the report of a run ---------------------------------------------------------------------------


def pytest_sessionstart(session: pytest.Session) -> None:
    """Listen to the reports of the run, in the controller only."""
    from pytest_f3dx._plugin._reporter import Reporter

    if not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(Reporter(), "f3dx-reporter")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tidy up beside the pending exchanges when the last worker has ended."""
    config = session.config
    if _RUNNING in config.stash:  # pytest.exit in a test leaves out its teardown
        config.stash[_RUNNING].finish(passed=False)
        _hold(config).let_go()
    if not hasattr(config, "workerinput") and (_RUN_ID in config.stash):
        from pytest_f3dx._journal import tidy

        tidy(_place(config).cassettes, _run_id(config))
