"""What one pytest run knows, and the life of one marked test in it; no pytest in here."""

from __future__ import annotations

import os
import shlex
import threading
import types
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_f3dx import _names
from pytest_f3dx._ledger import Facts
from pytest_f3dx._routing import begin, end, routed
from pytest_f3dx.errors import F3dxError, Refusal, UnplayedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token

    from pytest_f3dx._answers import Answers
    from pytest_f3dx._calls import CallRecorder
    from pytest_f3dx._config import Config
    from pytest_f3dx._journal import Journal
    from pytest_f3dx._model import Request, Response
    from pytest_f3dx._routing import Recorder as Routed
    from pytest_f3dx._routing import Ticket
    from pytest_f3dx._store import Store
    from pytest_f3dx._traffic import Traffic
    from pytest_f3dx._view import View
    from pytest_f3dx.errors import MissError

_SHOWN = 5  # interactions left unplayed; more are counted, not parsed
_NEEDS_SINGLE_QUOTES = set('"$`\\!')


def new_run_id() -> str:
    """Return an id that no other run has."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run stands on the disk, and how it speaks of it.

    Attributes:
        root: The root directory of the tests.
        cassettes: The cassette directory.
        started_in: The directory in which pytest was started.
        run: Id of the run, the same in all workers.
        toml: Whether settings stand in a TOML file.
        has_late_tls: Whether clients built in marked tests load CA certificates only when they connect.
        answers: What earlier runs have learnt of cassettes; None if nothing can be kept.
    """

    root: Path
    cassettes: Path
    started_in: Path
    run: str
    toml: bool
    has_late_tls: bool = True
    answers: Answers | None = None

    def file(self, relative: str) -> str:
        """Return the path of a cassette, given by its parts below the cassette directory, joined by ``/``."""
        return f"{self.cassettes}{os.sep}{relative if os.sep == '/' else relative.replace('/', os.sep)}"

    def shown(self, path: str) -> str:
        """Return a path as messages show it: relative to the root directory where it is below it."""
        return path.removeprefix(f"{self.root}{os.sep}")

    def command(self, node_id: str, record: str) -> str:
        """Return the command that records one test, to be pasted where pytest was started."""
        file, separator, rest = node_id.partition("::")
        target = os.path.relpath(self.root / file, self.started_in) + separator + rest
        quoted = shlex.quote(target) if _NEEDS_SINGLE_QUOTES & set(target) else f'"{target}"'
        return f"pytest {quoted} --f3dx-record={record}"


class Watch(Protocol):
    """Who is told what a run is asked, from any thread (`_plugin._drift`)."""

    def asked(self, run: TestRun, ticket: Ticket) -> None:
        """Note that a request was asked for; its recorded response, if there is one, stands in the ticket."""

    def answered(self, run: TestRun, ticket: Ticket) -> None:
        """Note that the live answer to a request was recorded."""


