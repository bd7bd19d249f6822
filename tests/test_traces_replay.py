"""A bundle is replayed: every row has its verdict, in order, whatever the target does and however it ends."""

from __future__ import annotations

import asyncio
import functools
import json
import subprocess
import sys
import threading
import weakref
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from pytest_f3dx import Cache, CassetteMiss, Drift, Entry, Report, compare, iter_replay, replay, replay_row
from pytest_f3dx._diff._endpoint import EndpointJudge
from pytest_f3dx._redaction_shapes import runs_of
from pytest_f3dx._traces import _pool
from pytest_f3dx._traces._verdicts import described, digest_of
from pytest_f3dx.errors import JudgeError, MissError, SettingsError, TraceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Suite

TRACES = Path(__file__).parent / "data" / "traces"
CAPTURED = TRACES / "captured.jsonl"
Row = dict[str, Any]


def rows_of(count: int) -> Iterator[Row]:
    """Make rows whose output is their number."""
    for n in range(1, count + 1):
        yield {"prompt": f"ask {n}", "output": f"answer {n}"}


def right(row: Row) -> str:
    """Answer as recorded."""
    return str(row["output"])


async def aright(row: Row) -> str:
    """Answer as recorded, after others had their turn."""
    await asyncio.sleep(0)
    return str(row["output"])


def broken(_row: Row) -> NoReturn:
    raise ValueError("no model here\nand more")


# -- one row -------------------------------------------------------------------------------------------


def test_row_is_held_against_its_output() -> None:
    """Equal answers pass, others fail with both texts and a note that names the place and the values."""
    row = {"prompt": "sum?", "output": '{"total": 41, "unit": "EUR"}'}
    assert replay_row(row, '{"unit":"EUR","total":41}', number=3) == Entry(3, "passed")
    entry = replay_row(row, {"total": 42, "unit": "EUR"})
    assert (entry.status, entry.prompt, entry.before) == ("failed", "sum?", row["output"])
    assert json.loads(entry.after)["total"] == 42
    assert "$.total 41 → 42" in entry.note
    assert replay_row(row, b'{"total": 41, "unit": "EUR"}', "bytes").status == "passed"
    assert replay_row(row, '{"total":41,"unit":"EUR"}', "bytes").status == "failed"


def test_recorded_output_may_be_json() -> None:
    """An output that is a JSON value, as other tools write it, is compared as one."""
    assert replay_row({"output": {"a": [1]}}, '{"a":[1]}').status == "passed"
    assert replay_row({"output": "a\ud800"}, b"a\xff").status == "failed"


@pytest.mark.parametrize(
    ("output", "note"),
    [
        (None, "the target returned None: is a return missing?"),
        (object(), "the target returned a builtins.object: return text, bytes or JSON values"),
        (TimeoutError(), "TimeoutError"),
        (ValueError("first\nsecond"), "ValueError: first"),
        (ValueError("x" * 999), "ValueError: " + "x" * 487 + "…"),
    ],
    ids=["none", "object", "bare", "lines", "long"],
)
def test_what_is_no_answer_is_an_error(output: object, note: str) -> None:
    """Neither an exception nor a value that is no JSON passes for an answer, or for a failure to agree."""
    entry = replay_row({"prompt": ["p"], "output": "o"}, output)
    assert entry == Entry(0, "error", note, '["p"]', "o")


def test_row_without_output_is_skipped() -> None:
    """There is nothing to hold an answer against in what f3dx writes on its defaults."""
    assert (
        replay_row({"output": None}, "x")
        == replay_row({}, "x")
        == Entry(0, "skipped", "the row has no output")
    )


def test_silent_judge_is_an_error() -> None:
    """A judge without a verdict makes no pass and no failure."""

    def judge(*_: str) -> NoReturn:
        raise JudgeError("the judge said nothing")

    entry = replay_row({"output": "o"}, "p", "judge", compare=functools.partial(compare, judge=judge))
    assert (entry.status, entry.note, entry.after) == ("error", "the judge said nothing", "p")


