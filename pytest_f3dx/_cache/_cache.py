"""`Cache`: answers by the fingerprint of the request, in a SQLite file or a cassette."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, overload

from pytest_f3dx._cache._call import as_json, from_json
from pytest_f3dx._cache._entry import Meta
from pytest_f3dx._fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from pytest_f3dx._cache._entry import Backend, Entry

_HEX_DIGITS = 64
P = ParamSpec("P")
R = TypeVar("R")


class Cache:
    """A content-addressed cache of calls: equal requests, by RFC 8785, have one answer.

    In one SQLite file, safe for threads, forks, many processes and kill -9, or in a cassette. Usable in
    ``with``; iterating yields its entries.

    Example:
        >>> import tempfile
        >>> with Cache(tempfile.mkdtemp() + "/calls.sqlite") as cache:
        ...     _ = cache.put({"model": "m", "prompt": "hi"}, b"Hello!")
        ...     cache.get({"prompt": "hi", "model": "m"})
        b'Hello!'
    """

    _backend: Backend
    _path: Path | None

    def __init__(self, path: str | bytes | os.PathLike[str]) -> None:
        """Open a cache, or make it.

        Args:
            path: A cassette if it ends in ``.yaml`` or ``.yml``, else one SQLite file; made with its
                directories if it is not there.

        Raises:
            CassetteError: The cassette cannot be read or understood; it is left as it is.
            CacheError: It cannot be used; it is left as it is.
            CacheFormatError: It is no cache of ours, or of a newer format.
        """
        self._path = Path(os.fsdecode(path))
        self._backend = _opened(self._path)

    @staticmethod
    def fingerprint(request: Mapping[str, Any]) -> str:
        """Return the 64 hex digits of a request: BLAKE3 of its RFC 8785 form, as it is given.

        Raises:
            TypeError: Something in it is no JSON value; names its JSONPath.
        """
        return fingerprint(_plain(request))

    def get(self, request: Mapping[str, Any]) -> bytes | None:
        """Return the answer to a request, or None; counted as a hit or a miss.

        Raises:
            TypeError: Something in it is no JSON value; names its JSONPath.
            CacheError: The file cannot be read.
        """
        return self._backend.get(_plain(request))

    def peek(self, request: Mapping[str, Any]) -> bytes | None:
        """Return the answer to a request, or None; counted as nothing.

        Raises:
            TypeError: Something in it is no JSON value; names its JSONPath.
            CacheError: The file cannot be read.
        """
        return self._backend.peek(_plain(request))

    def put(
        self,
        request: Mapping[str, Any],
        response: bytes | str,
        *,
        model: str | None = None,
        system_fingerprint: str | None = None,
        response_duration_ms: int | None = None,
    ) -> str:
        """Keep an answer in place of the one that was there; it is on the disk when this returns.

        Args:
            request: What was asked. It is stored redacted, as a request in a cassette is.
            response: What was answered; text as UTF-8.
            model: Model that gave it.
            system_fingerprint: Of the model's configuration, as the provider says.
            response_duration_ms: How long the call took.

        Returns:
            `fingerprint` of the request.

        Raises:
            TypeError: The request is no JSON value, or the answer neither bytes nor text.
            SecretError: A secret is left in the request that redaction does not reach.
            CacheError: It cannot be kept.
        """
        meta = Meta(model, system_fingerprint, response_duration_ms)
        return self._backend.put(_plain(request), _as_bytes(response), meta)

    def stats(self) -> dict[str, int]:
        """Count ``entries``, ``hits``, ``misses``, ``bytes_requests`` and ``bytes_responses``.

        Hits and misses are those of `get`, by all processes, this one's to the last; those of a deleted entry
        are gone with it.
        """
        return self._backend.stats()

    def entries(self) -> Iterator[Entry]:
        """Yield what is cached, in the order it was first put; a few are in memory at a time."""
        return self._backend.entries()

    def delete(self, request: Mapping[str, Any] | str) -> bool:
        """Remove the answer to a request.

        Args:
            request: The request, or its fingerprint.

        Returns:
            Whether there was one.
        """
        return self._backend.delete(_key(request))

    def before_fetch(self, request: Mapping[str, Any]) -> None:
        """Refuse a call whose answer could not be kept; asked before it is made, because it may cost.

        Raises:
            CassetteMiss: This is the cache of a test, and nothing may be recorded.
            SecretError: A secret is left in the request that redaction does not reach.
        """
        self._backend.before_fetch(_plain(request))

    @property
    def path(self) -> Path | None:
        """The file; None for the cache of a test."""
        return self._path

    @overload
    def memoize(self, function: Callable[P, R], /) -> Callable[P, R]: ...
    @overload
    def memoize(
        self,
        function: None = None,
        /,
        *,
        name: str | None = None,
        key: Callable[..., Any] | None = None,
        exceptions: tuple[type[Exception], ...] = (),
        model: str | None = None,
        encoder: Callable[[Any], bytes] = as_json,
        decoder: Callable[[bytes], Any] = from_json,
    ) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
    def memoize(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        name: str | None = None,
        key: Callable[..., Any] | None = None,
        exceptions: tuple[type[Exception], ...] = (),
        model: str | None = None,
        encoder: Callable[[Any], bytes] = as_json,
        decoder: Callable[[bytes], Any] = from_json,
    ) -> Any:
        """Keep what a function returns, by its arguments; a decorator, with or without options.

        For tools, local models and all that answers equal arguments alike; sync or async. Calls at once with
        equal arguments are made once, as by `cached_call`.

        Args:
            function: Its arguments are JSON values, or ``key`` makes some of them.
            name: What the function is called in the cache, by default its module and qualified name. A new
                name forgets what was kept: ``"total/2"``.
            key: Given the arguments, returns the JSON value that stands for them, without ``self`` or a
                client for example.
            exceptions: Those that are kept and raised again; none by default.
            model: Kept beside the answers.
            encoder: Turns what is returned into bytes; JSON by default.
            decoder: Turns the bytes back.

        Raises:
            TypeError: It is no function, or a generator, whose values cannot be kept.
        """
        from pytest_f3dx._cache._memo import memoized

        decorate = partial(
            memoized,
            self,
            name=name,
            key=key,
            exceptions=exceptions,
            model=model,
            encoder=encoder,
            decoder=decoder,
        )
        return decorate if function is None else decorate(function)

    def close(self) -> None:
        """Write the hit counts and close the file; again, it does nothing."""
        self._backend.close()

    def __enter__(self) -> Self:
        """Return the cache, to be closed at the end of ``with``."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the cache."""
        self.close()

    def __iter__(self) -> Iterator[Entry]:
        """Iterate over `entries`."""
        return self.entries()

    def __len__(self) -> int:
        """Count the entries."""
        return self.stats()["entries"]

    def __bool__(self) -> bool:
        """Be true, empty or not."""
        return True

    def __contains__(self, request: Mapping[str, Any] | str) -> bool:
        """Whether there is an answer to a request, or to the one of a fingerprint."""
        return self._backend.has(_key(request))

    def __reduce__(self) -> tuple[type[Cache], tuple[str]]:
        """Open the same file in another process."""
        if self._path is None:
            what = "the cache of a test does not cross to another process"
            raise TypeError(what)
        return type(self), (str(self._path),)

    def __repr__(self) -> str:
        """Show the path."""
        return "<the cache of a test>" if self._path is None else f"Cache({str(self._path)!r})"


