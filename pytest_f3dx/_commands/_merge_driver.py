"""``pytest-f3dx merge-driver``: what git runs to merge a cassette that two branches have changed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_f3dx._commands import FOUND, OK
from pytest_f3dx.errors import CassetteError, printable

if TYPE_CHECKING:
    import argparse


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser("merge-driver", help="merge a cassette; git runs it after install-git")
    parser.add_argument("base", type=Path, metavar="BASE", help="the common ancestor (%%O)")
    parser.add_argument("ours", type=Path, metavar="OURS", help="our side, which the result replaces (%%A)")
    parser.add_argument("theirs", type=Path, metavar="THEIRS", help="their side (%%B)")
    parser.add_argument("path", type=Path, metavar="PATH", help="the path of the cassette (%%P)")
    parser.add_argument(
        "--marker-size", type=int, default=7, metavar="N", help="of a conflict's markers (%%L)"
    )
    parser.set_defaults(run=lambda o: _merge(o.base, o.ours, o.theirs, o.path, marker=max(o.marker_size, 1)))


def _merge(base: Path, ours: Path, theirs: Path, path: Path, *, marker: int) -> int:
    from pytest_f3dx._files import read_bytes, write_atomic
    from pytest_f3dx._git._merge_text import merged

    try:
        text, why = merged(read_bytes(base), read_bytes(ours), read_bytes(theirs), path, marker=marker)
    except CassetteError as error:
        print(printable(f"f3dx: {path} is merged line by line: {error.what}"), file=sys.stderr)
        return _merge_lines(base, ours, theirs, marker=marker)
    write_atomic(ours, text)
    for line in why:
        print(printable(f"f3dx: {path}: conflict: {line}"), file=sys.stderr)
    return FOUND if why else OK


def _merge_lines(base: Path, ours: Path, theirs: Path, *, marker: int) -> int:
    """Merge as git does without us; it leaves ours as it is where that fails, for binary files."""
    import subprocess

    labels = ["-L", "ours", "-L", "base", "-L", "theirs"]
    command = ["git", "merge-file", f"--marker-size={marker}", *labels, str(ours), str(base), str(theirs)]
    return FOUND if subprocess.run(command, check=False).returncode else OK  # noqa: S603 - the git that runs us