def test_accepted_difference_says_why() -> None:
    """What a mode accepts although it differs passes with its note and score."""

    def near(_before: str, _after: str, mode: str) -> Drift:
        return Drift(ok=True, mode=mode, note="close enough", score=0.9)

    assert replay_row({"output": "o"}, "p", compare=near) == Entry(0, "passed", "close enough", score=0.9)


def test_secrets_are_in_no_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither prompt, answers nor the text of an exception carry a credential into a report."""
    monkeypatch.setenv("ACME_API_KEY", "q9w8e7r6t5z4u3i2o1p0")
    key = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD"
    row = {"prompt": f"my key is {key}", "output": "q9w8e7r6t5z4u3i2o1p0"}
    for output in (f"it is {key}", PermissionError(f"bad key {key}")):
        text = json.dumps(replay_row(row, output).as_dict())
        assert "abcdefghij" not in text
        assert "q9w8e7" not in text
        assert "[redacted:" in text


# -- many rows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize("target", [right, aright])
def test_every_row_is_counted(target: Any, concurrency: int) -> None:
    """The sum is that of the rows; the report names target and mode, and is empty of entries if all pass."""
    report = replay(CAPTURED, target, concurrency=concurrency)
    assert report == Report(f"tests.test_traces_replay:{target.__name__}", "structured", total=6, passed=6)
    assert report.ok
    assert report.line() == "6 rows: 6 passed, 0 failed, 0 errors"
    assert replay(str(TRACES / "captured.parquet"), target, "bytes", concurrency=concurrency).passed == 6


@pytest.mark.parametrize("concurrency", [1, 4])
def test_failing_target_is_an_entry(concurrency: int) -> None:
    """A target that raises, leaves the process or differs for some rows does so for them alone."""

    def target(row: Row) -> object:
        number = int(row["output"].split()[1])
        if number % 4 == 1:
            raise SystemExit(3)
        return broken(row) if number % 4 == 2 else right(row) if number % 4 == 3 else "other"

    told: list[Entry] = []
    rows = [*rows_of(40), {"output": None}]
    report = replay(rows, target, concurrency=concurrency, keep=7, on_entry=told.append)
    counts = (report.total, report.passed, report.failed, report.errors, report.skipped)
    assert counts == (41, 10, 10, 20, 1)
    assert not report.ok
    assert [entry.row for entry in told] == list(range(1, 42))
    assert [(entry.row, entry.status) for entry in report.entries[:4]] == [
        (1, "error"),
        (2, "error"),
        (4, "failed"),
        (5, "error"),
    ]
    assert [entry.note for entry in report.entries[:2]] == ["SystemExit: 3", "ValueError: no model here"]
    assert (len(report.entries), report.left_out) == (7, 23)
    assert report.line().endswith("20 errors, 1 skipped without an output")


def test_failing_async_target_is_an_entry() -> None:
    """An async target that raises, or whose task is cancelled from within, is an entry as well."""

    class Target:
        async def __call__(self, row: Row) -> str:
            if row["output"].endswith("1"):
                raise asyncio.CancelledError
            return broken(row) if row["output"].endswith("2") else right(row)

    report = replay(rows_of(3), Target())
    assert [entry.note for entry in report.entries] == ["CancelledError", "ValueError: no model here"]
    assert report.target == "tests.test_traces_replay:test_failing_async_target_is_an_entry.<locals>.Target"


def test_awaitable_of_a_plain_function_is_told() -> None:
    """A function that returns a coroutine without being async is not taken for one, and leaves no warning."""

    def plain(row: Row) -> object:
        return aright(row)

    (entry,) = iter_replay(rows_of(1), plain)
    assert entry.note == "TypeError: the target returned an awaitable: make it an `async def`"


def test_async_function_may_return_at_once() -> None:
    """A partial of an async function is awaited for; an object's call that is async and returns is too."""

    async def target(suffix: str, row: Row) -> str:
        return right(row) + suffix

    assert replay(rows_of(3), functools.partial(target, "")).passed == 3


