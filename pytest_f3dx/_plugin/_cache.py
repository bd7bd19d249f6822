"""The fixtures ``f3dx_cache_obj`` and ``f3dx_cassette``: what a marked test sees of its own cassette."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from pytest_f3dx._cache import _cache, _tape
from pytest_f3dx._plugin import _runs

if TYPE_CHECKING:
    from pytest_f3dx._traffic import Traffic


def cache_of(item: pytest.Item) -> _cache.Cache:
    """Return a cache over the cassette of a test, which must be marked."""
    run = _runs.of(item)
    if run is None:
        _refuse("f3dx_cache_obj")
    return _cache.over(_tape.TapeBackend(run.calls, run.note_call))


def traffic_of(item: pytest.Item) -> Traffic:
    """Return what a test has sent, which must be marked."""
    run = _runs.of(item)
    if run is None:
        _refuse("f3dx_cassette")
    return run.traffic()


def _refuse(name: str) -> NoReturn:
    pytest.fail(f"f3dx: the fixture {name} needs @pytest.mark.f3dx_cache on the test", pytrace=False)
