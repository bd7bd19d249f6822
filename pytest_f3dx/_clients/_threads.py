"""Threads and thread pools: what they send belongs to the test or fixture that started or submitted it.

A thread that outlives its test does not record into the next one; a pool that outlives it may serve
the next one. `multiprocessing.pool.ThreadPool` hands its work over through a queue that says nothing
of who submitted it: what its threads send belongs to the test that is running.
"""

from __future__ import annotations

import functools
import sys
import threading
from typing import TYPE_CHECKING, Any

from pytest_f3dx._clients._exchange import Patch
from pytest_f3dx._routing import OWNER, carried, current, is_live

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_POOL = "concurrent.futures.thread"
MODULES = frozenset({_POOL})


def patches() -> Iterator[Patch]:
    """Yield the methods that start a thread or submit work to one."""
    yield Patch(threading.Thread, "start", _starting)
    pool = getattr(sys.modules.get(_POOL), "ThreadPoolExecutor", None)
    if pool is not None:
        yield Patch(pool, "submit", _submitting)


def _starting(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def start(self: threading.Thread, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        target = getattr(self, "_target", None)
        if getattr(target, "__module__", "") != "multiprocessing.pool":
            setattr(self, OWNER, current())
        return original(self, *args, **kwargs)

    return start


def _submitting(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def submit(self: Any, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        live, recorder = is_live(), current()
        if recorder is None and not live:
            return original(self, work, *args, **kwargs)

        def carry(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            with carried(recorder, is_live=live):
                return work(*args, **kwargs)

        return original(self, carry, *args, **kwargs)

    return submit
