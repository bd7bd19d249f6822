"""The last gate: what is about to be written is looked through, and nothing is written if a secret is left.

It stands where an exchange goes into the journal and where a cassette with its blobs goes to the disk,
behind redaction and behind every hook. It never runs in a replay.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_f3dx.errors import SecretError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_f3dx._audit import Auditor, Leak
    from pytest_f3dx._model import Request, Response

_SHOWN = 5
_FIX = "redact it by f3dx_redact (a regex) or in the hook pytest_f3dx_edit_response"
_OR = "if it is no secret, allow it by f3dx_allow (the value, or a regex of the whole of it)"


class Gate:
    """Refuses to let secrets through."""

    def __init__(self, auditor: Auditor) -> None:
        """Look with an auditor that knows what the test has learnt."""
        self._auditor = auditor

    def request(self, request: Request) -> None:
        """Look through a request before it is sent.

        Args:
            request: As it would be written.

        Raises:
            SecretError: There is a secret in it; nothing was sent.
        """
        leaks = self._auditor.exchange(request)
        if leaks:
            raise self._error(
                leaks, request, ("sent", "nothing: it would not be kept, and be paid for again")
            )

    def call(self, request: Request) -> None:
        """Look through the request of a call before it is cached.

        Args:
            request: As it would be written.

        Raises:
            SecretError: There is a secret in it.
        """
        leaks = self._auditor.exchange(request)
        if leaks:
            raise self._error(leaks, request, ("cached", "nothing: leave the secret out of the request"))

    def response(self, request: Request, response: Response) -> None:
        """Look through an answer before it is kept.

        Args:
            request: As it is written.
            response: As it would be written.

        Raises:
            SecretError: There is a secret in it.
        """
        leaks = self._auditor.answer(response, request.method)
        if leaks:
            paid = "the answer was paid for and is not kept: a new recording asks again"
            raise self._error(leaks, request, ("pending", paid))

    def exchange(self, request: Request, response: Response, folder: str) -> None:
        """Look through an exchange that an earlier run left.

        Args:
            request: Of the journal.
            response: Of the journal.
            folder: Where the journal stands, for the message.

        Raises:
            SecretError: There is a secret in it.
        """
        leaks = self._auditor.exchange(request, response)
        if leaks:
            raise self._error(leaks, request, ("pending", f"in {folder}; delete it to ask anew"))

    def cassette(self, path: str, data: bytes, blobs: Mapping[str, bytes]) -> None:
        """Look through a cassette and its new blobs as they are going to stand on the disk.

        Args:
            path: Of the cassette, for the message.
            data: The whole of it, UTF-8.
            blobs: By name.

        Raises:
            SecretError: There is a secret in it.
        """
        leaks = [*self._auditor.written(data, path)]
        for name, blob in blobs.items():
            leaks += self._auditor.whole(blob.decode("latin-1"), f"blob {name}")
        if leaks:
            raise SecretError(
                "a secret stands in a cassette that is about to be written, so it was not", *_facts(leaks)
            )

    def _error(self, leaks: list[Leak], request: Request, *more: tuple[str, str]) -> SecretError:
        shown = self._auditor.request(request)  # without the secret, should it stand there
        facts = _facts(leaks)
        return SecretError(
            "a secret stands in what is about to be written, so nothing was written",
            ("request", f"{shown.method} {shown.uri}"),
            facts[0],
            *more,
            *facts[1:],
        )


def look_through_report(text: str, name: str) -> None:
    """Look through a report of the command before it is written or printed.

    Args:
        text: The whole of it.
        name: Of its file, for the message.

    Raises:
        SecretError: There is a secret in it.
    """
    auditor = _report_auditor()
    leaks = [
        *auditor.whole(text, name),
        *auditor.whole(text.replace("\\", ""), name),
    ]  # Markdown escapes hyphens
    if leaks:
        found, *_, allow = _facts(leaks)
        fix = ("fix", "pytest-f3dx scan says where it comes from; redact it there, or record again")
        raise SecretError("a secret stands in a report, so it was not written", found, fix, allow)


def report_redaction() -> Callable[[str], str]:
    """Return what puts placeholders into the texts of a report that cannot be made again for nothing."""
    return _report_auditor().redacted


def _report_auditor() -> Auditor:
    from pytest_f3dx._audit import Auditor
    from pytest_f3dx._ini import settings
    from pytest_f3dx._redaction import environment_values

    given = settings(Path.cwd())
    allow, redact = given.get("allow", ()), given.get("redact", ())
    return Auditor(values=environment_values(os.environ), allow=allow, redact=redact)


def _facts(leaks: Iterable[Leak]) -> tuple[tuple[str, str], ...]:
    """Say what was found where, and what to do."""
    lines = list(dict.fromkeys(f"{leak.kind} in {leak.where}: {leak.masked}" for leak in leaks))
    if len(lines) > _SHOWN:
        lines[_SHOWN:] = [f"… and {len(lines) - _SHOWN} more"]
    return ("found", "\n".join(lines)), ("fix", _FIX), ("or", _OR)
