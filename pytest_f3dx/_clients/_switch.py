"""Puts the patches in place when the first recorder becomes active, and takes them away with the last.

In between there is nothing to pay: a test that is not recorded sees every library as it is.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_f3dx._clients import (
    _aiohttp,
    _http_client,
    _httpx,
    _sockets,
    _threads,
    _tls,
    _tornado,
    _urllib3_future,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import ModuleType

    from pytest_f3dx._clients._exchange import Patch

_ABSENT = object()
_CLIENTS = (_threads, _sockets, _aiohttp, _httpx, _tornado, _urllib3_future, _http_client, _tls)
_AWAITED = frozenset[str]().union(*(client.MODULES for client in _CLIENTS))


class _Made(NamedTuple):
    """A method as it was found, and what stands in its place."""

    original: Any
    replacement: Any


class _Switch:
    """The patches of this process and how many recorders need them."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._users = 0
        self._watched: list[tuple[Mapping[str, Any], str, object]] = []  # what stands where, for a quick look
        self._placed: set[tuple[type | ModuleType, str]] = set()
        # Built once in a process, not for each test.
        self._made: dict[tuple[type | ModuleType, str], list[_Made]] = {}
        self._finder = _Finder(self.refresh)
        self._announcing = _http_client.announcing(self._announced)

    def install(self) -> None:
        """Count one user more; the first puts everything in place."""
        with self._lock:
            self._users += 1
            if self._users == 1:
                sys.meta_path.insert(0, self._finder)
                self._place(self._announcing)
            self.refresh()

    def uninstall(self) -> None:
        """Count one user less; the last takes everything away."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                sys.meta_path.remove(self._finder)
                while self._placed:
                    self._restore(*self._placed.pop())
                _http_client.release()

    def is_in_place(self) -> bool:
        """Whether nobody has taken a patch away meanwhile, such as a mock that was there before it."""
        for here, name, replacement in self._watched:  # noqa: SIM110 - each test asks; a generator is dearer
            if here.get(name) is not replacement:
                return False
        return True

    def refresh(self) -> None:
        """Wrap what has been imported since, if somebody needs it."""
        with self._lock:
            if self._users:
                for client in _CLIENTS:
                    for patch in client.patches():
                        self._place(patch)
                self._watched = [
                    (vars(owner), name, vars(owner).get(name)) for owner, name in list(self._placed)
                ]

    def _announced(self, owner: type) -> None:
        with self._lock:
            for patch in _http_client.connecting(owner):
                self._place(patch)

    def _place(self, patch: Patch) -> None:
        made = self._made.setdefault((patch.owner, patch.name), [])
        self._placed.add((patch.owner, patch.name))
        present = vars(patch.owner).get(patch.name, _ABSENT)
        if any(present is each.replacement for each in made):
            return
        found = next((each for each in made if each.original is present), None)
        if found is None:
            found = _Made(present, patch.wrap(None if present is _ABSENT else present))
            made.append(found)
        setattr(patch.owner, patch.name, found.replacement)

    def _restore(self, owner: type | ModuleType, name: str) -> None:
        """Undo a patch, unless somebody else has wrapped it meanwhile: theirs must go first."""
        present = vars(owner).get(name, _ABSENT)
        for original in [each.original for each in self._made[owner, name] if each.replacement is present]:
            if original is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, original)


class _Finder(importlib.abc.MetaPathFinder):
    """Notices that a client is imported while a recorder is active."""

    def __init__(self, imported: Any) -> None:  # noqa: ANN401
        self._imported = imported
        self._busy = threading.local()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a client like everybody else does, and have it announced once it is executed."""
        if fullname not in _AWAITED or getattr(self._busy, "name", None) == fullname:
            return None
        self._busy.name = fullname
        try:
            spec = _find(self, fullname, path, target)
        finally:
            self._busy.name = None
        if spec is not None and spec.loader is not None:
            spec.loader = _Announcing(spec.loader, self._imported)
        return spec


def _find(
    skipped: object, fullname: str, path: Sequence[str] | None, target: ModuleType | None
) -> importlib.machinery.ModuleSpec | None:
    for finder in sys.meta_path:
        if finder is not skipped and hasattr(finder, "find_spec"):
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                return spec
    return None


class _Announcing(importlib.abc.Loader):
    """Loads a module as its own loader does, then says so; the module keeps its own loader."""

    def __init__(self, loader: Any, imported: Any) -> None:  # noqa: ANN401
        self._loader = loader
        self._imported = imported

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """Create it."""
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Execute it, and announce it."""
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._imported()


_switch = _Switch()


class Hold:
    """Keeps the patches in place between recorded tests that follow one another.

    Putting them in place and taking them away costs a test 20 us, looking at them 2.
    """

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._is_held = False

    def take(self) -> None:
        """See the requests of every client until `let_go`; may be called again and again."""
        if not self._is_held:
            self._is_held = True
            _switch.install()
        elif not _switch.is_in_place():
            _switch.refresh()

    def let_go(self) -> None:
        """Let every library be as it is, unless somebody else still needs the patches."""
        if self._is_held:
            self._is_held = False
            _switch.uninstall()


@contextmanager
def patched() -> Iterator[None]:
    """See the requests of every client while inside; may be nested and used from several threads."""
    _switch.install()
    try:
        yield
    finally:
        _switch.uninstall()
