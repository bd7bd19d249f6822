"""Open a bundle as bytes, decompressed by its suffix, in constant memory."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO

from pytest_f3dx.errors import TraceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK_BYTES = 256 * 1024


class BrokenStreamError(Exception):
    """The compressed file is damaged or ends too early."""


def open_bundle(path: Path) -> io.BufferedIOBase:
    """Open a bundle for reading lines.

    Args:
        path: The file; ``.gz`` and ``.zst`` at the end of its name say that it is compressed.

    Returns:
        A binary file; reading it raises one of `STREAM_ERRORS` where compressed data are damaged or cut off.

    Raises:
        OSError: There is no such file, or it cannot be read.
        TraceError: It is a ``.zst`` file and the package zstandard is not installed.
    """
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return gzip.open(path, "rb")
    if suffix == ".zst":
        package = _zstandard(path)  # first: a file that was never opened complains when it is collected
        return io.BufferedReader(_Zstandard(path.open("rb"), package), _CHUNK_BYTES)
    return path.open("rb")


STREAM_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error, BrokenStreamError)
"""What reading a damaged or cut off compressed file raises."""


def _zstandard(path: Path) -> Any:  # noqa: ANN401 (an optional package)
    try:
        import zstandard
    except ImportError as error:
        what, fix = "a .zst bundle needs the package zstandard", "pip install 'pytest-f3dx[zstd]'"
        raise TraceError(path, what, ("fix", fix)) from error
    return zstandard


class _Zstandard(io.RawIOBase):
    """Frames of Zstandard, one after the other.

    The package's own reader takes a file that was cut off for one that has ended: rows would be lost.
    """

    def __init__(self, file: BinaryIO, zstandard: Any) -> None:  # noqa: ANN401 (an optional package)
        self._file = file
        self._broken: type[Exception] = zstandard.ZstdError
        self._new_frame = zstandard.ZstdDecompressor().decompressobj
        self._chunks = self._decompressed()
        self._rest = b""

    def readable(self) -> bool:
        """Say that it can be read: `io.BufferedReader` asks."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 (any writable buffer)
        """Fill the buffer with what comes next; 0 at the end."""
        self._rest = self._rest or next(self._chunks, b"")
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        """Close the file below."""
        self._file.close()
        super().close()

    def _decompressed(self) -> Iterator[bytes]:
        frame = None
        while data := self._file.read(_CHUNK_BYTES):
            while data:
                frame = frame or self._new_frame()
                try:
                    text = frame.decompress(data)
                except self._broken as error:
                    raise BrokenStreamError(str(error)) from error
                if text:
                    yield text
                data, frame = (frame.unused_data, None) if frame.eof else (b"", frame)
        if frame is not None:
            raise BrokenStreamError("it ends within a frame")
