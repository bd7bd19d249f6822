"""One set-up of a fixture that outlives a test: its requests have a cassette of their own.

It is routed while the fixture is set up and again while it is torn down; in between its threads and
tasks still belong to it. Several workers, or several classes and modules, may set the same fixture up
in one run: the first records while the others wait, and they replay what it has recorded.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_f3dx._routing import routed, waiting
from pytest_f3dx._session import TestRun
from pytest_f3dx.errors import F3dxError, MissError, UnplayedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_f3dx._config import Config
    from pytest_f3dx._journal import Journal
    from pytest_f3dx._ledger import Facts
    from pytest_f3dx._model import Request, Response
    from pytest_f3dx._session import Place
    from pytest_f3dx._store import Store
    from pytest_f3dx._view import View


class FixtureRun(TestRun):
    """A fixture from its set-up to the end of its teardown; the recorder of what it sends.

    Attributes:
        name: As messages call it: ``login[admin] of tests/conftest.py``.
        is_set_up: Whether its set-up has passed.
    """

    def __init__(  # noqa: PLR0913 (keywords, most of them those of its base)
        self,
        place: Place,
        node_id: str,
        configure: Callable[[], Config],
        *,
        name: str,
        test: str,
        is_only: bool,
        has_workers: bool,
        passes: Callable[[Request], bool],
        edit: Callable[[Request, Response], Response],
    ) -> None:
        """Note who is who; nothing is read.

        Args:
            place: Where the run stands.
            node_id: ``tests/conftest.py::fixture.login[admin]``; it names the cassette.
            configure: Decides its settings; called once.
            name: As messages call it.
            test: Node id of the test that needs it first.
            is_only: Whether a run sets it up once, so that what is unplayed can be judged.
            has_workers: Whether other workers set it up, too.
            passes: Says whether a request goes live unseen.
            edit: Changes a redacted response before it is kept.
        """
        super().__init__(place, node_id, configure, passes=passes, edit=edit)
        self.name, self.is_set_up = name, False
        self._fixed_by = test
        self._is_only, self._has_workers = is_only, has_workers
        self._route, self._turn = ExitStack(), ExitStack()
        self._journal: Journal | None = None  # while recording

    def start(self) -> None:
        """Route every request made from now on to this fixture, until `leave`."""
        from pytest_f3dx._clients._switch import patched

        stack = self._at_end()
        stack.enter_context(patched())
        stack.enter_context(waiting(self))
        stack.callback(self._turn.close)
        stack.callback(self._route.close)
        self._route.enter_context(routed(self))

    def leave(self, *, passed: bool) -> None:
        """Stop routing at the end of the set-up; its threads and tasks stay with it.

        Args:
            passed: Whether it was set up.
        """
        self.is_set_up = passed
        self._route.close()
        try:
            if passed and self._has_workers and self._recorder and not self._problems:
                self._recorder.checkpoint()
        except F3dxError as error:
            self._problems.append(error)
        finally:
            self._turn.close()

    def resume(self) -> None:
        """Route again, for the teardown."""
        try:
            if self._recorder and self._journal and self._has_workers:
                self._turn.enter_context(self._journal.alone())
                self._recorder.reopen()
        except F3dxError as error:
            self._problems.append(error)
        self._route.enter_context(routed(self))

    def _settled(self, config: Config, journal: Journal) -> Config:
        """Wait for the worker that records this fixture; what the run has recorded is not asked for again."""
        if config.record == "none":
            return config
        self._journal = journal
        self._turn.enter_context(journal.alone())
        is_done = config.record == "all" and journal.is_marked()
        return replace(config, record="new_episodes") if is_done else config

    def _mine(self, store: Store) -> Store:
        store.is_shared = not self._is_only
        return super()._mine(store)

    def _explain(self, request: Request, fingerprint: str, view: View | None) -> MissError:
        error = super()._explain(request, fingerprint, view)
        return MissError(error.what, ("fixture", self.name), *error.facts)

    def _unplayed_error(self, shown: list[str], count: int) -> UnplayedError:
        error = super()._unplayed_error(shown, count)
        return UnplayedError(error.what, ("fixture", self.name), *error.facts)

    def _needs_a_look(self) -> bool:
        return self._is_only and super()._needs_a_look()

    def take_facts(self) -> Facts:
        """Return what happened since this was last asked."""
        self.facts.test = self._node_id
        taken = replace(self.facts)
        self.facts.reset()
        return taken
