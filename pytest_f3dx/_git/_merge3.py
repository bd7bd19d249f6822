"""Merge two branches of a cassette: what each did to the interactions of their common ancestor. Pure.

An interaction is the unit: an answer put together from two recordings is one that no model gave.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from pytest_f3dx._model import Cassette, Interaction
from pytest_f3dx._same import same_recording

if TYPE_CHECKING:
    from collections.abc import Iterator

_BOTH_ANSWERS = "both sides have another answer to the same request"
_REMOVED = "one side has a new answer to a request that the other no longer sends"
_REPLACED = "each side sends another request in place of the same old one"
_ID_GONE = "a request of one side carries an id of an answer that the other has recorded anew"
_OTHER_LOOSENING = (
    "the sides differ in ignore, replace or match_headers, so their fingerprints do not compare"
)
_OTHER_TEST = "the sides belong to different tests"
# What an API numbers its answers with, and what comes back in the next request: long, with a digit.
_ID = re.compile(rb"(?=[A-Za-z0-9_-]*[0-9])[A-Za-z0-9_-]{8,}")


@dataclass(frozen=True, slots=True)
class Clash:
    """A place where the sides did different things.

    Attributes:
        ours: What stands there on our side, in order; empty if it was removed.
        theirs: The same of theirs.
        why: What is wrong, in a few words.
    """

    ours: tuple[Interaction, ...]
    theirs: tuple[Interaction, ...]
    why: str


Piece: TypeAlias = Interaction | Clash


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two sides that cannot both be had.

    Attributes:
        pieces: The merged interactions and the clashes among them, in order; empty if the headers conflict.
        why: One line for each clash.
        test: Node id for the merged cassette.
    """

    pieces: tuple[Piece, ...]
    why: tuple[str, ...]
    test: str


def merge3(base: Cassette | None, ours: Cassette, theirs: Cassette) -> Cassette | Conflict:
    """Merge two sides by what each changed.

    New interactions of both sides are kept and removals honoured; an answer that one side changed is
    taken; where both differ in ids and times only, ours stays. Order is that of ours, the new ones of theirs
    behind what they follow there; if only theirs rearranged, theirs leads.

    Args:
        base: The common ancestor; None if both sides began the file.
        ours: The side that is merged into.
        theirs: The side that is merged.

    Returns:
        The merged cassette, whose interactions are the very objects of the sides, or the conflict.
    """
    test = _one_of(base.test if base else None, ours.test, theirs.test)
    if test is None:
        return Conflict((), (_OTHER_TEST,), ours.test)
    if _loosening(ours) != _loosening(theirs):
        return Conflict((), (_OTHER_LOOSENING,), test)
    if whole := _whole(base, ours, theirs):
        interactions: dict[str, Piece] = dict(whole.interactions)
    else:
        base = base or Cassette(ours.test)
        interactions = _ordered(_decided(base, ours, theirs), *_leading(base, ours, theirs))
    pieces = tuple({id(piece): piece for piece in interactions.values()}.values())  # a clash stands at many
    if clashes := [piece for piece in pieces if isinstance(piece, Clash)]:
        return Conflict(pieces, tuple(map(_told, clashes)), test)
    merged = {key: one for key, one in interactions.items() if isinstance(one, Interaction)}
    return Cassette(test, merged, ours.ignore, ours.replace, ours.match_headers)


def _one_of(base: str | None, ours: str, theirs: str) -> str | None:
    """Return the value that was changed on one side at most; None if on both."""
    if theirs in (ours, base):
        return ours
    return theirs if ours == base else None


def _loosening(cassette: Cassette) -> tuple[object, ...]:
    return cassette.ignore, cassette.replace, cassette.match_headers


def _whole(base: Cassette | None, ours: Cassette, theirs: Cassette) -> Cassette | None:
    """Return the side to take as a whole, because the other says nothing new.

    Looked at first because a new id of an answer makes another fingerprint of the request that carries it.
    """
    old, mine, yours = (list(one.interactions.values()) if one else None for one in (base, ours, theirs))
    if old in (mine, yours):
        return theirs if old == mine else ours
    if _say_the_same(ours, theirs) or (base and _say_the_same(base, theirs)):
        return ours
    return theirs if base and _say_the_same(base, ours) else None


def _say_the_same(old: Cassette, new: Cassette) -> bool:
    return same_recording(Cassette("", old.interactions), Cassette("", new.interactions))


def _same(old: Interaction | None, new: Interaction | None) -> bool:
    """Whether two interactions of one fingerprint differ in volatile fields at most."""
    if old is None or new is None:
        return False
    return old == new or same_recording(Cassette("", {"": old}), Cassette("", {"": new}))


