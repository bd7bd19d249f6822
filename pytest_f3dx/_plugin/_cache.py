"""The fixtures ``f3dx_cache_obj`` and ``f3dx_cassette``: what a marked test sees of its own cassette."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from pytest_f3dx._cache import _cache, _tape

if TYPE_CHECKING:
    from pytest_f3dx._session import TestRun
    from pytest_f3dx._traffic import Traffic


def cache_of(run: TestRun | None) -> _cache.Cache:
    """Return a cache over the cassette of a test; None is a test without our marker."""
    if run is None:
        _refuse("f3dx_cache_obj")
    return _cache.over(_tape.TapeBackend(run.calls, run.note_call))


def traffic_of(run: TestRun | None) -> Traffic:
    """Return what a test has sent; None is a test without our marker."""
    if run is None:
        _refuse("f3dx_cassette")
    return run.traffic()


def _refuse(name: str) -> NoReturn:
    pytest.fail(f"f3dx: the fixture {name} needs @pytest.mark.f3dx_cache on the test", pytrace=False)
