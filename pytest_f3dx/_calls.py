"""The recorder of a test that also answers calls which are no HTTP: those of a `Cache` over its cassette.

Such a call is asked in two steps: `recall` finds the answer or says that there is none; then the code gets
it itself, and hands it over with `remember`. What was recorded of HTTP between the two, in the same context,
is how the answer was come by. No replay will ask for it, so it is kept pending for a run that is killed, and
left out of the cassette.
"""

from __future__ import annotations

from contextvars import ContextVar
from itertools import count
from typing import TYPE_CHECKING, Any

from pytest_f3dx._model import CALL, Interaction
from pytest_f3dx._recorder import Recorder
from pytest_f3dx.errors import F3dxError

if TYPE_CHECKING:
    from collections.abc import Collection

    from pytest_f3dx._journal import Exchange
    from pytest_f3dx._model import Request, Response
    from pytest_f3dx._routing import Ticket

_serial = count()
_cold: ContextVar[frozenset[tuple[int, str]]] = ContextVar("f3dx_cold", default=frozenset())


class CallRecorder(Recorder):
    """See `pytest_f3dx._recorder.Recorder`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (those of the base class)
        """Start with nothing asked for."""
        super().__init__(*args, **kwargs)
        self._number = next(_serial)
        self._asked_at: dict[str, float] = {}
        self._remembered: dict[str, Response] = {}
        self._ways: dict[int, frozenset[tuple[int, str]]] = {}  # place of an exchange -> calls it is part of

    # -- calls ---------------------------------------------------------------------------------

    def recall(self, request: Request) -> Response | None:
        """Look for the answer to a call; None if there is none, in every record mode.

        Raises:
            Refusal: The cassette is damaged, or the test has ended.
        """
        ticket = self._ticket(request)
        with self._lock, self._refusing():
            if ticket.stored is None:
                return None
            key = ticket.fingerprint
            if key in self._remembered:
                return self._remembered[key]
            response = self._in_file(key) or self._in_pending(ticket)
            if response is None:
                self._asked_at.setdefault(key, ticket.asked)
                _cold.set(_cold.get() | {(self._number, key)})
            else:
                self._redactor.get().observe(response)
                self._count_replay(response)
            return response

    def refuse(self, request: Request) -> None:
        """Do what `remember` would do if it may not record, before the call is paid for.

        Raises:
            CassetteMiss: Nothing may be recorded.
            Refusal: A secret is left in it.
        """
        ticket = self._ticket(request)
        with self._lock, self._refusing():
            self._refuse(ticket)
            if ticket.stored is not None:
                self._gate().call(ticket.stored)

    def remember(self, request: Request, response: Response) -> None:
        """Keep the answer to a call; it is on the disk when this returns.

        Args:
            request: As it was asked.
            response: Its ``took_ms`` is how long the call took; None takes the time since `recall`.

        Raises:
            CassetteMiss: Nothing may be recorded, and no such answer is in the cassette.
            Refusal: It cannot be kept, because the disk is full for example.
        """
        ticket = self._ticket(request)
        with self._lock, self._refusing():
            key = ticket.fingerprint
            _cold.set(_cold.get() - {(self._number, key)})
            if ticket.stored is None:
                self._facts.live += 1
                return
            stored = self._redactor.get().response(response, method=CALL)
            if self._is_known(key, stored):
                return
            self._refuse(ticket)
            self._gate().call(ticket.stored)
            ticket.asked = self._asked_at.get(key, ticket.asked)
            self._keep(ticket, stored)
            self._remembered[key] = self._recorded[-1].response

    def calls(self) -> dict[str, Interaction]:
        """Return the calls that are answered now, by fingerprint, in the order of the cassette."""
        with self._lock, self._refusing():
            self._open()
            stored = self._view.load_all().interactions if self._view else {}
            found = {key: each for key, each in stored.items() if each.request.method == CALL}
            for exchange in (*self._used, *self._recorded):
                if exchange.request.method == CALL:
                    found[exchange.fingerprint] = Interaction(
                        exchange.fingerprint, exchange.request, [exchange.response]
                    )
            return found

    def _replay_unredacted(self, ticket: Ticket, plain: Request) -> bool:
        return plain.method != CALL and super()._replay_unredacted(ticket, plain)

    def _in_file(self, key: str) -> Response | None:
        responses = self._view.responses(key) if self._view and self._config.record != "all" else None
        if not responses:
            return None
        self._played[key] += 1
        self._from_file.add(key)
        return responses[-1]

    def _in_pending(self, ticket: Ticket) -> Response | None:
        """Take over all that was paid for; what was put last counts."""
        response = None
        while found := self._from_pending(ticket):
            self._remembered[ticket.fingerprint] = response = found
        return response

    def _is_known(self, key: str, stored: Response) -> bool:
        """Whether an answer is what a replay gives anyhow."""
        if self._config.record == "all" or key in self._remembered or self._view is None:
            return False
        responses = self._view.responses(key)
        if responses is None or (responses[-1].body, responses[-1].headers) != (stored.body, stored.headers):
            return False
        self._played[key] += 1
        self._from_file.add(key)
        return True

    def _refuse(self, ticket: Ticket) -> None:
        if self._may_record or ticket.stored is None:
            return
        if self._view and self._view.responses(ticket.fingerprint) is not None:
            raise F3dxError(
                "the cassette has another answer to this call",
                ("test", self._facts.test),
                ("call", f"{ticket.stored.method} {ticket.stored.uri}  {ticket.fingerprint[:9]}…"),
                ("cassette", self._facts.cassette),
                ("fix", "put an answer only if get gave None; or record anew with --f3dx-record=all"),
            )
        self._facts.missed += 1
        raise self._explain(ticket.stored, ticket.fingerprint, self._view)

    # -- how an answer was come by ----------------------------------------------------------------

    def _keep(self, ticket: Ticket, response: Response) -> None:
        super()._keep(ticket, response)
        self._note_way(ticket)

    def _from_pending(self, ticket: Ticket) -> Response | None:
        response = super()._from_pending(ticket)
        if response is not None:
            self._note_way(ticket)
        return response

    def _note_way(self, ticket: Ticket) -> None:
        assert ticket.stored is not None
        if ticket.stored.method != CALL and (ways := _cold.get()):
            self._ways[ticket.seq] = ways

    def _fold(self) -> None:
        self._used, self._recorded = self._without_ways(self._used), self._without_ways(self._recorded)
        super()._fold()

    def _without_ways(self, exchanges: Collection[Exchange]) -> list[Exchange]:
        answered = {(self._number, key) for key in self._remembered}
        return [one for one in exchanges if not answered & self._ways.get(one.seq, frozenset())]
