"""Pending exchanges: kept at once, taken over by the next run, never twice."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import textwrap
import time
import zlib
from pathlib import Path, PurePosixPath

import pytest

from pytest_f3dx._journal import FORMAT, Exchange, Journal, tidy
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
    with pytest.raises(PendingError) as caught:
        Journal(tmp_path, NAME, "run2").adopt()
    assert str(caught.value) == (
        "f3dx: a journal of pending exchanges is damaged [pending-damaged]\n"
        f"  journal   {path}:2\n"
        "  fix       remove this line to keep the others, or the file to record anew"
    )


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

    journal = Journal(tmp_path, NAME, "run1")
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PendingError) as caught:
        journal.open()
    assert str(caught.value) == (
        "f3dx: a recorded exchange cannot be kept [pending-damaged]\n"
        f"  journal   {journal.folder}\n"
        "  reason    Permission denied\n"
        "  fix       make room or make the directory writable, then record again"
    )


def test_reason_without_a_number_is_said_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that names no number of the system still says why."""

    def refuse(*_: object, **__: object) -> int:
        raise OSError("the share is gone")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PendingError, match="reason    the share is gone"):
        Journal(tmp_path, NAME, "run1").open()


@pytest.mark.parametrize("which", [".pending", "the cassette's"])
@pytest.mark.parametrize("act", ["append", "adopt", "rewriting", "alone"])
def test_directory_that_is_a_link_is_refused_by_name(tmp_path: Path, which: str, act: str) -> None:
    """Whatever is asked of it, nothing is written or removed where a linked directory leads."""
    journal = Journal(tmp_path / "cassettes", NAME, "run1")
    link = journal.folder.parent if which == ".pending" else journal.folder
    away = tmp_path / "away"
    (away / journal.folder.name).mkdir(parents=True)
    link.parent.mkdir(parents=True)
    link.symlink_to(away)
    with pytest.raises(PendingError) as caught:
        _act(journal, act)
    assert str(caught.value) == (
        "f3dx: the directory of pending exchanges is a symbolic link [pending-damaged]\n"
        f"  journal   {link}\n"
        "  fix       remove the link"
    )
    tidy(tmp_path / "cassettes", "run1")
    assert link.is_symlink()
    assert [path.name for path in away.rglob("*")] == [journal.folder.name]


def _act(journal: Journal, act: str) -> None:
    if act == "append":
        journal.append(ONE)
    elif act == "adopt":
        journal.adopt()
    else:
        with journal.rewriting() if act == "rewriting" else journal.alone():
            pass


def test_journal_says_what_it_is(tmp_path: Path) -> None:
    """Its first line names the format and the cassette, for whoever finds it; it is readable by the group."""
    mask = os.umask(0o022)
    try:
        journal = Journal(tmp_path, NAME, "run1")
        journal.append(ONE)
    finally:
        os.umask(mask)
    (path,) = tmp_path.rglob("*.jsonl")
    head = path.read_bytes().split(b"\n")[0]
    assert json.loads(head.partition(b" ")[2]) == {"format": FORMAT, "cassette": str(NAME)}
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_each_exchange_is_synced_after_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When an append returns, all its bytes were in the file when it was last synced."""
    journal = Journal(tmp_path, NAME, "run1")
    synced: list[bytes] = []
    fsync = os.fsync

    def noted(handle: int) -> None:
        fsync(handle)
        synced.append(os.pread(handle, 1 << 20, 0))

    monkeypatch.setattr(os, "fsync", noted)
    for exchange in (ONE, TWO):
        journal.append(exchange)
        (path,) = tmp_path.rglob("*.jsonl")
        assert synced[-1] == path.read_bytes()


def test_write_that_fails_and_cannot_be_undone_says_why_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first error is the one that is reported, and what was kept before can be taken over."""
    journal = Journal(tmp_path, NAME, "run1")
    journal.append(ONE)
    write = os.write

    def full(handle: int, data: bytes) -> int:
        if len(data) > 20:
            return write(handle, bytes(data[:20]))
        raise OSError(errno.ENOSPC, "No space left on device")

    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        patch.setattr(os, "ftruncate", broken)
        with pytest.raises(PendingError, match="No space left"):
            journal.append(TWO)
    journal.release()
    assert Journal(tmp_path, NAME, "run2").adopt() == [ONE]


def test_journal_that_is_settled_meanwhile_is_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that another worker removes between looking and opening was folded: no error, no exchange."""
    first = Journal(tmp_path, NAME, "run1")
    first.append(ONE)
    first.release()
    (path,) = tmp_path.rglob("*.jsonl")
    second = Journal(tmp_path, NAME, "run2")
    monkeypatch.setattr(Path, "glob", lambda *_: [path.with_name("0-0.jsonl"), path])
    assert second.adopt() == [ONE]


def test_journal_that_cannot_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another user has left is an error with the reason, never an empty list."""
    first = Journal(tmp_path, NAME, "run1")
    first.append(ONE)
    first.release()

    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PendingError, match="reason    Permission denied"):
        Journal(tmp_path, NAME, "run2").adopt()