def test_rows_are_in_work_at_once_and_given_in_order() -> None:
    """Four rows meet in the target although it is asked in order; the first may be the last to answer."""
    meeting = threading.Barrier(4, timeout=60)
    last = threading.Event()

    def target(row: Row) -> str:
        meeting.wait()
        if row["output"] == "answer 4":
            last.set()
        elif row["output"] == "answer 1":
            assert last.wait(60)
        return right(row)

    assert [entry.row for entry in iter_replay(rows_of(8), target, concurrency=4)] == list(range(1, 9))


@pytest.mark.parametrize("concurrency", [1, 3])
def test_never_more_rows_in_work_than_asked_for(concurrency: int) -> None:
    """The concurrency bounds the calls of an async target."""
    running = most = 0

    async def target(row: Row) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1
        return right(row)

    assert replay(rows_of(50), target, concurrency=concurrency).passed == 50
    assert most == concurrency


def test_replay_works_within_a_running_loop() -> None:
    """In a notebook or an async test an async target has a loop of its own."""

    async def main() -> Report:
        return replay(rows_of(5), aright)

    assert asyncio.run(main()).passed == 5


@pytest.mark.parametrize("target", [right, aright])
def test_rows_are_read_as_they_are_needed(target: Any) -> None:
    """A stream without an end is replayed in constant memory, and closing the iterator ends it."""
    read = 0

    def endless() -> Iterator[Row]:
        nonlocal read
        while True:
            read += 1
            yield {"output": "x"}

    entries = iter_replay(endless(), target, concurrency=2)
    assert [next(entries).row for _ in range(100)] == list(range(1, 101))
    assert read <= 100 + 2 * 32 + 2
    entries.close()  # type: ignore[attr-defined]  # it is a generator


class Traced(dict[str, Any]):
    """A row that can be referred to weakly."""


def test_memory_does_not_grow_with_the_bundle() -> None:
    """Of a thousand rows, failures all, no more are in memory than may be ahead, in work and kept."""
    seen: list[weakref.ref[Traced]] = []
    most = 0

    def rows() -> Iterator[Row]:
        nonlocal most
        for _ in range(1000):
            row = Traced(prompt="p", output="o")
            seen.append(weakref.ref(row))
            most = max(most, sum(ref() is not None for ref in seen))
            yield row

    assert replay(rows(), lambda _: "other", "bytes", concurrency=2, keep=5).failed == 1000
    assert most <= 2 * _pool._AHEAD + 2 * 2 + 5 + 2


@pytest.mark.parametrize("concurrency", [1, 4])
def test_damaged_bundle_gives_what_stands_before(tmp_path: Path, concurrency: int) -> None:
    """Entries of the rows before a damaged line come first, then its error."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(CAPTURED.read_bytes() + b"{\n")
    told: list[Entry] = []
    with pytest.raises(TraceError, match=r"a\.jsonl:7"):
        replay(path, right, concurrency=concurrency, on_entry=told.append)
    assert len(told) == 6


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, CassetteMiss])
def test_what_is_no_exception_ends_the_replay(kind: Any, concurrency: int) -> None:
    """An interrupt, or a miss of a cassette, is not an answer of the target: it comes through."""

    def target(_row: Row) -> NoReturn:
        raise kind(MissError("nothing is recorded"))

    with pytest.raises(kind):
        replay(rows_of(20), target, concurrency=concurrency)


def test_miss_in_an_async_target_ends_the_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes through a task as well, and the other tasks are cancelled."""
    monkeypatch.setattr(_pool, "_STOP_S", 60)
    cancelled = []

    async def target(row: Row) -> str:
        if row["output"] == "answer 2":
            raise CassetteMiss(MissError("nothing is recorded"))
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(row["output"])
            raise
        return ""

    with pytest.raises(CassetteMiss):
        replay(rows_of(3), target, concurrency=3)
    assert sorted(cancelled) == ["answer 1", "answer 3"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"target": "module:function"}, "a target is a function of a row"),
        ({"concurrency": 0}, "concurrency is a whole number from 1 on"),
        ({"concurrency": "8"}, "concurrency is a whole number from 1 on"),
        ({"mode": "structurd"}, "mode is 'structurd'"),
    ],
    ids=str,
)
def test_wrong_setting_is_told_before_anything_is_asked(change: dict[str, Any], what: str) -> None:
    """A wrong argument is an error at once, not at the first row."""
    given: dict[str, Any] = {"rows": rows_of(1), "target": right} | change
    with pytest.raises(SettingsError, match=what):
        iter_replay(**given)