def _decided(base: Cassette, ours: Cassette, theirs: Cassette) -> dict[str, Piece]:
    """Decide what stands at each fingerprint; one that is not there was removed."""
    found: dict[str, Piece] = {}
    for key in {**ours.interactions, **theirs.interactions}:
        sides = (one.interactions.get(key) for one in (base, ours, theirs))
        if (piece := _decide(*sides)) is not None:
            found[key] = piece
    for clash in _replaced(base, ours, theirs):
        found.update((one.fingerprint, clash) for one in (*clash.ours, *clash.theirs))
    return found | _by_ids(found, ours, theirs)


def _decide(base: Interaction | None, ours: Interaction | None, theirs: Interaction | None) -> Piece | None:
    if ours is None or theirs is None:
        left = ours or theirs
        if base is None:
            return left
        if left is None or _same(base, left):
            return None
        return Clash((left,) if ours else (), (left,) if theirs else (), _REMOVED)
    if base == ours != theirs:
        return theirs
    if base == theirs or _same(ours, theirs) or _same(base, theirs):
        return ours
    return theirs if _same(base, ours) else Clash((ours,), (theirs,), _BOTH_ANSWERS)


def _resource(interaction: Interaction) -> tuple[str, str, str]:
    url = urlsplit(interaction.request.uri)
    return interaction.request.method, url.netloc, url.path


def _replaced(base: Cassette, ours: Cassette, theirs: Cassette) -> Iterator[Clash]:
    """Find requests that both sides changed, each in its way; both answers kept, one would be unplayed."""
    both = {**ours.interactions, **theirs.interactions}
    lost = dict.fromkeys(_resource(one) for key, one in base.interactions.items() if key not in both)
    for resource in lost:
        mine, yours = (
            tuple(
                one
                for key, one in side.interactions.items()
                if key not in base.interactions
                and key not in other.interactions
                and _resource(one) == resource
            )
            for side, other in ((ours, theirs), (theirs, ours))
        )
        if mine and yours:
            yield Clash(mine, yours, _REPLACED)


def _by_ids(found: dict[str, Piece], ours: Cassette, theirs: Cassette) -> dict[str, Piece]:
    """Decide anew where a kept request of one side carries an id of an answer that was given up.

    Of two answers that differ in ids only, the one whose ids are carried is taken; else it is a clash.
    """
    sent_mine, sent_yours = _sent_alone(found, ours, theirs), _sent_alone(found, theirs, ours)
    changed: dict[str, Piece] = {}
    for key in (key for key in ours.interactions if key in theirs.interactions):
        mine, yours = ours.interactions[key], theirs.interactions[key]
        if mine == yours:
            continue
        needs_mine = _is_carried(_ids(mine) - _ids(yours), sent_mine)
        needs_yours = _is_carried(_ids(yours) - _ids(mine), sent_yours)
        wanted, is_lost = (yours, needs_yours) if found[key] is mine else (mine, needs_mine)
        if is_lost and not isinstance(found[key], Clash):
            is_free = needs_mine != needs_yours and _same(mine, yours)
            changed[key] = wanted if is_free else Clash((mine,), (yours,), _ID_GONE)
    return changed


def _sent_alone(found: dict[str, Piece], side: Cassette, other: Cassette) -> list[bytes]:
    """Return the bodies of the kept requests that only one side sends."""
    return [
        one.request.body
        for key, one in side.interactions.items()
        if key not in other.interactions and found.get(key) is one
    ]


def _is_carried(ids: set[bytes], bodies: list[bytes]) -> bool:
    return any(name in body for body in bodies for name in ids)


def _ids(interaction: Interaction) -> set[bytes]:
    return {name for response in interaction.responses for name in _ID.findall(response.body)}


def _leading(base: Cassette, ours: Cassette, theirs: Cassette) -> tuple[list[str], list[str]]:
    """Return the fingerprints of the side whose order leads, then of the other."""
    mine, yours = list(ours.interactions), list(theirs.interactions)
    old = [key for key in base.interactions if key in ours.interactions and key in theirs.interactions]
    rearranged = [[key for key in side if key in old] != old for side in (mine, yours)]
    return (yours, mine) if rearranged == [False, True] else (mine, yours)


def _ordered(found: dict[str, Piece], first: list[str], second: list[str]) -> dict[str, Piece]:
    """Put what only the second side has behind what it follows there and the first's additions."""
    order, own = [key for key in first if key in found], set(second)
    there = set(order)
    behind: dict[str, list[str]] = {}
    place = ""
    for key in second:
        if key in there:
            place = key
        elif key in found:
            behind.setdefault(place, []).append(key)
    merged: list[str] = []
    waiting = behind.get("", [])
    for key in order:
        if key in own:
            merged += waiting
            waiting = behind.get(key, [])
        merged.append(key)
    return {key: found[key] for key in [*merged, *waiting]}


def _told(clash: Clash) -> str:
    one = (*clash.ours, *clash.theirs)[0]
    return f"{one.request.method} {one.request.uri}  {one.fingerprint[:9]}…: {clash.why}"
