"""``pytest-f3dx scan``: look for secrets in cassettes and in any other files."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_f3dx._commands import FOUND, OK, USAGE
from pytest_f3dx.errors import F3dxError, printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from pytest_f3dx._audit import Auditor
    from pytest_f3dx._scan import Hit


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser("scan", help="look for secrets in cassettes and any other files")
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="files, or directories to look through"
    )
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="VALUE",
        help="a value that is no secret, or a regex of the whole of it; may be repeated",
    )
    parser.set_defaults(run=lambda options: _scan(options.paths, options.allow))


def _scan(paths: list[Path], allow: list[str]) -> int:
    from pytest_f3dx._scan import files_at, scan

    make = _auditors(allow)
    files = found = unread = 0
    for path in paths:
        try:
            for file in files_at(path):
                files += 1
                found += _print(file, scan(file, make()))
        except F3dxError as error:
            unread += 1
            print(error, file=sys.stderr)
    print(
        f"{found} secret{'' if found == 1 else 's'} in {files} file{'' if files == 1 else 's'}",
        file=sys.stderr,
    )
    if unread:
        return USAGE
    return FOUND if found else OK


def _print(file: Path, hits: list[Hit]) -> int:
    for line, kind, masked, where in hits:
        print(printable(f"{file}:{line}: {kind} {masked}{f' in {where}' if where else ''}"))
    return len(hits)


def _auditors(allow: list[str]) -> Callable[[], Auditor]:
    """Say how to make the auditor of a file; it knows the environment and the ini file."""
    from pytest_f3dx._audit import Auditor
    from pytest_f3dx._ini import settings
    from pytest_f3dx._redaction import environment_values

    given, values = settings(Path.cwd()), environment_values(os.environ)
    allowed, redact = (*allow, *given.get("allow", ())), given.get("redact", ())
    return lambda: Auditor(values=values, allow=allowed, redact=redact)
