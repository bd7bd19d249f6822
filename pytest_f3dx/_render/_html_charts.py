"""Charts of tokens and cost before and after, as SVG that stands in the page itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_f3dx._render import _facts
from pytest_f3dx._render._html_parts import anchor, signed, tokens
from pytest_f3dx._render._html_text import el, escaped

if TYPE_CHECKING:
    from pytest_f3dx._review._model import Report, TestChange, Totals

_MOST_TESTS = 10
_WIDTH, _LABEL, _NUMBER = 640, 80, 224  # of a chart, of the names before the bars, of the numbers behind them
_ROW, _BAR = 30, 18
_NAME = 220  # the names of tests
_DIGITS = 64  # the numbers on either side of the axis
_SHORT = 30  # characters of a name

_Bar = tuple[str, list[tuple[str, float]], str]
"""Its name, its parts (class and value), and what stands behind it."""


def totals(sums: Totals) -> str:
    """Draw what all changed interactions took; empty if no answer says."""
    return _tokens(sums) + _cost(sums)


def _tokens(sums: Totals) -> str:
    pairs = (
        ("before", sums.tokens_in_old, sums.tokens_out_old),
        ("after", sums.tokens_in_new, sums.tokens_out_new),
    )
    if all(value is None for _, *values in pairs for value in values):
        return ""
    bars: list[_Bar] = [
        (name, [("in", given or 0), ("out", made or 0)], f"{given or 0:,} in + {made or 0:,} out")
        for name, given, made in pairs
    ]
    return _chart("Tokens", bars, el("span", "prompts", class_="in") + el("span", "answers", class_="out"))


def _cost(sums: Totals) -> str:
    if sums.cost_usd_old is None and sums.cost_usd_new is None:
        return ""
    pairs = (("before", sums.cost_usd_old or 0), ("after", sums.cost_usd_new or 0))
    bars: list[_Bar] = [(name, [("cost", value)], _facts.dollars(value)) for name, value in pairs]
    return _chart("Estimated cost", bars, "at list prices, in US dollars")


def _chart(title: str, bars: list[_Bar], legend: str) -> str:
    most = max(sum(value for _, value in parts) for _, parts, _ in bars) or 1
    rows = [_row(bar, at * _ROW, most) for at, bar in enumerate(bars)]
    told = "; ".join(f"{name} {text}" for name, _, text in bars)
    return _figure(title, legend, rows, role="img", aria_label=f"{title}: {told}")


def _figure(title: str, legend: str, rows: list[str], kind: str = "chart", **attributes: str) -> str:
    box = f"0 0 {_WIDTH} {len(rows) * _ROW}"
    caption = el("figcaption", title, " ", el("span", legend, class_="legend"))
    return el("figure", caption, el("svg", *rows, viewBox=box, **attributes), class_=kind)


def _row(bar: _Bar, top: int, most: float) -> str:
    name, parts, text = bar
    left, middle = float(_LABEL), top + _ROW // 2
    drawn = [_text("label", 0, middle, name)]
    for kind, value in parts:
        width = (_WIDTH - _LABEL - _NUMBER) * value / most
        drawn.append(_rect(kind, left, middle, width))
        left += width
    return "".join([*drawn, _text("number", left + 8, middle, text)])


def _text(kind: str, x: float, y: float, text: str, **attributes: str) -> str:
    return el("text", escaped(text), class_=kind, x=f"{x:.1f}", y=f"{y:.1f}", **attributes)


def _rect(kind: str, left: float, middle: float, width: float) -> str:
    place = {"x": f"{left:.1f}", "y": f"{middle - _BAR / 2:.1f}", "width": f"{width:.1f}"}
    return el("rect", class_=kind, height=_BAR, rx=2, **place)


def by_test(report: Report) -> str:
    """Draw the tests whose tokens changed most: to the left what they save, to the right what they take more.

    Empty if there are not two of them: of one test the totals say all.
    """
    changed = [(test, delta) for test in report.tests if (delta := _delta(test))]
    if len(changed) <= 1:
        return ""
    shown = sorted(changed, key=lambda pair: -abs(pair[1]))[:_MOST_TESTS]
    most = abs(shown[0][1])
    rows = [_test_row(test, delta, at * _ROW, most) for at, (test, delta) in enumerate(shown)]
    more = f", the first {_MOST_TESTS} of {len(changed)} tests" if len(changed) > len(shown) else ""
    legend = el("span", "fewer", class_="down") + el("span", "more", class_="up") + more
    title = "Change in tokens by test"
    return _figure(title, legend, rows, "chart tests", role="group", aria_label=title)


def _delta(test: TestChange) -> int:
    old, new = tokens([one.old for one in test.interactions]), tokens([one.new for one in test.interactions])
    return (new or 0) - (old or 0)


def _test_row(test: TestChange, delta: int, top: int, most: int) -> str:
    half = (_WIDTH - _NAME - 2 * _DIGITS) / 2
    axis, middle = _NAME + _DIGITS + half, top + _ROW // 2
    width = max(half * abs(delta) / most, 1)
    kind, left, end, where = ("up", axis, axis + width + 6, "start")
    if delta < 0:
        kind, left, end, where = ("down", axis - width, axis - width - 6, "end")
    name = test.test.rpartition("::")[2]
    return el(
        "a",
        el("title", escaped(f"{test.test}: {signed(delta)} tokens")),
        _text("label", 0, middle, name if len(name) <= _SHORT else f"{name[: _SHORT - 1]}…"),
        el("line", class_="axis", x1=f"{axis:.1f}", x2=f"{axis:.1f}", y1=top, y2=top + _ROW),
        _rect(kind, left, middle, width),
        _text("number", end, middle, signed(delta), text_anchor=where),
        href=f"#{anchor(test)}",
    )