# -- resuming ------------------------------------------------------------------------------------------


class Asked:
    """A target that notes what it was asked."""

    def __init__(self, *bad: int) -> None:
        self.rows: list[int] = []
        self._bad = {f"answer {n}" for n in bad}

    def __call__(self, row: Row) -> str:
        self.rows.append(int(row["output"].split()[1]))
        return broken(row) if row["output"] in self._bad else right(row)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_second_run_asks_for_what_has_no_verdict(tmp_path: Path, concurrency: int) -> None:
    """Verdicts of an earlier run stand, failures included; errors and new rows are asked for."""
    file = tmp_path / "verdicts.sqlite"
    first = Asked(3)
    report = replay(rows_of(5), first, concurrency=concurrency, resume=file)
    assert (sorted(first.rows), report.errors, report.resumed) == ([1, 2, 3, 4, 5], 1, 0)
    second = Asked()
    report = replay(rows_of(7), second, concurrency=concurrency, resume=file)
    assert (sorted(second.rows), report.passed, report.resumed) == ([3, 6, 7], 7, 4)
    assert report.line().endswith("0 errors, 4 of an earlier run")


def test_resumed_failure_is_told_as_it_was(tmp_path: Path) -> None:
    """An entry of an earlier run is the same but for saying so; the cache stays the caller's."""
    with Cache(tmp_path / "verdicts.sqlite") as cache:
        (first,) = iter_replay(rows_of(1), lambda _: "other", resume=cache)
        (second,) = iter_replay(rows_of(1), lambda _: "other", resume=cache)
        assert cache.stats()["entries"] == 1
    assert first.status == "failed"
    assert second.as_dict() == first.as_dict() | {"resumed": True}


def test_verdict_is_of_one_row_target_and_mode(tmp_path: Path) -> None:
    """Another content, place, target or mode is another question."""
    file = tmp_path / "verdicts.sqlite"
    asked: list[Row] = []

    def other(row: Row) -> str:
        return right(row)

    def note(row: Row) -> str:
        asked.append(row)
        return right(row)

    row = {"output": "x", "ts": 1.0}
    for rows, mode in [
        ([row], "bytes"),
        ([{**row, "ts": 2.0}], "bytes"),
        ([row], "structured"),
        ([row, row], "bytes"),
    ]:
        replay(rows, note, mode, resume=file)
    assert len(asked) == 4
    assert replay([row], other, "bytes", resume=file).resumed == 0
    assert replay([row], other, "bytes", resume=file).resumed == 1


def test_verdict_is_of_the_row_as_it_was(tmp_path: Path) -> None:
    """A target that changes its row finds its verdicts again."""

    def careless(row: Row) -> str:
        row["prompt"] = "changed"
        return right(row)

    assert [replay(rows_of(2), careless, resume=tmp_path / "v.sqlite").resumed for _ in range(2)] == [0, 2]


