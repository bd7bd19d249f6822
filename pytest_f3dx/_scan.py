"""Look through files of any kind for secrets: cassettes as the exchanges they hold, all else as text.

Nothing is shown of what is found but its kind, its place and a mask. Bounded: a file is read up to a
limit, symbolic links are not followed, and what is no regular file is not opened.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_f3dx import _foreign
from pytest_f3dx._files import read_bytes
from pytest_f3dx.errors import CassetteAccessError, CassetteError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_f3dx._audit import Auditor, Leak
    from pytest_f3dx._model import Request, Response

LIMIT_BYTES = 64 * 1024 * 1024
_HEAD_BYTES = 8192
_SKIPPED = {".git", ".hg", "__pycache__", "node_modules"}
_OURS = b"# pytest-f3dx cassette"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class Hit(NamedTuple):
    """One secret in a file.

    Attributes:
        line: Where it stands, or where the interaction begins in which it stands, counted from 1.
        kind: Its name or shape, kebab case.
        masked: What may be shown of it.
        where: The part of the exchange, or empty.
    """

    line: int
    kind: str
    masked: str
    where: str


def files_at(path: Path) -> Iterator[Path]:
    """Yield a file, or every regular file below a directory in the order of their names.

    Raises:
        CassetteAccessError: There is nothing at the path.
    """
    if not path.is_dir():
        if not path.exists():
            raise CassetteAccessError(path, "there is no such file", ("fix", "name files or directories"))
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        for file in (Path(folder, name) for name in sorted(names)):
            if file.is_file() and not file.is_symlink():
                yield file


def scan(path: Path, auditor: Auditor) -> list[Hit]:
    """Return the secrets of a file, in the order of their lines, each once.

    Args:
        path: The file.
        auditor: Knows the values of the environment, and what is allowed.

    Raises:
        CassetteAccessError: It is too large or cannot be read.
    """
    data = read_bytes(path, limit_bytes=LIMIT_BYTES)
    if data[:2] in _UTF_16:
        data = data.decode("utf-16", "replace").encode()
    exchanges = _exchanges(data, path)
    # In a cassette names are told by its structure: in YAML a body has lost the quotes that tell them.
    is_plain = not exchanges and _is_text(data)
    hits = set(_of_text(data.decode("latin-1"), auditor, is_plain=is_plain))
    for request, response, line in exchanges:
        hits |= {_in_exchange(leak, data, line) for leak in auditor.exchange(request, response)}
    return _distinct(hits)


def _distinct(hits: set[Hit]) -> list[Hit]:
    """Keep of hits that are alike the one that says most about its place."""
    best: dict[tuple[int, str], Hit] = {}
    for hit in sorted(hits, key=lambda hit: (hit.line, hit.masked, hit.kind, hit.where)):
        known = best.get((hit.line, hit.masked))
        if known is None or len(hit.where) > len(known.where):
            best[hit.line, hit.masked] = hit
    return list(best.values())


def _of_text(text: str, auditor: Auditor, *, is_plain: bool) -> Iterator[Hit]:
    for leak in auditor.file(text, "") if is_plain else auditor.whole(text, ""):
        at = leak.offset if leak.offset is not None else text.find(leak.value)
        yield Hit(text.count("\n", 0, max(at, 0)) + 1, leak.kind, leak.masked, _view_of(leak))


def _view_of(leak: Leak) -> str:
    """Say in which view of a text a secret stands; its line is told beside it."""
    return "" if leak.offset is not None else leak.where.removeprefix(", ")


def _is_text(data: bytes) -> bool:
    head = data[:_HEAD_BYTES]
    try:
        head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return False
    return b"\0" not in head


def _in_exchange(leak: Leak, data: bytes, line: int) -> Hit:
    """Find the line of a secret behind the line at which its interaction begins."""
    start = 0
    for _ in range(line - 1):
        start = data.find(b"\n", start) + 1
    at = data.find(leak.value.encode("latin-1", "replace"), start)
    return Hit(data.count(b"\n", 0, at if at >= 0 else start) + 1, leak.kind, leak.masked, leak.where)


def _exchanges(data: bytes, path: Path) -> list[tuple[Request, Response, int]]:
    """Return the exchanges of a cassette with the line of each; none of what is none, or damaged."""
    try:
        if data.startswith(_OURS):
            return list(_our_exchanges(data, path))
        if _foreign.is_vcrpy(data):
            return list(_their_exchanges(data, path))
    except CassetteError:  # looked through as text all the same; `check` says what is wrong with it
        pass
    return []


def _our_exchanges(data: bytes, path: Path) -> Iterator[tuple[Request, Response, int]]:
    from pytest_f3dx._blobs import BlobStore
    from pytest_f3dx._cassette import load
    from pytest_f3dx._tree import blobs_of

    for key, interaction in load(data, path, BlobStore(blobs_of(path))).interactions.items():
        line = data.count(b"\n", 0, max(data.find(key.encode()), 0)) + 1
        for response in interaction.responses:
            yield interaction.request, response, line


def _their_exchanges(data: bytes, path: Path) -> Iterator[tuple[Request, Response, int]]:
    from dataclasses import replace

    from pytest_f3dx._content import decoded
    from pytest_f3dx._yaml_read import locate

    is_yaml = data.lstrip()[:1] != b"{"
    for number, (request, response) in enumerate(_foreign.load(data, path)):
        line = (locate(data, ("interactions", number)) or 1) if is_yaml else 1
        plain = [
            replace(side, headers=headers, body=body)
            for side in (request, response)
            for headers, body in [decoded(side.headers, side.body)]
        ]
        yield plain[0], plain[1], line  # type: ignore[misc]  # a request and a response, in this order
