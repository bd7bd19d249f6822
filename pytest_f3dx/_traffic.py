"""What a test sends, as it sends it: for assertions on the requests of now, not on those of a recording."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from pytest_f3dx._content import decoded
from pytest_f3dx._model import Request, header

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_f3dx._model import Headers, Response
    from pytest_f3dx._routing import Recorder, Ticket


@dataclass(slots=True)
class Sent:
    """One request of a test, not redacted, its content encoding undone.

    Attributes:
        request: As the client sent it.
        response: What answered; None as long as nothing has.
        is_replayed: Whether a recording answered.
    """

    request: Request
    response: Response | None = None
    is_replayed: bool = False

    @property
    def method(self) -> str:
        """The method; ``CALL`` for a call that a cache answers."""
        return self.request.method

    @property
    def uri(self) -> str:
        """The URI, ``f3dx://cache`` for a call that a cache answers."""
        return self.request.uri

    @property
    def headers(self) -> Headers:
        """(name, value) pairs."""
        return self.request.headers

    @property
    def body(self) -> bytes:
        """The body."""
        return self.request.body

    @property
    def text(self) -> str:
        """The body as UTF-8; what is none is replaced."""
        return self.request.body.decode(errors="replace")

    def json(self) -> Any:  # noqa: ANN401 (any JSON value)
        """Return the body as a JSON value.

        Raises:
            ValueError: It is no JSON.
        """
        return json.loads(self.request.body)

    def header(self, name: str) -> str | None:
        """Return the first value of a header, or None; the name compares without case."""
        return header(self.request.headers, name)

    def __repr__(self) -> str:
        """Show the request without its headers, which may be secret."""
        state = "replayed" if self.is_replayed else "live" if self.response else "unanswered"
        return f"<{self.method} {self.uri.partition('?')[0]} {state}>"


class Traffic:
    """What a test has sent so far, in order; a list of `Sent`.

    Attributes:
        requests: All of it, missed and let through included.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.requests: list[Sent] = []

    @property
    def replayed(self) -> list[Sent]:
        """What recordings answered."""
        return [sent for sent in self.requests if sent.is_replayed]

    @property
    def live(self) -> list[Sent]:
        """What was answered by a server, or by a call whose answer was put into the cache."""
        return [sent for sent in self.requests if sent.response and not sent.is_replayed]

    def __iter__(self) -> Iterator[Sent]:
        """Iterate over `requests`."""
        return iter(self.requests)

    def __len__(self) -> int:
        """Count `requests`."""
        return len(self.requests)

    @overload
    def __getitem__(self, at: int) -> Sent: ...
    @overload
    def __getitem__(self, at: slice) -> list[Sent]: ...
    def __getitem__(self, at: int | slice) -> Sent | list[Sent]:
        """Return one of `requests`, or some."""
        return self.requests[at]

    def __repr__(self) -> str:
        """Show each request."""
        return f"<f3dx_cassette {self.requests!r}>"

    def note(self, request: Request) -> Sent:
        """Add a request that is being sent."""
        headers, body = decoded(request.headers, request.body)
        sent = Sent(Request(request.method, request.uri, headers, body))
        self.requests.append(sent)
        return sent


class Watching:
    """A recorder that notes what goes through it to another; see `pytest_f3dx._routing.Recorder`."""

    def __init__(self, recorder: Recorder, traffic: Traffic) -> None:
        """Stand before a recorder."""
        self._recorder, self._traffic = recorder, traffic
        self._sent: dict[int, Sent] = {}  # by id of the ticket, which the client holds until it is answered

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (what is not of this protocol)
        """Be the recorder in everything else."""
        return getattr(self._recorder, name)

    def ask(self, request: Request) -> Ticket:
        """See `pytest_f3dx._routing.Recorder`."""
        sent = self._traffic.note(request)
        return self._noted(sent, self._recorder.ask(request))

    async def ask_async(self, request: Request) -> Ticket:
        """See `pytest_f3dx._routing.Recorder`."""
        sent = self._traffic.note(request)
        return self._noted(sent, await self._recorder.ask_async(request))

    def _noted(self, sent: Sent, ticket: Ticket) -> Ticket:
        if ticket.response is None:
            self._sent[id(ticket)] = sent
        else:
            sent.response, sent.is_replayed = ticket.response, True
        return ticket

    def answer(self, ticket: Ticket, response: Response) -> None:
        """See `pytest_f3dx._routing.Recorder`."""
        sent = self._sent.pop(id(ticket), None)
        if sent:
            sent.response = response
        self._recorder.answer(ticket, response)

    def fail(self, ticket: Ticket, error: BaseException) -> None:
        """See `pytest_f3dx._routing.Recorder`."""
        self._sent.pop(id(ticket), None)
        self._recorder.fail(ticket, error)