class TestRun:
    """One marked test: routes its requests, and says at the end of each phase what went wrong.

    It is the recorder that clients see; the real one is made at the first request, when the
    fixture ``f3dx_config`` has its value. A test that sends nothing costs almost nothing.

    Attributes:
        facts: What happened to its requests.
        watch: Is told of each request and each recording; None if nobody watches.
    """

    name = ""  # a fixture has one
    order = 0  # place of the test in the order of collection
    __test__ = False  # not a test class, whatever pytest makes of its name

    def __init__(
        self,
        place: Place,
        node_id: str,
        configure: Callable[[], Config],
        *,
        passes: Callable[[Request], bool],
        edit: Callable[[Request, Response], Response],
    ) -> None:
        """Note who is who; nothing is read.

        Args:
            place: Where the run stands.
            node_id: Of the test.
            configure: Decides its settings; called once.
            passes: Says whether a request goes live unseen.
            edit: Changes a redacted response before it is kept.
        """
        self.facts = Facts(test=node_id)
        self._place, self._node_id, self._configure = place, node_id, configure
        self._fixed_by = node_id  # the test whose run records what is missing
        self._passes, self._edit = passes, edit
        self._lock = threading.RLock()
        self._config: Config | None = None
        self._recorder: CallRecorder | None = None
        self._problems: list[F3dxError] = []
        self._told = 0
        self._stack: ExitStack | None = None  # what ends with the test, if there is any such thing
        self._traffic: Traffic | None = None
        self._token: Token[Routed | None] | None = None
        self.watch: Watch | None = None

    # -- life ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Route every request made from now on, fixtures included, to this test; the clients are patched."""
        self._token = begin(self)

    def _at_end(self) -> ExitStack:
        """Return what is closed when this ends."""
        if self._stack is None:
            self._stack = ExitStack()
        return self._stack

    def traffic(self) -> Traffic:
        """Return what the test sends from the first call of this on, as it sends it."""
        if self._traffic is None:
            from pytest_f3dx._traffic import Traffic, Watching

            self._traffic = Traffic()
            self._at_end().enter_context(routed(Watching(self, self._traffic)))
        return self._traffic

    def config(self) -> Config:
        """Return the settings of the test, decided once."""
        config = self._config
        if config is not None:
            return config
        with self._lock:
            if self._config is None:
                config = self._configure()
                self.facts.record = config.record
                self._config = config
            return self._config

    def _file(self) -> str:
        """Return the path of the cassette; a text, as one stat is all that many a test needs it for."""
        return self._place.file(self._relative())

    def _relative(self) -> str:
        name = self.config().name
        return _names.shared_path(name) if name else _names.cassette_path(self._node_id)

    def recorder(self) -> CallRecorder:
        """Return the recorder of the test, made at the first call."""
        with self._lock:
            if self._recorder is None:
                self._recorder = self._make_recorder()
            return self._recorder

    def _make_recorder(self) -> CallRecorder:
        from pytest_f3dx._calls import CallRecorder
        from pytest_f3dx._journal import Journal
        from pytest_f3dx._store import Store

        config, relative = self.config(), self._relative()
        path = self._place.file(relative)
        self.facts.cassette = self._place.shown(path)
        journal = Journal(self._place.cassettes, relative, self._place.run)
        config = self._settled(config, journal)
        place = self._place
        store = Store(place.cassettes, Path(path), config, self._node_id, journal, place.answers)
        recorder = CallRecorder(
            config,
            self._mine(store),
            journal,
            self.facts,
            explain=self._explain,
            secrets=_secrets,
            passes=self._passes,
            edit=self._edit,
        )
        recorder.problems = self._problems
        return recorder

    def _settled(self, config: Config, journal: Journal) -> Config:
        """Return the settings to record with, now that the journal is known; a fixture has more to decide."""
        del journal
        return config

    def _mine(self, store: Store) -> Store:
        """Return the store to record into."""
        store.order = self.order
        return store

    def _explain(self, request: Request, fingerprint: str, view: View | None) -> MissError:
        from pytest_f3dx import _miss
        from pytest_f3dx._journal import Journal

        interactions = view.load_all().interactions.values() if view else ()
        journal = Journal(self._place.cassettes, self._relative(), self._place.run)
        return _miss.explain(
            request,
            fingerprint,
            interactions,
            self.config(),
            test=self._fixed_by,
            cassette=self._cassette_state(len(interactions) if view else None),
            fix=self._place.command(self._fixed_by, "new_episodes" if view else "once"),
            is_pending=journal.is_waiting(),
            toml=self._place.toml,
        )

    def _cassette_state(self, count: int | None) -> str:
        facts = self.facts
        if count is None:
            return f"{facts.cassette} (absent, mode {facts.record})"
        noun = "interaction" if count == 1 else "interactions"
        return f"{facts.cassette} ({count} {noun}, {facts.replayed} replayed, mode {facts.record})"

    def command(self, record: str) -> str:
        """Return the command that records this run in a mode."""
        return self._place.command(self._fixed_by, record)

    def news(self) -> str:
        """Return the text of the first problem that no phase of the test has failed with yet, or nothing.

        Several requests in flight at once miss at once: one is shown, the others are counted.
        """
        if len(self._problems) == self._told:
            return ""
        fresh = self._problems[self._told :]
        self._told = len(self._problems)
        more = f"\n  and       {len(fresh) - 1} more requests failed like it" if len(fresh) > 1 else ""
        return f"{fresh[0]}{more}"

    def has_problems(self) -> bool:
        """Whether anything went wrong that fails the test."""
        return bool(self._problems)

    def share_problems(self, other: TestRun) -> None:
        """Take over what went wrong in a fixture and is told already, so that the test cannot pass."""
        self._told += len(other._problems)
        self._problems[:0] = other._problems

    def finish(self, *, passed: bool) -> UnplayedError | None:
        """Stop routing and fold what a passing test recorded into its cassette.

        Args:
            passed: Whether every phase of the test passed.

        Returns:
            What a passing replay left unplayed, if the test may not leave any.

        Raises:
            CassetteError: The cassette cannot be written; everything stays pending.
            SettingsError: The settings of a test that sent nothing are wrong.
        """
        if self._stack is not None:
            self._stack.close()
        if self._token is not None:
            end(self, self._token)
            self._token = None
        passed = passed and not self._problems
        if self._recorder is None and not (passed and self._needs_a_look()):
            return None
        recorder = self.recorder()
        left = recorder.unplayed() if passed else []
        self.facts.unplayed = len(left)
        recorder.close(passed=passed)
        if not left or self.config().unplayed == "ignore":
            return None
        return self._unplayed_error([recorder.describe(key) for key in left[:_SHOWN]], len(left))

    def _needs_a_look(self) -> bool:
        """Whether a test that sent nothing has a cassette all the same."""
        config = self.config()
        if config.record != "none":
            return os.access(self._file(), os.F_OK)
        if config.name:
            return False  # what others ask of a shared cassette is not known here
        there = _listed(self._place.run, self._place.file(_names.folder(self._node_id)))
        return bool(there) and _names.cassette_path(self._node_id).rpartition("/")[2] in there

    def _unplayed_error(self, shown: list[str], count: int) -> UnplayedError:
        if count > len(shown):
            shown.append(f"… and {count - len(shown)} more")
        what = "1 recorded interaction was" if count == 1 else f"{count} recorded interactions were"
        return UnplayedError(
            f"{what} not asked for",
            ("test", self._fixed_by),
            ("cassette", self.facts.cassette),
            ("unplayed", "\n".join(shown)),
            ("fix", self._place.command(self._fixed_by, "all")),
            ("or", "take them out of the file by hand, or set unplayed to warn or ignore"),
        )

    # -- the recorder that clients see -----------------------------------------------------------

    @property
    def has_late_tls(self) -> bool:
        """See `pytest_f3dx._clients._tls`."""
        return self._place.has_late_tls

    def is_replaying(self) -> bool:
        """Whether no connection is to be made that was not seen; see `pytest_f3dx._clients._tls`."""
        return self.config().record == "none"

    def ask(self, request: Request) -> Ticket:
        """See `pytest_f3dx._routing.Recorder`."""
        return self._watched(self._ready().ask(request))

    async def ask_async(self, request: Request) -> Ticket:
        """See `pytest_f3dx._routing.Recorder`."""
        return self._watched(await self._ready().ask_async(request))

    def _watched(self, ticket: Ticket) -> Ticket:
        if self.watch is not None:
            self.watch.asked(self, ticket)
        return ticket

    def answer(self, ticket: Ticket, response: Response) -> None:
        """See `pytest_f3dx._routing.Recorder`."""
        self.recorder().answer(ticket, response)
        if self.watch is not None:
            self.watch.answered(self, ticket)

    def fail(self, ticket: Ticket, error: BaseException) -> None:
        """See `pytest_f3dx._routing.Recorder`."""
        self.recorder().fail(ticket, error)

    def calls(self) -> CallRecorder:
        """Return what answers a `Cache` over the cassette of the test."""
        return self._ready()

    def note_call(self, request: Request, response: Response, *, is_replayed: bool) -> None:
        """Show in `traffic` a call that was answered."""
        if self._traffic is not None:
            sent = self._traffic.note(request)
            sent.response, sent.is_replayed = response, is_replayed

    def connecting(self, host: str, shown: str) -> bool:
        """Judge a connection that no patch of a client has seen.

        Args:
            host: Name or address; not this machine.
            shown: The same with its port.

        Returns:
            Whether the host is one of those that are allowed.

        Raises:
            Refusal: Nothing may be sent to it.
        """
        config = self.config()
        if config.record != "none" or self.watch is not None:  # --f3dx-diff asks again, on purpose
            return False
        from pytest_f3dx import _guard

        if _guard.is_allowed(host, config.allow_hosts):
            return True
        error = _guard.refusal(shown, self._fixed_by, marked=True, fixture=self.name)
        self._problems.append(error)
        raise Refusal(error)

    def _ready(self) -> CallRecorder:
        """Return the recorder; wrong settings must not be caught by a client's retries either."""
        try:
            return self.recorder()
        except F3dxError as error:
            self._problems.append(error)
            raise Refusal(error) from None


