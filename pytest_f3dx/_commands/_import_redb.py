"""``pytest-f3dx import-redb``: copy what f3dx has cached into a cache of ours."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_f3dx._commands import FOUND, OK
from pytest_f3dx.errors import printable

if TYPE_CHECKING:
    import argparse


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser(
        "import-redb", help="copy what f3dx has cached into a cache of ours, keyed anew"
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a cache of f3dx, a redb file; only read")
    parser.add_argument(
        "--to", type=Path, metavar="CACHE", help="where to; without it FILE with the suffix .sqlite"
    )
    parser.set_defaults(run=lambda options: _import(options.file, options.to))


def _import(file: Path, to: Path | None) -> int:
    from pytest_f3dx._cache._import import import_redb

    target = to or file.with_suffix(".sqlite")
    told = import_redb(file, target)
    left_out = f"{len(told.unreadable)} unreadable"
    left_out += f", {len(told.refused)} refused" if told.refused else ""
    print(
        printable(
            f"{target}: {told.added} added, {told.present} there already; {told.rekeyed} keys made anew, "
            f"{told.merged} older answers to the same request left out, {left_out}"
        )
    )
    for key in told.unreadable:
        print(printable(f"  no request or no answer: {key}"), file=sys.stderr)
    for key in told.refused:
        print(printable(f"  left out, a secret that redaction does not reach: {key}"), file=sys.stderr)
    if not told.was_closed:
        print("f3dx had not closed the file: what it wrote last may be missing", file=sys.stderr)
    return FOUND if told.unreadable or told.refused else OK
