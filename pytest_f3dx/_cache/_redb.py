"""Read a cache of f3dx: the tables of a redb file, which f3dx itself cannot list.

Only as much of the format as is needed, measured on files of f3dx 0.0.19 (redb's file format 2, as its design
document outlines it): a header with two commit slots, and B-trees of pages whose entries stand sorted.

    header   "redb" 1A 0A A9 0D 0A, flags, page bytes (u32 at 12), header pages of a region (u32 at 16), pages
             of a region (u32 at 20); slots at 64, 192: format (u8), roots present (3 times u8), the root of
             the table of tables (at 8: page u64, checksum 16 bytes, length u64)
    leaf     1, 0, entries (u16), ends of keys (u32 each), ends of values (u32 each), keys, values
    branch   2, 0, keys (u16), 4 bytes, checksums of children (16 bytes each), pages of children (u64 each)
    page     order << 59 | region << 20 | index: 2^order pages, the index-th of that size in its region
    table    3, length (u64), 1 if there is a root, the root's page (u64)

All numbers are little-endian. Every read is checked against the file's size: a damaged file is an error.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from pytest_f3dx.errors import CacheError, CacheFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAGIC = b"redb\x1a\x0a\xa9\x0d\x0a"
_SECOND_SLOT, _DIRTY = 1, 2  # flags
_SLOTS = (64, 192)
_FORMATS = (2, 3)
_LEAF, _BRANCH = 1, 2
_MAX_DEPTH = 64


class RedbFile:
    """A redb file in memory.

    Attributes:
        was_closed: Whether its last writer closed it; if not, what it wrote last may not be there.
    """

    def __init__(self, data: bytes, path: Path) -> None:
        """Read the header.

        Raises:
            CacheFormatError: It is no redb file, or of another format.
            CacheError: It is damaged.
        """
        self._data, self._path = data, path
        if not data.startswith(MAGIC):
            raise CacheFormatError(
                path, "this is no redb file", ("fix", "name a cache that f3dx has written")
            )
        flags = self._number(9, 1)
        self.was_closed = not flags & _DIRTY
        self._page_bytes, self._header_pages, self._region_pages = (
            self._number(at, 4) for at in (12, 16, 20)
        )
        slot = _SLOTS[flags & _SECOND_SLOT]
        if (written := self._number(slot, 1)) not in _FORMATS:
            known = " or ".join(map(str, _FORMATS))
            fix = "open it once with f3dx 0.0.19, which rewrites it"
            raise CacheFormatError(
                path, f"the redb file is of format {written}; this version reads {known}", ("fix", fix)
            )
        self._root = self._number(slot + 8, 8) if self._number(slot + 1, 1) else None

    def tables(self) -> dict[str, int | None]:
        """Return the root pages of the tables by name; None is the root of an empty one."""
        found: dict[str, int | None] = {}
        for name, definition in self._entries(self._root):
            has_root = definition[9:10] == b"\1"
            found[name.decode(errors="replace")] = (
                int.from_bytes(definition[10:18], "little") if has_root else None
            )
        return found

    def table(self, name: str) -> Iterator[tuple[bytes, bytes]]:
        """Yield the keys and values of a table; none if there are no tables at all.

        Raises:
            CacheError: The file is damaged.
        """
        tables = self.tables()
        if tables and name not in tables:
            raise self._damaged(f"there is no table {name!r}")
        return self._entries(tables.get(name))

    def _entries(self, page: int | None, depth: int = 0) -> Iterator[tuple[bytes, bytes]]:
        if page is None:
            return
        start, end = self._place(page)
        kind, count = self._number(start, 1), self._number(start + 2, 2)
        if depth > _MAX_DEPTH or kind not in (_LEAF, _BRANCH):
            raise self._damaged(f"no page of a table at byte {start}")
        if kind == _BRANCH:
            for child in range(count + 1):
                yield from self._entries(self._number(start + 8 + 16 * (count + 1) + 8 * child, 8), depth + 1)
            return
        yield from self._leaf(start, end, count)

    def _leaf(self, start: int, end: int, count: int) -> Iterator[tuple[bytes, bytes]]:
        ends = [self._number(start + 4 + 4 * at, 4) for at in range(2 * count)]
        edges = [4 + 8 * count, *ends]
        if sorted(edges) != edges or start + edges[-1] > end:
            raise self._damaged(f"the entries of the page at byte {start} overlap")
        page = self._data[start:end]
        pieces = [page[left:right] for left, right in pairwise(edges)]
        yield from zip(pieces[:count], pieces[count:], strict=True)

    def _place(self, page: int) -> tuple[int, int]:
        """Return where a page begins and ends."""
        order, region, index = page >> 59, page >> 20 & 0xFFFFF, page & 0xFFFFF
        length = self._page_bytes << order
        region_bytes = (self._header_pages + self._region_pages) * self._page_bytes
        start = self._page_bytes * (1 + self._header_pages) + region * region_bytes + index * length
        if start + length > len(self._data):
            raise self._damaged(f"a page at byte {start} is beyond the end of the file")
        return start, start + length

    def _number(self, at: int, length: int) -> int:
        if at + length > len(self._data):
            raise self._damaged("the file is cut off")
        return int.from_bytes(self._data[at : at + length], "little")

    def _damaged(self, why: str) -> CacheError:
        fix = "restore the file; nothing was written to it"
        return CacheError(self._path, "the redb file is damaged", ("reason", why), ("fix", fix))
