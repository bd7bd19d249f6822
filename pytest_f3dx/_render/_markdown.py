"""A report as the comment of a pull request.

A comment holds 65 536 characters at most, so the report is made shorter until it fits, and says so. What a
cassette holds is data: in ``<pre>`` and ``<code>``, and whatever means something to HTML or Markdown as an
entity, so that it can neither leave its place nor mention, link to or close anything.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from pytest_f3dx._render import _facts
from pytest_f3dx._render._short import shorten
from pytest_f3dx._review._model import ADDED, REMOVED, SAME, Piece
from pytest_f3dx.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_f3dx._review._model import Blob, Context, Entry, InteractionChange, Report, TestChange

LIMIT = 65_000  # bytes, hence characters too; GitHub's own limit is 65 536 characters
_LEVELS = ((160, 4_000), (80, 1_000), (40, 250))  # characters around a change, and of one changed run
_SPARE = 1_200  # for what is said about the rest, and the hints
_TABLE = 24_000
_LONG_NAME = 160
# What Markdown, HTML or GitHub read something into; an underscore within a word is none of it.
_SPECIAL = re.compile(
    r"[&<>\"'`*~\[\]()|@#!\\$^=+{}]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=//)|(?<=www)\.", re.IGNORECASE
)
_NOTHING = "&#8203;"  # no width: behind @ and the like, so that they mention nobody and link nowhere
_TAGS = {ADDED: "ins", REMOVED: "del"}


def render(report: Report, context: Context) -> str:
    """Show a report as GitHub's Markdown.

    Args:
        report: What changed.
        context: Whether volatile places are shown.

    Returns:
        Less than 65 536 bytes.
    """
    head = _head(report)
    if not report.tests:
        return _joined([*head, *_hints(report)])
    rows = [_row(test) for test in report.tests]
    shown, cut = _fitting(rows, _TABLE)
    table = ["| test | what changed | tokens | cost |", "|---|---|---|---|", *shown]
    if cut:
        table.append(f"\n{cut} more in the full report.")
    used = _bytes([*head, *table])
    for around, most in _LEVELS:
        details = [_details(test, context, around, most) for test in report.tests]
        if used + _bytes(details) + _SPARE < LIMIT:
            break
    kept, left = _fitting(details, LIMIT - used - _SPARE)
    rest = [f"**Shortened to fit a comment**: details of {left} of {len(details)} left out."] if left else []
    return _joined([*head, "\n".join(table), *kept, *rest, *_hints(report)])


def _head(report: Report) -> list[str]:
    totals = report.totals
    facts = [_facts.counts(report)]
    used = _facts.tokens(
        totals.tokens_in_old, totals.tokens_in_new, totals.tokens_out_old, totals.tokens_out_new
    )
    if used:
        facts.append(f"tokens of what changed: {used}")
    if money := _facts.cost(totals.cost_usd_old, totals.cost_usd_new):
        facts.append(f"estimated cost {money.replace('$', '&#36;')}")
    return [f"### Recorded traffic: {code(report.old)} → {code(report.new)}", "; ".join(facts) + "."]


def _hints(report: Report) -> list[str]:
    return [f"<sub>{inline(hint)}</sub>" for hint in report.hints]


def _row(test: TestChange) -> str:
    totals = _totals(test)
    cells = (code(_cut(test.test)), inline(_cut(_facts.what(test))), *totals)
    return f"| {' | '.join(cells)} |"


def _totals(test: TestChange) -> tuple[str, str]:
    from pytest_f3dx._review._model import Report as Whole

    totals = Whole("", "", (test,)).totals
    used = _facts.tokens(
        totals.tokens_in_old, totals.tokens_in_new, totals.tokens_out_old, totals.tokens_out_new
    )
    return used, _facts.cost(totals.cost_usd_old, totals.cost_usd_new).replace("$", "&#36;")


def _details(test: TestChange, context: Context, around: int, most: int) -> str:
    place = f"{code(_cut(test.renamed_from))} → " if test.renamed_from else ""
    parts = [
        f"<details><summary>{code(_cut(test.test))} {test.status}</summary>",
        f"{place}{code(_cut(test.cassette))}",
        *(_pre([Piece(SAME, problem)]) for problem in test.problems),
        *_entries(test.settings, "", around, most),
    ]
    for change in test.interactions:
        parts += _interaction(change, context, around, most)
    if test.unchanged:
        parts.append(f"{test.unchanged} more unchanged.")
    return "\n\n".join([*parts, "</details>"])


def _interaction(change: InteractionChange, context: Context, around: int, most: int) -> Iterator[str]:
    yield f"**{change.kind}** {code(_cut(f'{change.method} {change.url}'))}"
    yield from _entries(change.request, "", around, most)
    yield from _entries(change.answer, "answer", around, most)
    used, money = _facts.interaction_tokens(change), _facts.interaction_cost(change)
    if used:
        yield f"tokens {used}{f'; estimated cost {money}' if money else ''}".replace("$", "&#36;")
    if context.show_ignored and change.ignored:
        yield "volatile: " + ", ".join(code(_cut(place.path)) for place in change.ignored[:20])


def _entries(entries: Sequence[Entry], where: str, around: int, most: int) -> Iterator[str]:
    for one in entries:
        names = (where, "" if (where, one.part) == ("answer", "text") else one.part, one.label, one.role)
        label = " ".join(code(_cut(name)) if name == one.label else inline(name) for name in names if name)
        yield f"{label}:"
        if one.pieces:
            yield _pre(shorten(one.pieces, around=around, most=most))
        blobs = [*_blobs(one.old_blobs, "del"), *_blobs(one.new_blobs, "ins")]
        if blobs:
            yield "<br>".join(blobs)


def _blobs(blobs: Sequence[Blob], tag: str) -> Iterator[str]:
    for blob in blobs:
        yield f"<{tag}>{code(_cut(_facts.blob(blob)))}</{tag}>"


# -- what makes content harmless -------------------------------------------------------------------------


def code(text: str) -> str:
    """Return a short text as code, on one line."""
    line = printable(" ".join(text.split()))
    return f"<code>{_SPECIAL.sub(lambda matched: _entity(matched, '@#'), line)}</code>"


def inline(text: str) -> str:
    """Return a short text on one line, every character that could mean something as an entity."""
    line = printable(" ".join(text.split()))
    return _SPECIAL.sub(lambda matched: _entity(matched, "@#:."), line)


def _entity(matched: re.Match[str], broken: str) -> str:
    return f"&#{ord(matched[0])};" + (_NOTHING if matched[0] in broken else "")


def _pre(pieces: Sequence[Piece]) -> str:
    """Return a text word by word; up to its end tag, Markdown reads nothing in it."""
    return f"<pre>\n{''.join(_marked(piece) for piece in pieces)}</pre>"


def _marked(piece: Piece) -> str:
    text = html.escape(printable(piece.text)).replace("@", "&#64;")
    tag = _TAGS.get(piece.kind)
    return f"<{tag}>{text}</{tag}>" if tag else text


def _cut(text: str) -> str:
    return text if len(text) <= _LONG_NAME else f"{text[:_LONG_NAME]}…"


# -- what makes it fit -------------------------------------------------------------------------------------


def _bytes(parts: Sequence[str]) -> int:
    return sum(len(part.encode("utf-8", "replace")) + 2 for part in parts)


def _fitting(parts: list[str], room: int) -> tuple[list[str], int]:
    """Return the parts that fit, in order, and how many do not."""
    found, used = [], 0
    for part in parts:
        size = _bytes([part])
        if used + size <= room:
            found.append(part)
            used += size
    return found, len(parts) - len(found)


def _joined(parts: Sequence[str]) -> str:
    return "\n\n".join(parts) + "\n"
