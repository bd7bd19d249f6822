"""`Cache` in a SQLite file: what it answers, what it counts, what it refuses, and what survives."""

from __future__ import annotations

import errno
import json
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

import pytest_f3dx
from pytest_f3dx import Cache, CacheError, cached_call
from pytest_f3dx._cache import _database, _group, _layout, _sqlite
from pytest_f3dx._cache._entry import Meta, spelt
from pytest_f3dx.errors import CacheFormatError, SecretError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ASK = {"model": "m", "messages": [{"role": "user", "content": "Grüße"}]}


@pytest.fixture(autouse=True)
def _no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write no counts but when a test says so, however long it is held up."""
    monkeypatch.setattr(_sqlite, "_FLUSH_S", 3600.0)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    """Open an empty cache."""
    with Cache(tmp_path / "calls.sqlite") as opened:
        yield opened


def database(cache: Cache) -> _database.Database:
    backend = cache._backend
    assert isinstance(backend, _sqlite.SqliteBackend)
    return backend._database


def test_answers_what_was_put(cache: Cache) -> None:
    """A request has no answer, then the one that was put, then the one put over it."""
    assert cache.get(ASK) is None
    key = cache.put(ASK, b"one")
    assert key == cache.fingerprint(ASK) == pytest_f3dx.fingerprint(ASK)
    assert cache.get({"messages": ASK["messages"], "model": "m"}) == b"one"
    cache.put(MappingProxyType(ASK), "zwölf")
    assert cache.peek(ASK) == "zwölf".encode()
    assert len(cache) == 1


def test_numbers_are_told_apart_as_by_rfc_8785(cache: Cache) -> None:
    """1 and 1.0 are one request; neighbouring floats and long integers are two."""
    cache.put({"n": 1}, b"one")
    assert cache.get({"n": 1.0}) == b"one"
    cache.put({"n": 0.1}, b"x")
    assert cache.get({"n": 0.10000000000000002}) is None
    cache.put({"n": 2**63}, b"x")
    assert cache.get({"n": 2**63 + 1}) is None


def test_vectors_of_the_original(cache: Cache) -> None:
    """Where the Rust original follows RFC 8785 the fingerprints are the same."""
    assert cache.fingerprint({"a": 1}) == pytest_f3dx.fingerprint({"a": 1})
    assert len(cache.fingerprint({})) == 64


def test_counts_are_true(cache: Cache) -> None:
    """Hits and misses are those of get, before and after they are written; peek counts nothing."""
    assert cache.stats() == {"entries": 0, "hits": 0, "misses": 0, "bytes_requests": 0, "bytes_responses": 0}
    cache.get(ASK)
    cache.put(ASK, b"four")
    for _ in range(3):
        cache.get(ASK)
    cache.peek(ASK)
    cache.peek({})
    size = len(json.dumps(ASK, ensure_ascii=False, separators=(",", ":")).encode())
    counts = {"entries": 1, "hits": 3, "misses": 1, "bytes_requests": size, "bytes_responses": 4}
    assert cache.stats() == counts
    assert cache.stats() == counts
    cache.get(ASK)
    cache.get({})
    assert cache.stats() == counts | {"hits": 4, "misses": 2}
    assert [entry.hit_count for entry in cache] == [4]


def test_counts_survive_closing(tmp_path: Path) -> None:
    """What was counted is there when the file is opened again; closing twice does no harm."""
    path = tmp_path / "deep" / "calls.sqlite"
    cache = Cache(str(path))
    cache.put(ASK, b"x")
    cache.get(ASK)
    cache.get({})
    cache.close()
    cache.close()
    assert sorted(file.name for file in path.parent.iterdir()) == ["calls.sqlite"]
    with Cache(os.fsencode(path)) as again:
        assert (again.stats()["hits"], again.stats()["misses"]) == (1, 1)


def test_a_timer_writes_the_counts(cache: Cache) -> None:
    """The counts of a process that goes on are written by a timer; a hit only starts it."""
    cache.put(ASK, b"x")
    cache.get(ASK)
    backend = cache._backend
    assert isinstance(backend, _sqlite.SqliteBackend)
    timer = backend._timer
    assert timer is not None
    timer.cancel()
    timer.function()
    with sqlite3.connect(database(cache).path) as reader:
        assert reader.execute("SELECT sum(hit_count) FROM meta").fetchone() == (1,)
    reader.close()
    assert not backend._counts


def test_no_timer_is_left_when_there_is_nothing_to_write(cache: Cache) -> None:
    """What was written before its time, or at the end, leaves no thread behind."""
    for write in (cache.stats, cache.close):
        cache.get(ASK)
        backend = cache._backend
        assert isinstance(backend, _sqlite.SqliteBackend)
        timer = backend._timer
        assert timer is not None
        write()
        timer.join(60)
        assert not timer.is_alive()


def test_a_process_that_cannot_start_threads_counts(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of the interpreter no timer starts; a hit is a hit all the same."""
    monkeypatch.setattr(threading.Timer, "start", lambda _: (_ for _ in ()).throw(RuntimeError("ending")))
    cache.put(ASK, b"x")
    assert cache.get(ASK) == b"x"
    assert cache.stats()["hits"] == 1


