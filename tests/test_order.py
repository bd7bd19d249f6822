"""A cassette that several tests record into is the same file, whichever of them folds first."""

from __future__ import annotations

import itertools
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest

from pytest_f3dx._config import Config
from pytest_f3dx._journal import Exchange, Journal, tidy
from pytest_f3dx._model import Request, Response
from pytest_f3dx._store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Suite

# What three tests ask, in their order; several ask the same, one of them twice.
ASKED = ("login, a, x", "login, b, login", "c, login, a, d")


def _exchange(test: int, seq: int, what: str) -> Exchange:
    request = Request("GET", f"https://h/{what}", (("x-test", str(test)),))
    answer = Response(200, "OK", (), f"{what} of test {test}, request {seq}".encode())
    digest = "b3:" + (what.encode().hex() * 64)[:64]
    return Exchange(seq, digest, request, answer)


def _fold(root: Path, run: str, test: int, *, rewrite: bool = False) -> None:
    cassette = PurePosixPath("shared.yaml")
    journal = Journal(root, cassette, run)
    store = Store(root, root / cassette, Config(name="shared"), f"test {test}", journal)
    store.order = test
    exchanges = [_exchange(test, seq, what) for seq, what in enumerate(ASKED[test].split(", "))]
    store.fold(exchanges, rewrite=rewrite, played=(), replayed=(), look=lambda *_: None)


@pytest.mark.parametrize("rewrite", [False, True])
def test_the_file_does_not_depend_on_who_folds_first(tmp_path: Path, rewrite: bool) -> None:
    """Every order in which three tests fold gives one file: in collection order, the first test's answers."""
    files = set()
    for order in itertools.permutations(range(3)):
        root = tmp_path / "".join(map(str, order))
        root.mkdir()
        for test in order:
            _fold(root, "run", test, rewrite=rewrite)
        files.add((root / "shared.yaml").read_text())
    (text,) = files
    assert re.findall(r"uri: https://h/(\w+)", text) == ["login", "a", "x", "b", "c", "d"]
    assert re.findall(r"\w+ of test \d, request \d", text) == [
        "login of test 0, request 0",
        "login of test 1, request 2",  # the second time that one test asks
        "a of test 0, request 1",
        "x of test 0, request 2",
        "b of test 1, request 1",
        "c of test 2, request 0",
        "d of test 2, request 3",
    ]


def test_what_was_there_before_the_run_stays_where_it_was(tmp_path: Path) -> None:
    """A later run adds behind what the file holds, and leaves its answers alone."""
    _fold(tmp_path, "one", 2)
    tidy(tmp_path, "one")
    before = (tmp_path / "shared.yaml").read_text()
    for test in (1, 0):
        _fold(tmp_path, "two", test)
    text = (tmp_path / "shared.yaml").read_text()
    assert text.startswith(before[: before.index("...")].rstrip()[:200])
    assert re.findall(r"uri: https://h/(\w+)", text) == ["c", "login", "a", "d", "x", "b"]
    assert "login of test 0" not in text


TWELVE = """
    @pytest.mark.f3dx_cache(name="shared/all")
    @pytest.mark.parametrize("n", range(12))
    def test_it(n):
        ask("login")
        ask(f"number {n}")
"""


def test_twelve_tests_of_two_workers_share_a_cassette(suite: Suite) -> None:
    """All entries of twelve tests are kept, none twice, in the order of a run without workers."""
    suite.write(TWELVE)
    suite.spawn("-n2", "--f3dx-record=once").assert_outcomes(passed=12)
    path = suite.cassette("shared/all")
    prompts = re.findall(r"prompt: (.+)", path.read_text())
    path.unlink()
    assert prompts == ["login", *(f"number {n}" for n in range(12))]
    suite.spawn("--f3dx-record=once").assert_outcomes(passed=12)
    assert re.findall(r"prompt: (.+)", path.read_text()) == prompts
