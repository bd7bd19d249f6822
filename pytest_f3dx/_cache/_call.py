"""`cached_call` and `acached_call`: ask the cache, else make the call once and keep its answer."""

from __future__ import annotations

import inspect
import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_f3dx._cache._flight import boarded, leading
from pytest_f3dx.errors import OfflineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_f3dx._cache._cache import Cache
    from pytest_f3dx._cache._flight import Key

OFFLINE, REFRESH = "F3DX_BENCH_OFFLINE", "F3DX_BENCH_REFRESH"
"""Variables of the environment that, set to 1, forbid calls and forbid cached answers."""


def as_json(value: object) -> bytes:
    """Encode an answer as JSON without spaces.

    Raises:
        TypeError: It is no JSON value; says what to do.
    """
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate
        return json.dumps(value, separators=(",", ":")).encode()
    except TypeError as error:
        what = (
            f"the answer, a {type(value).__name__}, is no JSON value ({error}): return a plain one, such as "
            "answer.model_dump(), or pass encoder and decoder"
        )
        raise TypeError(what) from error


def from_json(data: bytes) -> Any:  # noqa: ANN401 (any JSON value)
    """Decode what `as_json` gave."""
    return json.loads(data)


@dataclass(frozen=True, slots=True)
class Call:
    """A call whose answer a cache may hold.

    Attributes:
        cache: The cache.
        request: What identifies the call.
        model: Kept beside the answer.
        encoder: Turns an answer into bytes.
        decoder: Turns the bytes back; what a call returns has always gone through both.
        refresh: Whether cached answers do not count.
        offline: Whether no call may be made.
    """

    cache: Cache
    request: Mapping[str, Any]
    model: str | None
    encoder: Callable[[Any], bytes]
    decoder: Callable[[bytes], Any]
    refresh: bool = False
    offline: bool = False

    def run(self, make: Callable[[], Any]) -> Any:  # noqa: ANN401 (what the call returns)
        """Answer from the cache, or make the call; see `cached_call`."""
        data, key = self._found(), self._key()
        while data is None:
            flight, is_mine = boarded(key)
            if is_mine:
                with leading(key, flight):
                    data = self._found()  # another may have landed meanwhile
                    data = self._made(make) if data is None else data
            elif flight.must_not_be_waited_for(key, in_task=False):
                data = self._made(make)
            else:
                flight.wait()
                data = self.cache.peek(self.request)
        return self.decoder(data)

    async def run_async(self, make: Callable[[], Any]) -> Any:  # noqa: ANN401 (what the call returns)
        """Do the same in a task; what the call returns may be awaitable."""
        data, key = self._found(), self._key()
        while data is None:
            flight, is_mine = boarded(key)
            if is_mine:
                with leading(key, flight):
                    data = self._found()
                    data = await self._made_async(make) if data is None else data
            elif flight.must_not_be_waited_for(key, in_task=True):
                data = await self._made_async(make)
            else:
                await flight.waited()
                data = self.cache.peek(self.request)
        return self.decoder(data)

    def _key(self) -> Key:
        return self.cache.path or id(self.cache), self.cache.fingerprint(self.request)

    def _found(self) -> bytes | None:
        return None if self.refresh else self.cache.peek(self.request)

    def _made(self, make: Callable[[], Any]) -> bytes:
        began = self._begun()
        return self._kept(make(), began)

    async def _made_async(self, make: Callable[[], Any]) -> bytes:
        began = self._begun()
        answer = make()
        return self._kept(await answer if inspect.isawaitable(answer) else answer, began)

    def _begun(self) -> float:
        """Refuse a call that may not be made; else say when it began."""
        if self.offline:
            raise OfflineError(
                "a request is not in the cache, and may not be made",
                ("cache", str(self.cache.path)),
                ("request", self.cache.fingerprint(self.request)),
                ("reason", f"{OFFLINE}=1 is set"),
                ("fix", f"run it once with {REFRESH}=1 and without {OFFLINE}, and commit the cache"),
            )
        self.cache.before_fetch(self.request)
        return time.monotonic()

    def _kept(self, answer: object, began: float) -> bytes:
        took_ms = round((time.monotonic() - began) * 1000)
        data = self.encoder(answer)
        self.cache.put(self.request, data, model=self.model, response_duration_ms=took_ms)
        return data


def _is_set(name: str) -> bool:
    return os.environ.get(name) == "1"


def cached_call(
    cache: Cache,
    request: Mapping[str, Any],
    fetch: Callable[[Mapping[str, Any]], Any],
    *,
    model: str | None = None,
    encoder: Callable[[Any], bytes] = as_json,
    decoder: Callable[[bytes], Any] = from_json,
) -> Any:  # noqa: ANN401 (what the call returns)
    """Answer a request from a cache, or fetch the answer and keep it.

    Of calls with equal requests at once, in threads and tasks of this process, one is made and the others
    wait for its answer. What ``fetch`` raises is raised and not kept; who waits tries for itself then.
    ``F3DX_BENCH_OFFLINE=1`` in the environment forbids to fetch, ``F3DX_BENCH_REFRESH=1`` to answer from the
    cache. Over the cassette of a test, a call that may not be recorded is a miss before it is made.

    Args:
        cache: Where answers are kept; a hit is not counted.
        request: What identifies the call.
        fetch: Makes the call; is given the request.
        model: Kept beside the answer.
        encoder: Turns an answer into bytes; JSON by default.
        decoder: Turns the bytes back. The answer has gone through both, fetched or not, so that the first run
            sees what later ones see.

    Returns:
        The answer.

    Raises:
        OfflineError: A `LookupError`: the request is not in the cache and may not be fetched.
        TypeError: The request, or with the default encoder the answer, is no JSON value.
        CacheError: The answer cannot be kept.
    """
    refresh, offline = _is_set(REFRESH), _is_set(OFFLINE)
    call = Call(cache, request, model, encoder, decoder, refresh=refresh, offline=offline)
    return call.run(lambda: fetch(request))


async def acached_call(
    cache: Cache,
    request: Mapping[str, Any],
    fetch: Callable[[Mapping[str, Any]], Any],
    *,
    model: str | None = None,
    encoder: Callable[[Any], bytes] = as_json,
    decoder: Callable[[bytes], Any] = from_json,
) -> Any:  # noqa: ANN401 (what the call returns)
    """Do as `cached_call` does; what ``fetch`` returns is awaited if it is awaitable.

    Works in asyncio and trio; who waits for another's answer blocks neither the event loop nor a thread.
    """
    refresh, offline = _is_set(REFRESH), _is_set(OFFLINE)
    call = Call(cache, request, model, encoder, decoder, refresh=refresh, offline=offline)
    return await call.run_async(lambda: fetch(request))
