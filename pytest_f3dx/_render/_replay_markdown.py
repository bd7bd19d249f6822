"""The report of a replay as Markdown that fits into the comment of a pull request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_f3dx.errors import printable

if TYPE_CHECKING:
    from pytest_f3dx._traces._entry import Entry
    from pytest_f3dx._traces._report import Report

MOST_CHARACTERS = 60_000  # GitHub refuses a comment of more than 65 536
_TEXT_CHARACTERS = 1000
_TICKS = re.compile("`+")
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!|~@&$-])")


def markdown(report: Report) -> str:
    """Write a report.

    Args:
        report: What it holds may be anything that a model says.

    Returns:
        At most `MOST_CHARACTERS` of Markdown; what does not fit is counted.
    """
    verdict = "agrees with what was recorded" if report.ok else "does not agree with what was recorded"
    counts = map(str, (report.total, report.passed, report.failed, report.errors, report.skipped))
    lines = [
        f"## {code(report.target)} {verdict}",
        "",
        "| rows | passed | failed | errors | skipped | mode |",
        "|---|---|---|---|---|---|",
        f"| {' | '.join(counts)} | {code(report.mode)} |",
        "",
    ]
    text = "\n".join(lines)
    shown = 0
    for entry in report.entries:
        part = _entry(entry)
        if len(text) + len(part) > MOST_CHARACTERS:
            break
        text += part
        shown += 1
    left = report.failed + report.errors - shown
    return text + (f"\n… and {left} more rows that did not pass.\n" if left else "")


def code(text: str) -> str:
    """Write a text in one line of code, whatever it holds."""
    clean = _safe(text).replace("\n", " ").replace("|", "\\|")
    ticks = "`" * (1 + max((len(run) for run in _TICKS.findall(clean)), default=0))
    pad = " " if clean.startswith("`") or clean.endswith("`") or not clean else ""
    return f"{ticks}{pad}{clean}{pad}{ticks}"


def _entry(entry: Entry) -> str:
    parts = [f"\n### Row {entry.row}: {entry.status}\n\n{_prose(entry.note)}\n"]
    texts = (("Asked", entry.prompt), ("Recorded", entry.before), ("Now", entry.after))
    parts += [f"\n{label}:\n\n{_block(text)}\n" for label, text in texts if text]
    return "".join(parts)


def _prose(text: str) -> str:
    """Escape a text so that it means nothing in Markdown, HTML and to those it mentions."""
    return _SPECIAL.sub(
        r"\\\1", _safe(text).replace("\n", " ").replace("@", "@\u200b").replace("#", "#\u200b")
    )


def _block(text: str) -> str:
    clean = _safe(text)
    if len(clean) > _TEXT_CHARACTERS:
        clean = clean[:_TEXT_CHARACTERS] + "…"
    fence = "`" * max(3, 1 + max((len(run) for run in _TICKS.findall(clean)), default=0))
    return f"{fence}text\n{clean}\n{fence}"


def _safe(text: str) -> str:
    return printable(text).encode("utf-8", "backslashreplace").decode()
