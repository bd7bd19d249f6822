"""``pytest-f3dx show``: one cassette as the conversation it holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_f3dx._commands import OK
from pytest_f3dx._commands._terminal import add_colour, is_coloured, width, write

if TYPE_CHECKING:
    import argparse


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser("show", help="show a cassette as a conversation")
    parser.add_argument("cassette", type=Path, metavar="CASSETTE")
    add_colour(parser)
    parser.set_defaults(run=_show)


def _show(options: argparse.Namespace) -> int:
    from pytest_f3dx._render._conversation import Conversation
    from pytest_f3dx._render._layout import Paint
    from pytest_f3dx._review._cassettes import open_cassette
    from pytest_f3dx._review._files import disk_file
    from pytest_f3dx._review._payloads import Payloads

    file, payloads = disk_file(options.cassette, str(options.cassette), must_be=True), Payloads()
    cassette = open_cassette(file.read(), file.name)
    shown = Conversation(Paint(is_coloured(options.color), width()), lambda one: payloads.blob(one, file))
    for line in shown.lines(cassette):
        write(f"{line}\n")
    return OK
