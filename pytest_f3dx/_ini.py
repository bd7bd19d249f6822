"""Read settings of f3dx out of pytest's ini file, for commands that run without pytest."""

from __future__ import annotations

import configparser
import tomllib
from typing import TYPE_CHECKING, Any

from pytest_f3dx._settings import SETTINGS, check_source

if TYPE_CHECKING:
    from pathlib import Path

# In pytest's own order; the first that has a section for it counts.
_FILES = (
    ("pytest.ini", "pytest"),
    (".pytest.ini", "pytest"),
    ("pyproject.toml", ""),
    ("tox.ini", "pytest"),
    ("setup.cfg", "tool:pytest"),
)


def settings(start: Path) -> dict[str, Any]:
    """Return what the nearest ini file of pytest sets, checked.

    Args:
        start: The directory from which to look upwards.

    Returns:
        Settings by name; those that are lists have their lines split. Nothing if there is no such file
        or it cannot be read: that is for pytest to say.

    Raises:
        SettingsError: A setting is wrong.
    """
    for folder in (start, *start.parents):
        for name, section in _FILES:
            found = _section(folder / name, section)
            if found is not None:
                return check_source(str(folder / name), found)
    return {}


def _section(path: Path, section: str) -> dict[str, Any] | None:
    """Return our keys of the section for pytest, None if there is none."""
    try:
        text = path.read_text(encoding="utf-8")
        found = _toml(text) if not section else _ini(text, section)
    except (OSError, ValueError, configparser.Error):
        return None
    if found is None:
        return None
    lists = {f"f3dx_{each.name}": each.ini == "linelist" for each in SETTINGS if each.ini}
    return {
        key.removeprefix("f3dx_"): _lines(value) if lists[key] and isinstance(value, str) else value
        for key, value in found.items()
        if key in lists
    }


def _ini(text: str, section: str) -> dict[str, Any] | None:
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.read_string(text)
    return dict(parser[section]) if parser.has_section(section) else None


def _toml(text: str) -> dict[str, Any] | None:
    tool = tomllib.loads(text).get("tool", {})
    options = tool.get("pytest", {}).get("ini_options") if isinstance(tool, dict) else None
    return options if isinstance(options, dict) else None


def _lines(value: str) -> list[str]:
    return [line.strip() for line in value.splitlines() if line.strip()]
