"""Which new request is which old one, changed. Pure.

Only requests to the same address are paired, those first that share most of their words. Each body is reduced
to a small sketch of its word triples once, and only requests that share a triple are compared, so that a
thousand requests with long bodies cost what they are long, not a million comparisons of bodies.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_f3dx._model import Request

_WORD = re.compile(rb"[^\W_]+")
_SKETCH = 96  # hashes kept of a body: similarity is known to about a tenth
_COMMON = 200  # a triple that this many requests share says nothing about which is which
_MODEL_IN_PATH = re.compile(r"(/(?:models?|deployments)/)[^/:]+(?::\d+)?(?=[:/])")

Sketch = frozenset[int]


class _Candidate(NamedTuple):
    """Two requests that share something; sorts best first."""

    unlike: float
    distance: float  # how far apart they stand in their lists
    old: int
    new: int


def address(request: Request) -> tuple[str, str]:
    """Return what two requests must share to be versions of one: method and URL, query and model left out."""
    parts = urlsplit(request.uri)
    path = _MODEL_IN_PATH.sub(r"\1*", unquote(parts.path))
    return request.method, f"{parts.scheme}://{parts.netloc}{path}"


def sketch(body: bytes) -> Sketch:
    """Reduce a body to the smallest hashes of its word triples, the same for the same body everywhere."""
    words = _WORD.findall(body)
    triples = zip(words, words[1:], words[2:], strict=False) if len(words) > 3 else ((w,) for w in words)  # noqa: PLR2004
    hashes = {zlib.crc32(b" ".join(triple)) for triple in triples}
    return frozenset(sorted(hashes)[:_SKETCH] if len(hashes) > _SKETCH else hashes)


def pair(old: Sequence[Request], new: Sequence[Request]) -> list[tuple[int | None, int | None]]:
    """Pair requests with their old selves.

    Args:
        old: Requests that are there no more.
        new: Requests that were not there.

    Returns:
        (index of old, index of new), in the order of the new ones, an old one without a new one behind the
        pair of the one before it; None stands for no partner.
    """
    partner: dict[int, int] = {}
    keys, others = [address(one) for one in old], [address(one) for one in new]
    for key in dict.fromkeys(keys):
        ours = [i for i, one in enumerate(keys) if one == key]
        theirs = [i for i, one in enumerate(others) if one == key]
        partner |= _nearest(old, ours, new, theirs)
    return _in_order(partner, len(old), len(new))


def _nearest(
    old: Sequence[Request], ours: list[int], new: Sequence[Request], theirs: list[int]
) -> dict[int, int]:
    """Return new by old index for one address; what is like nothing is paired in order."""
    if len(ours) == len(theirs) == 1:
        return {ours[0]: theirs[0]}
    found: dict[int, int] = {}
    free = set(theirs)
    for candidate in sorted(_candidates(old, ours, new, theirs)):
        if candidate.old not in found and candidate.new in free:
            found[candidate.old] = candidate.new
            free.discard(candidate.new)
    rest = [i for i in ours if i not in found]
    return found | dict(zip(rest, sorted(free), strict=False))


def _candidates(
    old: Sequence[Request], ours: list[int], new: Sequence[Request], theirs: list[int]
) -> list[_Candidate]:
    sketches = {i: sketch(old[i].body) for i in ours}
    holders: dict[int, list[int]] = {}
    for i, one in sketches.items():
        for value in one:
            holders.setdefault(value, []).append(i)
    found = []
    rank = {i: at / len(ours) for at, i in enumerate(ours)}
    for at, j in enumerate(theirs):
        other = sketch(new[j].body)
        shared = Counter(i for value in other for i in _few(holders.get(value, ())))
        for i, count in shared.items():
            like = count / len(sketches[i] | other)
            found.append(_Candidate(-like, abs(rank[i] - at / len(theirs)), i, j))
    return found


def _few(holders: Sequence[int]) -> Sequence[int]:
    return holders if len(holders) <= _COMMON else ()


def _in_order(partner: dict[int, int], old: int, new: int) -> list[tuple[int | None, int | None]]:
    back = {j: i for i, j in partner.items()}
    gone: dict[int | None, list[int]] = {}
    before: int | None = None
    for i in range(old):
        if i in partner:
            before = i
        else:
            gone.setdefault(before, []).append(i)
    found: list[tuple[int | None, int | None]] = [(i, None) for i in gone.get(None, ())]
    for j in range(new):
        found.append((back.get(j), j))
        if j in back:
            found += [(i, None) for i in gone.get(back[j], ())]
    return found
