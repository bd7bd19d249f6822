"""Opaque payloads in files of their own, named by their BLAKE3: equal payloads are one file."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from pytest_f3dx._damage import is_lfs_pointer
from pytest_f3dx._files import read_bytes, write_atomic
from pytest_f3dx._yaml_read import RECORD_AGAIN
from pytest_f3dx.errors import BlobError, CassetteAccessError

if TYPE_CHECKING:
    from pathlib import Path

_NAME = re.compile(r"([0-9a-f]{2})/(\1[0-9a-f]{62})\.([a-z0-9]{1,8})")
FALLBACK_EXTENSION = "bin"
_MAGIC = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "png"),
    (re.compile(rb"\xff\xd8\xff"), "jpg"),
    (re.compile(rb"GIF8[79]a"), "gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "webp"),
    (re.compile(rb"RIFF....WAVE", re.DOTALL), "wav"),
    (re.compile(rb"%PDF-"), "pdf"),
    (re.compile(rb"OggS"), "ogg"),
    (re.compile(rb"fLaC"), "flac"),
    (re.compile(rb"ID3"), "mp3"),
    (re.compile(rb"....ftyp", re.DOTALL), "mp4"),
    (re.compile(rb"\x1aE\xdf\xa3"), "webm"),
    (re.compile(rb"PK\x03\x04"), "zip"),
    (re.compile(rb"\x1f\x8b"), "gz"),
)
_BY_MEDIA_TYPE = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/svg+xml": "svg",
    "application/pdf": "pdf",
    "application/zip": "zip",
    "application/gzip": "gz",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/ogg": "ogg",
    "audio/flac": "flac",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "text/plain": "txt",
    "text/csv": "csv",
}


def extension_of(data: bytes, media_type: str = "") -> str:
    """Guess the extension of a payload from its first bytes, then from what it is declared as.

    Args:
        data: The payload.
        media_type: Such as ``image/png``; parameters are ignored.

    Returns:
        Without dot; ``bin`` if nothing is known.
    """
    for magic, extension in _MAGIC:
        if magic.match(data):
            return extension
    return _BY_MEDIA_TYPE.get(media_type.partition(";")[0].strip().lower(), FALLBACK_EXTENSION)


class BlobStore:
    """The blobs of a cassette tree.

    `put` only names and remembers a blob, so that the text of a cassette can be computed and looked through
    first; `flush` writes, and must come before the cassette that names the blobs is written.

    Attributes:
        root: The directory; made when the first blob is written.
        pending: Blobs that are named but not written yet, by name.
    """

    def __init__(self, root: Path) -> None:
        """Touch nothing on disk."""
        self.root = root
        self.pending: dict[str, bytes] = {}

    def put(self, data: bytes, extension: str) -> str:
        """Name a blob and keep it until `flush`.

        Args:
            data: The payload.
            extension: Lower-case letters and digits, at most eight.

        Returns:
            ``aa/<64 hex>.<extension>``, relative to the root.
        """
        digest = _digest(data)
        name = f"{digest[:2]}/{digest}.{extension}"
        if not _NAME.fullmatch(name):
            message = f"no extension of a blob: {extension!r}"
            raise ValueError(message)
        self.pending[name] = data
        return name

    def flush(self) -> None:
        """Write the pending blobs, each atomically and durably; one that is there already is not touched.

        Raises:
            CassetteAccessError: The operating system refuses; what is not written stays pending.
            BlobError: A symbolic link leads out of the root.
        """
        while self.pending:
            name, data = next(iter(self.pending.items()))
            self._check_inside(name)
            if not self._has(name, data):
                write_atomic(self.root / name, data)
            del self.pending[name]

    def discard(self) -> None:
        """Forget the pending blobs: the cassette that names them will not be written."""
        self.pending.clear()

    def get(self, name: str) -> bytes:
        """Read a blob and check that it is what its name says.

        Args:
            name: As `put` returned it; from a file, hence not trusted.

        Raises:
            BlobError: No name of a blob, not there, outside the root, or of other content.
        """
        if name in self.pending:
            return self.pending[name]
        if not _NAME.fullmatch(name):
            raise BlobError(self.root, f"{name!r} is no name of a blob", ("fix", RECORD_AGAIN))
        data = self._read(name)
        if _digest(data) == name[3:67]:
            return data
        if is_lfs_pointer(data):
            raise BlobError(self.root / name, "the blob is a Git LFS pointer", ("fix", "git lfs pull"))
        raise BlobError(self.root / name, "the blob is not what its name says", ("fix", RECORD_AGAIN))

    def _read(self, name: str) -> bytes:
        self._check_inside(name)
        path = self.root / name
        try:
            return read_bytes(path)
        except FileNotFoundError as error:
            raise BlobError(path, "the blob is not there", ("fix", RECORD_AGAIN)) from error
        except CassetteAccessError as error:
            raise BlobError(path, error.what, *error.facts[1:]) from error

    def _check_inside(self, name: str) -> None:
        """Refuse a symbolic link that leads out of the tree, for reading and for writing."""
        inside, path = os.path.realpath(self.root), self.root / name
        if os.path.commonpath([inside, os.path.realpath(path)]) != inside:
            raise BlobError(
                path, "the blob is a link to outside the blobs' directory", ("fix", "remove the link")
            )

    def _has(self, name: str, data: bytes) -> bool:
        """Whether the very same blob is on disk; a damaged one is written anew."""
        try:
            return self._read(name) == data
        except BlobError:
            return False


def _digest(data: bytes) -> str:
    import blake3  # only tests with blobs pay for it

    return blake3.blake3(data).hexdigest()
