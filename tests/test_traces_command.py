"""``pytest-f3dx replay``: what it asks, prints and writes, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pytest_f3dx
from pytest_f3dx import Entry, Report
from pytest_f3dx._commands import _progress
from pytest_f3dx._render import _replay_markdown
from pytest_f3dx._render._replay_html import html
from pytest_f3dx._render._replay_markdown import markdown
from pytest_f3dx._traces._size import rows_in
from pytest_f3dx.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TRACES = Path(__file__).parent / "data" / "traces"
CAPTURED = str(TRACES / "captured.jsonl")
MODULE = """
def right(row):
    return row["output"]

async def aright(row):
    return row["output"]

def wrong(row):
    return "other" if row["prompt"].startswith("say") else row["output"]

def broken(row):
    raise ValueError("no model \\x1b[31m here")

class Agent:
    def answer(self, row):
        return row["output"]

agent = Agent()
number = 1
"""
NASTY = "</pre><script>alert(1)</script> ``` @someone #1 <b>*x*</b> | \x1b[31m \ud800"


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in a directory that holds the module of the targets."""
    (tmp_path / "targets.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "bad_targets.py").write_text("raise RuntimeError('no key')\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    yield tmp_path
    sys.modules.pop("targets", None)


# -- how it ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["right", "aright", "agent.answer"])
def test_agreeing_target_ends_with_0(capsys: pytest.CaptureFixture[str], target: str) -> None:
    """All answers are as recorded: one line on stdout, nothing on stderr that is no terminal."""
    assert main(["replay", CAPTURED, "--target", f"targets:{target}"]) == 0
    assert capsys.readouterr() == ("6 rows: 6 passed, 0 failed, 0 errors\n", "")


def test_differing_target_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    """Rows that differ are named with the place and the values."""
    options = ["--mode", "bytes", "--concurrency", "2", "--limit", "4"]
    assert main(["replay", str(TRACES / "captured.parquet"), "--target", "targets:wrong", *options]) == 1
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].startswith("row 4  failed  ")
    assert lines[1:] == ["4 rows: 3 passed, 1 failed, 0 errors"]
    assert err == ""


