"""Find the function that ``--target module:function`` names."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from pytest_f3dx._settings import nearest
from pytest_f3dx.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

_FIX = ("fix", "name a function of a row, as --target package.module:function")


def load_target(name: str, *, where: str) -> Callable[[Any], object]:
    """Import a target.

    Args:
        name: ``module:function``; after the colon there may be several names with dots between.
        where: A directory from which modules are imported as well, before all others.

    Returns:
        What is there; it can be called.

    Raises:
        SettingsError: It is not there, cannot be imported, or cannot be called.
    """
    module_name, colon, path = name.partition(":")
    if not (module_name and colon and path):
        raise SettingsError(f"the target {name!r} is not of the form module:function", _FIX)
    if where not in sys.path:
        sys.path.insert(0, where)
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:  # a module of the user may raise anything
        if isinstance(error, ModuleNotFoundError) and error.name == module_name:
            raise SettingsError(f"there is no module {module_name!r}", ("looked in", where), _FIX) from None
        what = f"the module {module_name!r} cannot be imported"
        raise SettingsError(what, ("because", f"{type(error).__name__}: {error}"), _FIX) from error
    for part in path.split("."):
        if not hasattr(found, part):
            what = f"there is no {part!r} in {module_name!r}{nearest(part, _names(found))}"
            raise SettingsError(what, _FIX)
        found = getattr(found, part)
    if not callable(found):
        raise SettingsError(f"the target {name!r} cannot be called: it is a {type(found).__name__}", _FIX)
    return found  # type: ignore[no-any-return]  # `callable` has looked


def _names(found: object) -> list[str]:
    return [name for name in dir(found) if not name.startswith("_")]
