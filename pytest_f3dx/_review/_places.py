"""Where cassettes stand in a repository, told by names alone."""

from __future__ import annotations

import posixpath
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pytest_f3dx._review._files import or_none
from pytest_f3dx._tree import BLOBS

if TYPE_CHECKING:
    from pathlib import Path

HIDDEN = {BLOBS, ".pending", ".git"}
_SUFFIXES = (".yaml", ".yml", ".json")
_HOME = "cassettes"  # a file below a directory of this name is a cassette, or a damaged one
_INI_FILES = ("pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
_INI_LINE = re.compile(r"""^[ \t]*f3dx_cassette_dir[ \t]*=[ \t]*["']?([^"'\n#]+)""", re.MULTILINE)


def is_cassette_name(name: str) -> bool:
    """Whether a file may be a cassette, by its name."""
    path = PurePosixPath(name)
    if path.suffix not in _SUFFIXES or HIDDEN & set(path.parts):
        return False
    return path.suffix != ".json" or _HOME in path.parts


def is_home(name: str, homes: tuple[str, ...]) -> bool:
    """Whether a file stands where only cassettes do.

    Args:
        name: Relative to the root of the repository.
        homes: As `configured_homes` returns them.
    """
    return is_cassette_name(name) and (_HOME in PurePosixPath(name).parts or name.startswith(homes))


def configured_homes(root: Path) -> tuple[str, ...]:
    """Return the cassette directory that the settings of a project name, with a slash at its end.

    Args:
        root: Where its ini file is; pytest is not asked, since it would have to run.
    """
    found = []
    for name in _INI_FILES:
        text = (or_none(root / name) or b"").decode("utf-8", "replace")
        found += [posixpath.normpath(one.strip()) + "/" for one in _INI_LINE.findall(text)]
    return tuple(found)
