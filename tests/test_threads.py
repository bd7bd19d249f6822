"""What a thread or a task sends belongs to the test that started it or submitted it, whichever is running."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Suite

LEAKED = """
    import threading

    go, done, seen = threading.Event(), threading.Event(), []

    def late():
        go.wait(60)
        try:
            ask("late")
        except BaseException as error:
            seen.append(str(error))
        done.set()

    @pytest.mark.f3dx_cache
    def test_one():
        ask("one")
        threading.Thread(target=late).start()

    @pytest.mark.f3dx_cache
    def test_two():
        ask("two")
        go.set()
        assert done.wait(60)
        assert "a request was sent after its test had ended" in seen[0]
"""


def prompts(suite: Suite, name: str) -> list[str]:
    """Return the prompts in a cassette."""
    return re.findall(r"prompt: (.+)", suite.cassette(f"test_it/{name}").read_text())


def test_a_thread_that_outlives_its_test_records_nowhere(suite: Suite) -> None:
    """What it sends while the next test runs is refused: neither recorded into that test nor sent."""
    suite.write(LEAKED)
    suite.run("--f3dx-record=once").assert_outcomes(passed=2)
    assert prompts(suite, "test_two") == ["two"]
    assert len(suite.server.requests) == 2
    suite.server.stop()
    suite.run().assert_outcomes(passed=2)


POOLED = """
    import asyncio
    from concurrent.futures import ThreadPoolExecutor
    from multiprocessing.pool import ThreadPool

    POOLS = []

    def on_a_loop(prompt):
        async def ask_there():
            return await asyncio.get_running_loop().run_in_executor(POOLS[0], ask, prompt)

        return asyncio.run(ask_there())

    def work(prompt):
        if not POOLS:
            POOLS.append({pool})
        return {submit}

    @pytest.mark.f3dx_cache
    def test_one():
        assert "one" in work("one")

    @pytest.mark.f3dx_cache
    def test_two():
        assert "two" in work("two")

    def test_end():
        POOLS[0].{end}()
"""
POOLS = {
    "submit": ("ThreadPoolExecutor(1)", "POOLS[0].submit(ask, prompt=prompt).result()", "shutdown"),
    "map": ("ThreadPoolExecutor(1)", "list(POOLS[0].map(ask, [prompt]))[0]", "shutdown"),
    "executor of a loop": (
        "ThreadPoolExecutor(1)",
        "on_a_loop(prompt)",
        "shutdown",
    ),
    "ThreadPool": ("ThreadPool(1)", "POOLS[0].map(ask, [prompt])[0]", "terminate"),
}


@pytest.mark.parametrize(("pool", "submit", "end"), POOLS.values(), ids=POOLS)
def test_a_pool_that_outlives_its_test_serves_the_next(
    suite: Suite, pool: str, submit: str, end: str
) -> None:
    """A thread of a pool works for the test that handed it the work."""
    suite.write(POOLED.format(pool=pool, submit=submit, end=end))
    suite.run("-W", "ignore", "--f3dx-record=once").assert_outcomes(passed=3)
    assert prompts(suite, "test_one") == ["one"]
    assert prompts(suite, "test_two") == ["two"]
    suite.server.stop()
    suite.run("-W", "ignore").assert_outcomes(passed=3)


ANYIO = """
    import httpx

    @pytest.fixture(scope="session")
    def anyio_backend():
        return {backend!r}

    @pytest.mark.f3dx_cache
    @pytest.mark.anyio
    @pytest.mark.parametrize("n", range(3))
    async def test_it(n, anyio_backend):
        async with httpx.AsyncClient() as client:
            await client.post(URL + "/echo", json={{"prompt": f"number {{n}}"}})
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_tests_in_one_task_of_anyio_are_told_apart(suite: Suite, backend: str) -> None:
    """Anyio's plugin runs all tests of a session in one task; each records for itself."""
    suite.write(ANYIO.format(backend=backend))
    suite.run("--f3dx-record=once").assert_outcomes(passed=3)
    assert [prompts(suite, f"test_it[{n}]") for n in range(3)] == [[f"number {n}"] for n in range(3)]
    suite.server.stop()
    suite.run().assert_outcomes(passed=3)
