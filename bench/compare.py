"""What comparing two answers costs, beside deepdiff on the same values. Run: python bench/compare.py."""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

from pytest_f3dx import compare

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = (2_000, 20_000, 200_000)
ROUNDS = 30


def chat(size: int, content: str = "", number: int = 0) -> dict[str, Any]:
    """Build a chat completion of about a size in bytes."""
    word = "The quick brown fox reads an invoice and adds 17 items. "
    text = content or word * (size // len(word) // 2)
    calls = [
        {
            "id": f"call_{n}",
            "type": "function",
            "function": {"name": "add", "arguments": '{"a": 1, "b": [2, 3]}'},
        }
        for n in range(size // 2 // 110)
    ]
    message = {"role": "assistant", "content": text, "tool_calls": calls}
    return {
        "id": f"chatcmpl-AAAA{number:04}",
        "object": "chat.completion",
        "created": number,
        "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }


def stream(size: int) -> bytes:
    """Build a stream of about a size in bytes."""
    chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "word "}}]}
    event = f"data: {json.dumps(chunk)}\n\n"
    return (event * (size // len(event)) + "data: [DONE]\n\n").encode()


def us(call: Callable[[], object]) -> float:
    """Return the median time of a call in microseconds; fast ones are repeated within a measurement."""
    call()
    start = time.perf_counter()
    call()
    repeats = max(1, int(0.002 / (time.perf_counter() - start + 1e-9)))
    found = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        found.append((time.perf_counter() - start) / repeats * 1e6)
    return statistics.median(found)


def main() -> None:
    """Print a table, a line a case, a column a size."""
    cases: dict[str, Callable[[int], Callable[[], object]]] = {
        "bytes, equal": lambda size: both(chat(size), chat(size), "bytes"),
        "structured, equal bytes": lambda size: both(chat(size), chat(size), "structured"),
        "structured, spelt differently": spelt,
        "structured, other ids": lambda size: both(chat(size), chat(size, number=1), "structured"),
        "structured, one leaf changed": lambda size: both(chat(size), changed(size), "structured"),
        "structured, streams cut differently": cut,
    }
    print(f"{'µs, median':<38}", *(f"{size // 1000:>6} KB" for size in SIZES))
    for name, case in cases.items():
        print(f"{name:<38}", *(f"{us(case(size)):>9.1f}" for size in SIZES), flush=True)
    print("deepdiff loaded:", "deepdiff" in sys.modules)
    from deepdiff import DeepDiff

    print(f"{'DeepDiff, equal values':<38}", *(f"{us(deep(DeepDiff, size)):>9.1f}" for size in SIZES))


def both(old: object, new: object, mode: str) -> Callable[[], object]:
    was, now = json.dumps(old).encode(), json.dumps(new).encode()
    return lambda: compare(was, now, mode)


def spelt(size: int) -> Callable[[], object]:
    was, now = json.dumps(chat(size)).encode(), json.dumps(chat(size), indent=1).encode()
    return lambda: compare(was, now)


def changed(size: int) -> dict[str, Any]:
    value = chat(size)
    value["choices"][0]["message"]["tool_calls"][-1]["function"]["arguments"] = '{"a": 2, "b": [2, 3]}'
    return value


def cut(size: int) -> Callable[[], object]:
    was = stream(size)
    now = was.replace(b'"word "', b'"wo"', 1).replace(b'"word "', b'"rd word "', 1)
    return lambda: compare(was, now)


def deep(diff: Any, size: int) -> Callable[[], object]:
    old, new = chat(size), chat(size)
    return lambda: diff(old, new)


if __name__ == "__main__":
    main()
