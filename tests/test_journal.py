"""Pending exchanges: kept at once, taken over by the next run, never twice."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path, PurePosixPath

import pytest

from pytest_f3dx._journal import Exchange, Journal, tidy
from pytest_f3dx._model import Failure, Request, Response
from pytest_f3dx.errors import PendingError

NAME = PurePosixPath("tests/test_a/test_x.yaml")
ONE = Exchange(
    1,
    "b3:" + "0" * 64,
    Request("POST", "https://api.test/é", (("accept", "*/*"),), b"\x00\xff"),
    Response(
        200, "Fïne", (("set-cookie", "a"), ("set-cookie", "b")), b"\x00answer\n", "2026-11-23T18:40:01Z", 850
    ),
)
TWO = Exchange(2, ONE.fingerprint, ONE.request, Response(0, failure=Failure("httpx.ReadTimeout", "slow")))


def files(root: Path) -> list[str]:
    """List what is left in a directory, by name."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_exchange_survives_its_writer(tmp_path: Path) -> None:
    """What one journal was given, the next one takes over, bytes and repeated headers and all."""
    first = Journal(tmp_path, NAME, "run1")
    first.append(ONE)
    first.append(TWO)
    first.release()
    assert Journal(tmp_path, NAME, "run2").adopt() == [ONE, TWO]


def test_journal_of_a_living_process_is_not_taken(tmp_path: Path) -> None:
    """While a process records, nobody takes its exchanges over; nor does one that has adopted lose them."""
    first, second = Journal(tmp_path, NAME, "run1"), Journal(tmp_path, NAME, "run1")
    first.append(ONE)
    assert second.adopt() == []
    first.release()
    assert second.adopt() == [ONE]
    assert first.adopt() == []


def test_another_cassette_has_another_journal(tmp_path: Path) -> None:
    """Pending exchanges belong to one cassette, however alike the names are."""
    first = Journal(tmp_path, NAME, "run1")
    first.append(ONE)
    first.release()
    assert Journal(tmp_path, PurePosixPath("tests/test_b/test_x.yaml"), "run1").adopt() == []


def test_settled_journals_are_gone_and_unused_exchanges_stay(tmp_path: Path) -> None:
    """After folding only what was not asked for is pending still."""
    first = Journal(tmp_path, NAME, "run1")
    first.append(ONE)
    first.append(TWO)
    first.release()
    second = Journal(tmp_path, NAME, "run2")
    assert second.adopt() == [ONE, TWO]
    second.append(ONE)
    second.settle([TWO])
    third = Journal(tmp_path, NAME, "run3")
    assert third.adopt() == [TWO]
    third.settle([])
    assert Journal(tmp_path, NAME, "run4").adopt() == []
    tidy(tmp_path, "run1")
    assert files(tmp_path) == []


def test_torn_line_was_never_acknowledged(tmp_path: Path) -> None:
    """For every point at which the last line is cut off, the whole lines before it are taken over."""
    first = Journal(tmp_path, NAME, "run1")
    first.append(ONE)
    first.append(TWO)
    first.release()
    (path,) = tmp_path.rglob("*.jsonl")
    data = path.read_bytes()
    start = data[:-1].rindex(b"\n") + 1
    for cut in range(start, len(data)):
        path.write_bytes(data[:cut])
        again = Journal(tmp_path, NAME, "run2")
        assert again.adopt() == [ONE], cut
        again.release()


def test_damage_is_named_with_its_line(tmp_path: Path) -> None:
    """A changed line in the middle is an error, not a silent loss."""
    first = Journal(tmp_path, NAME, "run1")
    first.append(ONE)
    first.append(TWO)
    first.release()
    (path,) = tmp_path.rglob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b"POST", b"PAST", 1))
    with pytest.raises(PendingError, match=r"jsonl:2"):
        Journal(tmp_path, NAME, "run2").adopt()


def test_full_disk_is_an_error_and_leaves_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk fills up in the middle of a line, what was kept before is kept still."""
    journal = Journal(tmp_path, NAME, "run1")
    journal.append(ONE)
    write = os.write

    def full(handle: int, data: bytes) -> int:
        if len(data) > 20:
            return write(handle, bytes(data[:20]))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(PendingError, match="No space left"):
        journal.append(TWO)
    monkeypatch.undo()
    journal.append(TWO)
    journal.release()
    assert Journal(tmp_path, NAME, "run2").adopt() == [ONE, TWO]


def test_unwritable_directory_is_said_before_anything_is_paid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening refuses with the reason when the journal cannot be made."""

    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PendingError, match="Permission denied"):
        Journal(tmp_path, NAME, "run1").open()


def test_folder_is_ignored_by_git_and_tidied(tmp_path: Path) -> None:
    """The folder has an ignore file of its own, and goes when nothing is pending in it."""
    journal = Journal(tmp_path, NAME, "run1")
    journal.append(ONE)
    assert (tmp_path / ".pending/.gitignore").read_text().endswith("*\n")
    with journal.rewriting():
        journal.mark()
    assert Journal(tmp_path, NAME, "run1").is_marked()
    assert not Journal(tmp_path, NAME, "run2").is_marked()
    journal.settle([])
    tidy(tmp_path, "run1")
    assert list(tmp_path.iterdir()) == []
    tidy(tmp_path, "run1")


def test_tidy_keeps_what_is_pending_and_sweeps_old_marks(tmp_path: Path) -> None:
    """Tidying removes the marks of this run and of runs long ended, and no exchange."""
    journal = Journal(tmp_path, NAME, "run1")
    journal.append(ONE)
    with journal.rewriting():
        journal.mark()
    for name, age_s in (("run-old", 200_000), ("run-new", 10)):
        mark = journal.folder / name
        mark.touch()
        os.utime(mark, (time.time() - age_s,) * 2)
    journal.release()
    tidy(tmp_path, "run1")
    assert sorted(p.name for p in journal.folder.iterdir() if p.suffix != ".jsonl") == ["run-new"]
    assert Journal(tmp_path, NAME, "run2").adopt() == [ONE]


WRITER = """
import os, sys
from pathlib import Path, PurePosixPath
from pytest_f3dx._journal import Journal
from tests.test_journal import NAME, ONE, TWO
journal = Journal(Path(sys.argv[1]), NAME, "run1")
journal.append(ONE)
os.kill(os.getpid(), 9)
"""


def test_kill_leaves_exchange_and_no_lock(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """A process killed right after an exchange leaves it for the next, which can lock at once."""
    root = request.config.rootpath
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path)], cwd=root, check=False
    )
    assert done.returncode == -9
    assert Journal(tmp_path, NAME, "run2").adopt() == [ONE]
