"""A report for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_f3dx._render import _facts
from pytest_f3dx._render._layout import Paint
from pytest_f3dx._render._short import shorten
from pytest_f3dx._review._model import ADDED, CHANGED, REMOVED, SAME, Piece

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_f3dx._review._model import Context, Entry, InteractionChange, Report, TestChange

_STYLES = {
    "added": "good",
    "removed": "bad",
    "changed": "warn",
    "renamed": "name",
    "damaged": "bad",
    "noise": "dim",
}
_AROUND, _MOST = 120, 4_000
_INDENT, _HANG = 4, 22
_VALUES = {"model", "finish", "status", "parameter", "header", "url", "setting"}


def render(report: Report, context: Context) -> str:
    """Show a report.

    Args:
        report: What changed.
        context: Width and colour of the terminal.

    Returns:
        Lines; nothing a cassette holds can drive the terminal.
    """
    paint = Paint(context.colour, context.width)
    lines = [
        f"{paint.style('bold', report.old)} → {paint.style('bold', report.new)}: {_facts.counts(report)}"
    ]
    totals = report.totals
    used = _facts.tokens(
        totals.tokens_in_old, totals.tokens_in_new, totals.tokens_out_old, totals.tokens_out_new
    )
    if used and sum(len(test.interactions) for test in report.tests) > 1:
        money = _facts.cost(totals.cost_usd_old, totals.cost_usd_new)
        lines.append(f"tokens of what changed: {used}{f'; estimated cost {money}' if money else ''}")
    for test in report.tests:
        lines += ["", *_test(test, paint, context)]
    if report.hints:
        lines += ["", *(paint.style("dim", hint) for hint in report.hints)]
    return "\n".join(lines) + "\n"


def _test(test: TestChange, paint: Paint, context: Context) -> Iterator[str]:
    status = paint.style(_STYLES[test.status], test.status)
    yield f"{paint.style('bold', test.test)}  {status}"
    place = f"{test.renamed_from} → {test.cassette}" if test.renamed_from else test.cassette
    yield f"  {paint.style('dim', place)}"
    for problem in test.problems:
        for line in problem.splitlines():
            yield f"  {paint.style('bad', line)}"
    for one in test.settings:
        yield from _entry(one, paint)
    for change in test.interactions:
        yield from _interaction(change, paint, context)
    if test.unchanged:
        noise = f", {test.noisy} of them in volatile places only" if test.noisy else ""
        more = "1 interaction" if test.unchanged == 1 else f"{test.unchanged} interactions"
        yield f"  {paint.style('dim', f'{more} unchanged{noise}')}"


def _interaction(change: InteractionChange, paint: Paint, context: Context) -> Iterator[str]:
    mark = {ADDED: "+", REMOVED: "-", CHANGED: "~"}[change.kind]
    where = paint.style("name", f"{change.method} {change.url}")
    yield f"  {paint.style(_STYLES[change.kind], mark)} {where}"
    for one in change.request:
        yield from _entry(one, paint)
    for one in change.answer:
        yield from _entry(one, paint, is_answer=True)
    used, money = _facts.interaction_tokens(change), _facts.interaction_cost(change)
    if used:
        text = f"{used}{f'; estimated cost {money}' if money else ''}"
        yield from paint.block("tokens", [Piece(SAME, text)], indent=_INDENT, hang=_HANG)
    if context.show_ignored:
        for place in change.ignored:
            text = f"{place.path}  {_value(place.old)} → {_value(place.new)}"
            yield from paint.block("ignored", [Piece(SAME, text)], indent=_INDENT, hang=_HANG)


def _value(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"  # noqa: PLR2004 - a glance


def _entry(one: Entry, paint: Paint, *, is_answer: bool = False) -> Iterator[str]:
    """Yield the lines of one thing that changed: who or what beside the text."""
    label = _label(one, is_answer=is_answer)
    text = _shown(one)
    if text or not (one.old_blobs or one.new_blobs):
        yield from _labelled(label, text, paint)
        label = ""
    for kind, blobs in ((REMOVED, one.old_blobs), (ADDED, one.new_blobs)):
        for blob in blobs:
            yield from paint.block(label, [Piece(kind, _facts.blob(blob))], indent=_INDENT, hang=_HANG)


def _label(one: Entry, *, is_answer: bool) -> str:
    if one.part == "message":
        return f"{one.label} {one.role}"
    if one.part == "parameter":
        return one.label
    part = "answer" if is_answer and one.part == "text" else one.part
    return part if one.label in ("", one.part) else f"{part} {one.label}"


def _labelled(label: str, text: tuple[Piece, ...], paint: Paint) -> Iterator[str]:
    if len(label) >= _HANG:
        yield from paint.block("", [Piece(SAME, label)], indent=_INDENT - 1, hang=1)
        label = ""
    yield from paint.block(label, text, indent=_INDENT, hang=_HANG)


def _shown(one: Entry) -> tuple[Piece, ...]:
    if one.kind == CHANGED and len(one.pieces) == 2 and is_value(one):  # noqa: PLR2004 - old and new
        return one.pieces[0], Piece(SAME, " → "), one.pieces[1]
    return shorten(one.pieces, around=_AROUND, most=_MOST)


def is_value(one: Entry) -> bool:
    """Whether an entry is one short value in place of another."""
    return one.part in _VALUES and not any("\n" in piece.text for piece in one.pieces)
