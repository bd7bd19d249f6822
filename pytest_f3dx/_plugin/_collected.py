"""Prepares the marked tests of a run when they are collected; loaded only if there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_f3dx._plugin import _marked, _options, _runs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

    from pytest_f3dx._plugin._fixtures import Fixtures
    from pytest_f3dx._plugin._keys import Keys

_FIXTURES = "_fixturemanager"


def prepare(config: pytest.Config, marked: Sequence[tuple[int, pytest.Item]], *, warn: type[Warning]) -> None:
    """Check the markers; ask for ``f3dx_config`` before any other fixture of a marked test.

    Args:
        config: Of pytest.
        marked: The marked tests, each with its place in the order of collection.
        warn: Class of warnings.

    Raises:
        pytest.UsageError: A marker or the ini file has a setting that is not accepted.
    """
    used: dict[str, str] = {}
    replayed: set[str] = set()
    flag, ini = config.getoption("--f3dx-record"), _options.ini(config).get("record", "none")
    if config.getoption("--f3dx-diff"):
        flag = flag or "diff"  # what is replayed is sent as well, so it needs real keys
    for order, item in marked:
        marker = _options.of_markers(item)
        item.stash[_runs.ORDER] = order
        names: list[str] = getattr(item, "fixturenames", [])
        if "f3dx_config" not in names[:1] and _has_own_fixture(item):
            names.insert(0, "f3dx_config")
        for name in names:
            used.setdefault(name, item.nodeid)
        if (flag or marker.get("record", ini)) == "none":
            replayed.add(item.nodeid)
    follower = _marked.install(config, warn=warn)
    if follower.fixtures is None:
        keys = _keys(config, replayed, is_replay=(flag or ini) == "none")
        follower.fixtures = _watch_fixtures(config, used, keys, warn)


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


def _keys(config: pytest.Config, replayed: set[str], *, is_replay: bool) -> Keys:
    from pytest_f3dx._plugin._keys import Keys

    names: Any = config.getini("f3dx_placeholder_keys")
    return Keys(names, replayed, is_replay=is_replay)


def _watch_fixtures(
    config: pytest.Config, used: Mapping[str, str], keys: Keys, warn: type[Warning]
) -> Fixtures:
    """Route the fixtures that outlive a test, if any test of the run asks for it."""
    from pytest_f3dx._plugin._fixtures import Fixtures

    which = _options.of_run(config, "fixtures")
    plugin = Fixtures(
        {"marked": used, "off": {}}.get(which),
        keys,
        make=_runs.of_fixture,
        run_of=lambda item: None if which == "off" else _runs.of(item),
        warn=lambda item, text: item.warn(warn(text)),
    )
    config.pluginmanager.register(plugin, "f3dx-fixtures")
    return plugin
