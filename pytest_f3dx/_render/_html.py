"""The report as one HTML file: it loads nothing, runs no script but its own, and can be read without any."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import TYPE_CHECKING

from pytest_f3dx._render import _facts, _html_charts
from pytest_f3dx._render._html_parts import Parts, signed
from pytest_f3dx._render._html_text import el, escaped
from pytest_f3dx._review._model import ADDED, CHANGED, DAMAGED, NOISE, REMOVED, RENAMED

if TYPE_CHECKING:
    from pytest_f3dx._review._model import Context, Report

_MOST_OPEN = 8  # tests whose details are open from the start, if they hold no more interactions than this:
_MOST_OPEN_INTERACTIONS = 60
_STATUSES = (CHANGED, ADDED, REMOVED, RENAMED, DAMAGED, NOISE)
_PARTS = ("request", "answer")
_KEYS = (("/", "filter"), ("j", "next test"), ("k", "previous test"), ("Enter", "open or close"))


def render(report: Report, context: Context) -> str:
    """Write the page.

    Args:
        report: What changed.
        context: Of it ``payload``, which gives the pictures, and ``show_ignored``.

    Returns:
        A whole document. Whatever stands in a cassette is text in it: everything is escaped, and its
        policy lets no script run but the one it brings, nor anything be loaded or sent.
    """
    style, script = _resource("review.css"), _resource("review.js")
    parts = Parts(context)
    count = sum(len(test.interactions) for test in report.tests)
    is_open = len(report.tests) <= _MOST_OPEN and count <= _MOST_OPEN_INTERACTIONS
    tests = "".join(parts.test(test, is_open=is_open) for test in report.tests)
    reset = el("button", "Show all", type="button", id="reset")
    return "".join([
        "<!doctype html>\n",
        '<html lang="en">\n<head>\n<meta charset="utf-8">\n',
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, script)}">\n',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
        '<meta name="color-scheme" content="light dark">\n<meta name="robots" content="noindex">\n',
        el("title", escaped(f"Cassettes, {report.old} → {report.new}")),
        f"\n<style>{style}</style>\n</head>\n<body>\n",
        el("a", "to the tests", class_="skip", href="#tests"),
        f"\n{_header(report)}\n<main>\n{_summary(report)}\n{_charts(report)}{_tools(report)}",
        el("div", tests or _nothing(report), id="tests"),
        el("p", "No test matches. ", reset, id="none", hidden=True),
        f"\n</main>\n{_footer(report)}\n<script>{script}</script>\n</body>\n</html>\n",
    ])  # fmt: skip


def _resource(name: str) -> str:
    return (resources.files("pytest_f3dx._render") / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Allow this style, this script and pictures that stand in the page; nothing else."""
    return (
        f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _header(report: Report) -> str:
    old, new = el("code", escaped(report.old)), el("code", escaped(report.new))
    title = el("h1", "Cassettes ", el("span", old, " → ", new, class_="sides-of"))
    return el("header", title, el("button", "Theme", type="button", id="theme", hidden=True), class_="top")


def _summary(report: Report) -> str:
    counts, sums = report.counts, report.totals
    cards = [_card(f"{counts[status]:,}", status, status) for status in _STATUSES if status in counts]
    noisy = f", {report.noisy:,} but for ids and times" if report.noisy else ""
    cards.append(_card(f"{report.unchanged:,}", f"unchanged{noisy}"))
    old, new = _sum(sums.tokens_in_old, sums.tokens_out_old), _sum(sums.tokens_in_new, sums.tokens_out_new)
    if old is not None or new is not None:
        cards.append(_card(signed((new or 0) - (old or 0)), f"tokens{_percent(old, new)}"))
    if sums.cost_usd_old is not None or sums.cost_usd_new is not None:
        delta = (sums.cost_usd_new or 0) - (sums.cost_usd_old or 0)
        dollars = f"{'−' if delta < 0 else '+'}{_facts.dollars(abs(delta))}"
        cards.append(_card(dollars, f"estimated cost{_percent(sums.cost_usd_old, sums.cost_usd_new)}"))
    return el("ul", *cards, class_="cards", aria_label="summary")


def _card(number: str, name: str, kind: str = "") -> str:
    return el("li", el("b", number), " ", name, class_=f"card {kind}".rstrip())


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None and other is None else (one or 0) + (other or 0)


def _percent(old: float | None, new: float | None) -> str:
    return f" ({(new - old) / old:+.0%})".replace("-", "−") if old and new and old != new else ""


def _charts(report: Report) -> str:
    drawn = _html_charts.totals(report.totals) + _html_charts.by_test(report)
    return el("div", drawn, class_="charts") + "\n" if drawn else ""


def _tools(report: Report) -> str:
    """Write what filters; it is hidden until the script that gives it life runs."""
    if not report.tests:
        return ""
    statuses = [status for status in _STATUSES if status in report.counts]
    kinds = [_toggle(status, data_status=status) for status in statuses] if len(statuses) > 1 else []
    parts = [_toggle(f"{part} changed", data_part=part) for part in _PARTS]
    name = "Filter by test"
    return (
        el(
            "form",
            el("input", type="search", id="filter", placeholder=name, aria_label=name, autocomplete="off"),
            el("span", *kinds, class_="group", role="group", aria_label="kind"),
            el("span", *parts, class_="group", role="group", aria_label="part"),
            el("span", id="count", role="status", aria_live="polite"),
            el(
                "span",
                el("button", "Open all", type="button", id="open"),
                el("button", "Close all", type="button", id="close"),
                class_="group end",
            ),
            class_="tools",
            role="search",
            aria_label="filter",
            hidden=True,
        )
        + "\n"
    )


def _toggle(name: str, **attributes: str) -> str:
    return el("button", name, type="button", aria_pressed="false", **attributes)


def _nothing(report: Report) -> str:
    old, new = el("code", escaped(report.old)), el("code", escaped(report.new))
    return el("p", "Nothing changed between ", old, " and ", new, ".", class_="nothing")


def _footer(report: Report) -> str:
    hints = [el("p", escaped(hint)) for hint in report.hints]
    keys = ", ".join(f"{el('kbd', key)} {does}" for key, does in _KEYS)
    made = el("p", "Made by pytest-f3dx. This page loads and sends nothing.")
    return el("footer", *hints, el("p", keys, class_="keys", hidden=True), made)
