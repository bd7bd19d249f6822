"""A report as text, Markdown and JSON."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from markdown_it import MarkdownIt

from pytest_f3dx import cli
from pytest_f3dx._commands import _terminal
from pytest_f3dx._model import Change
from pytest_f3dx._render import FORMATS, _facts, renderer
from pytest_f3dx._render._layout import Paint, columns
from pytest_f3dx._render._short import shorten
from pytest_f3dx._review._model import (
    Blob,
    Context,
    Entry,
    InteractionChange,
    Piece,
    Report,
    Side,
    TestChange,
)
from tests.reviewing import Repo, chat

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = json.loads((Path(__file__).parent.parent / "docs" / "diff.schema.json").read_text(encoding="utf-8"))
OLD = Side("b3:" + "0" * 64, "gpt-4o-mini", 1, 10, 20, 0.001, 5)
NEW = Side("b3:" + "1" * 64, "gpt-4.1", 1, 12, 20, 0.25, 5)
CAT, DOG = (
    Blob("image/png", 2048, "a" * 64, "cassettes/_blobs/aa/a.png"),
    Blob("", 0, "", "", "https://x.example/d.png"),
)
REQUEST = (
    Entry("model", "model", "changed", (Piece("removed", "gpt-4o-mini"), Piece("added", "gpt-4.1"))),
    Entry("message", "messages[0]", "changed", (Piece("same", "Say "), Piece("removed", "hi"), Piece("added", "hello"), Piece("same", ".")), "user", (CAT,), (DOG,)),
    Entry("tool", "a_tool_with_quite_a_long_name", "added", (Piece("added", "Adds.\n{}"),)),
)  # fmt: skip
ANSWER = (Entry("text", "", "changed", (Piece("removed", "Hi!"), Piece("added", "Hello!"))),)
IGNORED = (Change("$.id", "changed", "a" * 100, float("nan"), "info"),)
CHANGE = InteractionChange(
    "changed", "POST", "https://x.example/v1", OLD, NEW, REQUEST, ANSWER, (), IGNORED, "the model changed"
)
GONE = replace(CHANGE, kind="removed", new=None, request=(), note="request removed")
TEST = TestChange("tests/t.py::test_it", "cassettes/t.yaml", "changed", "", (CHANGE, GONE), 2, 1)
REPORT = Report(
    "main",
    "feature",
    (
        TEST,
        replace(TEST, test="tests/r.py::test_r", status="renamed", renamed_from="cassettes/old.yaml", interactions=()),
        TestChange("cassettes/d.yaml", "cassettes/d.yaml", "damaged", problems=("f3dx: cut off\n  fix  restore it",)),
        TestChange("t::s", "cassettes/s.yaml", "changed", settings=(Entry("setting", "ignore", "added", (Piece("added", "$.a"),)),), unchanged=1),
    ),
    997,
    3,
    ("3 cassettes differ only in ids: --show-ignored",),
)  # fmt: skip


def shown(name: str, report: Report = REPORT, **more: Any) -> str:
    """Render a report."""
    return renderer(name)(report, Context(**more))


# -- text ----------------------------------------------------------------------------------------------


def test_text() -> None:
    """A report for a terminal says who, where, what and how much."""
    assert (
        shown("text", width=72)
        == """\
main → feature: 2 changed, 1 renamed, 1 damaged, 997 unchanged
tokens of what changed: 20 → 12 in, 40 → 20 out; estimated cost $0.0020 → $0.25