def test_entries_tell_all_that_is_known(cache: Cache) -> None:
    """Entries come in the order they were first put, with what was said of them, more than one batch."""
    cache.put(ASK, b"old")
    for n in range(_sqlite._BATCH):
        cache.put({"n": n}, b"x")
    cache.put(ASK, b"new", model="m-1", system_fingerprint="fp_1", response_duration_ms=850)
    first, *rest = cache.entries()
    assert (first.request, first.response) == (ASK, b"new")
    assert first.meta == Meta("m-1", "fp_1", 850)
    assert first.fingerprint == cache.fingerprint(ASK)
    assert first.created_at_ms is not None
    assert first.created_at_ms > 1_700_000_000_000
    assert [entry.request["n"] for entry in rest] == list(range(_sqlite._BATCH))


def test_delete_takes_a_request_or_a_fingerprint(cache: Cache) -> None:
    """A deleted entry is gone, its hits with it; what is not there is not deleted."""
    key = cache.put(ASK, b"x")
    cache.get(ASK)
    assert ASK in cache
    assert cache.delete(ASK)
    assert not cache.delete(key)
    assert key not in cache
    assert cache.stats() == {"entries": 0, "hits": 0, "misses": 0, "bytes_requests": 0, "bytes_responses": 0}
    assert list(cache) == []
    assert cache