def test_failing_target_ends_with_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Errors are named, the first ten of them; a terminal is not driven by their texts."""
    bundle = tmp_path / "a.jsonl"
    bundle.write_text('{"prompt": "p", "output": "o"}\n' * 13, encoding="utf-8")
    assert main(["replay", str(bundle), "--target", "targets:broken"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "row 1  error  ValueError: no model \\x1b[31m here"
    assert lines[9:] == [
        "row 10  error  ValueError: no model \\x1b[31m here",
        "… and 3 more",
        "13 rows: 0 passed, 0 failed, 13 errors",
    ]


def test_nothing_compared_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    """A bundle without outputs, as f3dx writes on its defaults, does not end as if all were well."""
    assert main(["replay", str(TRACES / "pii_off.jsonl"), "--target", "targets:right"]) == 2
    out, err = capsys.readouterr()
    assert out == "6 rows: 0 passed, 0 failed, 0 errors, 6 skipped without an output\n"
    assert err == "pytest-f3dx: nothing was compared: no row has an output\n"


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("targets", "the target 'targets' is not of the form module:function"),
        ("targets:", "is not of the form"),
        ("nowhere:right", "there is no module 'nowhere'"),
        ("bad_targets:right", "the module 'bad_targets' cannot be imported"),
        ("targets:rihgt", "there is no 'rihgt' in 'targets'"),
        ("targets:agent.ask", "there is no 'ask' in 'targets'"),
        ("targets:number", "the target 'targets:number' cannot be called: it is a int"),
    ],
)
def test_target_that_is_none_is_told(capsys: pytest.CaptureFixture[str], target: str, what: str) -> None:
    """Each way to name no target is an error of its own, and ends with 2."""
    assert main(["replay", CAPTURED, "--target", target]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("f3dx: ")
    assert what in err
    assert "[settings]" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--report", "a.txt"], "a.txt has the suffix '.txt'"),
        (["--report", "report"], "report has no suffix"),
        (["--report", "gone/a.md"], "gone/a.md cannot be written"),
        (["--limit", "0"], "--limit is 0"),
        (["--concurrency", "0"], "concurrency is a whole number from 1 on"),
        (["--mode", "bits"], "mode is 'bits'"),
        (["--judge-model", "m"], "[settings]"),
        (["--mode", "judge"], "mode 'judge' has no judge"),
    ],
)
def test_wrong_option_is_told(capsys: pytest.CaptureFixture[str], options: list[str], what: str) -> None:
    """Nothing is asked or written with a wrong option."""
    assert main(["replay", CAPTURED, "--target", "targets:wrong", *options]) == 2
    assert what in capsys.readouterr().err


def test_unreadable_bundle_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A missing or damaged bundle ends with 2; how far it went is said."""
    assert main(["replay", "gone.jsonl", "--target", "targets:right"]) == 2
    assert "gone.jsonl" in capsys.readouterr().err
    (tmp_path / "a.jsonl").write_text('{"output": "o"}\n{\n', encoding="utf-8")
    assert main(["replay", "a.jsonl", "--target", "targets:right"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("1 rows: 1 passed, 0 failed, 0 errors, until this:\nf3dx: the line is no JSON")
    assert "a.jsonl:2:2" in err


def test_damaged_lines_are_left_out_on_demand(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """They are named and counted on stderr, the first ten."""
    (tmp_path / "a.jsonl").write_text('{"output": "o"}\n' + "[\n" * 12, encoding="utf-8")
    assert main(["replay", "a.jsonl", "--target", "targets:right", "--on-error", "skip"]) == 0
    err = capsys.readouterr().err.splitlines()
    assert err[0] == "left out: a.jsonl:2:2: the line is no JSON: Expecting value"
    assert len(err) == 11
    assert err[10] == "12 damaged lines left out"


def test_resumed_run_asks_only_for_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    """With --resume a second run takes the verdicts of the first."""
    command = ["replay", CAPTURED, "--target", "targets:right", "--resume", "verdicts.sqlite"]
    assert main([*command, "--limit", "4"]) == 0
    assert main(command) == 0
    assert capsys.readouterr().out.endswith("6 rows: 6 passed, 0 failed, 0 errors, 4 of an earlier run\n")


def test_embedding_threshold_is_handed_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Options of the comparison reach it."""
    pytest.importorskip("wordllama")
    command = ["replay", CAPTURED, "--target", "targets:wrong", "--mode", "structured,embedding"]
    assert main([*command, "--threshold", "-1"]) in (0, 1)
    assert "below" not in capsys.readouterr().out
    assert main([*command, "--threshold", "1.1"]) == 1
    assert "is below 1.1" in capsys.readouterr().out


WAITING = """
import signal
import threading

signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
third = threading.Event()

def target(row):
    if row["output"] == "3":
        third.set()
    if row["output"] == "{last}":
        third.wait()
        print("waiting", flush=True)
    if row["output"] in ("3", "{last}"):
        threading.Event().wait()
    return row["output"]
"""


# Two workers: one waits in row 3, and row 9 is handed out only when five others have come back, the first among them.
@pytest.mark.parametrize(("concurrency", "last"), [("1", "3"), ("2", "9")])
def test_interrupt_leaves_at_once_and_loses_nothing(tmp_path: Path, concurrency: str, last: str) -> None:
    """After an interrupt the reports are written, the code is 130, and a second run asks only for the rest."""
    (tmp_path / "slow.py").write_text(WAITING.format(last=last), encoding="utf-8")
    lines = [json.dumps({"output": str(n)}) for n in range(1, 11)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    command = ["replay", "a.jsonl", "--target", "slow:target", "--concurrency", concurrency]
    command += ["--report", "r.json", "--report", "r.jsonl"]
    env = os.environ | {"PYTHONPATH": str(Path(pytest_f3dx.__file__).parent.parent)}
    run = [sys.executable, "-m", "pytest_f3dx", *command, "--resume", "v.sqlite"]
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=300)
        finally:
            process.kill()
    assert process.returncode == 130, err
    count = int(out.split()[0])
    assert out == f"{count} rows: {count} passed, 0 failed, 0 errors\n"
    assert 1 <= count <= 2  # in order, so up to the third, which waits; the second may still be on its way
    assert err == "pytest-f3dx: interrupted\n"
    assert json.loads((tmp_path / "r.json").read_text())["total"] == count
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == count
    (tmp_path / "slow.py").write_text("def target(row):\n    return row['output']\n", encoding="utf-8")
    done = subprocess.run(run, capture_output=True, text=True, env=env)
    assert re.fullmatch(r"10 rows: 10 passed, 0 failed, 0 errors, [1-8] of an earlier run\n", done.stdout)


# -- reports ---------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Reads a page: its tags, and what would load or run something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def nasty_report(count: int = 2) -> Report:
    """Make a report of what a hostile model says."""
    report = Report("m:f`x", "bytes")
    for n in range(1, count + 1):
        report.add(
            Entry(n, "failed", f"note {NASTY}", f"prompt {NASTY}", f"same old {NASTY}", f"same new {NASTY}")
        )
    report.add(Entry(count + 1, "error", NASTY, "", NASTY))
    return report


def test_html_is_one_page_that_runs_nothing() -> None:
    """Whatever a model says is text of the page; words that differ are marked; nothing is loaded."""
    text = html(nasty_report())
    text.encode()  # no lone surrogate is left
    page = Page(text)
    assert page.open == []
    assert not page.tags & {"script", "img", "link", "iframe", "b"}
    assert not {name for name in page.attributes if name.startswith("on")} | page.attributes & {"src", "href"}
    assert page.text.count("<script>alert(1)</script>") == 2 * 4 + 2
    assert "\x1b" not in text
    assert "<del>old</del>" in text
    assert "<ins>new</ins>" in text
    assert "does not agree" in page.text


def test_markdown_is_bounded_and_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report of many long rows fits into a comment and counts the rest; texts stay within their fences."""
    text = markdown(nasty_report())
    text.encode()
    fences = re.findall(r"^(`{3,})(?:text)?$", text, re.MULTILINE)
    assert fences
    assert len(fences) % 2 == 0
    assert set(fences) == {"````"}
    note = next(line for line in text.splitlines() if "note" in line)
    assert "\\<b\\>\\*x\\*" in note
    assert "@someone" not in note
    assert "## ``m:f`x`` does not agree with what was recorded" in text
    many = nasty_report(3000)
    text = markdown(many)
    assert len(text) < 65_536
    shown = text.count("### Row")
    assert f"… and {3001 - shown} more rows that did not pass." in text
    assert "…" not in markdown(Report("m:f", "bytes", total=1, passed=1))
    assert _replay_markdown.code("`") == "`` ` ``"
    assert _replay_markdown.code("") == "`  `"


def test_long_texts_are_cut_in_markdown() -> None:
    """A text of a comment has its bound."""
    report = Report("m:f", "bytes")
    report.add(Entry(1, "failed", "", "p" * 1500, "b", "a"))
    assert "p" * 1000 + "…\n" in markdown(report)


def test_every_format_is_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """One run writes as many reports as are asked for; that in JSON has the documented shape."""
    names = ["r.md", "r.html", "r.json", "r.jsonl"]
    options = [part for name in names for part in ("--report", name)]
    assert main(["replay", CAPTURED, "--target", "targets:wrong", *options]) == 1
    said = capsys.readouterr().out
    assert "## `targets:wrong` does not agree" in (tmp_path / "r.md").read_text(encoding="utf-8")
    assert "<!doctype html>" in (tmp_path / "r.html").read_text(encoding="utf-8")
    shape = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    docs = (Path(__file__).parent.parent / "docs" / "traces.md").read_text(encoding="utf-8")
    assert set(shape) == set(re.findall(r"^\| `(\w+)` \| report \|", docs, re.MULTILINE))
    assert set(shape["entries"][0]) == set(re.findall(r"^\| `(\w+)` \| entry \|", docs, re.MULTILINE))
    assert (shape["format"], shape["total"], shape["failed"], shape["ok"]) == ("f3dx-replay/1", 6, 2, False)
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["row"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert [line for line in lines if line["status"] != "passed"] == shape["entries"]
    assert f"row {shape['entries'][0]['row']}  failed" in said


def test_report_without_anything_left_is_short() -> None:
    """A report that keeps few entries says how many it left out."""
    report = Report("m:f", "bytes", keep=1)
    for n in (1, 2):
        report.add(Entry(n, "error", "gone"))
    assert "… and 1 more rows that did not pass." in html(report)
    assert report.as_dict()["entries_left_out"] == 1


# -- progress --------------------------------------------------------------------------------------------


def on_terminal(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> str:
    """Run with standard error on a terminal; returns what it shows."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    shown = b""

    def read() -> None:
        nonlocal shown
        try:
            while data := os.read(ours, 4096):
                shown += data
        except OSError:  # the other end is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        do()
    monkeypatch.undo()
    reader.join()
    os.close(ours)
    return shown.decode()


def test_progress_is_a_bar_with_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal with tqdm there is a bar, to the number of rows or the limit."""
    pytest.importorskip("tqdm")
    command = ["replay", CAPTURED, "--target", "targets:right"]
    assert "6/6" in on_terminal(monkeypatch, lambda: main(command))


def test_progress_is_a_count_without_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without tqdm a count is written now and then, and at the end."""
    monkeypatch.setitem(sys.modules, "tqdm", None)
    times = iter([0.0, 0.0, 0.1, 0.3, 0.3])

    def do() -> None:
        progress = _progress.Progress(lambda: 3, clock=lambda: next(times))
        for _ in range(3):
            progress.step()
        progress.close()

    assert on_terminal(monkeypatch, do) == "\r1 rows\r3 rows\r3 rows\r\n"


def test_rows_are_counted_where_that_is_cheap(tmp_path: Path) -> None:
    """Plain and Parquet files are counted; what cannot be is not, and is no error."""
    assert rows_in(Path(CAPTURED)) == rows_in(TRACES / "captured.parquet") == 6
    for name in ("gone.jsonl", "a.jsonl.gz", "gone.parquet"):
        assert rows_in(tmp_path / name) is None
    (tmp_path / "a.parquet").write_bytes(b"no")
    assert rows_in(tmp_path / "a.parquet") is None
