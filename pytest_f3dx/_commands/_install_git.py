"""``pytest-f3dx install-git``: set the repository up for cassettes, and undo it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_f3dx._commands import OK
from pytest_f3dx.errors import printable

if TYPE_CHECKING:
    import argparse


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser(
        "install-git", help="let git show cassettes as conversations and merge them by interaction"
    )
    parser.add_argument(
        "--cassettes",
        type=Path,
        action="append",
        metavar="DIR",
        help="a cassette directory; repeatable; default: cassettes",
    )
    parser.add_argument("--uninstall", action="store_true", help="take out what was written")
    parser.set_defaults(
        run=lambda options: _run(options.cassettes or [Path("cassettes")], uninstall=options.uninstall)
    )


def _run(cassettes: list[Path], *, uninstall: bool) -> int:
    from pytest_f3dx._git import _install

    told = _install.uninstall() if uninstall else _install.install(cassettes)
    for line in told or ["nothing to remove" if uninstall else "already installed"]:
        print(printable(line))
    for other in [] if uninstall else _install.overridden(cassettes):
        where = "a .gitattributes nearer to them, or in .git/info/attributes"
        print(printable(f"f3dx: cassettes have {other} all the same, from {where}"), file=sys.stderr)
    return OK
