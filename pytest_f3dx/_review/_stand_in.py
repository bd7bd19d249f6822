"""Blobs that are named instead of read: a review needs their type, size and hash, not their bytes.

So a cassette with hundreds of megabytes of images costs what its text costs, and one whose blobs are
Git LFS pointers, or are gone, can be reviewed all the same.
"""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path

from pytest_f3dx._blobs import BlobStore
from pytest_f3dx.errors import BlobError

_MARK = b"f3dx-blob:"
_NAME = re.compile(r"([0-9a-f]{2})/(\1[0-9a-f]{62})\.([a-z0-9]{1,8})")
_EXTENSIONS = {"webp": "image/webp", "bin": "", "gz": "application/gzip", "flac": "audio/flac"}


class NamedBlobs(BlobStore):
    """Gives for each blob a few bytes that name it."""

    def __init__(self) -> None:
        """Need no directory."""
        super().__init__(Path("_blobs"))

    def get(self, name: str) -> bytes:
        """Return the name of a blob in the guise of its content.

        Raises:
            BlobError: It is no name of a blob.
        """
        if not _NAME.fullmatch(name):
            raise BlobError(self.root, f"{name!r} is no name of a blob", ("fix", "record it again"))
        return _MARK + name.encode()


def named(data: bytes) -> str:
    """Return the name of the blob that some bytes stand for; empty if they are what they are."""
    name = data.removeprefix(_MARK).decode("ascii", "replace") if data.startswith(_MARK) else ""
    return name if _NAME.fullmatch(name) else ""


def media_of(name: str) -> str:
    """Return the media type that the extension of a blob means, empty if none."""
    extension = name.rpartition(".")[2]
    return _EXTENSIONS.get(extension, mimetypes.types_map.get(f".{extension}", ""))


def digest_of(name: str) -> str:
    """Return the BLAKE3 that a blob is named by."""
    return name[3:67]
