"""Where the cassette of a test stands: readable, collision-free and inside the cassette directory."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache

from pytest_f3dx.errors import SettingsError

SUFFIX = ".yaml"
_MAX_BYTES = 120  # of a whole file name: leaves room for temporary names on every file system
_HASH_CHARS = 8
_FORBIDDEN = re.compile(r"[^\w.,=+@~\[\]-]")
_RESERVED = re.compile(r"(?i)^(con|prn|aux|nul|com\d|lpt\d|_blobs)(\.|$)")

# Most names of tests need no change, and one look finds that: a name in ASCII that is not reserved, without
# capitals but for its classes.
_PLAIN = re.compile(
    r"(?!(?i:con|prn|aux|nul|com\d|lpt\d|_blobs)(?:\.|$))(?:[A-Za-z0-9_]+\.)*[a-z0-9_]+(?:\[[a-z0-9_.,=+@~\[\]-]*\])?",
    re.ASCII,
)
_PLAIN_CHARS = _MAX_BYTES - len(SUFFIX)


def _short_hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_CHARS]


def _is_safe(part: str) -> bool:
    return not (
        _FORBIDDEN.search(part)
        or _RESERVED.match(part)
        or part.startswith(".")
        or part.endswith(".")
        or unicodedata.normalize("NFC", part) != part
    )


def _slug(part: str, *, unique: str, force: bool = False, suffix: str = "") -> str:
    """Return a file name for a part; what had to change ends in a short hash of ``unique``."""
    whole = part + suffix
    if part and _is_safe(part) and len(whole.encode()) <= _MAX_BYTES and not force:
        return whole
    clean = _FORBIDDEN.sub("-", unicodedata.normalize("NFC", part)).strip(".-") or "x"
    if _RESERVED.match(clean):
        clean = f"x{clean}"
    room = _MAX_BYTES - len(suffix) - _HASH_CHARS - 1
    clean = clean.encode()[:room].decode("utf-8", "ignore")
    return f"{clean}-{_short_hash(unique)}{suffix}"


def _folds(qualified: str) -> bool:
    """Whether a test's own name has capitals: ``[A]`` and ``[a]`` are one file where case is folded.

    Class names do not count: by convention they have capitals, and two that differ in nothing else
    are rarer than a hash in every file name is worth.
    """
    function, _, parameters = qualified.partition("[")
    own = function.rpartition(".")[2] + parameters
    return own != own.lower()


def cassette_path(node_id: str) -> str:
    """Return the path of a test's own cassette, relative to the cassette directory.

    Args:
        node_id: As pytest gives it: ``tests/test_x.py::TestA::test[param]``.

    Returns:
        ``tests/test_x/TestA.test[param].yaml``; parts that had to change (forbidden or folding
        characters, reserved names, over 120 bytes) end in a short hash of the exact node id.
    """
    file, *names = node_id.split("::", 1)
    name = names[0] if names else "module"
    function, bracket, parameters = name.partition("[")
    joined = function.replace("::", ".") + bracket + parameters
    if len(joined) <= _PLAIN_CHARS and _PLAIN.fullmatch(joined):
        return f"{_folder(file)}{joined}{SUFFIX}"
    return f"{_folder(file)}{_slug(joined, unique=node_id, force=_folds(joined), suffix=SUFFIX)}"


def folder(node_id: str) -> str:
    """Return the directory of a test's own cassette, relative to the cassette directory; ``/`` at its end."""
    return _folder(node_id.partition("::")[0])


@lru_cache(maxsize=64)  # the tests of a module follow one another
def _folder(file: str) -> str:
    return "".join(f"{_slug(part, unique=file)}/" for part in file.removesuffix(".py").split("/") if part)


def check_name(source: str, name: str) -> str:
    """Check the name of a shared cassette.

    Args:
        source: How the setting is called in an error.
        name: Parts joined by ``/``; ``.yaml`` at its end is dropped.

    Raises:
        SettingsError: A part is empty, hidden, reserved, leaves the directory or has a character
            that some file system forbids.
    """
    bare = name.removesuffix(SUFFIX)
    if all(part and _is_safe(part) and len(part.encode()) <= _MAX_BYTES for part in bare.split("/")):
        return bare
    raise SettingsError(
        f"{source} is {name!r}",
        ("accepted", "letters, digits and _ . , = + @ ~ - in parts joined by '/', such as 'shared/login'"),
    )


def shared_path(name: str) -> str:
    """Return the path of a shared cassette, relative to the cassette directory."""
    return name + SUFFIX
