"""The terminal: its width, whether it is coloured, and a line of progress on it."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, Self, TextIO

from pytest_f3dx._render._layout import columns
from pytest_f3dx.errors import printable

if TYPE_CHECKING:
    import argparse
    from pathlib import Path
    from types import TracebackType

_WIDTH = 100  # of what is no terminal
_PATIENCE_S = 0.5  # what is done sooner needs no progress


def add_colour(parser: argparse.ArgumentParser) -> None:
    """Declare the option."""
    parser.add_argument(
        "--color",
        choices=["auto", "always", "never"],
        default="auto",
        help="auto: on a terminal, unless NO_COLOR is set",
    )


def is_coloured(choice: str, output: Path | None = None) -> bool:
    """Whether escape sequences are written.

    Args:
        choice: ``always``, ``never``, or ``auto``: on a terminal unless NO_COLOR is set (no-color.org).
        output: The file that is written instead of standard output.
    """
    if choice != "auto":
        return choice == "always"
    is_dumb = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return output is None and not is_dumb and sys.stdout.isatty()


def width(output: Path | None = None) -> int:
    """Return the columns of the terminal, or of what is written to a file."""
    if output is None and (sys.stdout.isatty() or os.environ.get("COLUMNS")):
        return max(shutil.get_terminal_size((_WIDTH, 24)).columns, 40)
    return _WIDTH


def write(text: str) -> None:
    """Write to standard output in UTF-8, whatever the locale says.

    Args:
        text: Its control characters are ours.
    """
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None:  # a stream of text that a caller has put in its place
        sys.stdout.write(text)
        return
    try:
        sys.stdout.flush()
        stream.write(text.encode("utf-8", "backslashreplace"))
        stream.flush()
    except BrokenPipeError:  # a pager that was left: what is still to come goes nowhere, also at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Progress:
    """Tells on a terminal how far a long review is; nothing on anything else."""

    def __init__(self, stream: TextIO) -> None:
        """Write nothing yet."""
        self._stream = stream
        self._is_on = stream.isatty()
        self._start_s = time.monotonic()
        self._shown = False

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take the line away, also before an error."""
        self._clear()

    def __call__(self, done: int, total: int, name: str) -> None:
        """Say what is read now.

        Args:
            done: Files that are read.
            total: Files that will be.
            name: Of the file that is read now; empty at the end.
        """
        if not name:
            self._clear()
        elif self._is_on and (self._shown or time.monotonic() - self._start_s > _PATIENCE_S or total == 1):
            room = width()
            text = f"f3dx: {done + 1} of {total}  {printable(name)}"
            while columns(text) >= room:
                text = text[:-1]
            self._stream.write(f"\r\x1b[K{text}")
            self._stream.flush()
            self._shown = True

    def _clear(self) -> None:
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._shown = False
