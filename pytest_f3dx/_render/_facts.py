"""Counts, tokens, money, sizes: facts of a report in a few words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_f3dx._review._model import ADDED, CHANGED, DAMAGED, NOISE, REMOVED, RENAMED, Side

if TYPE_CHECKING:
    from pytest_f3dx._review._model import Blob, InteractionChange, Report, TestChange

_ORDER = (CHANGED, ADDED, REMOVED, RENAMED, DAMAGED, NOISE)
_KIB = 1024
_NONE = Side("")


def counts(report: Report) -> str:
    """Return how many cassettes did what, such as ``2 changed, 1 added, 997 unchanged``."""
    found = report.counts
    parts = [f"{found[status]} {status}" for status in _ORDER if found.get(status) and status != NOISE]
    if report.unchanged or not parts:
        parts.append(f"{report.unchanged} unchanged")
    return ", ".join(parts)


def arrow(old: object, new: object) -> str:
    """Return one value if both are equal, or if one is None, else the old one and the new one."""
    if old is None or new is None or old == new:
        return str(new if old is None else old)
    return f"{old} → {new}"


def tokens(old_in: int | None, new_in: int | None, old_out: int | None, new_out: int | None) -> str:
    """Return tokens before and after; empty if no answer says."""
    parts = []
    if (old_in, new_in) != (None, None):
        parts.append(f"{arrow(old_in, new_in)} in")
    if (old_out, new_out) != (None, None):
        parts.append(f"{arrow(old_out, new_out)} out")
    return ", ".join(parts)


def interaction_tokens(change: InteractionChange) -> str:
    """Return the tokens of an interaction before and after."""
    old, new = change.old or _NONE, change.new or _NONE
    return tokens(old.tokens_in, new.tokens_in, old.tokens_out, new.tokens_out)


def interaction_cost(change: InteractionChange) -> str:
    """Return the estimated cost of an interaction before and after."""
    return cost((change.old or _NONE).cost_usd, (change.new or _NONE).cost_usd)


def cost(old: float | None, new: float | None) -> str:
    """Return an estimated cost before and after; empty if it is not known."""
    if old is None and new is None:
        return ""
    return arrow(None if old is None else dollars(old), None if new is None else dollars(new))


def dollars(amount: float) -> str:
    """Return an amount with two digits that say something, cents at least."""
    for places in (2, 3, 4, 5, 6):
        if amount == 0 or amount >= 10 ** (1 - places):
            return f"${amount:.{places}f}"
    return f"${amount:.7f}"


def size(count: int) -> str:
    """Return a size in bytes for a reader."""
    if count < _KIB:
        return f"{count} bytes"
    return f"{count / _KIB:.1f} KiB" if count < _KIB * _KIB else f"{count / _KIB / _KIB:.1f} MiB"


def blob_name(one: Blob) -> str:
    """Return type and hash of a payload, or where it is linked to."""
    if not one.digest:
        return f"{one.media or 'payload'} at {one.url}"
    return f"{one.media or 'payload'}, {one.digest[:12]}"


def blob(one: Blob) -> str:
    """Return type, size and hash of a payload, or where it is linked to."""
    if not one.digest:
        return blob_name(one)
    known = size(one.size_bytes) if one.size_bytes else "not there"
    return f"{one.media or 'payload'}, {known}, {one.digest[:12]}"


def what(test: TestChange) -> str:
    """Return in a few words what became of a cassette."""
    parts = [test.status] if test.status in (ADDED, REMOVED, RENAMED, DAMAGED) else []
    if test.renamed_from and test.status != RENAMED:
        parts.append(RENAMED)
    if test.status == CHANGED:
        parts += dict.fromkeys(one.note for one in test.interactions)
        if test.settings:
            parts.append(f"settings {', '.join(one.label for one in test.settings)} changed")
    shown = "; ".join(parts[:3]) + (f"; and {len(parts) - 3} more" if len(parts) > 3 else "")  # noqa: PLR2004
    return shown or "only volatile places differ"
