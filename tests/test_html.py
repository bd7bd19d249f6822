"""The HTML of a report: whole, self-contained, escaped, and the same every time."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from pytest_f3dx import _cassette
from pytest_f3dx._blobs import BlobStore
from pytest_f3dx._fingerprint import fingerprint_request
from pytest_f3dx._model import Cassette, Interaction, Request, Response
from pytest_f3dx._render import _html_parts
from pytest_f3dx._render._html import render
from pytest_f3dx._render._html_text import MOST_CHARACTERS, side, whole
from pytest_f3dx._review._model import Context, Entry, Piece, Report, TestChange
from pytest_f3dx.cli import main
from tests import reports
from tests.test_merge3 import JSON

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

VOID = {"meta", "img", "input"}


class Page(HTMLParser):
    """Reads a page: its elements with their attributes, its text, and whether tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [found for name, found in self.elements if name == tag and wanted.items() <= found.items()]

    def text(self, *tags: str) -> str:
        return "".join(data for tag, data in self.texts if not tags or tag in tags)


def page(report: Report, context: Context = reports.CONTEXT) -> Page:
    return Page(render(report, context))


def test_page_shows_what_changed() -> None:
    """Each test is there with its status, parts and anchor; words that went and came are marked."""
    found = page(reports.FULL)
    tests = found.all("details", class_="test")
    assert [(test["data-status"], test["data-parts"]) for test in tests] == [
        ("changed", "answer request"),
        ("added", "answer request"),
        ("renamed", ""),
        ("changed", ""),
        ("damaged", ""),
    ]
    assert len({test["id"] for test in tests}) == 5
    assert all("open" in test for test in tests)
    assert "brief" in found.text("del")
    assert "polite" in found.text("ins")
    text = re.sub(r"\s+", " ", found.text())
    for said in (
        "2 interactions unchanged, 1 of them but for ids and times",
        "1 interaction unchanged",
        "cassettes/old.yaml → cassettes/new.yaml",
        "the file is cut off",
        "Estimates need prices.",
        "model gpt-4o-mini → gpt-4o",
        "answers 2",
        "2 places that differ in the JSON of the answer",
        "1 removed, 1 changed",
        "settings changed",
        "+424 tokens",
        "38 unchanged, 2 but for ids and times",
    ):  # fmt: skip
        assert said in text, said
    assert "$.id" not in text
    assert (
        "1 place that differ and do not count"
        in page(reports.FULL, replace(reports.CONTEXT, show_ignored=True)).text()
    )


def test_report_without_a_change_says_so() -> None:
    """Nothing changed is a page too, without tools that have nothing to do."""
    found = page(reports.EMPTY)
    assert "Nothing changed between main and HEAD." in found.text()
    assert not found.all("form")
    assert not found.all("svg")


def test_page_loads_nothing() -> None:
    """The policy names the digests of its own style and script; no element has an address but its own anchors."""
    text = render(reports.FULL, reports.CONTEXT)
    found = Page(text)
    (meta,) = found.all("meta", http_equiv="Content-Security-Policy")
    policy = str(meta["content"])
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        ((body),) = re.findall(rf"<{tag}>((?s:.*?))</{tag}>", text)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
        assert not re.search(r"url\(|@import|https?:", body)
    ids = {attributes["id"] for _, attributes in found.elements if "id" in attributes}
    for tag, attributes in found.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "action")]
        if "href" in attributes:
            assert str(attributes["href"])[1:] in ids
        if "src" in attributes:
            assert tag == "img"
            assert str(attributes["src"]).startswith("data:image/png;base64,")
    assert render(reports.FULL, reports.CONTEXT) == text


