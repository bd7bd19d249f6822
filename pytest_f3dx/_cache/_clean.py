"""Requests as they may stand in the file of a cache: redacted and looked through, as in a cassette."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_f3dx._cache._entry import keyed, stored_request
from pytest_f3dx._redaction import Redactor, environment_values

if TYPE_CHECKING:
    from pytest_f3dx._audit import Auditor


class Cleaner:
    """Makes requests fit to be stored, by the project's own rules; safe for many threads."""

    def __init__(self) -> None:
        """Start without having looked at settings or environment."""
        self._rules: dict[str, Any] | None = None
        self._seen: tuple[dict[str, str], dict[str, str]] = ({}, {})

    def clean(self, request: object) -> tuple[str, bytes]:
        """Return the fingerprint of a request as it is given, and the request as it may be written.

        Most requests hold no secret, so it is looked through first, once, and redacted only then.

        Raises:
            TypeError: It is no JSON value.
            SecretError: A secret is left that redaction does not reach.
            SettingsError: A setting of the ini file is wrong.
        """
        key, text = keyed(request)
        given = stored_request(text)
        if not self._auditor().exchange(given):
            return key, text
        from pytest_f3dx._gate import Gate

        redacted = Redactor(**self._settings()).request(given)
        Gate(self._auditor()).call(redacted)
        return key, redacted.body

    def _auditor(self) -> Auditor:
        from pytest_f3dx._audit import Auditor

        return Auditor(**self._settings())

    def _settings(self) -> dict[str, Any]:
        """Return what is a secret and what is none; the secrets of the environment as it is now."""
        if self._rules is None:
            from pytest_f3dx._ini import settings

            given = settings(Path.cwd())
            self._rules = {"allow": given.get("allow", ()), "redact": given.get("redact", ())}
        environ, (seen, values) = dict(os.environ), self._seen
        if environ != seen:
            values = environment_values(environ)
            self._seen = environ, values
        return {**self._rules, "values": values}
