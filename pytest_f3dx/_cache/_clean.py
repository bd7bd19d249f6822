"""Requests as they may stand in the file of a cache: redacted and looked through, as in a cassette."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_f3dx._cache._entry import keyed, stored_request
from pytest_f3dx._redaction import Redactor, environment_values
from pytest_f3dx._redaction_glance import Glance

if TYPE_CHECKING:
    from pytest_f3dx._audit import Auditor


class Cleaner:
    """Makes requests fit to be stored, by the project's own rules; safe for many threads."""

    def __init__(self) -> None:
        """Start without having looked at settings or environment."""
        self._rules: dict[str, Any] | None = None
        self._seen: tuple[dict[Any, Any], _Known] | None = None

    def clean(self, request: object) -> tuple[str, bytes]:
        """Return the fingerprint of a request as it is given, and the request as it may be written.

        Most requests hold no secret, so that is asked first; the search is for those that may, and only what
        it finds is redacted.

        Raises:
            TypeError: It is no JSON value.
            SecretError: A secret is left that redaction does not reach.
            SettingsError: A setting of the ini file is wrong.
        """
        key, text = keyed(request)
        known = self._known()
        if not (known.is_always_searched or known.glance.may_hold_secret(text)):
            return key, text
        given = stored_request(text)
        if not known.auditor().exchange(given):
            return key, text
        from pytest_f3dx._gate import Gate

        redacted = Redactor(**known.settings).request(given)
        Gate(known.auditor()).call(redacted)
        return key, redacted.body

    def _known(self) -> _Known:
        """Return what is a secret and what is none; the secrets of the environment as it is now."""
        environ = getattr(os.environ, "_data", os.environ)  # what it holds: to decode it all is 17 us a put
        if self._seen is None or self._seen[0] != environ:
            if self._rules is None:
                from pytest_f3dx._ini import settings

                given = settings(Path.cwd())
                self._rules = {"allow": given.get("allow", ()), "redact": given.get("redact", ())}
            values = environment_values(os.environ)
            self._seen = dict(environ), _Known({**self._rules, "values": values})
        return self._seen[1]


class _Known:
    """What is a secret and what is none.

    Attributes:
        settings: Of a redactor.
        glance: Tells which requests are worth a search.
        is_always_searched: Whether something counts as a secret that stands in every request.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.glance = Glance(values=settings["values"], redact=settings["redact"])
        self.is_always_searched = bool(self.auditor().exchange(stored_request(b"{}")))

    def auditor(self) -> Auditor:
        """Make one that has found nothing yet."""
        from pytest_f3dx._audit import Auditor

        return Auditor(**self.settings)