def test_everything_is_escaped() -> None:
    """A hostile report gives the same elements as a harmless one, and its text is there to be read."""
    hostile = reports.hostile()
    found = page(hostile, replace(reports.CONTEXT, show_ignored=True))
    assert Counter(tag for tag, _ in found.elements)["script"] == 1
    assert {tag for tag, _ in found.elements} <= {
        *("html", "head", "meta", "title", "style", "body", "script", "a", "header", "main", "footer"),
        *("h1", "h3", "h4", "p", "ul", "li", "div", "span", "section", "article", "details", "summary"),
        *("code", "pre", "b", "ins", "del", "kbd", "button", "form", "input", "table", "tr", "th", "td"),
        *("figure", "figcaption", "img", "svg", "text", "rect", "line"),
    }
    text = found.text("del")
    assert """<script>document.title="owned"</script>""" in text
    assert r"\x1b[31m\x00\u202e\u200b\ud800" in text
    assert not re.search("[\x00-\x08\x1b\u202e\u200b\ud800-\udfff]", render(hostile, reports.CONTEXT))
    assert not [1 for _, attributes in found.elements for name in attributes if name.startswith("on")]
    assert not found.all("a", href="javascript:alert(1)")


def test_pictures_stand_in_the_page_as_far_as_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture is shown if it is a picture, can be had, and is not too large; all together neither."""
    found = page(reports.FULL)
    assert [str(image["src"]).partition(",")[2] for image in found.all("img")] == [
        base64.b64encode(data).decode() for data in (reports.BLUE, reports.RED)
    ]
    assert "image/png, 3.0 MiB" in found.text()
    assert "https://h/x.png" in found.text("code")
    assert "application/pdf, 900 bytes" in found.text()
    assert found.text("p").count("not shown here") == 1
    assert not page(reports.FULL, Context()).all("img")
    monkeypatch.setattr(_html_parts, "MOST_IMAGES_BYTES", len(reports.BLUE) + 10)
    assert len(page(reports.FULL).all("img")) == 1
    monkeypatch.setattr(_html_parts, "MOST_IMAGE_BYTES", 10)
    assert not page(reports.FULL).all("img")


def test_payload_larger_than_it_says_is_not_shown() -> None:
    """The size that is named is not trusted."""
    liar = replace(reports.CONTEXT, payload=lambda _: b"\0" * (_html_parts.MOST_IMAGE_BYTES + 1))
    assert not page(reports.FULL, liar).all("img")


def test_line_ends_that_changed_can_be_seen() -> None:
    """A line break that was added has a sign."""
    assert '<ins>sum<span class="nl" aria-hidden="true">↵</span>\n</ins>' in render(
        reports.FULL, reports.CONTEXT
    )


def test_long_stretches_are_folded_and_huge_ones_cut() -> None:
    """What no one changed is folded away but for the lines at the change; no text can make the page unusable."""
    same = "".join(f"{number}\n" for number in range(100))
    shown = side([Piece("same", same), Piece("added", "x")], "added")
    assert shown.startswith(
        '0\n1\n2\n3\n<details class="fold"><summary>92 lines without a change</summary>4\n'
    )
    assert shown.endswith("95\n</details>96\n97\n98\n99\n<ins>x</ins>")
    assert side([Piece("removed", "x"), Piece("same", same)], "added").endswith("99\n</details>")
    assert side([Piece("same", "a\n" * 14)], "added") == "a\n" * 14
    assert "80 more lines" in whole(same)
    huge = "a" * (MOST_CHARACTERS + 500)
    assert "[… 500 characters left out …]" in whole(huge)
    assert len(side([Piece("added", huge)], "added")) < MOST_CHARACTERS + 200


def test_page_has_a_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much changed, the page can be opened; what is left out is said."""
    many = replace(reports.CHANGED, drift=reports.CHANGED.drift * 150)
    test = TestChange("t", "c", "changed", interactions=(many,))
    found = page(Report("a", "b", (test,)))
    assert len(found.all("td", colspan="4")) == 1
    assert "100 more" in found.text("td")
    monkeypatch.setattr(_html_parts, "MOST_TEXT", 10)
    assert "left out" in page(reports.FULL).text("div")
    assert "Line 1" not in page(reports.FULL).text()


