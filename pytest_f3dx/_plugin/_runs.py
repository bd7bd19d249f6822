"""Makes the runs of marked tests and of fixtures, and tidies up after the last."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_f3dx._plugin import _options
from pytest_f3dx._session import Place, TestRun, new_run_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_f3dx._answers import Answers
    from pytest_f3dx._config import Config
    from pytest_f3dx._fixture_run import FixtureRun
    from pytest_f3dx._model import Request, Response
    from pytest_f3dx._session import Watch

ORDER: pytest.StashKey[int] = pytest.StashKey()
RUN: pytest.StashKey[TestRun] = pytest.StashKey()
_PLACE: pytest.StashKey[Place] = pytest.StashKey()
_RUN_ID: pytest.StashKey[str] = pytest.StashKey()


def of(item: pytest.Item) -> TestRun | None:
    """Return the run of a marked test; None before it starts and for any other test."""
    return item.stash.get(RUN, None)


def run_id(config: pytest.Config) -> str:
    """Return the id of the run: the controller's in an xdist worker."""
    if _RUN_ID not in config.stash:
        given: Mapping[str, str] = getattr(config, "workerinput", {})
        config.stash[_RUN_ID] = given.get("f3dx_run") or new_run_id()
    return config.stash[_RUN_ID]


def _place(config: pytest.Config) -> Place:
    """Say where the run stands; made when the first marked test starts."""
    place = config.stash.get(_PLACE, None)
    if place is None:
        root, inifile = config.rootpath, config.inipath
        place = config.stash[_PLACE] = Place(
            root,
            root / str(config.getini("f3dx_cassette_dir")),
            config.invocation_params.dir,
            run_id(config),
            toml=inifile is None or inifile.suffix == ".toml",
            has_late_tls=_options.of_run(config, "fast_tls") == "on",
            answers=_answers(config),
        )
    return place


def _answers(config: pytest.Config) -> Answers | None:
    """Return what earlier runs have kept in pytest's cache; None without it, or if it cannot be made."""
    cache: pytest.Cache | None = getattr(config, "cache", None)  # absent with -p no:cacheprovider
    if cache is None:
        return None
    from pytest_f3dx._answers import Answers

    try:
        return Answers(cache.mkdir("f3dx"))
    except OSError:
        return None


def of_test(item: pytest.Item) -> TestRun:
    """Make the run of a marked test."""
    passes, edit = _hooks(item)
    config = item.config
    run = TestRun(_place(config), item.nodeid, lambda: _options.of_test(item), passes=passes, edit=edit)
    run.order = item.stash.get(ORDER, 0)
    run.watch = _watch(config)
    return run


def of_fixture(
    item: pytest.Item,
    request: pytest.FixtureRequest,
    **facts: Any,  # noqa: ANN401 (those that only `_fixtures` knows)
) -> FixtureRun:
    """Make the run of a fixture; its settings are those of the test that needs it first, but for a name."""
    from pytest_f3dx._fixture_run import FixtureRun

    is_marked = item.get_closest_marker(_options.MARKER)
    seen: Mapping[str, object] = getattr(item, "funcargs", {}).get("f3dx_config", {})
    given = seen if is_marked else _config_fixture(request)

    def configure() -> Config:
        return replace(_options.resolve(item, given), name=None)

    passes, edit = _hooks(item)
    workers = hasattr(item.config, "workerinput")
    place = _place(item.config)
    run = FixtureRun(place, configure=configure, has_workers=workers, passes=passes, edit=edit, **facts)
    run.watch = _watch(item.config)
    run.order = item.stash.get(ORDER, 0)
    return run


def _watch(config: pytest.Config) -> Watch | None:
    return config.pluginmanager.get_plugin("f3dx-drift")


def _config_fixture(request: pytest.FixtureRequest) -> Mapping[str, object]:
    """Return the value of ``f3dx_config`` for a test without marker; nothing if it is of narrower scope."""
    try:
        value: Mapping[str, object] = request.getfixturevalue("f3dx_config")
    except (pytest.FixtureLookupError, pytest.fail.Exception):
        return {}
    return value


def _hooks(item: pytest.Item) -> tuple[Callable[[Request], bool], Callable[[Request, Response], Response]]:
    def passes(request: Request) -> bool:
        if not item.config.hook.pytest_f3dx_passthrough.get_hookimpls():
            return False
        return bool(item.ihook.pytest_f3dx_passthrough(request=request, item=item))

    def edit(request: Request, response: Response) -> Response:
        changed = item.ihook.pytest_f3dx_edit_response(request=request, response=response, item=item)
        return response if changed is None else changed

    return passes, edit


def end(config: pytest.Config) -> None:
    """Write what was learnt; tidy up beside the pending exchanges when the last worker has ended."""
    place = config.stash.get(_PLACE, None)
    if place is not None and place.answers is not None:
        place.answers.flush()
    if not hasattr(config, "workerinput") and _RUN_ID in config.stash:
        from pytest_f3dx._journal import tidy

        tidy(_place(config).cassettes, run_id(config))