@lru_cache(maxsize=64)  # once a run for all silent tests of a module
def _listed(run: str, directory: str) -> frozenset[str]:
    """Return what is in a directory when a replay first asks; nothing if it cannot be read."""
    del run
    try:
        return frozenset(os.listdir(directory))  # noqa: PTH208 - names, not paths
    except OSError:
        return frozenset()


def _secrets() -> dict[str, str]:
    from pytest_f3dx._redaction import environment_values  # a replay that finds everything redacts nothing

    return environment_values(os.environ)


def user_frames(trace: types.TracebackType | None, root: Path) -> types.TracebackType | None:
    """Cut a traceback behind the last frame of the user's own code.

    Args:
        trace: Of a refusal that came up through a client.
        root: The root directory of the tests; installed packages below it do not count.

    Returns:
        The frames up to and including the last one of a file below the root; the whole traceback
        if there is none.
    """
    frames: list[types.TracebackType] = []
    last, step = 0, trace
    while step is not None:
        frames.append(step)
        file = step.tb_frame.f_code.co_filename
        if file.startswith(f"{root}{os.sep}") and "site-packages" not in file:
            last = len(frames)
        step = step.tb_next
    cut: types.TracebackType | None = None
    for frame in reversed(frames[: last or len(frames)]):
        cut = types.TracebackType(cut, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return cut
