"""Cassettes in a directory, and where their blobs are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOBS = "_blobs"
_NO_CASSETTES = {BLOBS, ".pending"}


def cassettes_at(path: Path) -> Iterator[Path]:
    """Yield a file, or every cassette below a directory in the order of their names."""
    if not path.is_dir():
        yield path
        return
    for file in sorted(path.rglob("*.yaml")):
        if not _NO_CASSETTES & set(file.relative_to(path).parts):
            yield file


def blobs_of(file: Path) -> Path:
    """Return where the blobs of a cassette are: in the nearest directory above it that has any."""
    above = file.absolute().parents
    return next((p / BLOBS for p in above if (p / BLOBS).is_dir()), file.parent / BLOBS)
