"""Locks among processes that end with the process, however it ends (flock; msvcrt on Windows)."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

try:
    import fcntl
except ImportError:  # pragma: no cover (Windows)
    import msvcrt

    def _lock(handle: int, *, wait: bool) -> None:
        os.lseek(handle, 0, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
else:

    def _lock(handle: int, *, wait: bool) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


def try_lock(handle: int) -> bool:
    """Lock an open file for this process until it is closed; False if another process has it."""
    try:
        _lock(handle, wait=False)
    except OSError:
        return False
    return True


def _is_still(path: Path, handle: int) -> bool:
    """Whether an open file is the one that stands at a path now."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file while the body runs; waits for other processes.

    The file may be removed by whoever holds the lock: a waiter that finds itself with the lock of
    a removed file takes the new one (tests/test_lock.py holds this).

    Args:
        path: Made if it is not there; nothing is ever written into it.

    Raises:
        OSError: It cannot be made, or is a symbolic link.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        try:
            _lock(handle, wait=True)
            if _is_still(path, handle):
                yield
                return
        finally:
            os.close(handle)
