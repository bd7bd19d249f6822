"""The command ``pytest-f3dx``: parse, call a verb of `_commands`, turn its errors into an exit code."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from pytest_f3dx._commands import (
    USAGE,
    _check,
    _demo,
    _diff,
    _fingerprint,
    _import_redb,
    _install_git,
    _merge_driver,
    _replay,
    _scan,
    _show,
    _textconv,
)
from pytest_f3dx.errors import F3dxError, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

_VERBS = (
    _check,
    _fingerprint,
    _diff,
    _show,
    _textconv,
    _demo,
    _install_git,
    _merge_driver,
    _scan,
    _replay,
    _import_redb,
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pytest-f3dx",
        description="Look at recorded traffic. Recording is for pytest: pytest --f3dx-record=once",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    for verb in _VERBS:
        verb.add(verbs)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Arguments without the program's name; None takes those of the process.

    Returns:
        0 nothing to say, 1 something was found, 2 wrong usage or unreadable file.
    """
    try:
        options = _parser().parse_args(argv)
    except SystemExit as stop:  # argparse has printed; a library function does not end its caller
        return stop.code if isinstance(stop.code, int) else USAGE
    try:
        return int(options.run(options))
    except F3dxError as error:
        return _complain(str(error))
    except OSError as error:
        return _complain(f"pytest-f3dx: {error}")


def _complain(text: str) -> int:
    print(printable(text), file=sys.stderr)
    return USAGE
