"""What a review asks git for; nothing else in this package runs it.

Nothing is checked out, no index is written, no hook, external diff or text converter runs, and an object that
a partial clone lacks is not fetched.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from pytest_f3dx.errors import ReviewError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

_FILES = {"100644", "100755"}  # modes of regular files: no links, no submodules
_SHALLOW = "git fetch --unshallow; for actions/checkout: fetch-depth: 0"
_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "LC_ALL": "C",
}


@dataclass(frozen=True, slots=True)
class Changed:
    """A path that differs between two trees.

    Attributes:
        old_path: Relative to the root of the repository; empty if the file is new.
        new_path: Likewise; empty if the file is gone.
        old_id: Object id of the old content; empty if there is none.
        new_id: Of the new content; empty if there is none, or if it stands in the work tree.
    """

    old_path: str
    new_path: str
    old_id: str
    new_id: str


class Git:
    """A repository.

    Attributes:
        root: Top of its work tree.
    """

    def __init__(self, directory: Path) -> None:
        """Find the repository that a directory is in.

        Raises:
            ReviewError: It is in none, or git is not installed.
        """
        self.root = directory
        done = self._run("rev-parse", "--show-toplevel", "--is-shallow-repository")
        if done.returncode:
            said = _said(done)
            if "not a git repository" in said:
                raise ReviewError(
                    "this is no git repository",
                    ("directory", str(directory)),
                    ("fix", "name two files or directories: pytest-f3dx diff OLD NEW"),
                )
            raise ReviewError(
                "git refuses", ("directory", str(directory)), ("git", said), ("fix", _hint(said))
            )
        top, shallow = os.fsdecode(done.stdout).rsplit("\n", 2)[:2]
        self.root = Path(top)
        self._is_shallow = shallow == "true"
        self._contents: _Batch | None = None
        self._sizes: _Batch | None = None

    def __enter__(self) -> Self:
        """Return the repository itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the processes that read objects."""
        for batch in (self._contents, self._sizes):
            if batch:
                batch.close()

    def find_commit(self, revision: str) -> str | None:
        """Return the id of the commit that a revision names, None if it names none."""
        if not revision or revision.startswith("-") or "\0" in revision:
            return None
        done = self._run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        return os.fsdecode(done.stdout).strip() if not done.returncode else None

    def commit(self, revision: str) -> str:
        """Return the id of the commit that a revision names.

        Raises:
            ReviewError: It names none.
        """
        if found := self.find_commit(revision):
            return found
        facts = [("repository", str(self.root))]
        fix = "git branch --all; git fetch"
        if self._is_shallow:
            facts.append(("clone", "shallow: it has only the latest commits"))
            fix = _SHALLOW
        raise ReviewError(f"there is no revision {revision!r}", *facts, ("fix", fix))

    def empty_tree(self) -> str:
        """Return the id of a tree without files: the past of a repository without commits."""
        return os.fsdecode(self._checked("hash-object", "-t", "tree", os.devnull)).strip()

    def merge_base(self, one: str, other: str) -> str:
        """Return the commit at which two have parted.

        Raises:
            ReviewError: There is none, or a shallow clone does not have it.
        """
        done = self._run("merge-base", one, other)
        if not done.returncode:
            return os.fsdecode(done.stdout).strip()
        fix = _SHALLOW if self._is_shallow else f"compare them as they are: {one[:12]}..{other[:12]}"
        raise ReviewError("the two revisions have no common ancestor here", ("fix", fix))

    def changes(self, old: str, new: str | None, paths: Sequence[str]) -> list[Changed]:
        """Compare two trees by object ids, following renames.

        Args:
            old: A commit or tree.
            new: Likewise; None for the work tree, of which only files that git tracks are looked at.
            paths: Relative to the root; all if empty.
        """
        options = ("--raw", "-z", "-M", "--no-abbrev", "--no-relative", "--no-ext-diff", "--no-textconv")
        trees = (old,) if new is None else (old, new)
        ignored = ("--ignore-submodules=all",)
        return _changes(self._checked("diff", *options, *ignored, *trees, "--", *paths))

    def files(self, tree: str, paths: Sequence[str]) -> list[str]:
        """List the files of a tree, relative to the root."""
        found = self._checked("ls-tree", "-r", "-z", "--full-tree", "--name-only", tree, "--", *paths)
        return _names(found)

    def tracked(self, paths: Sequence[str]) -> list[str]:
        """List the files of the work tree that git tracks, relative to the root."""
        return sorted(set(_names(self._checked("ls-files", "-z", "--", *paths))))

    def untracked(self, paths: Sequence[str]) -> list[str]:
        """List the files of the work tree that git neither tracks nor ignores, relative to the root."""
        return _names(self._checked("ls-files", "-z", "--others", "--exclude-standard", "--", *paths))

    def read(self, name: str) -> bytes | None:
        """Return the content of an object, None if there is no such blob.

        Args:
            name: An object id, or a revision, a colon and a path.
        """
        if "\n" in name:
            return None
        if self._contents is None:
            self._contents = _Batch(self._command("cat-file", "--batch"), self.root)
        return self._contents.content(name)

    def size(self, name: str) -> int | None:
        """Return the size of an object in bytes, None if there is no such blob; it is not read."""
        if "\n" in name:
            return None
        if self._sizes is None:
            self._sizes = _Batch(self._command("cat-file", "--batch-check"), self.root)
        size, is_blob = self._sizes.head(name)
        return size if is_blob else None

    def _command(self, *arguments: str) -> list[str]:
        return ["git", "-c", "core.quotepath=off", "-c", "core.fsmonitor=false", *arguments]

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(  # noqa: S603 - no shell, and what a user names stands behind -- or is an id
                self._command(*arguments),
                cwd=self.root,
                env=os.environ | _ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except FileNotFoundError as error:
            raise _absent() from error

    def _checked(self, *arguments: str) -> bytes:
        done = self._run(*arguments)
        if done.returncode:
            said = _said(done)
            raise ReviewError(f"git {arguments[0]} fails", ("git", said), ("fix", _hint(said)))
        return done.stdout


class _Batch:
    """A process of ``git cat-file`` that is asked for one object after the other."""

    def __init__(self, command: list[str], root: Path) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - as above
            command,
            cwd=root,
            env=os.environ | _ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def head(self, name: str) -> tuple[int | None, bool]:
        """Ask for an object; returns its size, None if there is none, and whether it is a blob."""
        self._input.write(os.fsencode(name) + b"\n")
        self._input.flush()
        # The answer: id, type and size; or the name and "missing", "ambiguous" and their likes.
        words = self._output.readline().rsplit(b" ", 2)
        if len(words) != 3 or not words[2].strip().isdigit():  # noqa: PLR2004 - as it says
            return None, False
        return int(words[2]), words[1] == b"blob"

    def content(self, name: str) -> bytes | None:
        """Ask for an object; returns the content of a blob."""
        size, is_blob = self.head(name)
        if size is None:
            return None
        data = self._output.read(size)
        self._output.read(1)  # the newline after it
        return data if is_blob else None

    def close(self) -> None:
        """End the process."""
        self._input.close()
        self._output.close()
        self._process.wait()

    @property
    def _input(self) -> IO[bytes]:
        assert self._process.stdin
        return self._process.stdin

    @property
    def _output(self) -> IO[bytes]:
        assert self._process.stdout
        return self._process.stdout


def _absent() -> ReviewError:
    fix = "install git, or name two files or directories: pytest-f3dx diff OLD NEW"
    return ReviewError("git is not installed", ("fix", fix))


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stderr.decode("utf-8", "replace").strip() or f"exit code {done.returncode}"


def _hint(said: str) -> str:
    """Return what git itself advises, such as the line that makes a directory safe."""
    advice = [line.strip() for line in said.splitlines() if line.strip().startswith("git ")]
    return advice[0] if advice else "mend what git says"


def _names(output: bytes) -> list[str]:
    return [os.fsdecode(name) for name in output.split(b"\0") if name]


def _changes(output: bytes) -> list[Changed]:
    """Read ``git diff --raw -z``: ``:old-mode new-mode old-id new-id status``, then a path, or two."""
    found: dict[str, Changed] = {}
    fields = iter(os.fsdecode(output).split("\0"))
    for head in fields:
        if not head.startswith(":"):
            break  # the empty field behind the last path
        old_mode, new_mode, old_id, new_id, status = head[1:].split(" ")
        old = new = next(fields)
        if status[0] in "RC":
            new = next(fields)
        one = Changed(
            old if old_mode in _FILES and status[0] != "C" else "",
            new if new_mode in _FILES else "",
            _known(old_id) if old_mode in _FILES and status[0] != "C" else "",
            _known(new_id),
        )
        if one.old_path or one.new_path:
            found[new] = one  # a conflict gives a path twice; what stands in the work tree comes last
    return list(found.values())


def _known(object_id: str) -> str:
    return object_id if object_id.strip("0") else ""
