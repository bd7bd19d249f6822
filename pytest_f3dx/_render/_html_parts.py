"""The parts of the page: a test, its interactions, what changed in each, and its pictures."""

from __future__ import annotations

import base64
import json
from hashlib import blake2s
from typing import TYPE_CHECKING

from pytest_f3dx._render import _facts
from pytest_f3dx._render._html_text import MOST_CHARACTERS, el, escaped, side, whole
from pytest_f3dx._review._model import ADDED, CHANGED, DAMAGED, REMOVED, RENAMED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pytest_f3dx._model import Change
    from pytest_f3dx._review._model import Blob, Context, Entry, InteractionChange, Side, TestChange

MOST_IMAGE_BYTES = 512 * 1024  # of one picture
MOST_IMAGES_BYTES = 8 * 1024 * 1024  # of all pictures of a page
MOST_TEXT = 16_000_000  # characters of all texts of a page
MOST_PATHS = 200  # rows of a table
_PICTURES = {"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/svg+xml"}
_SIGNS = {ADDED: "+", REMOVED: "−", CHANGED: "~", RENAMED: "→", DAMAGED: "!"}
_PROSE = ("message", "text", "reasoning")
_ROLES = ("system", "developer", "user", "assistant", "tool")
_LONGEST_VALUE = 2000  # characters of a JSON value in the table of paths
_DIFFER = "that differ in the JSON of the answer"
_IGNORED = "that differ and do not count: ids, times and the like"


class Parts:
    """Writes the tests of one page.

    Attributes:
        context: What the renderer was told.
    """

    def __init__(self, context: Context) -> None:
        """Start a page that holds nothing yet."""
        self.context = context
        self._images_bytes = 0
        self._characters = 0

    def test(self, test: TestChange, *, is_open: bool) -> str:
        """Write one test: a summary line that says all in short, and the details behind it."""
        head = el(
            "summary",
            badge(test.status),
            el("span", _name(test.test), class_="name"),
            el("span", escaped(_short(test)), class_="short"),
            _delta(test),
        )
        body = el(
            "div",
            el("p", _file(test), class_="file"),
            *(el("pre", escaped(problem), class_="problem") for problem in test.problems),
            self._section("Settings of the cassette", test.settings, CHANGED),
            *(self._interaction(each, is_alone=len(test.interactions) == 1) for each in test.interactions),
            _rest(test),
            class_="inside",
        )
        parts = " ".join(sorted({part for each in test.interactions for part in _parts_of(each)}))
        told = {"data_status": test.status, "data_parts": parts}
        return el("details", head, body, class_="test", id=anchor(test), open=is_open, **told) + "\n"

    def _interaction(self, each: InteractionChange, *, is_alone: bool) -> str:
        one = each.new or each.old
        key = one.fingerprint if one else ""
        title = el(
            "h3",
            badge(each.kind),
            el("code", escaped(f"{each.method} {each.url}")),
            el("code", escaped(key[:9]), class_="key", title=key),
        )
        return el(
            "section",
            title,
            el("p", escaped(each.note), class_="note") if each.note and not is_alone else "",
            _used(each.old, each.new),
            self._section("Request", each.request, each.kind),
            self._section("Answer", each.answer, each.kind),
            _paths(_DIFFER, each.drift),
            _paths(_IGNORED, each.ignored) if self.context.show_ignored else "",
            class_="interaction",
        )

    def _section(self, title: str, entries: Iterable[Entry], kind: str) -> str:
        written = [self._entry(entry, kind) for entry in entries]
        return el("section", el("h4", title), *written, class_="part") if written else ""

    def _entry(self, entry: Entry, kind: str) -> str:
        """Write one thing that changed; its kind is said where it is not that of all around it."""
        role = entry.role if entry.role in _ROLES else "other"
        head = el(
            "header",
            el("span", escaped(entry.role), class_=f"role role-{role}") if entry.role else "",
            el("span", escaped(entry.part), class_="what"),
            "" if entry.label in ("", entry.part) else el("code", escaped(entry.label)),
            "" if entry.kind in (kind, CHANGED) else badge(entry.kind),
        )
        form = "prose" if entry.part in _PROSE else "code"
        one = "" if entry.kind == CHANGED else " one"
        return el("article", head, el("div", self._sides(entry), class_=f"sides {form}{one}"), class_="entry")

    def _sides(self, entry: Entry) -> str:
        """Write the two sides beside one another; nothing beside what has no other side."""
        self._characters += sum(min(len(piece.text), MOST_CHARACTERS) for piece in entry.pieces)
        if self._characters > MOST_TEXT:
            return el("div", "left out: the page is as long as a browser can bear", class_="unseen")
        old, new = self._blobs(entry.old_blobs), self._blobs(entry.new_blobs)
        if entry.kind == ADDED:
            return el("div", whole(entry.new), new, class_="new all")
        if entry.kind == REMOVED:
            return el("div", whole(entry.old), old, class_="old all")
        return el(
            "div", side(entry.pieces, REMOVED), old, class_="old", role="group", aria_label="before"
        ) + el("div", side(entry.pieces, ADDED), new, class_="new", role="group", aria_label="after")

    def _blobs(self, blobs: Iterable[Blob]) -> str:
        return "".join(self._blob(blob) for blob in blobs)

    def _blob(self, blob: Blob) -> str:
        told = blob.media or "unknown type"
        if blob.url:
            return el("figure", el("figcaption", escaped(told), " ", el("code", escaped(blob.url))))
        told = f"{told}, {_facts.size(blob.size_bytes) if blob.size_bytes else 'not there'}"
        code = f"b3:{blob.digest[:9]}…" if blob.digest else ""
        path = el("code", escaped(blob.path), class_="path") if blob.path else ""
        caption = el("figcaption", escaped(told), " ", el("code", escaped(code)), path)
        return el("figure", self._picture(blob, told), caption)

    def _picture(self, blob: Blob, told: str) -> str:
        """Put a picture into the page itself; what is too large is told and not shown."""
        if blob.media not in _PICTURES:
            return ""
        room = min(MOST_IMAGE_BYTES, MOST_IMAGES_BYTES - self._images_bytes)
        data = self.context.payload(blob) if blob.size_bytes <= room else None
        if data is None or len(data) > room:
            return el("p", "not shown here", class_="unseen")
        self._images_bytes += len(data)
        source = f"data:{blob.media};base64,{base64.b64encode(data).decode()}"
        return el("img", alt=told, loading="lazy", src=source)


