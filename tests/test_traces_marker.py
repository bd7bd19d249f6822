"""``@pytest.mark.f3dx_trace``: a test for each row, with names that stay, under xdist and with cassettes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Suite

CAPTURED = Path(__file__).parent / "data" / "traces" / "captured.jsonl"
IDS = [
    "1-what-is-2-2",
    "2-weather-in-brno",
    "3-rekni-neco-cesky",
    "4-say-b-1-a-2",
    "5-both-tools-weather",
    "6-say-line1-line2",
]


def write(suite: Suite, body: str, **bundles: str) -> None:
    """Write a test module and bundles beside it, the captured one among them."""
    suite.write(body)
    (suite.path / "captured.jsonl").write_bytes(CAPTURED.read_bytes())
    for name, text in bundles.items():
        (suite.path / f"{name}.jsonl").write_text(text, encoding="utf-8")


def ids(result: pytest.RunResult) -> list[str]:
    """Return what stands in brackets in the listing of a collection."""
    return [line.partition("[")[2].rstrip("]") for line in result.outlines if line.startswith("test_it.py::")]


@pytest.mark.parametrize("argument", ["trace", "f3dx_trace"])
def test_each_row_is_a_test(suite: Suite, argument: str) -> None:
    """A test gets each row, under an id of its number and its prompt in ASCII."""
    write(
        suite,
        f"""
        @pytest.mark.f3dx_trace("captured.jsonl")
        def test_row({argument}):
            assert {argument}["output"] and {argument}["model"] is None
        """,
    )
    assert ids(suite.run("--collect-only", "-q")) == IDS
    suite.run("--strict-markers").assert_outcomes(passed=6)
    suite.run("-k", "brno").assert_outcomes(passed=1, deselected=5)


def test_path_is_relative_to_the_test_file(suite: Suite) -> None:
    """From wherever pytest is started; a path object and an absolute path will do."""
    write(
        suite,
        f"""
        from pathlib import Path

        @pytest.mark.f3dx_trace(Path({str(CAPTURED)!r}), limit=2)
        def test_row(trace):
            pass
        """,
    )
    sub = suite.path / "sub"
    sub.mkdir()
    (sub / "test_sub.py").write_text(
        "import pytest\n\n@pytest.mark.f3dx_trace('../captured.jsonl')\ndef test_sub(trace):\n    pass\n",
        encoding="utf-8",
    )
    suite.run().assert_outcomes(passed=8)


def test_rows_are_each_tests_own(suite: Suite) -> None:
    """What one test changes in its row another does not see; a marked class covers its methods that take a row."""
    write(
        suite,
        """
        @pytest.mark.f3dx_trace("captured.jsonl")
        class TestRows:
            def test_a(self, trace):
                assert trace.pop("output")
                trace["tool_calls"].append(1)

            def test_b(self, trace):
                assert trace["output"] and 1 not in trace["tool_calls"]

            def test_none(self):
                pass
        """,
    )
    suite.run().assert_outcomes(passed=13)


def test_ids_are_short_and_tell_no_secret(suite: Suite) -> None:
    """A long prompt is cut at a word, a credential in it is redacted, and a row without one has its number."""
    rows = [
        {"prompt": "Read this invoice, and say what the total of it is"},
        {"prompt": "x" * 60},
        {"prompt": "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD"},
        {"prompt": None},
        {"prompt": ["a"]},
        {"prompt": "漢字"},
    ]
    write(
        suite,
        """
        @pytest.mark.f3dx_trace("rows.jsonl")
        def test_row(trace):
            pass
        """,
        rows="".join(json.dumps(row) + "\n" for row in rows),
    )
    found = ids(suite.run("--collect-only", "-q"))
    assert found[:2] == ["1-read-this-invoice-and-say-what-the-total", f"2-{'x' * 40}"]
    assert found[2].startswith("3-redacted-")
    assert "abcdef" not in found[2]
    assert found[3:] == ["4", "5", "6"]


@pytest.mark.parametrize(
    ("marker", "told"),
    [
        ('"bad.jsonl"', "*bundle *bad.jsonl:2:2"),
        ('"gone.jsonl"', "*f3dx: @pytest.mark.f3dx_trace on test_it.py::test_row: *No such file*gone.jsonl*"),
        ('"empty.jsonl"', "f3dx: a bundle without rows makes no test [[]settings[]]"),
        ("", "f3dx: @pytest.mark.f3dx_trace on test_it.py::test_row has () [[]settings[]]"),
        ("3", "f3dx: @pytest.mark.f3dx_trace on test_it.py::test_row has (3) [[]settings[]]"),
        ('"captured.jsonl", limits=2', "f3dx: *test_row has ('captured.jsonl', limits=2) [[]settings[]]"),
        ('"captured.jsonl", limit=0', "f3dx: *test_row has limit=0 [[]settings[]]"),
        ('"captured.jsonl", on_error=print', "f3dx: *test_row has on_error=<built-in*"),
    ],
)
def test_what_is_wrong_is_told_at_collection(suite: Suite, marker: str, told: str) -> None:
    """A bad marker or bundle is an error of the collection with its place, not a test that is left out."""
    write(
        suite,
        f"""
        @pytest.mark.f3dx_trace({marker})
        def test_row(trace):
            pass
        """,
        bad="{}\n{\n",
        empty="\n",
    )
    result = suite.run()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*ERROR collecting test_it.py*", told])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*_traces.py*")


@pytest.mark.parametrize(("arguments", "told"), [("", "takes no row"), ("trace, f3dx_trace", "takes both")])
def test_test_takes_one_row(suite: Suite, arguments: str, told: str) -> None:
    """A marked function that takes no row, or two, is an error."""
    write(
        suite,
        f"""
        @pytest.mark.f3dx_trace("captured.jsonl")
        def test_row({arguments}):
            pass
        """,
    )
    suite.run().stdout.fnmatch_lines([f"*{told}*", "*fix *give it one argument trace or f3dx_trace"])


def test_damaged_lines_are_left_out_on_demand(suite: Suite) -> None:
    """With on_error="skip" the good rows are tests, and a warning of the run names the others."""
    write(
        suite,
        """
        @pytest.mark.f3dx_trace("bad.jsonl", on_error="skip")
        def test_row(trace):
            pass
        """,
        bad='{"prompt": "a"}\n{\n{"prompt": "b"}\n',
    )
    result = suite.run("-W", "always")
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(["*f3dx: 1 line of *bad.jsonl left out: 2"])


def test_rows_have_cassettes_of_their_own_and_run_under_xdist(suite: Suite) -> None:
    """With f3dx_cache each row records its traffic under its name; workers replay what another recorded."""
    write(
        suite,
        """
        @pytest.mark.f3dx_cache
        @pytest.mark.f3dx_trace("captured.jsonl")
        def test_row(trace):
            assert ask(trace["prompt"])
        """,
    )
    suite.spawn("-n2", "--f3dx-record=once").assert_outcomes(passed=6)
    assert suite.server.count == 6
    names = sorted(path.name for path in (suite.path / "cassettes" / "test_it").glob("*.yaml"))
    assert names == [f"test_row[{name}].yaml" for name in IDS]
    suite.server.stop()
    suite.spawn().assert_outcomes(passed=6)
