"""`cached_call`, its async twin, `memoize` and tools: one call for equal requests, and the answer ever after."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import trio

from pytest_f3dx import (
    Cache,
    CompositeWitness,
    EnvWitness,
    FileWitness,
    OfflineError,
    TTLWitness,
    acached_call,
    cache_tool_call,
    cached_call,
    fingerprint,
    fingerprint_args,
)
from pytest_f3dx._cache import _flight
from pytest_f3dx._cache._call import as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Suite

ASK = {"model": "m", "prompt": "hi"}


@pytest.fixture(params=["calls.sqlite", "calls.yaml"])
def cache(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Cache]:
    """Open an empty cache of either kind."""
    with Cache(tmp_path / request.param) as opened:
        yield opened


class Model:
    """Counts its calls."""

    def __init__(self, answer: Callable[[int], Any] = lambda n: {"text": "Grüße", "n": n}) -> None:
        self.count = 0
        self.answer = answer

    def __call__(self, request: Any) -> Any:
        self.count += 1
        return self.answer(self.count)


def test_fetches_once(cache: Cache) -> None:
    """The first call fetches, equal ones later do not; all see the same value."""
    model = Model(lambda n: ("a tuple", n))
    assert cached_call(cache, request=ASK, fetch=model, model="m") == ["a tuple", 1]
    assert cached_call(cache, {"prompt": "hi", "model": "m"}, model) == ["a tuple", 1]
    assert model.count == 1
    (entry,) = cache
    assert entry.meta.model == "m"
    assert entry.meta.response_duration_ms is not None


def test_own_encoding(cache: Cache) -> None:
    """An encoder and a decoder keep what is no JSON; an empty answer is an answer."""
    model = Model(lambda n: b"")
    for _ in range(2):
        assert cached_call(cache, ASK, model, encoder=bytes, decoder=bytes) == b""
    assert model.count == 1


def test_an_answer_that_is_no_json_says_what_to_do(cache: Cache) -> None:
    """The default encoder names the type and the remedy."""
    with pytest.raises(
        TypeError, match=r"a set, is no JSON value .*model_dump\(\), or pass encoder and decoder"
    ):
        cached_call(cache, ASK, lambda _: {1})
    assert as_json("\ud800") == b'"\\ud800"'


def test_an_error_is_not_kept(cache: Cache) -> None:
    """What fetch raises is raised; the next call tries again."""

    def fails(_: Any) -> None:
        raise KeyError("no")

    with pytest.raises(KeyError):
        cached_call(cache, ASK, fails)
    assert cached_call(cache, ASK, Model(lambda n: n)) == 1


def test_offline_and_refresh(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """One variable forbids to fetch, the other to answer from the cache."""
    model = Model(lambda n: n)
    monkeypatch.setenv("F3DX_BENCH_OFFLINE", "1")
    with pytest.raises(LookupError, match="F3DX_BENCH_OFFLINE=1 is set") as caught:
        cached_call(cache, ASK, model)
    assert isinstance(caught.value, OfflineError)
    monkeypatch.delenv("F3DX_BENCH_OFFLINE")
    assert cached_call(cache, ASK, model) == 1
    monkeypatch.setenv("F3DX_BENCH_REFRESH", "1")
    assert cached_call(cache, ASK, model) == 2
    assert asyncio.run(acached_call(cache, ASK, model)) == 3
    monkeypatch.delenv("F3DX_BENCH_REFRESH")
    monkeypatch.setenv("F3DX_BENCH_OFFLINE", "1")
    assert cached_call(cache, ASK, model) == 3


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Give what returns when so many more threads wait for the call of another."""
    begun, wait = threading.Semaphore(0), _flight.Flight.wait

    def noted(flight: _flight.Flight) -> None:
        begun.release()
        wait(flight)

    def until(count: int) -> None:
        for _ in range(count):
            assert begun.acquire(timeout=60)

    monkeypatch.setattr(_flight.Flight, "wait", noted)
    return until


def run_in_threads(count: int, work: Callable[[], object]) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_threads_fetch_once(cache: Cache, waiting: Callable[[int], None]) -> None:
    """Threads that ask for the same at once wait for the first, and get its answer."""

    def slow(n: int) -> int:
        waiting(4)
        return n

    found, model = [], Model(slow)

    def work() -> None:
        found.append(cached_call(cache, ASK, model))

    run_in_threads(5, work)
    assert found == [1] * 5
    assert model.count == 1


def test_who_waits_for_an_error_tries_for_itself(cache: Cache, waiting: Callable[[int], None]) -> None:
    """When the first of several fails, another fetches, and only then."""
    found = []

    def answer(n: int) -> int:
        waiting(3 - n)
        if n == 1:
            raise OSError("first")
        return n

    model = Model(answer)

    def work() -> None:
        try:
            found.append(cached_call(cache, ASK, model))
        except OSError:
            found.append(0)

    run_in_threads(3, work)
    assert sorted(found) == [0, 2, 2]


