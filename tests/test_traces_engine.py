"""The verdict on a row maps over an engine: the example on Dask gives what `replay` gives."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_f3dx import Entry, Report, replay

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Load the example as a module."""
    pytest.importorskip("dask.bag")
    monkeypatch.setattr(sys, "path", sys.path.copy())
    spec = importlib.util.spec_from_file_location("replay_dask", EXAMPLES / "replay_dask.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("replay_target", None)


def test_dask_gives_the_same_report(tmp_path: Path, example: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut into partitions, a bundle has the counts, the entries and the row numbers that it has whole."""

    def ask(row: dict[str, Any]) -> str:
        if row["output"] == "answer 17":
            raise ValueError("gone")
        return "other" if row["output"] in {"answer 3", "answer 38"} else str(row["output"])

    bundle = tmp_path / "a.jsonl"
    rows = [{"prompt": f"p{n}", "output": f"answer {n}"} for n in range(1, 41)]
    bundle.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    monkeypatch.setattr(example, "ask", ask)
    report = example.replay(str(bundle), scheduler="sync", block_bytes=200)
    whole = replay(bundle, ask)
    assert report.as_dict() == whole.as_dict() | {"target": "replay_target:ask"}
    assert [entry.row for entry in report.entries] == [3, 17, 38]


def test_merged_report_keeps_no_more_than_it_may() -> None:
    """Adding up partitions is as bounded as a replay is."""
    total = Report(keep=3)
    for _ in range(4):
        part = Report()
        for n in (1, 2):
            part.add(Entry(n, "error"))
        total.merge(part)
    assert ([entry.row for entry in total.entries], total.errors, total.left_out) == ([1, 2, 3], 8, 5)