def test_a_stored_request_is_redacted(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret in a request reaches no byte of the file; the fingerprint is that of the request as given."""
    monkeypatch.setenv("SOME_API_KEY", "plum-Tr33-9183-harbour")
    secret = "sk-proj-" + "a1B2" * 10
    request = {"prompt": f"my key is {secret} and plum-Tr33-9183-harbour", "password": "hunter2-hunter2"}
    cache.put(request, b"x")
    assert cache.get(request) == b"x"
    (entry,) = cache
    assert entry.request["password"] == "[redacted:password]"
    assert entry.fingerprint == cache.fingerprint(request)
    cache.close()
    data = b"".join(file.read_bytes() for file in database(cache).path.parent.iterdir())
    for word in (secret, "hunter2-hunter2", "plum-Tr33-9183-harbour"):
        assert word.encode() not in data


@pytest.mark.parametrize("ending", ["sqlite", "yaml"])
def test_a_request_passes_the_last_gate(ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that redaction does not reach is refused before a call is made, and by put; an allowed one is not."""
    monkeypatch.chdir(tmp_path)
    secret = "sk-proj-" + "a1B2" * 10
    request = {"url": f"https%253A%252F%252Fx%252F%253Fk%253D{secret.replace('-', '%252D')}"}
    calls: list[object] = []
    with Cache(tmp_path / f"calls.{ending}") as cache:
        with pytest.raises(SecretError, match="percent-encoded twice") as caught:
            cache.put(request, b"x")
        assert secret not in str(caught.value)
        with pytest.raises(SecretError, match="percent-encoded twice"):
            cached_call(cache, request, calls.append)
        assert (calls, len(cache)) == ([], 0)
        cache.put({"url": "x"}, b"y")
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nf3dx_allow = {secret}\nf3dx_redact = plum-[0-9]+\n")
    with Cache(tmp_path / f"calls.{ending}") as cache:
        cache.put({**request, "of": "plum-42"}, b"x")
        assert [entry.request.get("of") for entry in cache][1].startswith("[redacted:")


def test_secrets_of_the_environment_are_those_of_now(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set between two puts is redacted in the second."""
    cache.put({"text": "plum-Tr33-9183-harbour"}, b"x")
    monkeypatch.setenv("SOME_API_KEY", "plum-Tr33-9183-harbour")
    cache.put({"text": "plum-Tr33-9183-harbour"}, b"x")
    assert [entry.request["text"] for entry in cache] == ["[redacted:some-api-key]"]


def test_the_log_of_a_writer_is_grown_once(cache: Cache) -> None:
    """A process that goes on writing has a log in which commits change no file size; what is there stays as it was."""
    log = database(cache).path.with_name("calls.sqlite-wal")
    for n in range(7):
        cache.put({"n": n}, b"x")
    small = log.stat().st_size
    cache.put({"n": 7}, b"x")
    grown = log.stat().st_size
    cache.put({"n": 8}, b"x")
    assert small < 1_000_000
    assert log.stat().st_size == grown > 4_000_000
    assert [entry.request["n"] for entry in cache] == list(range(9))
    with Cache(database(cache).path) as other:
        for n in range(8):
            other.put({"n": n}, b"y")
        assert log.stat().st_size == grown


@pytest.mark.parametrize(
    ("request_", "response", "message"),
    [
        ({"a": {1}}, b"", r"\$\.a is a set"),
        ([1], b"", "a request is a mapping, not a list"),
        ({}, {"a": 1}, "an answer is bytes or text, not a dict"),
        ({"a": 10**5000}, b"", "cannot be written as JSON"),
    ],
)
def test_what_is_no_json_is_refused(cache: Cache, request_: object, response: object, message: str) -> None:
    """A request that JSON cannot express, or an answer that is no bytes, is a TypeError that says so."""
    with pytest.raises(TypeError, match=message):
        cache.put(request_, response)  # type: ignore[arg-type]  # that is what is tried
    assert len(cache) == 0


def test_a_wrong_fingerprint_is_refused(cache: Cache) -> None:
    """Text that is no fingerprint is not taken for one that is not there."""
    with pytest.raises(TypeError, match="64 hex digits, this text has 2 characters"):
        cache.delete("hi")


def test_lone_surrogates_are_kept(cache: Cache) -> None:
    """What UTF-8 cannot hold is escaped."""
    assert spelt({"a": "\ud800"}) == b'{"a":"\\ud800"}'
    cache.put({"a": "\ud800"}, b"x")
    assert next(iter(cache)).request == {"a": "\ud800"}


def test_buffers_are_bytes(cache: Cache) -> None:
    """A bytearray and a memoryview are stored as the bytes they are."""
    cache.put({}, memoryview(b"x"))  # type: ignore[arg-type]  # not promised, and harmless
    assert cache.get({}) == b"x"


def test_crosses_to_another_process(cache: Cache) -> None:
    """A pickled cache opens the same file; it shows its path."""
    cache.put(ASK, b"x")
    with pickle.loads(pickle.dumps(cache)) as other:
        assert other.get(ASK) == b"x"
        assert repr(other) == repr(cache) == f"Cache({str(cache._path)!r})"


# -- files that are not ours, or damaged ---------------------------------------------------------------


def sqlite_file(path: Path, *statements: str) -> bytes:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path.read_bytes()


def ours(path: Path) -> bytes:
    with Cache(path) as cache:
        for n in range(40):
            cache.put({"n": n}, b"x" * 3000)
    return path.read_bytes()


@pytest.mark.parametrize("name", ["redb", "text", "short", "sqlite", "newer", "other"])
def test_a_foreign_file_is_refused(tmp_path: Path, name: str) -> None:
    """What is no cache of ours is an error that names the file, which stays byte for byte as it is."""
    path = tmp_path / "calls.sqlite"
    if name == "sqlite":
        sqlite_file(path, "CREATE TABLE users (name)")
    elif name == "newer":
        ours(path)
        sqlite_file(path, "PRAGMA user_version=99")
    elif name == "other":
        path.write_bytes(ours(path)[:68] + b"\0\0\0\1" + ours(path)[72:])
    else:
        path.write_bytes(
            {"redb": b"redb\x1a\x0a\xa9\x0d\x0a" + bytes(200), "text": b"hi\n" * 99, "short": b"x"}[name]
        )
    before = path.read_bytes()
    with pytest.raises(CacheFormatError) as caught:
        Cache(path)
    assert str(path) in str(caught.value)
    assert {"redb": "import-redb", "newer": "pip install --upgrade"}.get(name, "a path of its own") in str(
        caught.value
    )
    assert path.read_bytes() == before
    assert caught.value.path == path


def test_a_foreign_file_found_behind_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The identity is looked at again through SQLite, which knows what its log says."""
    path = tmp_path / "calls.sqlite"
    sqlite_file(path, "CREATE TABLE users (name)")
    monkeypatch.setattr(_database.Database, "_check_head", lambda *_: None)
    with pytest.raises(CacheFormatError, match="another program"):
        Cache(path)


def test_a_file_without_our_tables_is_damaged(tmp_path: Path) -> None:
    """A table that is gone is named."""
    path = tmp_path / "calls.sqlite"
    ours(path)
    sqlite_file(path, "DROP TABLE meta")
    with pytest.raises(CacheError, match="no table meta"):
        Cache(path)


def test_a_cut_off_file_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a file is an error when it is opened or read, never an empty cache; no connection is left open."""
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def noted(*args: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*args, **options))
        return opened[-1]

    path = tmp_path / "calls.sqlite"
    data = ours(path)
    half = data[: len(data) // 2]
    path.write_bytes(half)
    monkeypatch.setattr(sqlite3, "connect", noted)
    with pytest.raises(CacheError, match="the cache is damaged") as caught, Cache(path) as cache:
        list(cache)
    assert str(path) in str(caught.value)
    assert opened
    for connection in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")


def test_a_damaged_page_is_an_error_of_get(tmp_path: Path) -> None:
    """Garbage inside the file is an error of the call that meets it."""
    path = tmp_path / "calls.sqlite"
    data = ours(path)
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    with pytest.raises(CacheError, match="the cache is damaged"), Cache(path) as cache:
        cache.get({"n": 1})


def test_an_empty_file_becomes_a_cache(tmp_path: Path) -> None:
    """Zero bytes are nobody's data: what a crash during creation leaves is made a cache."""
    path = tmp_path / "calls.sqlite"
    path.touch()
    with Cache(path) as cache:
        cache.put({}, b"x")
    assert path.stat().st_size > 0


def test_a_path_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    """A directory, and a file where a directory should be, are errors with the path."""
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "calls.sqlite"):
        with pytest.raises(CacheError, match="cannot be read or written"):
            Cache(path)


def test_a_closed_cache_says_so(cache: Cache) -> None:
    """What is asked of a closed cache is an error, not an empty answer."""
    cache.close()
    for action in (lambda: cache.get(ASK), lambda: cache.put(ASK, b""), cache.stats, lambda: list(cache)):
        with pytest.raises(CacheError, match="the cache is closed"):
            action()


@pytest.mark.parametrize("has_log", [False, True])
def test_a_read_only_cache_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_log: bool) -> None:
    """A committed cache on a read-only disk answers and counts in memory; a put is refused."""
    path = tmp_path / "calls.sqlite"
    ours(path)
    keeper = sqlite3.connect(path)
    if has_log:
        keeper.execute("SELECT * FROM meta").fetchone()
    monkeypatch.setattr(_database, "_is_writable", lambda _: False)
    with Cache(path) as cache:
        assert cache.get({"n": 1}) == b"x" * 3000
        assert cache.stats()["hits"] == 1
        with pytest.raises(CacheError, match="read-only"):
            cache.put({}, b"")
    keeper.close()


