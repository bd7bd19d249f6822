"""Run a function over a stream of items, many at once, in constant memory, and give the results in order.

Not ``concurrent.futures``: its `map` reads the whole stream first, and its threads hold up the end of the
process until the last call returns. Here an interrupted run leaves at once, whatever its calls wait for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 32  # results that wait for an earlier one, for each worker: one slow call must not idle the others
_STOP_S = 5.0  # how long cancelled tasks may take to end


@dataclass(slots=True)
class _Raised:
    error: BaseException


_Results = SimpleQueue[tuple[int, Any]]
_Start = Callable[[int, Any], object]


def in_threads(items: Iterator[T], do: Callable[[T], R], workers: int) -> Iterator[R]:
    """Yield ``do(item)`` for each item, in order.

    Args:
        items: Read as results are taken, some ahead. What it raises is raised after the results before it.
        do: Called in threads, in copies of the caller's context. What it raises ends the iteration.
        workers: Calls at once; 1 calls in the caller's own thread.
    """
    if workers == 1:
        yield from map(do, items)
        return
    yield from _in_order(items, lambda results: _threads(do, workers, results), workers, 2 * workers)


def in_tasks(items: Iterator[T], do: Callable[[T], Awaitable[R]], workers: int) -> Iterator[R]:
    """Yield ``await do(item)`` for each item, in order; the tasks run in an event loop of their own.

    The arguments are those of `in_threads`. The loop has a thread of its own, so that this works from within
    another loop as well.
    """
    yield from _in_order(items, lambda results: _tasks(do, results), workers, workers)


def _in_order(
    items: Iterator[T],
    workers_on: Callable[[_Results], AbstractContextManager[_Start]],
    workers: int,
    most_running: int,
) -> Iterator[Any]:
    results: _Results = SimpleQueue()
    waiting: dict[int, Any] = {}
    started = given = 0
    broken: Exception | None = None
    is_more = True
    with workers_on(results) as start:
        while True:
            while (
                is_more
                and started - given - len(waiting) < most_running
                and started - given < _AHEAD * workers
            ):
                try:
                    item = next(items)
                except StopIteration:
                    is_more = False
                except Exception as error:  # noqa: BLE001 - raised below, after what stands before it
                    broken, is_more = error, False
                else:
                    start(started, item)
                    started += 1
            if started == given:
                break
            number, result = results.get()
            if isinstance(result, _Raised):
                raise result.error
            waiting[number] = result
            while given in waiting:
                yield waiting.pop(given)
                given += 1
    if broken:
        raise broken


@contextmanager
def _threads(do: Callable[[T], R], workers: int, results: _Results) -> Iterator[_Start]:
    jobs: SimpleQueue[tuple[int, T] | None] = SimpleQueue()
    stopped = Event()
    context = copy_context()

    def work() -> None:
        while (job := jobs.get()) is not None and not stopped.is_set():
            number, item = job
            try:
                results.put((number, context.copy().run(do, item)))
            except BaseException as error:  # noqa: BLE001 - it is raised where the results are taken
                results.put((number, _Raised(error)))

    threads = [Thread(target=work, name=f"f3dx-replay-{n}", daemon=True) for n in range(workers)]
    for thread in threads:
        thread.start()
    is_done = False
    try:
        yield lambda number, item: jobs.put((number, item))
        is_done = True
    finally:
        stopped.set()
        for _ in threads:
            jobs.put(None)
        for thread in (
            threads if is_done else ()
        ):  # else a call that still waits for its model is not waited for
            thread.join()


@contextmanager
def _tasks(do: Callable[[T], Awaitable[R]], results: _Results) -> Iterator[_Start]:
    ready: SimpleQueue[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = SimpleQueue()
    context = copy_context()
    tasks: set[asyncio.Task[None]] = set()  # the loop itself holds them weakly

    async def serve() -> None:
        stop = asyncio.Event()
        ready.put((asyncio.get_running_loop(), stop))
        await stop.wait()

    async def one(number: int, item: T) -> None:
        try:
            results.put((number, await do(item)))
        except BaseException as error:  # noqa: BLE001 - it is raised where the results are taken
            results.put((number, _Raised(error)))

    def start(number: int, item: T) -> None:
        task = loop.create_task(one(number, item), context=context.copy())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    thread = Thread(target=lambda: asyncio.run(serve()), name="f3dx-replay-loop", daemon=True)
    thread.start()
    loop, stop = ready.get()
    try:
        yield lambda number, item: loop.call_soon_threadsafe(start, number, item)
    finally:
        loop.call_soon_threadsafe(stop.set)  # what is left is cancelled when `asyncio.run` ends
        thread.join(_STOP_S)
