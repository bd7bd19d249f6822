"""Hostile and damaged cassettes met by a run: an error in every record mode, and the file stays as it is."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Suite

FOLDER = Path(__file__).parent / "data" / "bad_cassettes"
TEST = """
import json, urllib.request, pytest

@pytest.mark.f3dx_cache
def test_it():
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    request = urllib.request.Request(
        "http://127.0.0.1:9/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:
        assert response.read()
"""


def wanted() -> dict[str, bool]:
    """Return for each stored file whether it is to be loaded and replayed."""
    with (FOLDER / "index.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.reader(lines, delimiter="\t"))[1:]
    # 29 and 39 leave a choice: we load what has no version, and refuse a uri that is no URL.
    return {name: what.startswith("load and replay") for name, _, what in rows if (FOLDER / name).is_file()}


FILES = wanted()


@pytest.mark.parametrize("mode", ["none", "once", "new_episodes", "all"])
def test_every_bad_cassette_in_every_mode(suite: Suite, mode: str) -> None:
    """What can be read is replayed; all else fails its test with the file named, and no file changes."""
    (suite.path / "test_it.py").write_text(TEST, encoding="utf-8")
    path = suite.cassette()
    path.parent.mkdir(parents=True)
    assert len(FILES) == 28
    for name, is_good in FILES.items():
        shutil.copyfile(FOLDER / name, path)
        result = suite.run(f"--f3dx-record={mode}")
        assert path.read_bytes() == (FOLDER / name).read_bytes(), name
        text = result.stdout.str()
        assert "INTERNALERROR" not in text
        if is_good and mode != "all":  # `all` asks anew, and nobody listens at port 9
            assert result.parseoutcomes() == {"passed": 1}, (name, text)
        else:
            assert result.parseoutcomes() == {"failed": 1}, (name, text)
        if not is_good:
            assert "cassettes/test_it/test_it.yaml" in text, name
            assert "fix   " in text, name