def test_access_decides_what_is_read_only(tmp_path: Path) -> None:
    """A file and directory that may be written are writable."""
    assert _database._is_writable(tmp_path)
    assert not _database._is_writable(tmp_path / "absent")


def test_a_cache_held_by_another_process_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting ends, with an error that says who is in the way; the count of hits waits for better times."""
    path = tmp_path / "calls.sqlite"
    ours(path)
    monkeypatch.setattr(_database, "BUSY_S", 0.02)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    cache = Cache(path)
    assert cache.get({"n": 1}) is not None
    with pytest.raises(CacheError, match="held by another process"):
        cache.put({}, b"")
    assert cache.stats()["hits"] == 1
    other.execute("ROLLBACK")
    other.close()
    cache.close()
    with Cache(path) as again:
        assert again.stats()["hits"] == 1


def test_what_is_refused_for_a_moment_is_tried_again(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite refuses some things at once while another process closes the file: they are tried again."""
    tried = []

    def action() -> sqlite3.Cursor:
        tried.append(1)
        if len(tried) < 3:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorname = "SQLITE_BUSY"
            raise error
        return sqlite3.connect(":memory:").cursor()

    monkeypatch.setattr(_database, "_PAUSE_S", 0)
    cursor = database(cache).retried(action)
    cursor.connection.close()  # type: ignore[attr-defined]  # what the action gave
    assert len(tried) == 3


