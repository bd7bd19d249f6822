"""`Cache.memoize`: what a function returns, by its arguments."""

from __future__ import annotations

import functools
import inspect
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_f3dx._cache._call import Call, as_json, from_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_f3dx._cache._cache import Cache

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Memo:
    """A function and where its results are kept."""

    cache: Cache
    function: Callable[..., Any]
    name: str
    key: Callable[..., Any] | None
    exceptions: tuple[type[Exception], ...]
    model: str | None
    encoder: Callable[[Any], bytes]
    decoder: Callable[[bytes], Any]

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """Say what identifies a call of the function."""
        request = {"function": self.name, "arguments": self._arguments(args, kwargs)}
        return Call(self.cache, request, self.model, self.encoder, self.decoder)

    def _arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        if self.key:
            return self.key(*args, **kwargs)
        bound = inspect.signature(self.function).bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.arguments

    def raise_kept(self, call: Call) -> None:
        """Raise the exception that was kept for a call, if there is one."""
        data = self.cache.peek(_raised(call)) if self.exceptions else None
        if data is not None:
            kept = json.loads(data)
            found = next((one for one in _classes(self.exceptions) if _name(one) == kept["type"]), None)
            if found:
                raise found(*kept["args"])

    def keep(self, call: Call, error: Exception) -> None:
        """Keep an exception whose arguments are JSON values; another one is only raised."""
        try:
            data = as_json({"type": _name(type(error)), "args": list(error.args)})
        except TypeError:
            return
        self.cache.put(_raised(call), data, model=self.model)

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401 (what it returns)
        """Call the function, or answer for it."""
        call = self.call(args, kwargs)
        self.raise_kept(call)

        def make() -> object:
            self.raise_kept(call)  # who waited for another finds what that one raised
            try:
                return self.function(*args, **kwargs)
            except self.exceptions as error:
                self.keep(call, error)
                raise

        return call.run(make)

    async def run_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
        """Do the same for an async function."""
        call = self.call(args, kwargs)
        self.raise_kept(call)

        async def make() -> object:
            self.raise_kept(call)
            try:
                return await self.function(*args, **kwargs)
            except self.exceptions as error:
                self.keep(call, error)
                raise

        return await call.run_async(make)


def memoized(
    cache: Cache,
    function: object,
    *,
    name: str | None = None,
    key: Callable[..., Any] | None = None,
    exceptions: tuple[type[Exception], ...] = (),
    model: str | None = None,
    encoder: Callable[[Any], bytes] = as_json,
    decoder: Callable[[bytes], Any] = from_json,
) -> Callable[..., Any]:
    """Wrap a function; see `pytest_f3dx.Cache.memoize`."""
    if not callable(function):
        what = f"memoize takes a function, not a {type(function).__name__}"
        raise TypeError(what)
    called = name or f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        what = f"{called} is a generator: return a list, which can be kept"
        raise TypeError(what)
    memo = _Memo(cache, function, called, key, exceptions, model, encoder, decoder)
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (those of the function)
            return await memo.run_async(args, kwargs)

        return wrapper

    @functools.wraps(function)
    def plain(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (those of the function)
        return memo.run(args, kwargs)

    return plain


def _raised(call: Call) -> dict[str, Any]:
    """Name the entry of the exception of a call, which no result of it has."""
    return {**call.request, "raised": True}


def _name(kind: type[BaseException]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _classes(kinds: tuple[type[Exception], ...]) -> Iterator[type[Exception]]:
    """Yield classes and all that derive from them."""
    for kind in kinds:
        yield kind
        yield from _classes(tuple(kind.__subclasses__()))