def over(backend: Backend) -> Cache:
    """Make a cache over what is not a file of its own."""
    cache = Cache.__new__(Cache)
    cache._backend, cache._path = backend, None  # noqa: SLF001 (its other constructor)
    return cache


def _opened(path: Path) -> Backend:
    if path.suffix.lower() in (".yaml", ".yml"):
        from pytest_f3dx._cache._tape_file import FileBackend

        return FileBackend(path)
    from pytest_f3dx._cache._sqlite import SqliteBackend

    return SqliteBackend(path)


def _plain(request: Mapping[str, Any]) -> object:
    """Return a request that is a dict; another mapping is copied into one."""
    if type(request) is dict:
        return request
    items = getattr(request, "items", None)
    if items is None:
        what = f"a request is a mapping, not a {type(request).__name__}"
        raise TypeError(what)
    return request if isinstance(request, dict) else dict(items())


def _key(request: Mapping[str, Any] | str) -> str:
    if not isinstance(request, str):
        return Cache.fingerprint(request)
    if len(request) != _HEX_DIGITS:
        what = f"a fingerprint has {_HEX_DIGITS} hex digits, this text has {len(request)} characters"
        raise TypeError(what)
    return request


def _as_bytes(response: object) -> bytes:
    if isinstance(response, str):
        return response.encode()
    if isinstance(response, (bytes, bytearray, memoryview)):
        return bytes(response)
    what = f"an answer is bytes or text, not a {type(response).__name__}; encode it"
    raise TypeError(what)
