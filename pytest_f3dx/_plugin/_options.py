"""What the ini file, the markers and the fixture ``f3dx_config`` set, and what holds for a test by that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_f3dx import _config, _settings
from pytest_f3dx.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

MARKER = "f3dx_cache"
FOLLOWER = "f3dx-marked"
UNFORESEEN = "f3dx-unforeseen"  # as in `plugin`
_INI: pytest.StashKey[Mapping[str, Any]] = pytest.StashKey()
_RUN_INI: pytest.StashKey[Mapping[str, str]] = pytest.StashKey()
_MARKED: pytest.StashKey[tuple[list[pytest.Mark], dict[str, Any]]] = pytest.StashKey()
_LATEST: pytest.StashKey[tuple[list[pytest.Mark], _config.Config]] = pytest.StashKey()


def check_ini(config: pytest.Config) -> None:
    """Read what the ini file sets.

    Raises:
        pytest.UsageError: A value is not accepted.
    """
    values = {s.name: config.getini(f"f3dx_{s.name}") for s in _settings.SETTINGS if s.ini}
    given = {name: value for name, value in values.items() if value is not None}
    config.stash[_INI] = _checked("the ini file", given)
    try:
        config.stash[_RUN_INI] = {
            name: _settings.check_run_setting(name, config.getini(f"f3dx_{name}"))
            for name in _settings.RUN_SETTINGS
        }
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from None


def ini(config: pytest.Config) -> Mapping[str, Any]:
    """Return the settings of the ini file, checked."""
    if _INI not in config.stash:
        check_ini(config)
    return config.stash[_INI]


def of_run(config: pytest.Config, name: str) -> str:
    """Return a setting of the whole run (`_settings.RUN_SETTINGS`)."""
    ini(config)
    return config.stash[_RUN_INI][name]


def _checked(source: str, values: Mapping[str, object], *, marker: bool = False) -> dict[str, Any]:
    try:
        checked = _settings.check_source(source, values, marker=marker)
        _config.check_loosening(source, checked)
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from None
    return checked


def marks_of(item: pytest.Item) -> list[pytest.Mark]:
    """Return the markers of a test, the closest first, as ``iter_markers`` does at three times the cost."""
    marks: list[pytest.Mark] = []
    node: Any = item
    while node is not None:
        for mark in node.own_markers:
            if mark.name == MARKER:
                marks.append(mark)  # noqa: PERF401 - a comprehension for each node is dearer than what it does
        node = node.parent
    return marks


def of_markers(item: pytest.Item) -> dict[str, Any]:
    """Gather the markers' arguments, the closest marker first; nothing without a marker.

    Raises:
        pytest.UsageError: An argument is not accepted.
    """
    marks = marks_of(item)
    known = item.stash.get(_MARKED, None)
    if known and known[0] == marks:
        return known[1]
    source = f"@pytest.mark.{MARKER} on {item.nodeid}"
    given: dict[str, object] = {}
    for mark in reversed(marks):
        if mark.args:
            said = f"f3dx: {source} takes keyword arguments only, not {mark.args!r} [settings]"
            raise pytest.UsageError(said)
        given.update(mark.kwargs)
    item.stash[_MARKED] = marks, _checked(source, given, marker=True)
    return item.stash[_MARKED][1]


def of_test(item: pytest.Item) -> _config.Config:
    """Decide the settings of a test, or take those of the test before: parametrised tests share all."""
    if "f3dx_config" in getattr(item, "funcargs", {}):
        return resolve(item)
    marks = marks_of(item)
    latest = item.config.stash.get(_LATEST, None)
    if latest is None or latest[0] != marks:
        latest = item.config.stash[_LATEST] = marks, resolve(item)
    return latest[1]


def resolve(item: pytest.Item, given: Mapping[str, object] | None = None) -> _config.Config:
    """Decide the settings of a test.

    Args:
        item: The test.
        given: Value of ``f3dx_config``; None: the one that the test has.

    Raises:
        SettingsError: The fixture has a setting that is not accepted.
    """
    flag = item.config.getoption("--f3dx-record")
    if given is None:
        given = getattr(item, "funcargs", {}).get("f3dx_config", {})
    fixture = _settings.check_source("the fixture f3dx_config", given)
    _config.check_loosening("the fixture f3dx_config", fixture)
    return _config.resolve(
        flag={} if flag is None else {"record": flag},
        marker=of_markers(item),
        fixture=fixture,
        ini=ini(item.config),
    )
