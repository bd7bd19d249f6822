"""What a passing test makes of a cassette: pure functions from the old one and the new exchanges."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pytest_f3dx._model import CALL, Cassette, Interaction

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pytest_f3dx._journal import Exchange
    from pytest_f3dx._model import Request, Response

_TOO_MANY = 429
_SERVER_ERROR = 500


def _is_retried(response: Response) -> bool:
    """Whether an answer is of the kind that a client asks again for."""
    return bool(response.failure) or response.status == _TOO_MANY or response.status >= _SERVER_ERROR


def without_retried(responses: list[Response]) -> list[Response]:
    """Leave out each 429, 5xx and transport error that a later answer to the same request made good."""
    good = max((i for i, r in enumerate(responses) if not _is_retried(r)), default=-1)
    return [r for i, r in enumerate(responses) if i >= good or not _is_retried(r)]


def grouped(exchanges: Iterable[Exchange]) -> dict[str, Interaction]:
    """Gather exchanges into interactions, in the order in which the test first asked."""
    found: dict[str, Interaction] = {}
    for exchange in sorted(exchanges, key=lambda e: e.seq):
        one = found.setdefault(exchange.fingerprint, Interaction(exchange.fingerprint, exchange.request, []))
        one.responses.append(exchange.response)
    for interaction in found.values():
        answers = interaction.responses  # a cache keeps what was put last
        is_call = interaction.request.method == CALL
        interaction.responses = answers[-1:] if is_call else without_retried(answers)
    return found


def _resource(request: Request) -> tuple[str, str, str]:
    url = urlsplit(request.uri)
    return request.method, url.netloc, url.path


def superseded(base: Cassette, new: Collection[Interaction], played: Collection[str]) -> list[str]:
    """Name the interactions that a newly recorded one takes the place of.

    A changed prompt is a new interaction beside the old one. The old one would be unplayed in every
    replay to come, so it leaves when a passing test no longer asked for it but for another request
    of the same method and path.
    """
    resources = {_resource(interaction.request) for interaction in new}
    return [
        fingerprint
        for fingerprint, interaction in base.interactions.items()
        if fingerprint not in played and _resource(interaction.request) in resources
    ]


def _with(old: Interaction, new: Interaction, *, extend: bool) -> Interaction:
    """Add the answers of one interaction to those of the same one in the file."""
    if new.request.method == CALL:
        return Interaction(old.fingerprint, old.request, new.responses)
    if not extend:  # another worker recorded the same request meanwhile: only what it has not is new
        added = new.responses[len(old.responses) :]
    else:
        added = [response for response in new.responses if response not in old.responses]
    return Interaction(old.fingerprint, old.request, [*old.responses, *added])


def merge(
    base: Cassette,
    new: dict[str, Interaction],
    *,
    replayed: Collection[str] = (),
    drop: Collection[str] = (),
) -> Cassette:
    """Put new interactions into a cassette; the arguments are left as they are.

    Args:
        base: What the file holds now.
        new: Newly recorded interactions by fingerprint, in order.
        replayed: Fingerprints that were in the file already when the test asked, so that new
            answers to them come after the old ones.
        drop: Superseded fingerprints. The first new interactions take their places, so that a
            change reads as a change.

    Returns:
        A cassette with the header of ``base``.
    """
    fresh = [interaction for key, interaction in new.items() if key not in base.interactions]
    merged: dict[str, Interaction] = {}
    for key, old in base.interactions.items():
        if key in drop:
            if fresh:
                first = fresh.pop(0)
                merged[first.fingerprint] = first
        elif key in new:
            merged[key] = _with(old, new[key], extend=key in replayed)
        else:
            merged[key] = old
    merged.update((interaction.fingerprint, interaction) for interaction in fresh)
    return Cassette(base.test, merged, base.ignore, base.replace, base.match_headers)