def test_files_that_are_gone_already_do_not_keep_a_run_from_settling(tmp_path: Path) -> None:
    """Somebody has removed the directory by hand meanwhile: the exchanges are in the cassette anyway."""
    first = Journal(tmp_path, NAME, "run1")
    first.append(ONE)
    first.release()
    second = Journal(tmp_path, NAME, "run2")
    second.adopt()
    second.append(TWO)
    for path in tmp_path.rglob("*.jsonl"):
        path.unlink()
    second.settle([])
    assert not second.is_waiting()


def test_origins_are_what_was_marked_last(tmp_path: Path) -> None:
    """Every worker of a run reads where what the run has added comes from, and no other run does."""
    journal, other = Journal(tmp_path, NAME, "run1"), Journal(tmp_path, NAME, "run1")
    assert other.origins() == {}
    with journal.rewriting():
        journal.mark()
        assert other.origins() == {}
        journal.mark({"1": ["a"]})
        assert other.origins() == {"1": ["a"]}
        journal.mark({"1": ["a"], "2": ["b"]})
        journal.mark()
    assert other.is_marked()
    assert other.origins() == {"1": ["a"], "2": ["b"]}
    assert Journal(tmp_path, NAME, "run2").origins() == {}
    assert files(journal.folder) == ["run-run1"]


def test_mark_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is killed while it marks leaves the origins as they were."""
    journal = Journal(tmp_path, NAME, "run1")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with journal.rewriting():
        journal.mark({"1": ["a"]})
        monkeypatch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            journal.mark({"2": ["b"]})
    assert journal.origins() == {"1": ["a"]}
    monkeypatch.undo()
    tidy(tmp_path, "run1")
    assert files(tmp_path) == []


def test_tidy_removes_the_locks_of_set_ups_that_nobody_holds(tmp_path: Path) -> None:
    """The lock of a set-up that is over goes; one that a worker holds stays, and it keeps the folder."""
    done, busy = Journal(tmp_path, NAME, "run1"), Journal(tmp_path, PurePosixPath("b.yaml"), "run1")
    with done.alone():
        pass
    with busy.alone():
        tidy(tmp_path, "run1")
        assert files(tmp_path / ".pending") == ["lock", f"setup-{busy.folder.name}"]
        handles = len(list(Path("/dev/fd").iterdir()))
        tidy(tmp_path, "run1")
        assert len(list(Path("/dev/fd").iterdir())) == handles
    tidy(tmp_path, "run1")
    assert list(tmp_path.iterdir()) == []


def test_tidy_never_fails(tmp_path: Path) -> None:
    """What cannot be removed stays, without a word: a lock that is a link, a file where a directory was."""
    (tmp_path / ".pending").mkdir()
    (tmp_path / ".pending" / "lock").symlink_to("elsewhere")
    tidy(tmp_path, "run1")
    assert (tmp_path / ".pending" / "lock").is_symlink()
    file = tmp_path / "b"
    file.mkdir()
    (file / ".pending").write_bytes(b"a file")
    tidy(file, "run1")
    assert (file / ".pending").read_bytes() == b"a file"
    tidy(tmp_path / "nowhere", "run1")
    assert not (tmp_path / "nowhere").exists()


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


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"seq": 1}', '{"request": [], "response": []}', '{"fingerprint": 1}', "unsound"]
)
def test_line_that_is_no_exchange_is_named(tmp_path: Path, text: str) -> None:
    """With a right checksum, too: the file and the line are told and nothing is taken over."""
    first = Journal(tmp_path, NAME, "run1")
    first.append(ONE)
    first.release()
    (path,) = tmp_path.rglob("*.jsonl")
    head, line, _ = path.read_bytes().split(b"\n")
    bad = line[9:].replace(b'"seq": 1', b'"seq": "one"') if text == "unsound" else text.encode()
    path.write_bytes(head + b"\n%08x %s\n" % (zlib.crc32(bad), bad))
    with pytest.raises(PendingError, match=f"journal   {path}:2\n"):
        Journal(tmp_path, NAME, "run2").adopt()


def test_journal_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """Nothing outside the directory is read as pending, and nothing is unlinked there."""
    first, away = Journal(tmp_path / "a", NAME, "run1"), Journal(tmp_path / "b", NAME, "run1")
    away.append(ONE)
    away.release()
    first.open()
    (target,) = (tmp_path / "b").rglob("*.jsonl")
    (first.folder / "0-0.jsonl").symlink_to(target)
    with pytest.raises(PendingError, match="reason    "):
        first.adopt()
    assert target.exists()


def test_what_is_in_the_cassette_is_waiting_no_more(tmp_path: Path) -> None:
    """The own journal goes when its exchanges are folded, and the next exchange opens another one."""
    journal = Journal(tmp_path, NAME, "run1")
    journal.drop_own()
    assert not journal.is_waiting()
    journal.append(ONE)
    assert journal.is_waiting()
    journal.drop_own()
    assert not journal.is_waiting()
    journal.append(TWO)
    assert journal.is_waiting()
    for path in tmp_path.rglob("*.jsonl"):
        path.unlink()
    journal.drop_own()
    assert not journal.is_waiting()
    journal.release()