def test_a_call_within_its_own_call_does_not_wait(cache: Cache) -> None:
    """A fetch that asks for what is being fetched makes the call, instead of waiting for ever."""
    deep = Model(lambda n: "deep")
    assert cached_call(cache, ASK, lambda request: cached_call(cache, request, deep)) == "deep"

    async def outer(request: Any) -> Any:
        return await acached_call(cache, request, deep)

    assert asyncio.run(acached_call(cache, {"n": 2}, outer)) == "deep"


@pytest.mark.parametrize("run", [asyncio.run, None], ids=["asyncio", "trio"])
def test_tasks_fetch_once(cache: Cache, run: Any) -> None:
    """Tasks wait for the first without blocking the event loop, in asyncio and in trio."""
    calls = []

    async def fetch(_: Any) -> int:
        calls.append(1)
        for _turn in range(5):
            await (asyncio.sleep(0) if run else trio.lowlevel.checkpoint())
        return len(calls)

    async def in_asyncio() -> Any:
        return await asyncio.gather(*(acached_call(cache, ASK, fetch) for _ in range(40)))

    async def in_trio() -> list[int]:
        found: list[int] = []

        async def one() -> None:
            found.append(await acached_call(cache, ASK, fetch))

        async with trio.open_nursery() as nursery:
            for _ in range(40):
                nursery.start_soon(one)
        return found

    assert (run(in_asyncio()) if run else trio.run(in_trio)) == [1] * 40
    assert calls == [1]


def test_a_cancelled_call_leaves_the_lead(cache: Cache) -> None:
    """When the first task is cancelled another fetches; a plain function may be the fetch."""

    async def main() -> list[Any]:
        async def never(_: Any) -> None:
            await asyncio.Event().wait()

        first = asyncio.create_task(acached_call(cache, ASK, never))
        await asyncio.sleep(0)
        second = asyncio.create_task(acached_call(cache, ASK, Model(lambda n: n)))
        third = asyncio.create_task(acached_call(cache, ASK, Model(lambda n: n)))
        await asyncio.sleep(0)
        first.cancel()
        return list(await asyncio.gather(second, third))

    assert asyncio.run(main()) == [1, 1]


def test_a_blocking_call_in_the_loop_of_the_leader_does_not_wait(cache: Cache) -> None:
    """A plain call in the thread whose event loop runs the first call would wait for itself."""

    async def main() -> list[Any]:
        started = asyncio.Event()

        async def slow(_: Any) -> str:
            started.set()
            await asyncio.sleep(0)
            return "slow"

        task = asyncio.create_task(acached_call(cache, ASK, slow))
        await started.wait()
        return [cached_call(cache, ASK, lambda _: "plain"), await task]

    assert asyncio.run(main()) == ["plain", "slow"]


def test_a_loop_that_has_ended_is_not_woken(cache: Cache) -> None:
    """A flight lands although the event loop of one who waited is closed; who comes late is woken at once."""
    flight = _flight.Flight()

    async def give_up() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(flight.waited(), 0)

    asyncio.run(give_up())
    flight.land()
    asyncio.run(flight.waited())


def test_a_fork_forgets_the_flights_of_its_parent(cache: Cache) -> None:
    """The leader is not in the child, which makes the call itself."""
    key = (cache.path, cache.fingerprint(ASK))
    _flight.boarded(key)
    _flight._after_in_child()
    assert _flight.boarded(key)[1]
    _flight._after_in_child()


NONE = """
    from pytest_f3dx import cached_call

    @pytest.mark.f3dx_cache
    def test_it(f3dx_cache_obj):
        def fetch(request):
            with open("asked", "a") as file:
                file.write("x")
            return {"text": "hi"}
        assert cached_call(f3dx_cache_obj, {"n": 1}, fetch) == {"text": "hi"}
        assert cached_call(f3dx_cache_obj, {"n": 1}, fetch) == {"text": "hi"}
"""


def test_over_the_cassette_of_a_test(suite: Suite) -> None:
    """In `none` a call is missed before it is made; recorded, it is replayed."""
    suite.write(NONE)
    result = suite.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no recording answers this request*"])
    assert not (suite.path / "asked").exists()
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    suite.run().assert_outcomes(passed=1)
    assert (suite.path / "asked").read_text() == "x"


# -- memoize -------------------------------------------------------------------------------------------


def test_memoize_keeps_results_by_argument(cache: Cache) -> None:
    """Defaults, positions and names of arguments make no difference; another value does."""
    calls = []

    @cache.memoize
    def total(a: int, b: int = 2, *rest: int, unit: str = "EUR", **more: str) -> str:
        """Add."""
        calls.append(a)
        return f"{a + b + sum(rest)} {unit}{more or ''}"

    assert total(1) == total(a=1, b=2) == total(1, 2, unit="EUR") == "3 EUR"
    assert total(1, 2, 3, unit="USD", x="y") == "6 USD{'x': 'y'}"
    assert len(calls) == 2
    assert total.__doc__ == "Add."
    assert next(iter(cache)).request["function"].endswith("total")


