"""The command ``pytest-f3dx``: parse, call, print, exit code."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_f3dx.errors import F3dxError, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OK, FOUND, USAGE = 0, 1, 2
"""Exit codes: nothing to say; something was found; wrong usage, or a file that cannot be read."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pytest-f3dx",
        description="Look at recorded traffic. Recording and replaying is pytest's: pytest --f3dx-record=once",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    check = verbs.add_parser("check", help="read cassettes as a replay would, and say what is wrong with them")
    check.add_argument("paths", nargs="*", type=Path, default=[Path("cassettes")], metavar="PATH")
    digest = verbs.add_parser("fingerprint", help="print the fingerprint of a JSON value: BLAKE3 of its RFC 8785 form")
    digest.add_argument("file", nargs="?", default="-", metavar="FILE", help="JSON file, - for standard input")
    verbs.add_parser("demo", help="record, replay and change a test against a small server inside this process")
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
        if options.verb == "check":
            return _check(options.paths)
        if options.verb == "fingerprint":
            return _fingerprint(options.file)
        return _demo()
    except F3dxError as error:
        return _complain(str(error))
    except OSError as error:
        return _complain(f"pytest-f3dx: {error}")


def _complain(text: str) -> int:
    print(printable(text), file=sys.stderr)
    return USAGE


def _cassettes(path: Path) -> Iterator[tuple[Path, Path]]:
    """Yield (cassette directory, cassette) for a file, or for every cassette below a directory."""
    if path.is_dir():
        hidden = {".pending", "_blobs"}
        found = sorted(p for p in path.rglob("*.yaml") if not hidden & set(p.relative_to(path).parts))
        yield from ((path, file) for file in found)
    else:
        yield _root_of(path), path


def _root_of(path: Path) -> Path:
    """Return the cassette directory of a file: the nearest one above it that holds blobs."""
    return next((p for p in path.absolute().parents if (p / "_blobs").is_dir()), path.parent)


def _check(paths: list[Path]) -> int:
    from pytest_f3dx._blobs import BlobStore
    from pytest_f3dx._cassette import load
    from pytest_f3dx._files import read_bytes

    bad = good = 0
    for root, file in (pair for path in paths for pair in _cassettes(path)):
        try:
            load(read_bytes(file), file, BlobStore(root))
            good += 1
        except F3dxError as error:
            bad += 1
            print(error)
    print(f"{good} good, {bad} bad", file=sys.stderr)
    return FOUND if bad else OK


def _fingerprint(file: str) -> int:
    from pytest_f3dx._fingerprint import fingerprint

    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
        print(fingerprint(json.loads(text)))
    except ValueError as error:
        return _complain(f"pytest-f3dx: {file} is no JSON: {error}")
    return OK


def _demo() -> int:
    from pytest_f3dx._demo import run

    return run()