def test_a_full_disk_keeps_what_was_there(cache: Cache) -> None:
    """A put that does not fit is an error, and nothing of it is kept."""
    cache.put(ASK, b"old")
    connection = database(cache).write(lambda connection: connection)
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(CacheError, match="make room"):
        cache.put(ASK, b"x" * 1_000_000)
    assert cache.get(ASK) == b"old"


def test_a_removed_file_is_made_anew(cache: Cache) -> None:
    """A put after somebody has removed the file goes to a new one, not to a file without a name."""
    cache.put(ASK, b"x")
    database(cache).path.unlink()
    for suffix in ("-wal", "-shm"):
        database(cache).path.with_name(f"calls.sqlite{suffix}").unlink(missing_ok=True)
    cache.put({"n": 2}, b"y")
    with Cache(database(cache).path) as other:
        assert [entry.response for entry in other] == [b"y"]


def test_an_operating_system_that_refuses_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory that cannot be made is an error with the reason."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(CacheError, match="Read-only file system"):
        Cache(tmp_path / "a" / "b.sqlite")


FORMAT_1 = """
CREATE TABLE requests (fingerprint TEXT PRIMARY KEY, request BLOB NOT NULL);
CREATE TABLE responses (fingerprint TEXT PRIMARY KEY, response BLOB NOT NULL);
CREATE TABLE meta (fingerprint TEXT PRIMARY KEY, created_at_ms INTEGER NOT NULL, hit_count INTEGER NOT NULL DEFAULT 0,
    model TEXT, system_fingerprint TEXT, response_duration_ms INTEGER);
PRAGMA application_id=1714644088;
PRAGMA user_version=1;
PRAGMA journal_mode=WAL
"""


def of_format_1(path: Path, count: int) -> None:
    """Write a cache as the first format had it: every request hit n times, seven misses."""
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in FORMAT_1.split(";"):
        connection.execute(statement)
    connection.execute("INSERT INTO meta (fingerprint, created_at_ms, hit_count) VALUES ('', 0, 7)")
    for n in range(count):
        key = pytest_f3dx.fingerprint({"n": n})
        connection.execute("INSERT INTO requests VALUES (?, ?)", (key, b'{"n":%d}' % n))
        connection.execute("INSERT INTO responses VALUES (?, ?)", (key, b"%d" % n))
        connection.execute("INSERT INTO meta VALUES (?, ?, ?, 'm', 'fp', 5)", (key, 1000 + n, n))
    connection.close()