def test_charts_follow_what_is_known() -> None:
    """No tokens, no chart; no prices, no cost; the tests that changed most come first, at most ten."""
    nothing = replace(
        reports.REMOVED, old=replace(reports.OLD, tokens_in=None, tokens_out=None, cost_usd=None)
    )
    test = TestChange("t", "c", "changed", interactions=(nothing,))
    assert not page(Report("a", "b", (test,))).all("svg")
    free = replace(
        reports.CHANGED, old=replace(reports.OLD, cost_usd=None), new=replace(reports.NEW, cost_usd=None)
    )
    assert len(page(Report("a", "b", (replace(test, interactions=(free,)),))).all("svg")) == 1
    many = [
        replace(test, test=f"t.py::test_{'x' * 30}{at}", cassette=str(at), interactions=(one,))
        for at, one in enumerate(
            replace(
                free, new=replace(reports.NEW, tokens_in=120 + 10 * (at - 6), tokens_out=45, cost_usd=None)
            )
            for at in range(13)
        )
    ]
    found = page(Report("a", "b", tuple(many)))
    assert len(found.all("svg")) == 2
    bars = found.all("rect", class_="up") + found.all("rect", class_="down")
    assert (len(bars), len(found.all("line"))) == (10, 10)
    assert "the first 10 of 12 tests" in found.text()
    assert "−60" in found.text("text")


def test_zero_cost_and_equal_sums() -> None:
    """Sums that do not differ are said as such, and nothing is divided by zero."""
    same = replace(reports.CHANGED, new=replace(reports.OLD, tokens_in=0, tokens_out=0, cost_usd=0.0))
    for one in (replace(same, old=same.new), same, replace(same, old=None)):
        text = page(Report("a", "b", (TestChange("t", "c", "changed", interactions=(one,)),))).text()
        assert "tokens" in text
    assert "±0 tokens" in re.sub(r"\s+", " ", page(Report("a", "b", (TestChange("t", "c", "changed", interactions=(
        replace(same, old=same.new),)),))).text())  # fmt: skip


def test_many_tests_are_closed() -> None:
    """A page of many tests has all of them, closed; a few are open from the start."""
    text = render(reports.long(100), reports.CONTEXT)
    tests = re.findall(r'<details class="test"[^>]*>', text)
    assert len(tests) == 100
    assert not [test for test in tests if " open" in test]
    one = TestChange("t", "c", "changed", interactions=(reports.REMOVED,) * 61)
    assert "open" not in page(Report("a", "b", (one,))).all("details", class_="test")[0]


def test_entry_without_text_is_written() -> None:
    """An entry may hold nothing but blobs, or nothing."""
    entry = Entry("body", "body", "changed", (), "", (reports.blob("ab"),))
    one = replace(reports.CHANGED, request=(entry, Entry("header", "accept", "added")), answer=(), drift=())
    assert page(Report("a", "b", (TestChange("t", "c", "changed", interactions=(one,)),))).all("img")


def test_diff_writes_the_page(tmp_path: Path) -> None:
    """The command writes the page to a file; a picture out of the cassettes' blobs is in it."""
    for name, picture in (("old", reports.BLUE), ("new", reports.RED)):
        image = base64.b64encode(picture + bytes(range(256)) * 8).decode()
        content = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}}]
        body = {"model": "m", "messages": [{"role": "user", "content": content}]}
        request = Request("POST", reports.CHAT, JSON, json.dumps(body).encode())
        key = fingerprint_request(request)
        blobs = BlobStore(tmp_path / name / "_blobs")
        text = _cassette.dump(Cassette("t.py::t", {key: Interaction(key, request, [Response(204)])}), blobs)
        blobs.flush()
        (tmp_path / name / "t.yaml").write_text(text, encoding="utf-8")
    output = tmp_path / "report.html"
    names = [str(tmp_path / "old"), str(tmp_path / "new")]
    assert main(["diff", *names, "--format", "html", "--output", str(output)]) == 1
    found = Page(output.read_text(encoding="utf-8"))
    assert len({image["src"] for image in found.all("img")}) == 2
