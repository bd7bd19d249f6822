"""What can be told of a damaged file from its bytes alone, before any parser sees it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_f3dx._yaml_read import RECORD_AGAIN
from pytest_f3dx.errors import CassetteError, CassetteFormatError

if TYPE_CHECKING:
    from pathlib import Path

BOM = b"\xef\xbb\xbf"
# Deleting these with `bytes.translate` and comparing lengths costs a tenth of searching for them.
CONTROLS = bytes([*range(9), 11, 12, *range(14, 32), 127])
_CONTROL = re.compile(b"[" + re.escape(CONTROLS) + b"]")
_CONFLICT = re.compile(rb"^(?:<{7}|>{7}|\|{7}|={7})(?:[ \r]|$)", re.MULTILINE)
_LFS = b"version https://git-lfs.github.com/spec/"
_HTML = re.compile(rb"\A\s*(?:<!doctype html|<html)", re.IGNORECASE)
_HTML_TAG = re.compile(rb"<html", re.IGNORECASE)


def check(data: bytes, path: Path) -> bytes:
    """Refuse what is no cassette of any tool.

    Args:
        data: The whole file.
        path: Its name, for errors.

    Returns:
        The data without a byte order mark.

    Raises:
        CassetteError: Empty, a Git LFS pointer, an HTML page, left in a merge conflict, not UTF-8, or with
            raw control characters; with the line.
    """
    if not data.strip():
        raise CassetteError(path, "the file is empty", ("fix", RECORD_AGAIN))
    if is_lfs_pointer(data):
        raise CassetteError(
            path, "this is a Git LFS pointer, not the file itself", ("fix", "git lfs pull"), line=1
        )
    if _HTML.match(data):
        tag = _HTML_TAG.search(data)
        line = line_at(data, tag.start() if tag else 0)
        raise CassetteFormatError(
            path, "this is an HTML page, not a cassette", ("fix", RECORD_AGAIN), line=line
        )
    if conflict := _CONFLICT.search(data):
        what = "the file holds merge conflict markers"
        fix = "resolve the merge, or delete the file and record it again with --f3dx-record=once"
        raise CassetteError(path, what, ("fix", fix), line=line_at(data, conflict.start()))
    _check_characters(data, path)
    return data.removeprefix(BOM)


def is_lfs_pointer(data: bytes) -> bool:
    """Whether the bytes stand for a file that Git LFS has not fetched."""
    return data.startswith(_LFS)


def line_at(data: bytes, offset: int) -> int:
    """Return the line of a byte, counted from 1."""
    return data.count(b"\n", 0, offset) + 1


def _check_characters(data: bytes, path: Path) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        what = f"not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}"
        line = line_at(data, error.start)
        raise CassetteError(path, what, ("fix", RECORD_AGAIN), line=line) from error
    if len(data.translate(None, CONTROLS)) != len(data) and (found := _CONTROL.search(data)):
        what = f"a raw control character 0x{found.group()[0]:02x} at offset {found.start()}"
        raise CassetteError(path, what, ("fix", RECORD_AGAIN), line=line_at(data, found.start()))
