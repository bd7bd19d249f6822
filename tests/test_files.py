"""Files are read whole or refused, and written so that the old one or the new one is there."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pytest_f3dx._files import read_bytes, write_atomic
from pytest_f3dx.errors import CassetteAccessError


def _leftovers(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir() if path.name.endswith(".tmp")]


def _refuse(code: int) -> Any:
    def refuse(*_args: object, **_named: object) -> NoReturn:
        raise OSError(code, os.strerror(code))

    return refuse


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    """Larger than one chunk, or empty, or through a link: the bytes are the file's."""
    data = os.urandom(3 * 1024 * 1024 + 7)
    (tmp_path / "a").write_bytes(data)
    (tmp_path / "empty").touch()
    (tmp_path / "link").symlink_to("a")

    assert read_bytes(tmp_path / "a") == data
    assert read_bytes(tmp_path / "empty") == b""
    assert read_bytes(tmp_path / "link") == data


def test_an_absent_file_is_not_an_access_error(tmp_path: Path) -> None:
    """Nothing at the path is the ordinary case of a test without recording."""
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "absent")


def _directory(path: Path) -> None:
    path.mkdir()


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _below_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.touch()


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (_directory, "a directory"),
        (_fifo, "a FIFO"),
        (_dangling, "nowhere"),
        (_loop, "refuses to read"),
        (_below_a_file, "refuses to read"),
    ],
)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, make: Any, what: str) -> None:
    """A directory, a FIFO (which would block), dead links: an error that names the path and a fix."""
    path = tmp_path / "sub" / "c.yaml"
    path.parent.mkdir()
    make(path)

    with pytest.raises(CassetteAccessError, match=r"sub/c\.yaml") as caught:
        read_bytes(path)

    assert what in caught.value.what
    assert caught.value.facts[-1][0] == "fix"


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket cannot even be opened."""
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        with pytest.raises(CassetteAccessError, match="refuses to read"):
            read_bytes(Path("s"))


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO])
def test_what_the_system_refuses_to_read_names_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """No permission, or a failing disk in the middle: an error with the system's reason."""
    path = tmp_path / "c.yaml"
    path.write_bytes(b"x")
    with monkeypatch.context() as patch:
        patch.setattr(os, "open" if code == errno.EACCES else "read", _refuse(code))
        with pytest.raises(CassetteAccessError, match="refuses to read the file") as caught:
            read_bytes(path)

    assert os.strerror(code) in caught.value.what


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    """The limit is exact, and also holds for a file that says it is empty while it grows."""
    path = tmp_path / "c.yaml"
    path.write_bytes(b"x" * 10)

    assert read_bytes(path, limit_bytes=10) == b"x" * 10
    with pytest.raises(CassetteAccessError, match="more than"):
        read_bytes(path, limit_bytes=9)


def test_a_file_is_written_with_its_directories(tmp_path: Path) -> None:
    """A new file has the mode any new file has, and nothing else is left beside it."""
    path = tmp_path / "a" / "b" / "c.yaml"

    write_atomic(path, b"x" * 100)

    assert path.read_bytes() == b"x" * 100
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    assert [each.name for each in path.parent.iterdir()] == ["c.yaml"]


def test_replacing_keeps_mode_and_link(tmp_path: Path) -> None:
    """The mode of the old file stays; a symbolic link stays a link and its target is replaced."""
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "c.yaml"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to("real/c.yaml")

    write_atomic(link, b"new")

    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


@pytest.mark.parametrize(("make", "what"), [(_directory, "a directory"), (_fifo, "a FIFO"), (_loop, "")])
def test_nothing_special_is_written_over(tmp_path: Path, make: Any, what: str) -> None:
    """A directory, FIFO or looping link in the place of the file stays as it is."""
    path = tmp_path / "c.yaml"
    make(path)
    before = path.lstat()

    with pytest.raises(CassetteAccessError) as caught:
        write_atomic(path, b"new")

    assert what in caught.value.what
    assert path.lstat().st_ino == before.st_ino
    assert _leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("function", "code"),
    [
        ("open", errno.EROFS),
        ("open", errno.EACCES),
        ("write", errno.ENOSPC),
        ("fsync", errno.EIO),
        ("replace", errno.EPERM),
    ],
)
def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, code: int
) -> None:
    """Full disk, read-only, no permission at any step: the old bytes stay and no temporary file is left."""
    path = tmp_path / "c.yaml"
    path.write_bytes(b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, function, _refuse(code))
        with pytest.raises(CassetteAccessError, match="refuses to write the file") as caught:
            write_atomic(path, b"new")

    assert os.strerror(code) in caught.value.what
    assert path.read_bytes() == b"old"
    assert _leftovers(tmp_path) == []


def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may take less than it is given."""
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data[:3])))
        write_atomic(tmp_path / "c.yaml", b"0123456789")

    assert (tmp_path / "c.yaml").read_bytes() == b"0123456789"


def test_a_file_system_without_directory_sync_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is synced already when its directory cannot be."""
    fsync = os.fsync

    def only_files(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "no")
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", only_files)
        write_atomic(tmp_path / "c.yaml", b"x")

    assert (tmp_path / "c.yaml").read_bytes() == b"x"


def test_temporary_files_of_killed_writers_are_swept(tmp_path: Path) -> None:
    """A later write removes what a killed one has left, and nothing that is fresh or of somebody else."""
    dead, fresh, other = (tmp_path / name for name in (".f3dx-0.tmp", ".f3dx-1.tmp", "mine.tmp"))
    for path in (dead, fresh, other):
        path.touch()
    for path in (dead, other):
        os.utime(path, (1, 1))
    write_atomic(tmp_path / "file", b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".f3dx-1.tmp", "file", "mine.tmp"]
