"""Record LLM and HTTP traffic once, replay it for ever, and review what changed.

The pytest plugin needs no import. What is here loads on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_f3dx._cache._cache import Cache
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
    from pytest_f3dx.errors import CacheError, CassetteMiss, F3dxError

__all__ = [
    "Cache",
    "CacheError",
    "CassetteMiss",
    "Change",
    "Drift",
    "EndpointJudge",
    "Entry",
    "F3dxError",
    "Report",
    "compare",
    "fingerprint",
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
    "Drift": "_model",
    "EndpointJudge": "_diff._endpoint",
    "Entry": "_traces._entry",
    "F3dxError": "errors",
    "Report": "_traces._report",
    "compare": "_diff._compare",
    "fingerprint": "_fingerprint",
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
