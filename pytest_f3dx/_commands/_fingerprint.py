"""``pytest-f3dx fingerprint``: the BLAKE3 of the RFC 8785 form of a JSON text."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_f3dx._commands import OK, USAGE
from pytest_f3dx.errors import printable

if TYPE_CHECKING:
    import argparse


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser(
        "fingerprint", help="print the fingerprint of a JSON value: BLAKE3 of its RFC 8785 form"
    )
    parser.add_argument(
        "file", nargs="?", default="-", metavar="FILE", help="JSON file, - for standard input"
    )
    parser.set_defaults(run=lambda options: _fingerprint(options.file))


def _fingerprint(file: str) -> int:
    from pytest_f3dx._canonical import NotJsonError, parse_json
    from pytest_f3dx._fingerprint import fingerprint

    data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    try:
        print(fingerprint(parse_json(data)))
    except NotJsonError as error:
        name = "standard input" if file == "-" else file
        print(printable(f"pytest-f3dx: {name} is no JSON: {error}"), file=sys.stderr)
        return USAGE
    return OK
