"""The command ``pytest-f3dx``: parse, call, print, exit code."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_f3dx.errors import CassetteError, F3dxError, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_f3dx._model import Cassette

OK, FOUND, USAGE = 0, 1, 2
"""Exit codes: nothing to say; something was found; wrong usage, or a file that cannot be read."""

_BLOBS = "_blobs"
_NO_CASSETTES = {_BLOBS, ".pending"}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pytest-f3dx",
        description="Look at recorded traffic. Recording is for pytest: pytest --f3dx-record=once",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    check = verbs.add_parser(
        "check", help="read cassettes as a replay would, and say what is wrong with them"
    )
    check.add_argument(
        "paths",
        nargs="*",
        type=Path,
        default=[Path("cassettes")],
        metavar="PATH",
        help="cassettes, or directories of them; without any: cassettes",
    )
    digest = verbs.add_parser(
        "fingerprint", help="print the fingerprint of a JSON value: BLAKE3 of its RFC 8785 form"
    )
    digest.add_argument(
        "file", nargs="?", default="-", metavar="FILE", help="JSON file, - for standard input"
    )
    verbs.add_parser(
        "demo", help="record, replay and change a test against a small server inside this process"
    )
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


def _cassettes(path: Path) -> Iterator[Path]:
    """Yield a file, or every cassette below a directory."""
    if not path.is_dir():
        yield path
        return
    for file in sorted(path.rglob("*.yaml")):
        if not _NO_CASSETTES & set(file.relative_to(path).parts):
            yield file


def _blobs_of(file: Path) -> Path:
    """Return where the blobs of a cassette are: in the nearest directory above it that has any."""
    above = file.absolute().parents
    return next((p / _BLOBS for p in above if (p / _BLOBS).is_dir()), file.parent / _BLOBS)


def _check(paths: list[Path]) -> int:
    bad = good = 0
    for file in (file for path in paths for file in _cassettes(path)):
        try:
            note = _read(file)
            good += 1
        except F3dxError as error:
            bad += 1
            note = str(error)
        if note:
            print(note)
    print(f"{good} good, {bad} bad", file=sys.stderr)
    return FOUND if bad else OK


def _read(file: Path) -> str:
    """Read a cassette as a replay would; returns what is worth saying about a good one."""
    from pytest_f3dx import _cassette, _foreign
    from pytest_f3dx._blobs import BlobStore
    from pytest_f3dx._files import read_bytes

    data = read_bytes(file)
    if not _foreign.is_vcrpy(data):
        _check_keys(_cassette.load(data, file, BlobStore(_blobs_of(file))), file)
        return ""
    count = len(_foreign.load(data, file))
    what = f"a cassette of vcrpy, {count} interaction{'' if count == 1 else 's'}"
    return printable(f"{file}: {what}: replayed as it is, never added to")


def _check_keys(cassette: Cassette, file: Path) -> None:
    """Refuse a cassette in which a request was edited: its answer still belongs to the old one."""
    from pytest_f3dx._fingerprint import fingerprint_request

    for key, interaction in cassette.interactions.items():
        request = interaction.request
        fitting = fingerprint_request(
            request,
            match_headers=cassette.match_headers,
            ignore=cassette.ignore,
            replace=cassette.replace,
        )
        if fitting != key:
            raise CassetteError(
                file,
                "the request of an interaction does not fit its key",
                ("request", f"{request.method} {request.uri}  {key[:9]}…"),
                ("fix", "restore it from version control, or record it again with --f3dx-record=all"),
            )


def _fingerprint(file: str) -> int:
    from pytest_f3dx._canonical import NotJsonError, parse_json
    from pytest_f3dx._fingerprint import fingerprint

    data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    try:
        print(fingerprint(parse_json(data)))
    except NotJsonError as error:
        return _complain(f"pytest-f3dx: {'standard input' if file == '-' else file} is no JSON: {error}")
    return OK


def _demo() -> int:
    from pytest_f3dx._demo import run

    return run()