def test_a_file_of_the_first_format_is_brought_up_to_date(tmp_path: Path) -> None:
    """Nothing of it is lost: answers, order, times, hits and misses; and it is then like any other."""
    path = tmp_path / "calls.sqlite"
    of_format_1(path, 100)
    with Cache(path) as cache:
        assert [(one.request["n"], one.response, one.created_at_ms, one.hit_count) for one in cache] == [
            (n, b"%d" % n, 1000 + n, n) for n in range(100)
        ]
        assert {one.meta for one in cache} == {Meta("m", "fp", 5)}
        assert (cache.stats()["hits"], cache.stats()["misses"]) == (sum(range(100)), 7)
        cache.put({"n": 3}, b"new")
        assert cache.get({"n": 3}) == b"new"
        assert len(cache) == 100
    check = sqlite3.connect(path)
    assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert check.execute("PRAGMA user_version").fetchone() == (2,)
    check.close()


def test_a_file_is_brought_up_to_date_once(tmp_path: Path) -> None:
    """Of two processes that find the first format, the second sees that the first one was faster."""
    path = tmp_path / "calls.sqlite"
    of_format_1(path, 1)
    Cache(path).close()
    connection = sqlite3.connect(path)
    _layout.bring_up_to_date(connection)
    connection.close()
    with Cache(path) as cache:
        assert cache.peek({"n": 0}) == b"0"


def test_a_read_only_file_of_the_first_format_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be rewritten says so, and what to do; it stays as it is."""
    path = tmp_path / "calls.sqlite"
    of_format_1(path, 1)
    before = path.read_bytes()
    monkeypatch.setattr(_database, "_is_writable", lambda _: False)
    with pytest.raises(CacheFormatError, match="of format 1; this version writes 2") as caught:
        Cache(path)
    assert "open it once where it can be written" in str(caught.value)
    assert path.read_bytes() == before


# -- many at once --------------------------------------------------------------------------------------


def test_threads_share_a_cache(cache: Cache) -> None:
    """Threads that put and get at once lose nothing, no count either."""

    def work(n: int) -> None:
        for i in range(10):
            cache.put({"thread": n, "i": i}, f"{n} {i}".encode())
            assert cache.get({"thread": n, "i": i}) == f"{n} {i}".encode()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.stats() | {"bytes_requests": 0, "bytes_responses": 0} == {
        "entries": 60, "hits": 60, "misses": 0, "bytes_requests": 0, "bytes_responses": 0,
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_fork_shares_a_cache(cache: Cache) -> None:
    """A child puts and gets through a cache opened before the fork, and parent and child count each their own."""
    cache.put(ASK, b"x")
    cache.get(ASK)
    child = os.fork()
    if child == 0:  # pragma: no cover (os._exit writes no coverage)
        try:
            ok = cache.get(ASK) == b"x"
            cache.put({"from": "child"}, b"y")
            cache.close()
        finally:
            os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert cache.get({"from": "child"}) == b"y"
    assert cache.stats()["hits"] == 3


def held_up(cache: Cache, durations: list[int]) -> dict[int, BaseException | None]:
    """Put from as many threads while the file is held, then let go; returns what each put raised."""
    backend = cache._backend
    assert isinstance(backend, _sqlite.SqliteBackend)
    raised: dict[int, BaseException | None] = {}

    def work(n: int, duration_ms: int) -> None:
        try:
            cache.put({"n": n}, b"%d" % n, response_duration_ms=duration_ms)
            raised[n] = None
        except OverflowError as error:
            raised[n] = error

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(durations)]
    with database(cache).writing:
        for thread in threads:
            thread.start()
        while len(backend._group._queue) < len(threads):
            pass
    for thread in threads:
        thread.join()
    return raised


def test_puts_that_wait_are_put_together(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait for the disk is one for all puts that came while the one before was written."""
    monkeypatch.setattr(database(cache), "write", writing := Mock(wraps=database(cache).write))
    assert set(held_up(cache, [1] * 6).values()) == {None}
    assert writing.call_count == 1
    assert sorted(entry.response for entry in cache) == [b"%d" % n for n in range(6)]


def test_a_put_that_fails_fails_alone(cache: Cache) -> None:
    """Of puts that wait together, one that the file cannot hold raises where it was made; the others are kept."""
    raised = held_up(cache, [1, 2**70, 1, 2**70])
    assert [type(raised[n]) for n in range(4)] == [type(None), OverflowError, type(None), OverflowError]
    assert sorted(entry.request["n"] for entry in cache) == [0, 2]
    cache.put({"n": 9}, b"x")
    assert len(cache) == 3