def anchor(test: TestChange) -> str:
    """Name a test for links; the same in every report."""
    return "t-" + blake2s(test.cassette.encode("utf-8", "replace"), digest_size=5).hexdigest()


def badge(kind: str) -> str:
    """Write what happened to something: a sign and a word, for whoever does not see the colour."""
    sign = el("span", _SIGNS.get(kind, ""), aria_hidden="true")
    return el("span", sign, " ", escaped(kind), class_=f"badge {kind}")


def tokens(sides: Iterable[Side | None]) -> int | None:
    """Sum up what sides took in both directions; None if none says."""
    counts = [count for one in sides if one for count in (one.tokens_in, one.tokens_out)]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def signed(number: int) -> str:
    """Write a difference, with a minus that is as wide as a plus."""
    return f"{number:+,}".replace("-", "−") if number else "±0"


def _parts_of(each: InteractionChange) -> Iterator[str]:
    if each.request:
        yield "request"
    if each.answer or each.drift:
        yield "answer"


def _name(test: str) -> str:
    """Write a node id, its file dimmed."""
    file, mark, name = test.rpartition("::")
    return el("span", escaped(file + mark), class_="dim") + el("b", escaped(name))


def _short(test: TestChange) -> str:
    """Say in a few words what is behind a test."""
    if test.problems:
        return test.problems[0].partition("\n")[0].removeprefix("f3dx: ")
    notes = [each.note for each in test.interactions if each.note]
    if len(notes) == len(test.interactions) == 1:
        return notes[0]
    kinds = [each.kind for each in test.interactions]
    counts = [f"{kinds.count(kind)} {kind}" for kind in (ADDED, REMOVED, CHANGED) if kind in kinds]
    return ", ".join(counts) or ("settings changed" if test.settings else "")


def _file(test: TestChange) -> str:
    came = el("code", escaped(test.renamed_from)) + " → " if test.renamed_from else ""
    return came + el("code", escaped(test.cassette))


def _rest(test: TestChange) -> str:
    if not test.unchanged:
        return ""
    noisy = f", {test.noisy} of them but for ids and times" if test.noisy else ""
    one = "interaction" if test.unchanged == 1 else "interactions"
    return el("p", f"{test.unchanged} {one} unchanged{noisy}", class_="rest")


def _delta(test: TestChange) -> str:
    old, new = (
        tokens([each.old for each in test.interactions]),
        tokens([each.new for each in test.interactions]),
    )
    if old is None or new is None or old == new:
        return ""
    return el("span", f"{signed(new - old)} tokens", class_=f"delta {'up' if new > old else 'down'}")


_USED: tuple[tuple[str, Callable[[Side], float | str | None], str], ...] = (
    ("model", lambda one: one.model or None, "{}"),
    ("answers", lambda one: one.responses if one.responses != 1 else None, "{:,}"),
    ("tokens in", lambda one: one.tokens_in, "{:,}"),
    ("tokens out", lambda one: one.tokens_out, "{:,}"),
    ("estimated cost", lambda one: None if one.cost_usd is None else _facts.dollars(one.cost_usd), "{}"),
    ("time", lambda one: one.took_ms, "{:,} ms"),
)


def _used(old: Side | None, new: Side | None) -> str:
    facts = [
        _fact(
            name, form, *(None if one is None else get(one) for one in (old, new)), is_pair=bool(old and new)
        )
        for name, get, form in _USED
    ]
    return el("ul", *facts, class_="facts") if any(facts) else ""


def _fact(name: str, form: str, old: float | str | None, new: float | str | None, *, is_pair: bool) -> str:
    if old is None and new is None:
        return ""
    was, now = (escaped(form.format(one)) if one is not None else "—" for one in (old, new))
    if not is_pair:
        now = was if new is None else now
    elif old != new:
        now = f"{el('del', was)} → {el('ins', now)}"
    return el("li", el("span", name, class_="dim"), " ", now)


def _paths(title: str, changes: tuple[Change, ...]) -> str:
    if not changes:
        return ""
    head = el("tr", *(el("th", name, scope="col") for name in ("path", "what", "before", "after")))
    rows = [
        el(
            "tr",
            el("td", el("code", escaped(change.path))),
            el("td", el("span", escaped(change.kind), class_=f"severity {change.severity}")),
            el("td", el("code", _value(change.old))),
            el("td", el("code", _value(change.new))),
        )
        for change in changes[:MOST_PATHS]
    ]
    if more := len(changes) - len(rows):
        rows.append(el("tr", el("td", f"{more:,} more", colspan=4)))
    told = {"role": "region", "aria_label": f"places {title}"}
    table = el("div", el("table", head, *rows), class_="scroll", tabindex=0, **told)
    places = "place" if len(changes) == 1 else "places"
    return el("details", el("summary", f"{len(changes)} {places} {title}"), table, class_="paths")


def _value(value: object) -> str:
    text = "" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    return escaped(text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…")
