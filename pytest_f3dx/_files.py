"""The file system: whole files read, and written so that a crash leaves the old one or the new one."""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from pathlib import Path

from pytest_f3dx.errors import CassetteAccessError

LIMIT_BYTES = 512 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024
_TEMPORARY = ".f3dx-"
_DEAD_S = 3600  # no write takes an hour
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
# Without O_NONBLOCK, opening a FIFO waits for a writer that never comes.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def read_bytes(path: Path, *, limit_bytes: int = LIMIT_BYTES) -> bytes:
    """Read a whole regular file; never waits, whatever the path turns out to be.

    Args:
        path: The file.
        limit_bytes: Refuse a larger one.

    Returns:
        Its bytes.

    Raises:
        FileNotFoundError: There is nothing at the path.
        CassetteAccessError: It is no regular file, a dangling symbolic link, too large, or cannot be read.
    """
    try:
        descriptor = os.open(path, _READ)
    except FileNotFoundError as error:
        if path.is_symlink():
            raise _dangling(path) from error
        raise
    except OSError as error:
        raise _refused(path, "read", error) from error
    try:
        return _read_open(descriptor, path, limit_bytes)
    except OSError as error:
        raise _refused(path, "read", error) from error
    finally:
        os.close(descriptor)


def check_inside(path: Path, root: Path) -> None:
    """Refuse a path that a symbolic link leads out of a directory, which may be a link itself.

    Args:
        path: Below the root.
        root: The directory.

    Raises:
        CassetteAccessError: It is outside.
    """
    at, top = str(path), str(root)
    while len(at) > len(top) and not os.path.islink(at):  # noqa: PTH114 - every replay passes here
        at = os.path.dirname(at)  # noqa: PTH120
    if len(at) <= len(top):
        return  # no link on the way: two or three calls instead of one for every directory above
    real = os.path.realpath(root)
    if os.path.commonpath([real, os.path.realpath(path)]) != real:
        what = "a symbolic link leads out of the cassette directory"
        raise CassetteAccessError(path, what, ("link", at), ("fix", "put the file in the place of the link"))


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a file durably; after a crash there is the old content or the new one, never a mixture.

    A symbolic link stays and its target is replaced; the mode of an existing file is kept; missing
    directories are made.

    Args:
        path: The file.
        data: Its whole new content.

    Raises:
        CassetteAccessError: The operating system refuses (full disk, read-only, no permission, a directory or
            another special file in the way); the old file is untouched and no temporary file is left.
    """
    try:
        target = Path(os.path.realpath(path))
        mode = _mode_of(target, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(target, data, mode)
    except OSError as error:
        raise _refused(path, "write", error) from error


def _read_open(descriptor: int, path: Path, limit_bytes: int) -> bytes:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise _not_regular(path, status.st_mode)
    chunks: list[bytes] = []
    size = 0
    step = (
        min(status.st_size, _CHUNK_BYTES) or _CHUNK_BYTES
    )  # memory for a whole chunk is dear for a small file
    while chunk := os.read(descriptor, step):
        size += len(chunk)
        if size > limit_bytes or status.st_size > limit_bytes:
            what = f"the file has more than {limit_bytes // 1024 // 1024} MiB"
            fix = "split the test, or delete the file and record it again with smaller bodies"
            raise CassetteAccessError(path, what, ("fix", fix))
        chunks.append(chunk)
        if size == status.st_size:
            break  # all that was there when it was opened
    return b"".join(chunks)


def _mode_of(target: Path, path: Path) -> int | None:
    """Return the mode of the file to be replaced, None if there is none; refuse what is no file."""
    try:
        status = target.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise _not_regular(path, status.st_mode)
    return stat.S_IMODE(status.st_mode)


def _replace(target: Path, data: bytes, mode: int | None) -> None:
    _sweep(target.parent)
    temporary = target.with_name(f"{_TEMPORARY}{os.urandom(8).hex()}.tmp")
    descriptor = os.open(temporary, _NEW_FILE, 0o666)  # the umask applies, as to any new file
    try:
        try:
            _write_all(descriptor, data)
            if mode is not None:
                os.chmod(temporary, mode)  # noqa: PTH101 - beside the other calls of os
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, target)  # noqa: PTH105
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108
        raise
    _sync_directory(target.parent)


def _sweep(directory: Path) -> None:
    """Remove the temporary files of writers that were killed, which nobody else would."""
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith(_TEMPORARY) and time.time() - entry.stat().st_mtime > _DEAD_S:
                os.unlink(entry.path)  # noqa: PTH108


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_directory(directory: Path) -> None:
    """Make the renaming durable; some file systems cannot sync a directory, and the file itself is synced."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _not_regular(path: Path, mode: int) -> CassetteAccessError:
    kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "a symbolic link that leads nowhere")
    return CassetteAccessError(
        path, f"there is {kind} where the file should be", ("fix", "move it out of the way")
    )


def _dangling(path: Path) -> CassetteAccessError:
    what = f"the symbolic link leads nowhere, to {os.readlink(path)}"  # noqa: PTH115
    return CassetteAccessError(path, what, ("fix", "mend or remove the link"))


def _refused(path: Path, action: str, error: OSError) -> CassetteAccessError:
    reason = error.strerror or str(error)
    what = f"the operating system refuses to {action} the file: {reason}"
    return CassetteAccessError(path, what, ("fix", "mend the cause, then run the test again"))