def test_who_waits_is_left_to_the_parent_of_a_fork(cache: Cache) -> None:
    """A child does not put what threads of its parent are about to put."""
    backend = cache._backend
    assert isinstance(backend, _sqlite.SqliteBackend)
    backend._group._queue.append(_group._Waiting((b"k" * 32, b"{}", b"x", 0, Meta())))
    _sqlite._after_in_child()
    cache.put(ASK, b"x")
    assert len(cache) == 1


PUTTING = """
import os, sys
from pytest_f3dx import Cache
cache = Cache(sys.argv[1])
for n in range(100_000):
    cache.put({"who": sys.argv[2], "n": n}, b"x" * (n % 5000))
    os.write(1, b"%d\\n" % n)
"""


def test_processes_killed_at_any_moment_lose_nothing(tmp_path: Path) -> None:
    """Of processes that put into one file and are killed, every put that returned is there, and the file is whole."""
    path = tmp_path / "calls.sqlite"
    for round_ in range(2):
        workers = [
            subprocess.Popen([sys.executable, "-c", PUTTING, path, f"{round_}-{n}"], stdout=subprocess.PIPE)
            for n in range(3)
        ]
        said: Counter[str] = Counter()
        for n, worker in enumerate(workers):
            assert worker.stdout is not None
            for _ in range(8 * n + 3):
                worker.stdout.readline()
            worker.send_signal(signal.SIGKILL)
            said[f"{round_}-{n}"] = 8 * n + 3 + len(worker.stdout.read().split())
            worker.wait()
            worker.stdout.close()
        with Cache(path) as cache:
            for who, count in said.items():
                for n in range(count):
                    assert cache.get({"who": who, "n": n}) == b"x" * (n % 5000)
    check = sqlite3.connect(path)
    assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    check.close()


def test_a_file_opened_twice_keeps_its_log(cache: Cache) -> None:
    """A second `Cache` on a file takes no lock from the first, whose log another process would remove then."""
    code = "import sys; from pytest_f3dx import Cache\nwith Cache(sys.argv[1]) as c: print(c.peek({'n': 2}))"
    path = database(cache).path
    cache.put({"n": 1}, b"1")
    with Cache(path):
        subprocess.run([sys.executable, "-c", code, path], check=True, stdout=subprocess.DEVNULL)
        cache.put({"n": 2}, b"2")
        told = subprocess.run([sys.executable, "-c", code, path], check=True, capture_output=True)
    assert told.stdout == b"b'2'\n"


def test_processes_open_a_new_cache_at_once(tmp_path: Path) -> None:
    """Of processes that all make the same file, each finds it made, and all puts are there."""
    code = "import sys; from pytest_f3dx import Cache\nwith Cache(sys.argv[1]) as c: c.put({'n': sys.argv[2]}, b'x')"
    path = tmp_path / "calls.sqlite"
    workers = [subprocess.Popen([sys.executable, "-c", code, path, str(n)]) for n in range(4)]
    assert [worker.wait() for worker in workers] == [0] * 4
    with Cache(path) as cache:
        assert len(cache) == 4


def test_counts_are_written_at_exit(tmp_path: Path) -> None:
    """A process that ends without closing has its hits written."""
    path = tmp_path / "calls.sqlite"
    code = "import sys; from pytest_f3dx import Cache\nc = Cache(sys.argv[1]); c.put({}, b'x'); c.get({}); c.get({})"
    subprocess.run([sys.executable, "-c", code, path], check=True)
    with Cache(path) as cache:
        assert cache.stats()["hits"] == 2


def test_at_exit_every_cache_is_closed(cache: Cache) -> None:
    """What runs at exit closes each cache that is still open; a fork's counts are the parent's."""
    cache.put(ASK, b"x")
    cache.get(ASK)
    _sqlite._after_in_child()
    assert cache.stats()["hits"] == 0
    _sqlite._flush_all()
    assert database(cache).is_closed()