tests/t.py::test_it  changed
  cassettes/t.yaml
  ~ POST https://x.example/v1
    model                 [-gpt-4o-mini-] → {+gpt-4.1+}
    messages[0] user      Say [-hi-]{+hello+}.
                          [-image/png, 2.0 KiB, aaaaaaaaaaaa-]
                          {+payload at https://x.example/d.png+}
    tool a_tool_with_quite_a_long_name
                          {+Adds.
                          {}+}
    answer                [-Hi!-]{+Hello!+}
    tokens                10 → 12 in, 20 out; estimated cost $0.0010 →
                          $0.25
  - POST https://x.example/v1
    answer                [-Hi!-]{+Hello!+}
    tokens                10 in, 20 out; estimated cost $0.0010
  2 interactions unchanged, 1 of them in volatile places only

tests/r.py::test_r  renamed
  cassettes/old.yaml → cassettes/t.yaml
  2 interactions unchanged, 1 of them in volatile places only

cassettes/d.yaml  damaged
  cassettes/d.yaml
  f3dx: cut off
    fix  restore it

t::s  changed
  cassettes/s.yaml
    setting ignore        {+$.a+}
  1 interaction unchanged

3 cassettes differ only in ids: --show-ignored
"""
    )


def test_text_shows_what_is_ignored_on_request() -> None:
    """Volatile places are shown if they are asked for, long values cut."""
    text = shown("text", show_ignored=True, width=200)
    assert re.search(r"ignored +\$\.id  'a{59}… → nan\n", text)
    assert shown("text", Report("a", "b", (), 3)) == "a → b: 3 unchanged\n"


def test_colour_says_what_marks_say_without_it() -> None:
    """With colour the marks of changed words are escape sequences, and every line ends without one."""
    text = shown("text", colour=True)
    assert "Say \x1b[31;9mhi\x1b[0m\x1b[32mhello\x1b[0m." in text
    assert "[-" not in text
    plain = re.sub("\x1b\\[[0-9;]*m", "", text)
    assert "\x1b" not in plain
    for line in text.splitlines():
        assert len(re.findall("\x1b\\[0m", line)) == len(re.findall("\x1b\\[[1-9][0-9;]*m", line))


EVIL = "\x1b[2J\x07\x9b\u202e</pre></code></details><script>x</script>\n```\n~~~\n# @everyone #1 | `a` *b* _c_ ![i](http://e.example) https://e.example www.e.example a@e.example <b> &amp; $x$"


def evil() -> Report:
    """Return a report in which everything that a cassette decides is hostile."""
    entry = Entry("message", EVIL, "changed", (Piece("same", EVIL), Piece("removed", EVIL), Piece("added", EVIL)), EVIL, (Blob(EVIL, 1, EVIL),), (Blob(EVIL, 1, "", "", EVIL),))  # fmt: skip
    change = InteractionChange("changed", EVIL, EVIL, replace(OLD, model=EVIL), NEW, (entry,), (entry,), (), (Change(EVIL, "changed", EVIL, EVIL, "info"),), EVIL)  # fmt: skip
    tests = tuple(TestChange(EVIL, EVIL, status, EVIL, (change,), 1, 0, (entry,), (EVIL,)) for status in ("changed", "renamed", "damaged"))  # fmt: skip
    return Report(EVIL, EVIL, tests, 1, 0, (EVIL,))


def test_nothing_drives_a_terminal() -> None:
    """No control character of a cassette reaches the terminal, in any format."""
    for name in FORMATS:
        text = shown(name, evil(), show_ignored=True)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text), name


def test_lines_fit_the_terminal() -> None:
    """Whatever the text, words and wide letters included, a line fits, and no text is lost."""
    text = "漢字と仮名 " * 30 + "x" * 300 + " e\u0301\u0301 end"
    for width in (40, 61, 100):
        for colour in (False, True):
            lines = list(Paint(colour, width).block("label", [Piece("added", text)], indent=2, hang=10))
            bare = [re.sub("\x1b\\[[0-9;]*m", "", line) for line in lines]
            assert max(map(columns, bare)) <= width
            kept = "".join(bare).replace(" ", "").removeprefix("label").removeprefix("{+").removesuffix("+}")
            assert kept == text.replace(" ", "")


def test_long_texts_are_shortened_around_what_changed() -> None:
    """Unchanged text goes but for what stands beside a change; of a long change the rest is counted."""
    long = "word " * 100
    pieces = (
        Piece("same", long),
        Piece("added", "new " * 100),
        Piece("same", long),
        Piece("removed", "x"),
        Piece("same", long),
    )
    first, added, middle, removed, last = (piece.text for piece in shorten(pieces, around=20, most=50))
    assert first == "…word word word "
    assert added == ("new " * 100)[:50] + "… (350 more characters)"
    assert middle == "word word word word … word word word "
    assert (removed, last) == ("x", "word word word word…")
    assert shorten((Piece("same", long),), around=20, most=50)[0].text.endswith("more characters)")
    assert shorten((Piece("added", "short"),), around=20, most=50) == (Piece("added", "short"),)


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "$0.00"), (12.345, "$12.35"), (0.25, "$0.25"), (0.0123, "$0.012"), (0.00015, "$0.00015"), (1e-6, "$0.0000010"), (1e-9, "$0.0000000")],
)  # fmt: skip
def test_money(amount: float, text: str) -> None:
    """Amounts have two digits that say something, or cents."""
    assert _facts.dollars(amount) == text


def test_sizes() -> None:
    """Sizes are told in the unit that fits; a blob that is not there has none."""
    assert [_facts.size(n) for n in (1, 2048, 3 * 1024 * 1024)] == ["1 bytes", "2.0 KiB", "3.0 MiB"]
    assert _facts.blob(Blob("", 0, "a" * 64)) == "payload, not there, aaaaaaaaaaaa"


# -- Markdown ------------------------------------------------------------------------------------------


def tags(text: str) -> Iterator[str]:
    """Yield the HTML tags that GitHub's Markdown makes of a text, links included."""
    page = MarkdownIt("gfm-like", {"html": True}).render(text)
    yield from re.findall(r"<(/?[a-zA-Z!][^\s>]*)", page)


def test_markdown() -> None:
    """A comment has a table of all, and the details folded."""
    text = shown("markdown", show_ignored=True)
    assert text.startswith(
        "### Recorded traffic: <code>main</code> → <code>feature</code>\n\n2 changed, 1 renamed"
    )
    assert (
        "| <code>tests/t.py::test_it</code> | the model changed; request removed | 20 → 12 in, 40 → 20 out | &#36;0.0020 → &#36;0.25 |"
        in text
    )
    assert "<pre>\nSay <del>hi</del><ins>hello</ins>.</pre>" in text
    assert "<del><code>image/png, 2.0 KiB, aaaaaaaaaaaa</code></del><br><ins>" in text
    assert text.count("<details>") == text.count("</details>") == 4
    assert shown("markdown", Report("a", "b", (), 3)).endswith("3 unchanged.\n")


def test_markdown_is_data_whatever_a_cassette_holds() -> None:
    """A hostile cassette makes no tag, link, mention or heading of its own."""
    text = shown("markdown", evil(), show_ignored=True)
    made = set(tags(text))
    ours = {
        "h3",
        "p",
        "code",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "details",
        "summary",
        "pre",
        "del",
        "ins",
        "br",
        "sub",
        "strong",
    }
    assert {tag.strip("/") for tag in made} <= ours
    page = MarkdownIt("gfm-like", {"html": True}).render(text)
    assert "<h1" not in page
    outside = re.sub(r"<(pre|code)>.*?</\1>", "", page, flags=re.DOTALL)
    assert not re.search(
        r"[@#]\w|https?://|www\.\w", re.sub(r"&#\d+;", lambda m: chr(int(m[0][2:-1])), outside)
    )
    assert len(re.findall(r"^### ", text, re.MULTILINE)) == 1


@pytest.mark.parametrize("words", [100, 20_000])
@pytest.mark.parametrize("count", [1, 60, 2_000])
def test_markdown_fits_a_comment(count: int, words: int) -> None:
    """However much changed, a comment stays below GitHub's limit, in characters and in bytes, and says so."""
    pieces = (
        Piece("same", "é " * 9),
        Piece("removed", "alt @x <b> ä " * (words // count + 1)),
        Piece("added", "neu " * 9),
    )
    change = replace(CHANGE, request=(replace(REQUEST[1], pieces=pieces),))
    tests = tuple(replace(TEST, test=f"tests/t.py::test_{n}", interactions=(change,)) for n in range(count))
    text = shown("markdown", replace(REPORT, tests=tests))
    assert len(text.encode()) < 65_536
    assert text.count("<details>") == text.count("</details>")
    if count == 2_000:
        assert re.search(r"Shortened to fit a comment\*\*: details of \d+ of 2000 left out", text)
        assert "more in the full report" in text
    else:
        assert "Shortened" not in text or words == 20_000


# -- JSON ----------------------------------------------------------------------------------------------


def test_json_keeps_its_schema() -> None:
    """What is written is valid by the schema in the docs, whatever the report."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for report in (REPORT, evil(), Report("a", "b")):
        value = json.loads(shown("json", report))
        jsonschema.validate(value, SCHEMA)
    value = json.loads(shown("json"))
    assert value["summary"]["changed"] == 2
    change = value["tests"][0]["interactions"][0]
    assert change["ignored"][0]["new"] == "nan"
    assert change["request"][1]["old_blobs"][0]["blake3"] == "a" * 64


def test_json_writes_what_json_has_no_word_for() -> None:
    """Infinite numbers become text, wherever they stand."""
    places = (Change("$", "changed", {"a": [float("inf"), 1.5]}, None, "error"),)
    tests = (replace(TEST, interactions=(replace(CHANGE, drift=places),)),)
    (drift,) = json.loads(shown("json", replace(REPORT, tests=tests)))["tests"][0]["interactions"][0]["drift"]
    assert drift["old"] == {"a": ["inf", 1.5]}


# -- the command ---------------------------------------------------------------------------------------


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """A repository with a change in its work tree."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    made = Repo(tmp_path / "r").start()
    made.write("a.yaml", chat("Say hello.", "Hello!"))
    made.commit()
    made.write("a.yaml", chat("Say hello, politely.", "A good day to you — 日本!"))
    monkeypatch.chdir(made.path)
    return made


def test_exit_codes_and_output(repo: Repo, capfd: pytest.CaptureFixture[str]) -> None:
    """1 for drift, 0 for none; --output writes the same file as standard output shows."""
    assert cli.main(["diff"]) == 1
    out, err = capfd.readouterr()
    assert "Say hello{+, politely+}." in out
    assert err == ""
    assert cli.main(["diff", "--output", "report.txt", "--color", "never"]) == 1
    assert capfd.readouterr().out == ""
    assert (repo.path / "report.txt").read_text(encoding="utf-8") == out
    assert cli.main(["diff", "HEAD", "HEAD"]) == 0
    assert cli.main(["diff", "--output", "/dev/null/x"]) == 2


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_written(repo: Repo, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Each format can be asked for, and is UTF-8 whatever the locale says."""
    assert cli.main(["diff", "--format", name]) == 1
    text = capfd.readouterr().out
    assert "日本" in (json.dumps(json.loads(text), ensure_ascii=False) if name == "json" else text)


def test_colour_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colour goes to a terminal only, unless it is forced; NO_COLOR and dumb terminals have none."""

    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout", Terminal())
    assert _terminal.is_coloured("auto")
    assert not _terminal.is_coloured("auto", Path("file"))
    assert not _terminal.is_coloured("never")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not _terminal.is_coloured("auto")
    assert _terminal.is_coloured("always")
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not _terminal.is_coloured("auto")
    monkeypatch.setenv("COLUMNS", "77")
    assert (_terminal.width(), _terminal.width(Path("file"))) == (77, 100)
    monkeypatch.setenv("COLUMNS", "3")
    assert _terminal.width() == 40


class Screen:
    """A terminal that remembers what was written to it."""

    def __init__(self, *, is_terminal: bool = True) -> None:
        self.text = ""
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None: ...


def test_progress_is_told_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long review says where it is and takes the line away, also after an error; a file gets nothing."""
    now = 9.0
    monkeypatch.setattr(_terminal, "time", SimpleNamespace(monotonic=lambda: now))
    screen: Any = Screen()
    with pytest.raises(OSError, match="x"), _terminal.Progress(screen) as progress:
        progress(0, 1, "cassettes/\x1b[2J" + "long" * 90)
        assert "f3dx: 1 of 1  cassettes/\\x1b[2Jlong" in screen.text
        raise OSError("x")
    assert screen.text.endswith("\r\x1b[K")
    quick: Any = Screen()
    with _terminal.Progress(quick) as progress:
        progress(0, 2, "a")
        progress(2, 2, "")
    assert quick.text == ""
    long: Any = Screen()
    with _terminal.Progress(long) as progress:
        now += 0.6
        progress(1, 3, "b")
        assert "f3dx: 2 of 3  b" in long.text
        progress(3, 3, "")
    assert long.text.endswith("\r\x1b[K")
    file: Any = Screen(is_terminal=False)
    with _terminal.Progress(file) as progress:
        progress(0, 1, "a")
    assert file.text == ""


def test_a_pager_that_is_left(repo: Repo) -> None:
    """Who reads only the first line gets no complaint."""
    repo.write("b.yaml", *(chat(f"Number {n}: {'word ' * 300}", "x" * 900) for n in range(90)))
    command = f"'{sys.executable}' -m pytest_f3dx diff | head -n 1"
    done = subprocess.run(command, shell=True, cwd=repo.path, capture_output=True, text=True, check=True)
    assert done.stdout == "HEAD → work tree: 1 changed, 1 added\n"
    assert done.stderr == ""


def test_a_stream_without_bytes_is_written_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output that a caller has replaced by a plain stream of text works."""
    screen = Screen()
    monkeypatch.setattr("sys.stdout", screen)
    _terminal.write("ä")
    assert screen.text == "ä"
