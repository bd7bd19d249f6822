"""What is compared: pairs of files out of directories, git revisions and the work tree.

Pairs whose content is equal by name (an object id) or by its bytes are counted and never opened.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pytest_f3dx._files import read_bytes
from pytest_f3dx._review._files import BlobFile, File, disk_file
from pytest_f3dx._review._git import Git
from pytest_f3dx._review._places import HIDDEN, configured_homes, is_cassette_name, is_home
from pytest_f3dx._tree import BLOBS
from pytest_f3dx.errors import F3dxError, ReviewError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_f3dx._review._git import Changed

WORK_TREE = "work tree"
_RANGE = re.compile(r"(.*?)(\.\.\.?)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Pair:
    """A file before and after; one of them may be missing."""

    old: File | None
    new: File | None

    @property
    def name(self) -> str:
        """Name of the new file, or of the old one if it is gone."""
        return (self.new or self.old or _NOTHING).name


@dataclass(frozen=True, slots=True)
class Selection:
    """What is to be compared.

    Attributes:
        old: What the old side is called.
        new: What the new side is called.
        pairs: Files that may differ, in the order of their names.
        unchanged: Names of cassettes that are equal.
    """

    old: str
    new: str
    pairs: tuple[Pair, ...]
    unchanged: int


_NOTHING = File("", lambda: b"", lambda name: BlobFile(name, None, lambda: None))


@contextmanager
def select(names: Sequence[str], paths: Sequence[str], directory: Path) -> Iterator[Selection]:
    """Find out what two names mean, and which files differ between them.

    Args:
        names: None, one or two: revisions, a range of them, files or directories.
        paths: Only these files and directories.
        directory: Where relative paths start, and whose repository is meant.

    Yields:
        The selection; its files can be read until the context ends.

    Raises:
        ReviewError: A name means nothing, or git cannot say.
    """
    if len(names) == 2 and not paths and (pair := _on_disk(names, directory)):  # noqa: PLR2004 - old and new
        yield _directories(*pair, directory)
        return
    with Git(directory) as git:
        yield _InGit(git, directory).select(names, paths)


def _on_disk(names: Sequence[str], directory: Path) -> tuple[Path, Path] | None:
    """Return the two paths that the names are, None if one of them is a revision or nothing."""
    old, new = (directory / name for name in names)
    if not (old.exists() and new.exists()):
        return None
    with suppress_review_error(), Git(directory) as git:
        if any(git.find_commit(name) for name in names):
            return None
    if old.is_dir() != new.is_dir():
        raise ReviewError(
            "a file and a directory are not compared",
            ("old", names[0]),
            ("new", names[1]),
            ("fix", "name two files, two directories, or revisions"),
        )
    return old, new


@contextmanager
def suppress_review_error() -> Iterator[None]:
    """Take a directory outside of any repository, or a machine without git, as it is."""
    try:
        yield
    except ReviewError:
        return


# -- on the disk ---------------------------------------------------------------------------------------


def _directories(old: Path, new: Path, directory: Path) -> Selection:
    names = _relative(old, directory), _relative(new, directory)
    if not old.is_dir():
        files = disk_file(old, names[0], must_be=True), disk_file(new, names[1], must_be=True)
        return Selection(*names, (Pair(*files),), 0)
    ours, theirs = (dict(_below(path)) for path in (old, new))
    pairs, unchanged = [], 0
    for name in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get(name), theirs.get(name)
        if one and other and _are_equal(one, other):
            unchanged += 1
        else:
            pairs.append(
                Pair(
                    disk_file(one, name, must_be=True) if one else None,
                    disk_file(other, name, must_be=True) if other else None,
                )
            )
    return Selection(*names, tuple(pairs), unchanged)


def _relative(path: Path, directory: Path) -> str:
    shown = os.path.relpath(path, directory)
    return Path(path if shown.startswith("..") else shown).as_posix()


def _below(root: Path) -> Iterator[tuple[str, Path]]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in HIDDEN)
        for name in sorted(files):
            path = Path(folder, name)
            if path.suffix in (".yaml", ".yml"):
                yield path.relative_to(root).as_posix(), path


def _are_equal(one: Path, other: Path) -> bool:
    """Whether two files have the same bytes; one that cannot be read is told of when it is opened."""
    try:
        return one.stat().st_size == other.stat().st_size and read_bytes(one) == read_bytes(other)
    except (F3dxError, OSError):
        return False


# -- in git --------------------------------------------------------------------------------------------


class _InGit:
    """Finds files of revisions and of the work tree."""

    def __init__(self, git: Git, directory: Path) -> None:
        self._git = git
        self._directory = directory
        self._homes: tuple[str, ...] | None = None

    def select(self, names: Sequence[str], paths: Sequence[str]) -> Selection:
        """Find out what the names mean; see the function of this name."""
        revisions, more = self._split(names)
        if more and paths:
            raise ReviewError(
                f"{more[0]!r} is no revision, and paths are named behind --", ("fix", f"-- {more[0]} ...")
            )
        old, new, labels = self._ends(revisions)
        wanted = [self._inside(path) for path in (*more, *paths)]
        known = self._known(old, new, wanted)
        for path, given in zip(wanted, (*more, *paths), strict=True):
            if path and not any(name == path or name.startswith(f"{path}/") for name in known):
                raise ReviewError(
                    f"no file of either side is at {given!r}",
                    ("old", labels[0]),
                    ("new", labels[1]),
                    ("fix", "look at the path: pytest-f3dx diff OLD NEW -- PATH"),
                )
        where = [] if "" in wanted else wanted
        pairs = tuple(self._pairs(old, new, where))
        touched = {file.name for pair in pairs for file in (pair.old, pair.new) if file}
        same = sum(1 for name in known if name not in touched and self._is_home(name))
        return Selection(*labels, pairs, same)

    def _split(self, names: Sequence[str]) -> tuple[list[str], list[str]]:
        """Tell revisions from paths; as with git, a name that is both is a revision."""
        revisions: list[str] = []
        for index, name in enumerate(names):
            if self._git.find_commit(name) or (index == 0 and self._is_range(name)):
                revisions.append(name)
            elif (self._directory / name).exists():
                return revisions, list(names[index:])
            else:
                self._git.commit(name)  # raises: it is neither
        return revisions, []

    def _is_range(self, name: str) -> bool:
        matched = _RANGE.fullmatch(name)
        return bool(matched) and not (self._directory / name).exists()

    def _ends(self, revisions: list[str]) -> tuple[str, str | None, tuple[str, str]]:
        git = self._git
        if not revisions:
            head = git.find_commit("HEAD")
            return head or git.empty_tree(), None, ("HEAD" if head else "no commit", WORK_TREE)
        first, *rest = revisions
        matched = None if git.find_commit(first) else _RANGE.fullmatch(first)
        if not matched:
            if rest:
                return git.commit(first), git.commit(rest[0]), (first, rest[0])
            return git.commit(first), None, (first, WORK_TREE)
        if rest:
            raise ReviewError(
                f"{first!r} is a range, and {rest[0]!r} is named beside it", ("fix", "name one of them")
            )
        left, right = matched[1] or "HEAD", matched[3] or "HEAD"
        old, new = git.commit(left), git.commit(right)
        if matched[2] == "...":
            return git.merge_base(old, new), new, (f"merge base of {left} and {right}", right)
        return old, new, (left, right)

    def _inside(self, path: str) -> str:
        """Return a path relative to the root of the repository; the root itself is empty."""
        full = os.path.normpath(self._directory.resolve() / path)
        shown = os.path.relpath(full, self._git.root.resolve())
        if shown == os.pardir or shown.startswith(os.pardir + os.sep):
            raise ReviewError(
                f"{path!r} is outside the repository",
                ("repository", str(self._git.root)),
                ("fix", "name two files or directories to compare them without git"),
            )
        return "" if shown == os.curdir else Path(shown).as_posix()

    def _known(self, old: str, new: str | None, paths: Sequence[str]) -> set[str]:
        where = [] if "" in paths else paths
        now = self._git.files(new, where) if new else [*self._git.tracked(where), *self._untracked(where)]
        return {*self._git.files(old, where), *now} if where else set(now)

    def _untracked(self, paths: Sequence[str]) -> list[str]:
        return [name for name in self._git.untracked(paths) if is_cassette_name(name)]

    def _pairs(self, old: str, new: str | None, paths: Sequence[str]) -> Iterator[Pair]:
        changes = self._git.changes(old, new, paths)
        found = [
            self._pair(change, old, new)
            for change in changes
            if is_cassette_name(change.new_path or change.old_path)
        ]
        if new is None:
            seen = {pair.name for pair in found}
            found += [Pair(None, self._on_disk(name)) for name in self._untracked(paths) if name not in seen]
        yield from sorted(found, key=lambda pair: pair.name)

    def _pair(self, change: Changed, old: str, new: str | None) -> Pair:
        before = after = None
        if change.old_path:
            before = self._in_tree(old, change.old_path, change.old_id)
        if change.new_path and new:
            after = self._in_tree(new, change.new_path, change.new_id)
        elif change.new_path and (self._git.root / change.new_path).exists():
            after = self._on_disk(change.new_path)
        return Pair(before, after)

    def _is_home(self, name: str) -> bool:
        """Whether a file stands where only cassettes do."""
        if self._homes is None:
            self._homes = configured_homes(self._git.root)
        return is_home(name, self._homes)

    def _on_disk(self, name: str) -> File:
        return disk_file(self._git.root / name, name, must_be=self._is_home(name))

    def _in_tree(self, tree: str, name: str, object_id: str) -> File:
        def read() -> bytes:
            data = self._git.read(object_id)
            if data is None:
                what = f"git has no content for {name}"
                fix = "git fetch --refetch: the clone is partial or damaged"
                raise ReviewError(what, ("object", object_id), ("fix", fix))
            return data

        return File(name, read, lambda blob: self._blob(tree, name, blob), must_be=self._is_home(name))

    def _blob(self, tree: str, cassette: str, blob: str) -> BlobFile:
        """Find a blob in the nearest directory above its cassette, in the same tree."""
        above = [str(parent) for parent in PurePosixPath(cassette).parents]
        homes = [f"{BLOBS}/{blob}" if folder == "." else f"{folder}/{BLOBS}/{blob}" for folder in above]
        for home in homes:
            name = f"{tree}:{home}"
            size = self._git.size(name)
            if size is not None:
                return BlobFile(home, size, partial(self._git.read, name))
        return BlobFile(homes[0], None, lambda: None)
