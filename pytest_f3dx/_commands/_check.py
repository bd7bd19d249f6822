"""``pytest-f3dx check``: read cassettes as a replay would, and say what is wrong with them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_f3dx._commands import FOUND, OK
from pytest_f3dx.errors import CassetteError, F3dxError, printable

if TYPE_CHECKING:
    import argparse

    from pytest_f3dx._model import Cassette


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser(
        "check", help="read cassettes as a replay would, and say what is wrong with them"
    )
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        default=[Path("cassettes")],
        metavar="PATH",
        help="cassettes, or directories of them; without any: cassettes",
    )
    parser.set_defaults(run=lambda options: _check(options.paths))


def _check(paths: list[Path]) -> int:
    from pytest_f3dx._tree import cassettes_at

    bad = good = 0
    for file in (file for path in paths for file in cassettes_at(path)):
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
    from pytest_f3dx._tree import blobs_of

    data = read_bytes(file)
    if not _foreign.is_vcrpy(data):
        _check_keys(_cassette.load(data, file, BlobStore(blobs_of(file))), file)
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