def test_verdict_is_of_one_comparison(tmp_path: Path) -> None:
    """A run with other options asks again; one with the same options, made anew, does not."""
    file = tmp_path / "verdicts.sqlite"

    def resumed(**options: Any) -> int:
        return replay(
            rows_of(3), right, resume=file, compare=partial(compare, **options) if options else None
        ).resumed

    assert [resumed(), resumed()] == [0, 3]
    assert [resumed(tolerance=0.1), resumed(tolerance=0.2), resumed(tolerance=0.1)] == [0, 0, 3]
    assert [resumed(ignore=["$.a"]), resumed(ignore=["$.b"]), resumed(ignore=["$.a"])] == [0, 0, 3]
    judges = [EndpointJudge("http://127.0.0.1:9/v1", name, api_key="none") for name in ("one", "two", "one")]
    assert [resumed(judge=judge) for judge in judges] == [0, 0, 3]


def anything(*_: object, **__: object) -> None:
    """Take what is given."""


class Plain:
    """Has no `repr` of its own."""


class Addressed:
    """Has one that is another in each run."""

    def __repr__(self) -> str:
        return f"<Addressed {object.__repr__(Plain())}>"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (right, f"{__name__}:right"),
        (Plain(), f"{__name__}:Plain"),
        (Addressed(), f"{__name__}:Addressed"),
        (Decimal("0.5"), "decimal:Decimal Decimal('0.5')"),
        (partial(anything, 1, b={"c": {3, 1, 2}}), {
            "function": f"{__name__}:anything", "args": [1], "options": {"b": {"c": [1, 2, 3]}},
        }),
    ],
)  # fmt: skip
def test_a_comparison_is_described_alike_in_every_run(value: object, wanted: object) -> None:
    """Functions by name, options by value, objects by what they say of themselves, without addresses or keys."""
    assert described(value) == wanted
    assert "none" not in str(described(EndpointJudge("http://h.test/v1", "m", api_key="none")))


def test_what_a_verdict_is_about_needs_no_search_for_keys() -> None:
    """The digest of a row says all of it, and stands in pieces that are too short for a key."""
    first, second = (digest_of(row) for row in rows_of(2))
    assert first != second
    assert len(first.replace(" ", "")) == 64
    assert runs_of(first.encode()) == []


def test_async_target_resumes_too(tmp_path: Path) -> None:
    """Verdicts are kept beside an event loop without holding it up."""
    file = tmp_path / "verdicts.sqlite"
    assert replay(rows_of(5), aright, resume=file).resumed == 0
    assert replay(rows_of(5), aright, resume=file).resumed == 5


CRASHING = """
import os, sys
from pytest_f3dx import replay

def target(row):
    if row["output"] == "answer 15":
        os._exit(9)
    with open("asked.txt", "a") as file:
        file.write(row["output"] + "\\n")
    return row["output"]

replay([{"output": f"answer {n}"} for n in range(1, 31)], target, concurrency=1, resume="verdicts.sqlite")
"""


def test_killed_run_is_taken_up_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies in the middle has lost no verdict: nothing is asked twice."""
    done = subprocess.run([sys.executable, "-c", CRASHING], cwd=tmp_path)
    assert done.returncode == 9
    again = CRASHING.replace("os._exit(9)", "pass")
    subprocess.run([sys.executable, "-c", again], cwd=tmp_path, check=True)
    asked = (tmp_path / "asked.txt").read_text().splitlines()
    assert asked == [f"answer {n}" for n in range(1, 31)]


# -- within a test -------------------------------------------------------------------------------------


def test_replay_in_a_marked_test_is_recorded(suite: Suite) -> None:
    """What targets send from threads belongs to the cassette of the test that replays."""
    suite.write(
        """
        from pytest_f3dx import replay

        def target(row):
            assert row["prompt"] in ask(row["prompt"])
            return row["output"]

        @pytest.mark.f3dx_cache
        def test_it():
            rows = [{"prompt": f"p{n}", "output": f"o{n}"} for n in range(8)]
            report = replay(rows, target, concurrency=4)
            assert report.passed == 8, report.entries
        """
    )
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    assert suite.server.count == 8
    suite.server.stop()
    result = suite.run()
    result.assert_outcomes(passed=1)
    assert suite.summary(result).startswith("f3dx: 8 replayed, 0 recorded")
