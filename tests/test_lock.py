"""Locks among processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_f3dx import _lock
from pytest_f3dx._lock import locked

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_lock_excludes_and_is_given_back(tmp_path: Path) -> None:
    """Two threads never hold the same lock at the same time, and an error inside gives it back."""
    path = tmp_path / "c.lock"
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        for _ in range(20):
            with locked(path):
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(KeyError), locked(path):
        raise KeyError
    with locked(path):
        assert max(most) == 1


def test_a_lock_ends_with_the_process_that_held_it(tmp_path: Path) -> None:
    """After kill -9 the next process gets the lock."""
    path = tmp_path / "c.lock"
    holder = (
        "import sys, pathlib; from pytest_f3dx._lock import locked\n"
        "with locked(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    root = Path(_lock.__file__).parents[1]
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        process.kill()
        process.wait()
        with locked(path):
            pass


def test_a_lock_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """A directory in the place of the lock file is named."""
    with pytest.raises(IsADirectoryError), locked(tmp_path):
        pass  # pragma: no cover - never reached


def test_lock_of_a_removed_file_is_not_taken_for_the_new_one(tmp_path: Path) -> None:
    """A waiter whose lock file was removed meanwhile takes the one that stands there now."""
    path = tmp_path / "lock"
    seen: list[bool] = []

    def removed_once(real: Callable[[Path, int], bool]) -> Callable[[Path, int], bool]:
        def check(at: Path, handle: int) -> bool:
            if not seen:
                at.unlink()
            seen.append(real(at, handle))
            return seen[-1]

        return check

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_lock, "_is_still", removed_once(_lock._is_still))
        with _lock.locked(path):
            assert path.exists()
    assert seen == [False, True]
