"""The recorder of one test: replays, records or misses, and keeps order under threads and tasks."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pytest_f3dx._content import decoded
from pytest_f3dx._deferred import DeferredRedactor
from pytest_f3dx._fingerprint import fingerprint_request
from pytest_f3dx._journal import Exchange
from pytest_f3dx._model import Failure, Request, Response, as_stored
from pytest_f3dx._routing import Ticket
from pytest_f3dx._usage import tokens
from pytest_f3dx.errors import CassetteMiss, F3dxError, MissError, PendingError, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_f3dx._config import Config
    from pytest_f3dx._gate import Gate
    from pytest_f3dx._journal import Journal
    from pytest_f3dx._ledger import Facts
    from pytest_f3dx._model import Interaction
    from pytest_f3dx._redaction import Redactor
    from pytest_f3dx._store import Store
    from pytest_f3dx._view import View

_NEVER_RECORDED = (401, 403)


class Recorder:
    """Answers every request of one test; see `pytest_f3dx._routing.Recorder`.

    Attributes:
        problems: Errors to fail the test with, in order, whatever the code caught on the way.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        journal: Journal,
        facts: Facts,
        *,
        explain: Callable[[Request, str, View | None], MissError],
        secrets: Callable[[], Mapping[str, str]] = dict,
        passes: Callable[[Request], bool] = lambda _: False,
        edit: Callable[[Request, Response], Response] = lambda _, response: response,
    ) -> None:
        """Start with nothing asked for; the cassette is opened by the first request.

        Args:
            config: The settings of the test.
            store: Its cassette.
            journal: Its pending exchanges.
            facts: Counts to keep.
            explain: Builds the error of a miss from the redacted request, its fingerprint and the
                opened cassette.
            secrets: Gives the values that must not be kept wherever they stand, by name; called once at
                most, when something has to be redacted.
            passes: Says whether a request goes live unseen.
            edit: Changes a redacted response before it is kept.
        """
        self.problems: list[F3dxError] = []
        self._config, self._store, self._journal, self._facts = config, store, journal, facts
        self._explain, self._passes, self._edit = explain, passes, edit
        self._secrets = secrets
        self._redactor = DeferredRedactor(self._make_redactor)
        self._made_gate: Gate | None = None
        self._lock = threading.RLock()
        self._is_open = self._is_closed = False
        self._view: View | None = None
        self._may_record = False
        self._seq = 0
        self._played: Counter[str] = Counter()
        self._from_file: set[str] = set()
        self._adopted: dict[str, list[Exchange]] = {}
        self._used: list[Exchange] = []
        self._recorded: list[Exchange] = []
        self._fresh: dict[str, Response] = {}
        self._in_flight: dict[str, threading.Event] = {}

    def _make_redactor(self) -> Redactor:
        from pytest_f3dx._redaction import Redactor

        kept = (*self._config.keep_headers, *self._config.match_headers)
        config = self._config
        return Redactor(keep_headers=kept, values=self._secrets(), allow=config.allow, redact=config.redact)

    def _gate(self) -> Gate:
        """Return the gate, which knows what the redactor has learnt; made when something is to be written."""
        if self._made_gate is None:
            from pytest_f3dx._audit import Auditor
            from pytest_f3dx._gate import Gate

            auditor = Auditor()
            auditor.share(self._redactor.get())
            self._made_gate = Gate(auditor)
        return self._made_gate

    # -- asking --------------------------------------------------------------------------------

    def ask(self, request: Request) -> Ticket:
        """Reserve the request's place and look for its recording.

        Raises:
            Refusal: No recording answers and none may be made, or the cassette is damaged.
        """
        ticket = self._ticket(request)
        while busy := self._fill(ticket):
            busy.wait()
        return ticket

    async def ask_async(self, request: Request) -> Ticket:
        """Do the same without blocking the event loop while another task records the same request."""
        ticket = self._ticket(request)
        while busy := self._fill(ticket):
            await _wait(busy)
        return ticket

    def _ticket(self, request: Request) -> Ticket:
        with self._lock, self._refusing():
            if self._is_closed:
                raise F3dxError(
                    "a request was sent after its test had ended",
                    ("request", f"{request.method} {self._redactor.get().text(request.uri)}"),
                    ("fix", "end what the test has started before it returns, or start it in a fixture"),
                )
            if self._passes(request):
                return Ticket(request)
            self._open()
            headers, body = decoded(request.headers, request.body)
            plain = request if headers is request.headers else replace(request, headers=headers, body=body)
            self._seq += 1
            ticket = Ticket(request, seq=self._seq)
            if not self._replay_unredacted(ticket, plain):
                self._redact(ticket, plain)
            return ticket

    def _replay_unredacted(self, ticket: Ticket, plain: Request) -> bool:
        """Answer a request that is in the cassette as it was sent: redacting is most of the cost of a replay.

        What is in the cassette is redacted, so a request equal to it needs no redaction to find it. One that
        does is not found here, and asked for again as it would be stored.
        """
        if self._view is None or self._config.record == "all":
            return False
        known = self._store.known(plain)
        key = known or self._fingerprint(plain)
        response = self._from_cassette(key)
        if response is None:
            return False
        if known is None:
            self._store.learn(plain, key, self._view)
        ticket.fingerprint, ticket.response = key, response
        self._redactor.replayed(plain, response)
        self._count_replay(response)
        return True

    def _redact(self, ticket: Ticket, plain: Request) -> None:
        plain = replace(plain, headers=as_stored(plain.headers))
        ticket.stored = self._redactor.get().request(plain)
        ticket.fingerprint = self._fingerprint(ticket.stored)
        ticket.asked = time.monotonic()
        ticket.at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _fingerprint(self, request: Request) -> str:
        config = self._config
        return fingerprint_request(
            request, match_headers=config.match_headers, ignore=config.ignore, replace=config.replace
        )

    def _refusing(self) -> _Refusing:
        return _Refusing(self.problems)

    def _open(self) -> None:
        """Read what there is, once, at the first request."""
        if self._is_open:
            return
        record = self._config.record
        is_new = record != "none" and (not self._store.exists() or self._journal.is_marked())
        self._view = self._store.view()
        self._may_record = record in ("new_episodes", "all") or (record == "once" and is_new)
        if self._may_record and record != "all":
            for exchange in sorted(self._journal.adopt(), key=lambda e: e.seq):
                self._adopted.setdefault(exchange.fingerprint, []).append(exchange)
        self._is_open = True

    def _fill(self, ticket: Ticket) -> threading.Event | None:
        """Give a ticket its answer; or return what to wait for before asking again."""
        if ticket.stored is None:
            return None
        with self._lock, self._refusing():
            key = ticket.fingerprint
            response = self._from_cassette(key) or self._from_pending(ticket) or self._from_this_test(key)
            if response:
                self._redactor.get().observe(response)  # new secrets are not numbered like those in it
                self._count_replay(response)
                ticket.response = response
                return None
            if not self._may_record:
                self._facts.missed += 1
                raise self._explain(ticket.stored, key, self._view)
            if key not in self._in_flight:
                self._gate().request(ticket.stored)
            if self._config.repeats == "first":
                if key in self._in_flight:
                    return self._in_flight[key]
                self._in_flight[key] = threading.Event()
            self._journal.open()
            return None

    def _from_cassette(self, key: str) -> Response | None:
        if self._config.record == "all" or self._view is None:
            return None
        responses = self._view.responses(key)
        if responses is None:
            return None
        position = self._played[key]
        if self._config.repeats == "first":
            position = 0
        elif self._config.repeats == "sequence":
            position = min(position, len(responses) - 1)
        if position >= len(responses):
            return None
        self._played[key] += 1
        self._from_file.add(key)
        return responses[position]

    def _from_pending(self, ticket: Ticket) -> Response | None:
        """Take over an exchange that an earlier run has paid for; its place is where it is asked now."""
        waiting = self._adopted.get(ticket.fingerprint)
        if not waiting:
            return None
        exchange = replace(waiting[0], seq=ticket.seq)
        self._check_pending(exchange)
        del waiting[0]
        self._used.append(exchange)
        self._facts.resumed += 1
        self._fresh.setdefault(ticket.fingerprint, exchange.response)
        return exchange.response

    def _check_pending(self, exchange: Exchange) -> None:
        """Refuse what no recording has written: anybody can write a journal."""
        folder = str(self._journal.folder)
        if self._fingerprint(exchange.request) != exchange.fingerprint:
            raise PendingError(
                "a pending exchange has the fingerprint of another request",
                ("journal", folder),
                ("fix", "remove the directory to ask anew"),
            )
        self._gate().exchange(exchange.request, exchange.response, folder)

    def _from_this_test(self, key: str) -> Response | None:
        return self._fresh.get(key) if self._config.repeats == "first" else None

    def _count_replay(self, response: Response) -> None:
        self._facts.replayed += 1
        self._facts.saved_ms += response.took_ms or 0
        self._facts.tokens += tokens(response.body)

    # -- answering -----------------------------------------------------------------------------

    def answer(self, ticket: Ticket, response: Response) -> None:
        """Keep a live response as it was received, before the test sees it.

        Raises:
            Refusal: It cannot be kept, because the disk is full for example.
        """
        with self._lock, self._refusing(), self._landing(ticket):
            if ticket.stored is None:
                self._facts.live += 1
            elif response.status in _NEVER_RECORDED:
                self._facts.live += 1
                self._facts.notes.append(
                    f"{ticket.stored.method} {ticket.stored.uri} was answered {response.status}, "
                    "which is never recorded"
                )
            else:
                headers, body = decoded(response.headers, response.body)
                plain = replace(response, headers=as_stored(headers), body=body)
                self._keep(ticket, self._redactor.get().response(plain, method=ticket.request.method))

    def fail(self, ticket: Ticket, error: BaseException) -> None:
        """Keep the error that a live request raised; the caller raises it again."""
        with self._lock, self._refusing(), self._landing(ticket):
            if ticket.stored is not None and isinstance(error, Exception):
                from pytest_f3dx._clients import kind_of

                failure = Failure(kind_of(error), self._redactor.get().text(str(error)))
                self._keep(ticket, Response(0, failure=failure))

    def _keep(self, ticket: Ticket, response: Response) -> None:
        assert ticket.stored is not None
        took_ms = response.took_ms
        if took_ms is None:
            took_ms = round((time.monotonic() - ticket.asked) * 1000)
        response = replace(response, recorded_at=ticket.at, took_ms=took_ms)
        response = self._edit(ticket.stored, response)
        self._gate().response(ticket.stored, response)
        exchange = Exchange(ticket.seq, ticket.fingerprint, ticket.stored, response)
        self._journal.append(exchange)
        self._recorded.append(exchange)
        self._facts.recorded += 1
        if not response.failure:
            self._fresh.setdefault(ticket.fingerprint, response)
        self._store.prepare(exchange)

    @contextmanager
    def _landing(self, ticket: Ticket) -> Iterator[None]:
        """Wake those that wait for the first answer to the same request, be it kept or not."""
        try:
            yield
        finally:
            waiting = self._in_flight.pop(ticket.fingerprint, None)
            if waiting:
                waiting.set()

    # -- ending --------------------------------------------------------------------------------

    def unplayed(self) -> list[str]:
        """List the fingerprints of the interactions that a replay left unplayed."""
        if self._store.is_shared or self._recorded or self._used or self._config.record == "all":
            return []
        view = self._view if self._is_open else self._store.view()
        if view is None:
            return []
        self._view = view
        return [key for key in view.fingerprints if not self._is_played(view, key)]

    def describe(self, fingerprint: str) -> str:
        """Say which request an interaction of the opened cassette answers: ``b3:5f0c42… POST https://…``."""
        interaction = self._view.get(fingerprint) if self._view else None
        request = f"{interaction.request.method} {interaction.request.uri}" if interaction else ""
        return f"{fingerprint[:9]}… {request}"

    # -- for what stands beside the recording: `_diff._watch` --------------------------------------

    def redacted_request(self, request: Request) -> Request:
        """Return a request as a cassette would hold it; no number of a secret is taken."""
        headers, body = decoded(request.headers, request.body)
        plain = replace(request, headers=as_stored(headers), body=body)
        return self._make_redactor().request(plain)

    def redacted_response(self, request: Request, response: Response) -> Response:
        """Return a live response as a cassette would hold it; the same holds."""
        headers, body = decoded(request.headers, request.body)
        redactor = self._make_redactor()
        asked = redactor.request(replace(request, headers=as_stored(headers), body=body))
        headers, body = decoded(response.headers, response.body)
        plain = replace(response, headers=as_stored(headers), body=body)
        return self._edit(asked, redactor.response(plain, method=request.method))

    def redacted_text(self, text: str) -> str:
        """Return a text without secrets."""
        return self._make_redactor().text(text)

    def rerecorded(self, ticket: Ticket) -> tuple[Request, Response | None, Response] | None:
        """Return a request that was recorded anew, what the cassette answers it, and what it is answered now.

        Returns:
            The old answer is None if the cassette has none; None for all if nothing was recorded.
        """
        with self._lock:
            of_it = sorted(e.seq for e in self._recorded if e.fingerprint == ticket.fingerprint)
            found = next((e for e in self._recorded if e.seq == ticket.seq), None)
            if found is None or found.response.failure is not None:
                return None
            old = (self._view.responses(ticket.fingerprint) or []) if self._view else []
            before = old[min(of_it.index(ticket.seq), len(old) - 1)] if old else None
            return found.request, before, found.response

    def exchanged(self) -> tuple[list[Interaction], list[Exchange]]:
        """Return what the cassette has and this recording has not asked for, and what only the latter has."""
        with self._lock:
            if self._view is None:
                return [], []
            asked = {exchange.fingerprint for exchange in self._recorded}
            gone = [self._view.get(key) for key in self._view.fingerprints if key not in asked]
            known = set(self._view.fingerprints)
            return [one for one in gone if one], [e for e in self._recorded if e.fingerprint not in known]

    def _is_played(self, view: View, key: str) -> bool:
        if self._config.repeats != "strict" or not self._played[key]:
            return self._played[key] > 0
        return self._played[key] >= len(view.responses(key) or ())

    def close(self, *, passed: bool) -> None:
        """End the test: fold what it recorded into the cassette, or leave it pending.

        Args:
            passed: Whether every phase of the test passed.

        Raises:
            CassetteError: The cassette cannot be rewritten; everything stays pending.
        """
        with self._lock:
            self._is_closed = True
            try:
                if passed and self._has_news():
                    self._fold()
            finally:
                self._journal.release()

    def checkpoint(self) -> None:
        """Fold what was recorded so far, for the other workers of the run.

        Raises:
            CassetteError: The cassette cannot be rewritten.
        """
        with self._lock:
            if self._recorded or self._used:
                self._store.fold(
                    [*self._used, *self._recorded],
                    rewrite=self._config.record == "all",
                    played={*self._played},
                    replayed=self._from_file,
                    look=self._gate().cassette,
                    is_whole=False,
                )
                self._journal.drop_own()

    def reopen(self) -> None:
        """See what other workers have folded since, unless this one records itself.

        Raises:
            CassetteError: The cassette cannot be read.
        """
        with self._lock:
            if self._is_open and not (self._recorded or self._used):
                self._view = self._store.view()

    def _has_news(self) -> bool:
        if self._config.record == "all":
            return bool(self._recorded) or (not self._is_open and self._store.exists())
        return bool(self._recorded or self._used)

    def _fold(self) -> None:
        rewrite = self._config.record == "all"
        cassette = self._store.fold(
            [*self._used, *self._recorded],
            rewrite=rewrite,
            played={*self._played},
            replayed=self._from_file,
            look=self._gate().cassette,
        )
        if rewrite:
            self._journal.adopt()  # older pending answers are superseded by this recording
            self._journal.settle([])
            return
        left = [exchange for waiting in self._adopted.values() for exchange in waiting]
        self._journal.settle([e for e in left if not _is_in(cassette.interactions.get(e.fingerprint), e)])


def _is_in(interaction: object, exchange: Exchange) -> bool:
    return interaction is not None and exchange.response in interaction.responses  # type: ignore[attr-defined]


class _Refusing:
    """Turns an error raised inside into a refusal that no client catches, and remembers it."""

    def __init__(self, problems: list[F3dxError]) -> None:
        self._problems = problems

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, F3dxError):
            self._problems.append(error)
            refusal = CassetteMiss if isinstance(error, MissError) else Refusal
            raise refusal(error) from None
        if isinstance(error, Exception):  # a client would catch it, ask again and pay again
            problem = F3dxError(
                "this request could not be recorded or replayed",
                ("reason", f"{type(error).__name__}: {error}"),
                ("fix", "mend the hook that the traceback names; if it names none, report it to us"),
            )
            self._problems.append(problem)
            raise Refusal(problem) from error


async def _wait(event: threading.Event) -> None:
    """Wait for an event of threads on whatever event loop is running."""
    import asyncio  # a test without an event loop does not load it

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        import trio

        await trio.to_thread.run_sync(event.wait)
    else:
        await asyncio.to_thread(event.wait)