def test_memoize_with_options(cache: Cache) -> None:
    """A key of one's own leaves out what is no JSON; a name, a model and an encoding may be given."""

    class Client:
        count = 0

        @cache.memoize(
            name="ask/2", key=lambda self, prompt: {"prompt": prompt}, model="m", encoder=bytes, decoder=bytes
        )
        def ask(self, prompt: str) -> bytes:
            Client.count += 1
            return prompt.encode()

    assert Client().ask("hi") == Client().ask("hi") == b"hi"
    assert Client.count == 1
    (entry,) = cache
    assert (entry.request, entry.meta.model) == ({"function": "ask/2", "arguments": {"prompt": "hi"}}, "m")


def test_memoize_async(cache: Cache) -> None:
    """An async function stays one; calls at once are made once."""
    calls = []

    @cache.memoize(exceptions=(ValueError,))
    async def ask(prompt: str) -> str:
        calls.append(prompt)
        await asyncio.sleep(0)
        if prompt == "bad":
            raise ValueError("bad", 1)
        return prompt.upper()

    async def main() -> list[Any]:
        return await asyncio.gather(*(ask(p) for p in ("a", "a", "bad", "bad")), return_exceptions=True)

    for _ in range(2):
        one, two, three, four = asyncio.run(main())
        assert one == two == "A"
        assert three.args == four.args == ("bad", 1)
    assert calls == ["a", "bad"]


class OddError(KeyError):
    """Derives from what is kept."""


def test_memoize_keeps_the_exceptions_it_is_told_to(cache: Cache) -> None:
    """An exception of a named class is raised again without a call, others and those that are no JSON are not kept."""
    calls = []

    @cache.memoize(exceptions=(LookupError,))
    def find(word: str) -> str:
        calls.append(word)
        raise {"key": OddError(word), "set": LookupError({1}), "value": ValueError(word)}[word]

    for _ in range(2):
        with pytest.raises(OddError, match="key"):
            find("key")
        with pytest.raises(LookupError):
            find("set")
        with pytest.raises(ValueError, match="value"):
            find("value")
    assert calls == ["key", "set", "value", "set", "value"]

    @cache.memoize(exceptions=(OSError,), name=next(iter(cache)).request["function"])
    def found(word: str) -> str:
        return word

    assert found("key") == "key"


def test_memoize_refuses_what_it_cannot_keep(cache: Cache) -> None:
    """A generator and what is no function are refused at once, an argument that is no JSON when it is given."""

    def numbers() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match="numbers is a generator"):
        cache.memoize(numbers)
    with pytest.raises(TypeError, match="takes a function, not a int"):
        cache.memoize(3)  # type: ignore[call-overload]  # that is what is tried
    with pytest.raises(TypeError, match=r"\$\.arguments\.x is a object"):
        cache.memoize(lambda x: x)(object())


# -- tools ---------------------------------------------------------------------------------------------


def test_a_tool_call_is_made_again_when_its_file_changes(cache: Cache, tmp_path: Path) -> None:
    """A result lives as long as its witness says the same."""
    path = tmp_path / "lib.py"
    path.write_text("one", encoding="utf-8")
    calls = []

    def read(args: Any) -> str:
        calls.append(args)
        return str(path.read_text(encoding="utf-8"))

    def ask() -> Any:
        witness = CompositeWitness(
            [FileWitness([str(path), str(tmp_path / "absent")]), EnvWitness(["F3DX_X"])]
        )
        return cache_tool_call(cache, tool="Read", args={"path": "lib.py"}, fetch=read, witness=witness)

    assert ask() == ask() == "one"
    path.write_text("three", encoding="utf-8")
    assert ask() == "three"
    os.environ["F3DX_X"] = "1"
    try:
        assert ask() == "three"
    finally:
        del os.environ["F3DX_X"]
    assert len(calls) == 3
    assert cache_tool_call(cache, tool="Read", args={}, fetch=lambda _: 1) == 1


def test_texts_of_witnesses_are_those_of_the_original(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What f3dx has kept is found after it was imported."""
    monkeypatch.setattr(time, "time", lambda: 125.0)
    assert TTLWitness(60).witness() == "TTLWitness:60s:bucket=2"
    assert TTLWitness(0).witness() == "TTLWitness:0s:bucket=125"
    absent = str(tmp_path / "absent")
    assert FileWitness([absent]).witness() == f"FileWitness:{absent}|missing"
    assert CompositeWitness([TTLWitness(60)]).witness() == "Composite:TTLWitness:60s:bucket=2"


def test_fingerprint_of_arguments() -> None:
    """It is that of the tool and its arguments."""
    assert fingerprint_args("Read", {"a": 1}) == fingerprint({"tool": "Read", "args": {"a": 1}})
