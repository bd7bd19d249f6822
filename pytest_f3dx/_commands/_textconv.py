"""``pytest-f3dx textconv``: a cassette as git shows it in ``diff``, ``log -p`` and ``show``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_f3dx._commands import OK
from pytest_f3dx._commands._terminal import write

if TYPE_CHECKING:
    import argparse

_UNBOUNDED = 1_000_000  # columns: a changed word must not move the ends of other lines


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser("textconv", help="write a cassette as git diff shows it; see install-git")
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.set_defaults(run=lambda options: _textconv(options.file))


def _textconv(path: Path) -> int:
    """Write a conversation; of a file that is none what it is, since git has to show something."""
    from pytest_f3dx._files import read_bytes
    from pytest_f3dx.errors import F3dxError, printable

    data = read_bytes(path)
    try:
        text = _conversation(data, path)
    except F3dxError as error:
        raw = data.decode("utf-8", "backslashreplace")
        text = printable(f"{error.what}: shown as it is\n\n{raw}")
    write(text)
    return OK


def _conversation(data: bytes, path: Path) -> str:
    from pytest_f3dx._render._conversation import Conversation
    from pytest_f3dx._render._layout import Paint
    from pytest_f3dx._review._cassettes import open_cassette
    from pytest_f3dx._review._files import disk_file
    from pytest_f3dx._review._payloads import Payloads

    cassette = open_cassette(data, path.name)
    file, payloads = disk_file(path, path.name), Payloads()
    paint = Paint(colour=False, width=_UNBOUNDED)
    shown = Conversation(paint, lambda one: payloads.blob(one, file), stable=True)
    return "".join(f"{line}\n" for line in shown.lines(cassette))
