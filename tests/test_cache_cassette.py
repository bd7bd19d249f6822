"""`Cache` in a cassette: a file to be reviewed, put into from anywhere."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from pytest_f3dx import Cache, CacheError, F3dxError, cli
from pytest_f3dx._cache import _tape_file
from pytest_f3dx._cache._entry import Meta

if TYPE_CHECKING:
    from pathlib import Path

ASK = {"model": "m", "prompt": "Grüße\nan alle"}


def test_answers_what_was_put(tmp_path: Path) -> None:
    """What was put is answered at once, and by the file when the cache is closed; `check` finds it good."""
    path = tmp_path / "deep" / "calls.yaml"
    with Cache(path) as cache:
        assert cache.get(ASK) is None
        key = cache.put(ASK, b'{"answer": 1.0}', model="m", system_fingerprint="fp", response_duration_ms=12)
        assert cache.get(ASK) == b'{"answer": 1.0}'
        assert key in cache
        cache.put({"n": 1}, b"\xff\0")
        cache.put({"n": 1.0}, "text")
        assert not path.exists()
    assert sorted(file.name for file in path.parent.iterdir()) == ["calls.yaml"]
    assert cli.main(["check", str(path)]) == 0
    with Cache(path) as cache:
        assert cache.get({"prompt": ASK["prompt"], "model": "m"}) == b'{"answer": 1.0}'
        assert cache.peek({"n": 1}) == b"text"
        assert [entry.request for entry in cache] == [ASK, {"n": 1}]
        first = next(cache.entries())
        assert (first.fingerprint, first.meta) == (key, Meta("m", "fp", 12))
        sizes = {
            "bytes_requests": len(json.dumps(ASK, ensure_ascii=False).encode()) - 3 + 7,
            "bytes_responses": 19,
        }
        assert cache.stats() == {"entries": 2, "hits": 1, "misses": 0} | sizes


def test_reading_writes_nothing(tmp_path: Path) -> None:
    """A cassette that is only read stays byte for byte as it is, and nothing stands beside it."""
    path = tmp_path / "calls.yml"
    with Cache(path) as cache:
        cache.put(ASK, b"x")
    before = path.read_bytes(), path.stat().st_mtime_ns
    with Cache(path) as cache:
        assert cache.get(ASK) == b"x"
        cache.put(ASK, b"x")
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert list(tmp_path.iterdir()) == [path]


def test_delete_rewrites_the_file(tmp_path: Path) -> None:
    """A deleted entry is gone from the file, and what is not there is not deleted."""
    path = tmp_path / "calls.yaml"
    with Cache(path) as cache:
        assert not cache.delete(ASK)
        cache.put(ASK, b"x")
        cache.put({}, b"y")
        assert cache.delete(ASK)
        assert not cache.delete(ASK)
        assert [entry.response for entry in cache] == [b"y"]
        assert cache.delete({})
        assert cache.get({}) is None
    assert b"interactions: {}" in path.read_bytes()


def test_a_damaged_cassette_is_an_error(tmp_path: Path) -> None:
    """A file that cannot be understood is an error at once, one that any `except Exception` catches."""
    path = tmp_path / "calls.yaml"
    path.write_text("format: f3dx/1\ninteractions:\n", encoding="utf-8")
    with pytest.raises(F3dxError, match="cut off"):
        Cache(path)
    assert path.read_text(encoding="utf-8") == "format: f3dx/1\ninteractions:\n"


def test_a_disk_that_refuses_is_an_error(tmp_path: Path) -> None:
    """A put that cannot be kept raises."""
    (tmp_path / ".pending").write_text("in the way", encoding="utf-8")
    with Cache(tmp_path / "calls.yaml") as cache, pytest.raises(F3dxError, match="cannot be kept"):
        cache.put(ASK, b"x")


def test_a_closed_cache_says_so(tmp_path: Path) -> None:
    """What is asked of a closed cache is an error; closing again does nothing."""
    cache = Cache(tmp_path / "calls.yaml")
    cache.close()
    cache.close()
    with pytest.raises(CacheError, match="the cache is closed"):
        cache.get(ASK)
    with pytest.raises(CacheError, match="the cache is closed"):
        cache.delete(ASK)


def test_what_is_dropped_is_folded(tmp_path: Path) -> None:
    """A cache that nobody closes is closed when it is dropped, and at exit."""
    path = tmp_path / "calls.yaml"
    cache = Cache(path)
    cache.put(ASK, b"x")
    _tape_file._close_all()
    assert path.exists()
    cache = Cache(path)
    cache.put({}, b"y")
    del cache
    gc.collect()
    with Cache(path) as again:
        assert len(again) == 2


KILLED = """
import os, signal, sys
from pytest_f3dx import Cache
cache = Cache(sys.argv[1])
for n in range(3):
    cache.put({"n": n}, b"%d" % n)
cache.put({"n": 2}, b"last")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    """What a killed process had put is pending: found when it is asked for, and then folded."""
    path = tmp_path / "calls.yaml"
    done = subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    assert done.returncode == -signal.SIGKILL
    with Cache(path) as cache:
        assert [cache.get({"n": n}) for n in range(3)] == [b"0", b"1", b"last"]
        assert cache.get({"n": 2}) == b"last"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["calls.yaml"]
    with Cache(path) as cache:
        assert [cache.get({"n": n}) for n in range(3)] == [b"0", b"1", b"last"]


def test_threads_and_two_caches_lose_nothing(tmp_path: Path) -> None:
    """Threads put into one cache, and two caches into one file."""
    path = tmp_path / "calls.yaml"
    with Cache(path) as cache, Cache(path) as other:
        threads = [
            threading.Thread(target=lambda n=n: (cache, other)[n % 2].put({"n": n}, b"%d" % n))
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with Cache(path) as cache:
        assert sorted(entry.response for entry in cache) == [b"%d" % n for n in range(8)]


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_fork_has_a_journal_of_its_own(tmp_path: Path) -> None:
    """A child puts into the same file through a cache opened before the fork."""
    path = tmp_path / "calls.yaml"
    cache = Cache(path)
    cache.put({"who": "parent"}, b"x")
    child = os.fork()
    if child == 0:  # pragma: no cover (os._exit writes no coverage)
        try:
            cache.put({"who": "child"}, b"y")
            cache.close()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    cache.close()
    with Cache(path) as again:
        assert {entry.request["who"]: entry.response for entry in again} == {"parent": b"x", "child": b"y"}


def test_another_processs_cache_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that only drops the cache of its parent does not fold what the parent has put."""
    cache = Cache(tmp_path / "calls.yaml")
    cache.put(ASK, b"x")
    backend = cache._backend
    assert isinstance(backend, _tape_file.FileBackend)
    monkeypatch.setattr(backend, "_pid", 0)
    backend._fold()
    assert not (tmp_path / "calls.yaml").exists()
    monkeypatch.undo()
    cache.close()
    assert (tmp_path / "calls.yaml").exists()


def test_it_may_always_record(tmp_path: Path) -> None:
    """A call that is about to be made is never refused: its answer can be kept."""
    with Cache(tmp_path / "calls.yaml") as cache:
        cache._backend.before_fetch(ASK)
        assert cache.stats()["misses"] == 0
