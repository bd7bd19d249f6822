"""Gives each fixture that outlives a test a cassette of its own; registered when a run has marked tests."""

from __future__ import annotations

import inspect
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_f3dx.errors import F3dxError, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from pytest_f3dx._fixture_run import FixtureRun
    from pytest_f3dx._plugin._keys import Keys
    from pytest_f3dx._session import TestRun

_HARMLESS = {"_pytest", "pytest_asyncio", "anyio", "xdist", "pytest_f3dx", "pytest_trio", "trio"}
_ABSENT = object()


class Fixtures:
    """A pytest plugin of its own: routes the set-up and the teardown of wider fixtures.

    `Marked` tells it which test is running, and takes what has happened in fixtures along.
    """

    def __init__(
        self,
        names: Mapping[str, str] | None,
        keys: Keys,
        *,
        make: Callable[..., FixtureRun],
        run_of: Callable[[pytest.Item], TestRun | None],
        warn: Callable[[pytest.Item, str], None],
    ) -> None:
        """Note which fixtures are meant.

        Args:
            names: Fixtures that marked tests use, and the first of the tests that does; None: every
                fixture is meant.
            keys: Placeholders for replayed tests and their fixtures.
            make: Makes the run of a fixture for an item.
            run_of: Gives the run of a marked test.
            warn: Warns of something at an item.
        """
        self._keys = keys
        self._names, self._make, self._run_of, self._warn = names, make, run_of, warn
        self._item: pytest.Item | None = None
        self._open: list[FixtureRun] = []
        self._ended: list[FixtureRun] = []

    def before(self, item: pytest.Item) -> None:
        """Note which test is running, before it is set up: a wider fixture does not know."""
        self._item = item
        self._keys.before(item)

    def after(self) -> None:
        """Note that no test is running any more."""
        self._item = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, Any, Any]:
        """Route what a wider fixture sends to a cassette of its own."""
        item = self._item
        try:
            if fixturedef.scope == "function" or item is None or not self._is_meant(fixturedef, item):
                return (yield)
            return (yield from self._routed(item, fixturedef, request))
        except Refusal as refusal:
            # pytest keeps no BaseException as the result of a fixture, and does not tear down what has no
            # result; the next test would find a fixture that is neither set up nor torn down.
            if fixturedef.cached_result is None:
                failed = (refusal, refusal.__traceback__)
                fixturedef.cached_result = (None, fixturedef.cache_key(request), failed)  # type: ignore[arg-type]  # a SubRequest
            raise

    def _is_meant(self, fixturedef: pytest.FixtureDef[Any], item: pytest.Item) -> bool:
        home = getattr(fixturedef.func, "__module__", "").partition(".")[0]
        if home in _HARMLESS or fixturedef.argname == "f3dx_config":
            return False
        return self._names is None or fixturedef.argname in self._names or self._run_of(item) is not None

    def _routed(
        self, item: pytest.Item, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, Any, Any]:
        node_id, name = _identity(fixturedef, request, item.config.rootpath)
        is_only = fixturedef.scope in ("session", "package") or fixturedef.baseid == request.node.nodeid
        marked = item.nodeid if self._run_of(item) else (self._names or {}).get(fixturedef.argname)
        test = marked or item.nodeid  # the one that records it when it is run by itself
        run = self._make(item, request, node_id=node_id, name=name, test=test, is_only=is_only)
        request.addfinalizer(partial(self._finish, run))  # first in, last out: after the fixture's own
        self._open.append(run)
        run.start()
        if self._run_of(item) is None:
            self._keys.before_fixture()
        passed = False
        try:
            value = yield
            passed = True
        except Refusal:
            run.news()
            raise
        finally:
            run.leave(passed=passed)
            self._keys.before(item)
            if run.has_problems():
                self._share(run, item)
        self._fail(run)
        request.addfinalizer(run.resume)  # last in: before the fixture's own, after those that use it
        return value

    def _share(self, run: FixtureRun, item: pytest.Item) -> None:
        test = self._run_of(item)
        if test:
            test.share_problems(run)

    def _fail(self, run: FixtureRun) -> None:
        problem = run.news()
        if problem and self._item is not None:
            raise pytest.fail.Exception(problem, pytrace=False)

    def _finish(self, run: FixtureRun) -> None:
        """Fold what the fixture recorded, after its last finalizer, whatever became of the tests."""
        if run not in self._open:
            return
        self._open.remove(run)
        self._ended.append(run)
        try:
            unplayed = run.finish(passed=run.is_set_up)
        except F3dxError as error:
            raise pytest.fail.Exception(str(error), pytrace=False) from None
        self._fail(run)
        if unplayed and self._item is not None:  # None: the run was cut short, and leaves more unplayed
            if run.config().unplayed == "fail":
                raise pytest.fail.Exception(str(unplayed), pytrace=False)
            self._warn(self._item, str(unplayed))

    def has_news(self) -> bool:
        """Whether anything can have happened in a fixture since `news` was last asked."""
        return bool(self._open or self._ended)

    def news(self) -> list[dict[str, Any]]:
        """Return what has happened in fixtures since this was last asked."""
        runs = [run for run in (*self._open, *self._ended) if not run.facts.is_idle()]
        self._ended.clear()
        return [run.take_facts().as_dict() for run in runs]

    def supplied(self) -> list[str]:
        """Return the variables that were given a placeholder since this was last asked."""
        return self._keys.news()

    def pytest_unconfigure(self) -> None:
        """Let go of what an interrupted run has left, and of the placeholders."""
        self._keys.take()
        while self._open:
            self._finish(self._open[-1])


def _identity(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest, root: Path
) -> tuple[str, str]:
    """Return what names the cassette of a fixture, and what messages call it."""
    name = fixturedef.argname + _parameter(fixturedef, request)
    function = inspect.unwrap(fixturedef.func)
    module = getattr(function, "__module__", "") or "unknown"
    file = Path(function.__code__.co_filename) if inspect.isfunction(function) else root / module
    if file.is_relative_to(root) and "site-packages" not in file.parts:
        module = file.relative_to(root).as_posix()
    else:
        module = module.replace(".", "/") + ".py"
    owner = "".join(f"::{part}" for part in fixturedef.baseid.split("::")[1:])
    return f"{module}{owner}::fixture.{name}", f"{name} of {module}{owner}"


def _parameter(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> str:
    """Return ``[id]`` as pytest builds the ids of parameters; nothing if there are none."""
    value, index = getattr(request, "param", _ABSENT), getattr(request, "param_index", 0)
    if value is _ABSENT:
        return ""
    ids, given = fixturedef.ids, getattr((fixturedef.params or {index: None})[index], "id", None)
    if ids is not None and given is None:
        given = ids(value) if callable(ids) else ids[index]
    for candidate in (given, value, getattr(value, "__name__", None)):
        if isinstance(candidate, (str, int, float, bool)):
            return f"[{candidate}]"
    return "[None]" if value is None else f"[{fixturedef.argname}{index}]"
