"""The report of a replay as one HTML file that loads nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_f3dx._diff._words import word_changes
from pytest_f3dx._render._html_text import el, escaped

if TYPE_CHECKING:
    from pytest_f3dx._traces._entry import Entry
    from pytest_f3dx._traces._report import Report

_OPEN = 20  # entries that stand open when the page loads
_STYLE = """
:root {
  color-scheme: light dark;
  --bad: light-dark(#b3261e, #ff8a80); --good: light-dark(#1a7f37, #5fd38d);
  --line: #8886; --gone: #ff818266; --new: #4ac26b66;
}
body { font: 16px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; }
th, td { border: 1px solid var(--line); padding: .3rem .8rem; text-align: right; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .6rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; overflow-wrap: anywhere; }
h1 { overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin: .6rem 0 .2rem; }
.bad { color: var(--bad); }
.good { color: var(--good); }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; }
del { background: var(--gone); text-decoration: none; }
ins { background: var(--new); text-decoration: none; }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"


def html(report: Report) -> str:
    """Write a report.

    Args:
        report: What it holds may be anything that a model says.

    Returns:
        A whole page, without scripts, escaped.
    """
    title = escaped(f"Replay of {report.target}: {report.line()}")
    verdict = el("span", "agrees" if report.ok else "does not agree", class_="good" if report.ok else "bad")
    body = [
        el("h1", f"{escaped(report.target)} {verdict} with what was recorded"),
        _table(report),
        *(_entry(entry, is_open=at < _OPEN) for at, entry in enumerate(report.entries)),
    ]
    if report.left_out:
        body.append(el("p", f"… and {report.left_out} more rows that did not pass."))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body>" + "\n".join(body) + "</body></html>\n"
    )


def _table(report: Report) -> str:
    cells = {
        "rows": report.total,
        "passed": report.passed,
        "failed": report.failed,
        "errors": report.errors,
        "skipped": report.skipped,
        "mode": report.mode,
    }
    head = "".join(el("th", name, scope="col") for name in cells)
    row = "".join(el("td", escaped(str(value))) for value in cells.values())
    return el("table", el("thead", el("tr", head)), el("tbody", el("tr", row)))


def _entry(entry: Entry, *, is_open: bool) -> str:
    status = el("span", escaped(entry.status), class_="bad")
    summary = el("summary", f"Row {entry.row}: {status} {escaped(entry.note)}")
    asked = el("h2", "Asked") + el("pre", escaped(entry.prompt)) if entry.prompt else ""
    was, now = _sides(entry.before, entry.after) if entry.after else (escaped(entry.before), "")
    sides = _side("Recorded", was) + (_side("Now", now) if entry.after else "")
    return el("details", summary, asked, el("div", sides, class_="sides"), open=is_open)


def _side(name: str, content: str) -> str:
    return el("div", el("h2", name), el("pre", content))


def _sides(before: str, after: str) -> tuple[str, str]:
    """Write both texts, each with the words marked that the other has not."""
    was = now = ""
    for kind, text in word_changes(before, after):
        shown = escaped(text)
        was += {"same": shown, "removed": el("del", shown)}.get(kind, "")
        now += {"same": shown, "added": el("ins", shown)}.get(kind, "")
    return was, now
