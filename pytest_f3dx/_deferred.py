"""The redactor of one test, made when something has to be redacted: a replay rarely needs it.

What a redactor makes of a text depends on what it has seen before: values it has learnt, numbers that are
taken. So what was replayed without it is kept, and shown to it in order before it is used.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_f3dx._model import as_stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_f3dx._model import Request, Response
    from pytest_f3dx._redaction import Redactor

_KEPT_BYTES = 8 * 1024 * 1024  # of bodies; a test that replays more pays for showing them


class DeferredRedactor:
    """Makes a redactor late. Its caller holds the lock under which requests get their place."""

    def __init__(self, make: Callable[[], Redactor]) -> None:
        """Make nothing yet.

        Args:
            make: Makes the redactor; called once at most.
        """
        self._make = make
        self._made: Redactor | None = None
        self._unseen: list[tuple[Request, Response]] = []
        self._unseen_bytes = 0

    def get(self) -> Redactor:
        """Return the redactor, which has seen all that went before."""
        if self._made is None:
            self._made = self._make()
        unseen, self._unseen, self._unseen_bytes = self._unseen, [], 0
        for request, response in unseen:
            self._made.request(replace(request, headers=as_stored(request.headers)))
            self._made.observe(response)
        return self._made

    def replayed(self, request: Request, response: Response) -> None:
        """Note a request that was answered without being redacted.

        Args:
            request: As the client sent it, content encoding undone.
            response: Of the cassette.
        """
        self._unseen.append((request, response))
        self._unseen_bytes += len(request.body)
        if self._unseen_bytes > _KEPT_BYTES:
            self.get()
