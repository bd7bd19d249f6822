"""A cassette and its blobs as one side of a review has them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pytest_f3dx._files import read_bytes
from pytest_f3dx._tree import blobs_of
from pytest_f3dx.errors import F3dxError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class File:
    """A file on one side.

    Attributes:
        name: As the reader finds it: relative to the root of the repository, or as it was given.
        read: Returns its bytes; raises CassetteError if that fails.
        blob: Returns the file of a blob of this cassette, its size and how to read it.
        must_be: Whether it was asked for by name, or stands where only cassettes stand.
    """

    name: str
    read: Callable[[], bytes]
    blob: Callable[[str], BlobFile]
    must_be: bool = False


@dataclass(frozen=True, slots=True)
class BlobFile:
    """Where a blob is.

    Attributes:
        path: As the reader finds it.
        size_bytes: None if it is not there.
        read: Returns its bytes, None if it is not there.
    """

    path: str
    size_bytes: int | None
    read: Callable[[], bytes | None]


def disk_file(path: Path, name: str, *, must_be: bool = False) -> File:
    """Return a file on the disk.

    Args:
        path: The file.
        name: As the reader finds it.
        must_be: Whether it is an error if it is no cassette.
    """
    return File(name, lambda: read_bytes(path), lambda blob: _disk_blob(path, name, blob), must_be=must_be)


def _disk_blob(cassette: Path, name: str, blob: str) -> BlobFile:
    path = blobs_of(cassette) / blob
    shown = os.path.relpath(path, cassette.absolute().parent)
    shown = os.path.normpath(PurePosixPath(name).parent / shown)
    try:
        size: int | None = path.stat().st_size
    except OSError:
        size = None
    return BlobFile(Path(shown).as_posix(), size, lambda: or_none(path))


def or_none(path: Path) -> bytes | None:
    """Read a file; None if that fails."""
    try:
        return read_bytes(path)
    except (F3dxError, OSError):
        return None
