"""The block in ``.gitattributes`` that gives cassettes their drivers; other lines are the user's. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_CLOSED = b"# <<< pytest-f3dx\n"
_OPEN = b"# >>> pytest-f3dx install-git; undone by --uninstall"
_JOINED = b" (with the newline above)"  # the file did not end in one: --uninstall takes it away again
_BLOCK = re.compile(rb"(\n?)^%s(%s)?\r?\n(?s:.*?)^# <<< pytest-f3dx\r?(?:\n|\Z)" % (
    re.escape(_OPEN), re.escape(_JOINED),
), re.MULTILINE)  # fmt: skip
_GLOB = re.compile(r"[*?\[\\]")
_PLAIN = re.compile(r"[!-~]+")  # git reads a pattern up to the first blank, unless it is quoted


def with_block(text: bytes, folders: Iterable[str]) -> bytes:
    """Put our block at the end of the file, where it has the last word; one that is there is replaced.

    Args:
        text: The file; empty if there is none.
        folders: The cassette directories relative to the file, with ``/``; empty for that of the file.

    Returns:
        The new file, equal to the old one if nothing has to change.
    """
    text = without_block(text)
    joined = bool(text) and not text.endswith(b"\n")
    head = b"\n" + _OPEN + _JOINED if joined else _OPEN
    # The attribute linguist-generated keeps GitHub from showing blobs; cassettes are there to be shown.
    lines = "".join(
        f"{_pattern(folder, '**/*.yaml')} text eol=lf diff=f3dx merge=f3dx\n"
        f"{_pattern(folder, '_blobs/**')} -text linguist-generated\n"
        for folder in folders
    )
    return text + head + b"\n" + lines.encode() + _CLOSED


def without_block(text: bytes) -> bytes:
    """Take our block out; what is left is the file as it was before `with_block`."""
    return _BLOCK.sub(lambda found: b"" if found[2] else found[1], text)


def _pattern(folder: str, rest: str) -> str:
    """Write a pattern that means the folder literally, however it is named."""
    parts = [_GLOB.sub(r"\\\g<0>", folder)] if folder else []
    pattern = "/" + "/".join([*parts, rest])
    if _PLAIN.fullmatch(pattern) and '"' not in pattern:
        return pattern
    return '"' + pattern.replace("\\", "\\\\").replace('"', '\\"') + '"'
