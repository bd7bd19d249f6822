"""The order of a cassette that several tests record into in one run, whichever of them folds first.

Workers fold when their tests have passed, in any order. So that the file does not depend on it, what
this run has added stands by the order of collection: by the first test that asked for it, then by
the place of the request in that test. Of several answers to one request the first test's stands. What
was in the file before the run stays where it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_f3dx._model import Interaction

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


@dataclass(slots=True)
class Origin:
    """Where an interaction that this run has added comes from.

    Attributes:
        test: Place in the order of collection of the first test that asked for it.
        seq: Place of the request in that test.
        answers: Place in the order of collection of the test that each response comes from.
    """

    test: int
    seq: int
    answers: list[int]

    @property
    def place(self) -> tuple[int, int]:
        """What an interaction is sorted by."""
        return self.test, self.seq


Origins = dict[str, Origin]
"""By fingerprint; what was in the file before the run has none."""


def as_plain(origins: Origins) -> dict[str, Any]:
    """Return values fit for JSON."""
    return {key: [one.test, one.seq, one.answers] for key, one in origins.items()}


def from_plain(values: Mapping[str, Any]) -> Origins:
    """Take back what `as_plain` gave."""
    return {key: Origin(test, seq, list(answers)) for key, (test, seq, answers) in values.items()}


def arranged(
    merged: Mapping[str, Interaction],
    new: Mapping[str, Interaction],
    origins: Origins,
    *,
    before: Collection[str],
    seqs: Mapping[str, int],
    test: int,
    replayed: Collection[str],
) -> tuple[dict[str, Interaction], Origins]:
    """Arrange a cassette that a test was merged into.

    Args:
        merged: The interactions with the new ones among them.
        new: What the test recorded.
        origins: Of what this run has added before.
        before: Fingerprints that were in the file before the merge.
        seqs: Place of the first request of each new interaction.
        test: Place of the test in the order of collection.
        replayed: Fingerprints that the cassette answered when the test opened it.

    Returns:
        The interactions in their order, and the origins with the new ones.
    """
    found, known = dict(merged), dict(origins)
    for key, interaction in new.items():
        if key not in before:
            known[key] = Origin(test, seqs[key], [test] * len(interaction.responses))
        elif key in known and key not in replayed:
            found[key], known[key] = _settled(found[key], interaction, known[key], test, seqs[key])
    added = sorted((key for key in found if key in known), key=lambda key: known[key].place)
    kept = [key for key in found if key not in known]
    return {key: found[key] for key in (*kept, *added)}, known


def _settled(
    merged: Interaction, new: Interaction, origin: Origin, test: int, seq: int
) -> tuple[Interaction, Origin]:
    """Settle which of two tests' answers to one request stand, and where: those of the first test."""
    answers = [*origin.answers, *([test] * (len(merged.responses) - len(origin.answers)))]
    responses = list(merged.responses)
    for at, response in enumerate(new.responses):
        if test < answers[at]:
            responses[at], answers[at] = response, test
    is_first = (test, seq) < origin.place
    request = new.request if is_first else merged.request
    place = (test, seq) if is_first else origin.place
    return Interaction(merged.fingerprint, request, responses), Origin(*place, answers)
