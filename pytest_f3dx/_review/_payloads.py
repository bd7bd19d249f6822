"""What a reader is told of a payload, and where its bytes are should somebody want to see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_f3dx._damage import is_lfs_pointer
from pytest_f3dx._review._model import Blob
from pytest_f3dx._review._stand_in import digest_of, media_of, named

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_f3dx._llm._blocks import Attachment
    from pytest_f3dx._review._files import BlobFile, File

_KEPT_BYTES = 16 * 1024 * 1024  # of payloads that stand in a cassette itself, all together
_POINTER_BYTES = 1024  # a Git LFS pointer is shorter


class Payloads:
    """The payloads of a report, found by their digest when a renderer shows them."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._readers: dict[str, Callable[[], bytes | None]] = {}
        self._kept = 0

    def blob(self, attachment: Attachment, file: File) -> Blob:
        """Tell what a reader is told of a payload.

        Args:
            attachment: As the prompt or answer has it.
            file: The cassette it stands in.
        """
        name = named(attachment.data)
        if name:
            found = file.blob(name)
            digest = digest_of(name)
            self._readers.setdefault(digest, found.read)
            return Blob(attachment.media or media_of(name), _size(found), digest, found.path)
        if attachment.digest and self._kept + attachment.size_bytes <= _KEPT_BYTES:
            data = attachment.data
            if attachment.digest not in self._readers:
                self._kept += len(data)
            self._readers.setdefault(attachment.digest, lambda: data)
        return Blob(attachment.media, attachment.size_bytes, attachment.digest, "", attachment.url)

    def read(self, blob: Blob) -> bytes | None:
        """Return the bytes of a payload, None if they cannot be had or are not what their name says."""
        from blake3 import blake3

        reader = self._readers.get(blob.digest)
        data = reader() if reader else None
        return data if data is not None and blake3(data).hexdigest() == blob.digest else None


def _size(found: BlobFile) -> int:
    """Return the size of a blob, from its pointer if Git LFS has not fetched it; 0 if it is not there."""
    if not found.size_bytes or found.size_bytes > _POINTER_BYTES:
        return found.size_bytes or 0
    data = found.read() or b""
    if not is_lfs_pointer(data):
        return len(data)
    lines = [line.partition(b" ")[2] for line in data.splitlines() if line.startswith(b"size ")]
    return int(lines[0]) if lines and lines[0].isdigit() else 0
