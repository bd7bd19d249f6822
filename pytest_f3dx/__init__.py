"""Record LLM and HTTP traffic once, replay it for ever, and review what changed.

The pytest plugin needs no import. What is here loads on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_f3dx._cache._cache import Cache
    from pytest_f3dx._cache._call import acached_call, cached_call
    from pytest_f3dx._cache._diff import diff
    from pytest_f3dx._cache._tools import (
        CompositeWitness,
        EnvWitness,
        FileWitness,
        TTLWitness,
        cache_tool_call,
        fingerprint_args,
    )
    from pytest_f3dx._diff._compare import compare
    from pytest_f3dx._diff._endpoint import EndpointJudge
    from pytest_f3dx._fingerprint import fingerprint
    from pytest_f3dx._model import Change, Drift
    from pytest_f3dx._traces._entry import Entry, replay_row
    from pytest_f3dx._traces._jsonl import iter_jsonl, read_jsonl
    from pytest_f3dx._traces._parquet import iter_parquet, read_parquet
    from pytest_f3dx._traces._replay import iter_replay, replay
    from pytest_f3dx._traces._report import Report
    from pytest_f3dx._vcr import matcher, register
    from pytest_f3dx.errors import CacheError, CassetteMiss, F3dxError, OfflineError

__all__ = [
    "Cache",
    "CacheError",
    "CassetteMiss",
    "Change",
    "CompositeWitness",
    "Drift",
    "EndpointJudge",
    "Entry",
    "EnvWitness",
    "F3dxError",
    "FileWitness",
    "OfflineError",
    "Report",
    "TTLWitness",
    "acached_call",
    "cache_tool_call",
    "cached_call",
    "compare",
    "diff",
    "fingerprint",
    "fingerprint_args",
    "iter_jsonl",
    "iter_parquet",
    "iter_replay",
    "matcher",
    "read_jsonl",
    "read_parquet",
    "register",
    "replay",
    "replay_row",
]

_HOMES = {
    "Cache": "_cache._cache",
    "CacheError": "errors",
    "CassetteMiss": "errors",
    "Change": "_model",
    "CompositeWitness": "_cache._tools",
    "Drift": "_model",
    "EndpointJudge": "_diff._endpoint",
    "Entry": "_traces._entry",
    "EnvWitness": "_cache._tools",
    "F3dxError": "errors",
    "FileWitness": "_cache._tools",
    "OfflineError": "errors",
    "Report": "_traces._report",
    "TTLWitness": "_cache._tools",
    "acached_call": "_cache._call",
    "cache_tool_call": "_cache._tools",
    "cached_call": "_cache._call",
    "compare": "_diff._compare",
    "diff": "_cache._diff",
    "fingerprint": "_fingerprint",
    "fingerprint_args": "_cache._tools",
    "iter_jsonl": "_traces._jsonl",
    "iter_parquet": "_traces._parquet",
    "iter_replay": "_traces._replay",
    "matcher": "_vcr",
    "read_jsonl": "_traces._jsonl",
    "read_parquet": "_traces._parquet",
    "register": "_vcr",
    "replay": "_traces._replay",
    "replay_row": "_traces._entry",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 (whatever the name stands for)
    """Load a public name on first use (PEP 562): importing the package stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    """List the public names beside what is loaded already."""
    return sorted({*globals(), *__all__})
