"""``import-redb``: what f3dx 0.0.19 has cached, read without f3dx."""

from __future__ import annotations

import lzma
from contextlib import suppress
from pathlib import Path

import pytest

from pytest_f3dx import Cache, CacheError, cli
from pytest_f3dx._cache import _import
from pytest_f3dx._cache._entry import Meta
from pytest_f3dx._cache._import import import_redb
from pytest_f3dx._cache._redb import RedbFile
from pytest_f3dx._canonical import parse_json
from pytest_f3dx.errors import CacheFormatError

# Written by f3dx 0.0.19: 60 requests {"n": n, "x": 1.0 or n} and one more that differs from one of them in 1 and
# 1.0 only; branches, a page of two; three hits.
DATA = lzma.decompress((Path(__file__).parent / "data" / "f3dx.redb.xz").read_bytes())
TWICE = {"url": f"https%253A%252F%252Fx%252F%253Fk%253Dsk%252Dproj%252D{'a1B2' * 10}"}
_ROOT = 64 + 8  # of the table of tables, in the first slot


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "calls.redb"
    path.write_bytes(DATA)
    return path


def test_everything_is_copied(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Requests, answers, hits and what is known of them are there, keys made anew; a second import adds nothing."""
    assert cli.main(["import-redb", str(source)]) == 0
    target = source.with_suffix(".sqlite")
    assert capsys.readouterr().out == (
        f"{target}: 60 added, 0 there already; 40 keys made anew, "
        "1 older answers to the same request left out, 0 unreadable\n"
    )
    with Cache(target) as cache:
        assert [cache.peek({"n": n, "x": 1 if n % 3 else n}) for n in range(2, 60)] == [
            b"answer %d" % n + b"x" * (5000 if n == 7 else 0) for n in range(2, 60)
        ]
        assert cache.peek({"n": 1, "x": 1.0}) == b"newer answer"
        assert cache.stats()["hits"] == 3
        entry = next(one for one in cache if one.request["n"] == 2)
        assert (entry.hit_count, entry.meta) == (3, Meta("m2", "fp", 2))
        assert entry.created_at_ms is not None
        assert entry.created_at_ms > 1_700_000_000_000
    assert cli.main(["import-redb", str(source)]) == 0
    assert ": 0 added, 60 there already;" in capsys.readouterr().out
    assert source.read_bytes() == DATA


def test_what_is_in_the_cache_stays(source: Path, tmp_path: Path) -> None:
    """An answer that is in the cache already is not replaced."""
    target = tmp_path / "mine.sqlite"
    with Cache(target) as cache:
        cache.put({"n": 0, "x": 0}, b"mine")
    told = import_redb(source, target)
    assert (told.added, told.present) == (59, 1)
    with Cache(target) as cache:
        assert cache.peek({"n": 0, "x": 0}) == b"mine"


def test_into_a_cassette(source: Path, tmp_path: Path) -> None:
    """The cache may be a cassette."""
    assert cli.main(["import-redb", str(source), "--to", str(tmp_path / "calls.yaml")]) == 0
    with Cache(tmp_path / "calls.yaml") as cache:
        assert len(cache) == 60
        assert cache.peek({"n": 59, "x": 1}) == b"answer 59"


def test_a_file_that_was_not_closed_is_told(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file whose writer was killed is read as it was committed, with a note."""
    source.write_bytes(DATA[:9] + bytes([DATA[9] | 2]) + DATA[10:])
    assert cli.main(["import-redb", str(source)]) == 0
    assert "had not closed the file" in capsys.readouterr().err


def test_what_cannot_be_read_is_told(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An entry whose request is no JSON object is named, the others are copied, and the exit code is 1."""
    changed = DATA.replace(b'{"n":5,"x":1.0}', b'{"n":5,"x":1.0)').replace(
        b'{"n":8,"x":1.0}', b"[8            ]"
    )
    changed = changed.replace(b'"hit_count":0,"model":"m4"', b'"hit_count":-,"model":"m4"')
    changed = changed.replace(b'"model":"m10"', b'"model": null')
    source.write_bytes(changed)
    assert cli.main(["import-redb", str(source)]) == 1
    told = capsys.readouterr()
    assert "57 added" in told.out
    assert "3 unreadable" in told.out
    assert told.err.count("no request or no answer: ") == 3
    with Cache(source.with_suffix(".sqlite")) as cache:
        assert next(one for one in cache if one.request["n"] == 10).meta.model is None


@pytest.mark.parametrize("ending", ["sqlite", "yaml"])
def test_a_secret_that_redaction_does_not_reach_is_left_out(
    ending: str,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One such request does not keep the others out; it is named, and the exit code is 1."""
    monkeypatch.chdir(tmp_path)
    bad = {"n": 5, "x": 1.0}
    monkeypatch.setattr(
        _import, "parse_json", lambda data: TWICE if parse_json(data) == bad else parse_json(data)
    )
    assert cli.main(["import-redb", str(source), "--to", f"calls.{ending}"]) == 1
    told = capsys.readouterr()
    assert told.out.startswith(f"calls.{ending}: 59 added, 0 there already;")
    assert told.out.endswith("0 unreadable, 1 refused\n")
    assert told.err == f"  left out, a secret that redaction does not reach: {Cache.fingerprint(TWICE)}\n"
    with Cache(f"calls.{ending}") as cache:
        assert len(cache) == 59


@pytest.mark.parametrize(
    ("at", "data", "message"),
    [
        (0, b"SQLi", "no redb file"),
        (64, b"\x07", "of format 7"),
        (_ROOT, b"\xff\xff", "beyond the end of the file"),
        (_ROOT, b"\0\0", "there is no table"),
        (12, b"\0\0\0\0", "damaged"),
    ],
)
def test_damage_is_an_error(source: Path, at: int, data: bytes, message: str) -> None:
    """A file that is no redb file, of another format or damaged is an error, and no cache is made."""
    source.write_bytes(DATA[:at] + data + DATA[at + len(data) :])
    with pytest.raises(CacheError, match=message):
        import_redb(source, source.with_suffix(".sqlite"))
    assert not source.with_suffix(".sqlite").exists()


def test_a_file_that_is_cut_off_is_an_error(source: Path) -> None:
    """Every length is an error, never a crash or an empty cache."""
    for length in (9, 20, 70, 600, 540_000, 600_000):
        with pytest.raises(CacheError):
            list(RedbFile(DATA[:length], source).table("requests"))
    with pytest.raises(CacheFormatError):
        RedbFile(b"", source)


def test_every_damaged_byte_of_a_page_is_met_calmly(source: Path) -> None:
    """Whatever stands in a page of a table, it is read or an error of ours; page loops end."""
    file = RedbFile(DATA, source)
    start, end = file._place(file._root or 0)
    for at in range(start, min(start + 320, end), 3):
        changed = bytearray(DATA)
        changed[at] ^= 0xFF
        with suppress(CacheError):
            for name in ("requests", "responses", "meta"):
                list(RedbFile(bytes(changed), source).table(name))
    loop = bytearray(DATA)
    loop[start : start + 2] = b"\2\0"  # a branch whose children are what the leaf held
    loop[start + 8 + 16 * 4 : start + 8 + 16 * 4 + 8] = (file._root or 0).to_bytes(8, "little")
    with pytest.raises(CacheError, match="damaged"):
        list(RedbFile(bytes(loop), source).table("requests"))


def test_an_empty_file_of_f3dx_has_no_entries(source: Path) -> None:
    """Without a root there are no tables, and no entries of any."""
    empty = bytearray(DATA)
    empty[65] = 0
    assert RedbFile(bytes(empty), source).tables() == {}
    assert list(RedbFile(bytes(empty), source).table("requests")) == []


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """The command says so and exits with 2."""
    assert cli.main(["import-redb", str(tmp_path / "absent.redb")]) == 2
