"""Whether an exchange out of a journal is one: anybody can write a file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_f3dx._shape import GREATEST_STATUS, URI

if TYPE_CHECKING:
    from pytest_f3dx._journal import Exchange
    from pytest_f3dx._model import Response

_FINGERPRINT = re.compile(r"b3:[0-9a-f]{64}")
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def is_sound(exchange: Exchange) -> bool:
    """Tell whether every field has the type and the form that a recording gives it."""
    request = exchange.request
    return (
        _is_whole(exchange.seq)
        and _is_text(exchange.fingerprint, request.method, request.uri)
        and _FINGERPRINT.fullmatch(exchange.fingerprint) is not None
        and _METHOD.fullmatch(request.method) is not None
        and URI.fullmatch(request.uri) is not None
        and _is_text(*(part for header in request.headers for part in header))
        and _is_sound_response(exchange.response)
    )


def _is_sound_response(response: Response) -> bool:
    failure = response.failure
    return (
        _is_whole(response.status)
        and response.status <= GREATEST_STATUS
        and (response.took_ms is None or _is_whole(response.took_ms))
        and _is_text(response.reason, response.recorded_at)
        and _is_text(*(part for header in response.headers for part in header))
        and (failure is None or _is_text(failure.kind, failure.message))
    )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_text(*values: object) -> bool:
    """Tell whether all are text that can be written: no lone surrogates."""
    return all(isinstance(value, str) and (value.isascii() or _is_unicode(value)) for value in values)


def _is_unicode(value: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in value)
