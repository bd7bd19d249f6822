"""Set a repository up so that git shows cassettes as conversations and merges them by interaction."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

from pytest_f3dx._files import read_bytes, write_atomic
from pytest_f3dx._git._attributes import with_block, without_block
from pytest_f3dx.errors import GitError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_CACHE = "refs/notes/textconv/f3dx"  # where git keeps what the text converter said, because of cachetextconv
_OURS = ("pytest_f3dx", "pytest-f3dx")
_NOT_FOUND = 126  # from here on the shell could not run the command at all
_LINES = "git merge-file --marker-size=%L -L ours -L base -L theirs %A %O %B"


def settings() -> dict[str, str]:
    """Return what is written to the configuration of the repository.

    Both commands name the interpreter that runs now. Should it be gone one day, git shows and merges plain
    text instead of failing.
    """
    # -P: a file of the repository, where git runs us, is not taken for a module.
    command = f"{shlex.quote(sys.executable)} -P -m pytest_f3dx"
    merge = f"{command} merge-driver --marker-size %L %O %A %B %P"
    return {
        "diff.f3dx.textconv": f'f() {{ {command} textconv "$1" || cat "$1"; }}; f',
        "diff.f3dx.cachetextconv": "true",
        "merge.f3dx.name": "pytest-f3dx: by interaction",
        # Of branches that were merged both ways, git merges the ancestors first. That merge must not leave
        # markers, or there is no ancestor to read: "binary" takes the ancestors' own.
        "merge.f3dx.recursive": "binary",
        "merge.f3dx.driver": f"{merge}; s=$?; test $s -lt {_NOT_FOUND} || {{ {_LINES}; s=$?; }}; exit $s",
    }


def install(cassettes: Iterable[Path]) -> list[str]:
    """Write the attributes and the configuration; what is there already stays.

    Args:
        cassettes: The cassette directories; they need not exist.

    Returns:
        A line for each thing that was written.

    Raises:
        GitError: Not in a work tree of git, or a setting of the same name is somebody else's.
        CassetteAccessError: ``.gitattributes`` cannot be read or written.
    """
    root = _root()
    folders = dict.fromkeys(_folder(path, root) for path in cassettes)
    wanted = settings()
    found = {key: _get(root, key) for key in wanted}
    _check_ours(found)
    told = _rewrite(root, with_block(attributes := _attributes(root), folders), attributes)
    for key, value in wanted.items():
        if found[key] != value:
            _git(root, "config", "--local", key, value)
            told.append(f"git config {key}: {value}")
    return told + _forget(root)


def uninstall() -> list[str]:
    """Take out what `install` has written, and nothing else.

    Returns:
        A line for each thing that was removed.

    Raises:
        GitError: Not in a work tree of git, or a setting of the same name is somebody else's.
        CassetteAccessError: ``.gitattributes`` cannot be read or written.
    """
    root = _root()
    found = {key: _get(root, key) for key in settings()}
    _check_ours(found)
    told = _rewrite(root, without_block(attributes := _attributes(root)), attributes)
    for key, value in found.items():
        if value is not None:
            _git(root, "config", "--local", "--unset-all", key)
            told.append(f"git config {key}: removed")
    return told + _forget(root)


def overridden(cassettes: Iterable[Path]) -> list[str]:
    """Say which attributes of a cassette are not ours although we are installed: a nearer file has others."""
    root = _root()
    some = [str(_absolute(path) / "any" / "cassette.yaml") for path in cassettes]
    lines = _git(root, "check-attr", "diff", "merge", "--", *some).stdout.splitlines()
    fields = [line.rpartition(": ") for line in lines]
    found = [f"{name.rpartition(': ')[2]}={value}" for name, _, value in fields if value != "f3dx"]
    return list(dict.fromkeys(found))


def _git(root: Path | None, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["git", *(("-C", str(root)) if root else ()), *words]
    try:
        return subprocess.run(  # noqa: S603 - no shell
            command, capture_output=True, check=False, text=True, encoding="utf-8", errors="surrogateescape"
        )
    except FileNotFoundError as error:
        raise GitError("there is no git", ("fix", "install git, and see that it is on the PATH")) from error


def _root() -> Path:
    """Return the top of the work tree that the current directory is in."""
    from pathlib import Path

    done = _git(None, "rev-parse", "--show-toplevel")
    if done.returncode:
        raise GitError(
            "not in a work tree of git",
            ("directory", str(Path.cwd())),
            ("git", done.stderr.strip().removeprefix("fatal: ") or "a bare repository"),
            ("fix", "go into the repository that holds the cassettes, or make one: git init"),
        )
    return Path(done.stdout.removesuffix("\n"))


def _absolute(path: Path) -> Path:
    """Resolve the directory, as git has done with the top of the work tree."""
    from pathlib import Path

    return Path(os.path.realpath(path))


def _folder(cassettes: Path, root: Path) -> str:
    path = _absolute(cassettes)
    if not path.is_relative_to(_absolute(root)):
        raise GitError(
            "the cassette directory is outside the repository",
            ("cassettes", str(path)),
            ("top", str(root)),
            ("fix", "name a directory in the repository: --cassettes DIR"),
        )
    folder = path.relative_to(_absolute(root)).as_posix()
    return "" if folder == "." else folder


def _get(root: Path, key: str) -> str | None:
    done = _git(root, "config", "--local", "--get", key)
    return None if done.returncode else done.stdout.removesuffix("\n")


def _check_ours(found: dict[str, str | None]) -> None:
    """Refuse to touch commands of another tool that has taken the same name."""
    for key in ("diff.f3dx.textconv", "merge.f3dx.driver"):
        value = found[key]
        if value is not None and not any(name in value for name in _OURS):
            raise GitError(
                "a setting of the same name is not ours",
                ("setting", f"{key} = {value}"),
                ("fix", f"git config --local --unset {key}"),
            )


def _attributes(root: Path) -> bytes:
    try:
        return read_bytes(root / ".gitattributes")
    except FileNotFoundError:
        return b""


def _rewrite(root: Path, new: bytes, old: bytes) -> list[str]:
    path = root / ".gitattributes"
    if new == old:
        return []
    if not new:
        path.unlink()
        return [f"{path}: removed, nothing else was in it"]
    write_atomic(path, new)
    block = new[len(without_block(new)) :].decode("utf-8", "replace").strip("\n")
    return (
        [f"{path}:", *(f"  {line}" for line in block.splitlines())] if block else [f"{path}: block removed"]
    )


def _forget(root: Path) -> list[str]:
    """Delete the texts that git has cached: another version may word them otherwise."""
    if _git(root, "rev-parse", "--verify", "--quiet", _CACHE).returncode:
        return []
    _git(root, "update-ref", "-d", _CACHE)
    return [f"{_CACHE}: removed, texts that git had cached"]
