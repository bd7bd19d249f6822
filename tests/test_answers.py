"""What is known of cassettes without reading them: when it holds, when it does not, and that it never decides wrongly."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_f3dx import _answers, _answers_file, _files
from pytest_f3dx._answers import Answers
from pytest_f3dx._answers_file import Record, read, write
from pytest_f3dx._model import Failure, Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Suite

KEY = f"b3:{'0' * 64}"
ASKED = Request("POST", "https://api.test/chat", (("Content-Type", "application/json"),), b'{"a": 1}')
ANSWER = Response(
    200, "OK", (("content-type", "text/plain"), ("x", "1"), ("x", "2")), b"hi", "2026-01-01T00:00:00Z", 7
)
TWO = """
    EXTRA = {}

    @pytest.mark.f3dx_cache
    def test_it():
        assert "hello" in ask("hello", **EXTRA)
        assert "aloha" in ask("aloha")
"""


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take files that were written a moment ago for settled: these tests do not write as fast as clocks tick."""
    monkeypatch.setattr(_answers, "_SETTLED_NS", -(10**18))


class Reads:
    """The cassettes that were read, by name."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        really = _files.read_bytes

        def read_bytes(path: Path, **more: int) -> bytes:
            if path.suffix == ".yaml":
                self.names.append(path.name)
            return really(path, **more)

        patch.setattr(_files, "read_bytes", read_bytes)

    def during(self, run: Callable[[], pytest.RunResult], **outcomes: int) -> list[str]:
        """Return the names of those that a run reads."""
        self.names.clear()
        run().assert_outcomes(**outcomes)
        return self.names.copy()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """Count which cassettes are read."""
    return Reads(monkeypatch)


@pytest.fixture
def cached(suite: Suite) -> Suite:
    """Make a suite with two requests whose cassette was recorded, and replayed once."""
    suite.has_cache = True
    suite.write(TWO)
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    suite.run().assert_outcomes(passed=1)
    return suite


# --- what it spares


def test_a_cassette_is_read_by_its_first_replay_only(cached: Suite, reads: Reads) -> None:
    """The second replay and all after it read no cassette, and parse no body to find the answer."""
    assert reads.during(cached.run, passed=1) == []
    assert reads.during(lambda: cached.run("-p", "no:cacheprovider"), passed=1) == ["test_it.yaml"]
    assert reads.during(lambda: cached.run("--cache-clear"), passed=1) == ["test_it.yaml"]
    assert reads.during(cached.run, passed=1) == []


def test_nothing_is_written_when_nothing_was_learnt(cached: Suite) -> None:
    """A replay that knows everything leaves the file as it is."""
    (file,) = files_of(cached)
    before = file.stat()
    cached.run().assert_outcomes(passed=1)
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert file.stat().st_ino == before.st_ino


def test_answers_are_those_of_the_cassette_to_the_byte(suite: Suite, reads: Reads) -> None:
    """Status, headers in their order, body and all answers of one request are what the cassette has."""
    suite.has_cache = True
    suite.write("""
    import http.client, pathlib

    @pytest.mark.f3dx_cache(repeats="sequence")
    def test_it():
        seen = []
        for n in range(3):
            connection = http.client.HTTPConnection(URL.removeprefix("http://"))
            connection.request("GET", "/404")
            response = connection.getresponse()
            seen.append((response.status, response.reason, response.getheaders(), response.read()))
            connection.close()
        assert len({body for *_, body in seen}) == 3
        file = pathlib.Path("seen.txt")
        if not file.exists():
            file.write_text(repr(seen))
        assert file.read_text() == repr(seen)
    """)
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    (suite.path / "seen.txt").unlink()  # what the server sent had dates and the like
    assert reads.during(suite.run, passed=1) == ["test_it.yaml"]
    assert (suite.path / "seen.txt").is_file()
    assert reads.during(suite.run, passed=1) == []


# --- what ends it


def test_a_cassette_that_was_changed_is_read(cached: Suite, reads: Reads) -> None:
    """An edit of the same length whose times were set back is seen all the same."""
    file = cached.cassette()
    before = file.stat()
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"prompt": "aloha"', '"prompt": "ahola"'), encoding="utf-8")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert reads.during(cached.run, failed=1) == ["test_it.yaml"]


def test_a_cassette_that_was_replaced_or_removed_is_seen(cached: Suite) -> None:
    """A damaged one is refused, one that is gone is a miss, a link out of the directory an error."""
    file = cached.cassette()
    text = file.read_text(encoding="utf-8")
    file.write_text(text[: len(text) // 2], encoding="utf-8")
    cached.run().stdout.fnmatch_lines(["*the file is cut off*"])
    file.unlink()
    cached.run().stdout.fnmatch_lines(["*(absent, mode none)*"])
    outside = cached.path / "outside.yaml"
    outside.write_text(text, encoding="utf-8")
    file.symlink_to(outside)
    cached.run().stdout.fnmatch_lines(["*leads out of the cassette directory*"])


def test_other_settings_read_the_cassette(cached: Suite, reads: Reads) -> None:
    """What was learnt with other `ignore` or `replace` does not count, nor does it get lost."""
    (cached.path / "test_it.py").write_text(
        (cached.path / "test_it.py")
        .read_text(encoding="utf-8")
        .replace("cache\n", "cache(ignore=['$.x'])\n"),
        encoding="utf-8",
    )
    assert reads.during(cached.run, passed=1) == ["test_it.yaml"]


def test_a_copy_of_the_cache_is_of_no_use(
    cached: Suite, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache that came along with a checkout, or was put there by somebody, answers nothing."""
    (file,) = files_of(cached)
    records = read(file)
    copy = cached.cassette().with_suffix(".copy")
    shutil.copy2(cached.cassette(), copy)
    copy.replace(cached.cassette())
    assert reads.during(cached.run, passed=1) == ["test_it.yaml"]
    assert read(file).names() == records.names()
    monkeypatch.setattr(_answers_file, "_made_by", lambda: [1, 2])
    assert reads.during(cached.run, passed=1) == ["test_it.yaml"]


def test_a_file_changed_a_moment_ago_is_not_learnt(
    cached: Suite, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until its times would show another change, a cassette is read each time."""
    monkeypatch.setattr(_answers, "_SETTLED_NS", 10**18)
    cached.run("--cache-clear").assert_outcomes(passed=1)
    assert reads.during(cached.run, passed=1) == ["test_it.yaml"]
    assert not files_of(cached)


# --- what else happens to a test is as ever


def test_a_changed_prompt_is_a_miss_that_explains_itself(cached: Suite) -> None:
    """A request that is not known is looked for in the cassette, and the miss names the nearest."""
    source = (cached.path / "test_it.py").read_text(encoding="utf-8")
    (cached.path / "test_it.py").write_text(source.replace('ask("aloha")', 'ask("aloho")'), encoding="utf-8")
    result = cached.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['*$.prompt  "*" → "aloho"*'])


def test_what_is_left_unplayed_is_told(cached: Suite) -> None:
    """A test that no longer asks for something fails, though its cassette was not opened for the rest."""
    source = (cached.path / "test_it.py").read_text(encoding="utf-8")
    (cached.path / "test_it.py").write_text(
        source.replace('"aloha" in ask("aloha")', "True"), encoding="utf-8"
    )
    result = cached.run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*  unplayed  b3:* POST http://127.0.0.1:*/echo"])


def test_a_request_with_a_secret_is_looked_for_in_the_cassette(suite: Suite, reads: Reads) -> None:
    """It is redacted before it is looked for, which takes the cassette in each run; the other request does not."""
    suite.has_cache = True
    suite.write(TWO.replace("{}", f"{{'api_key': 'sk-{'a1B2' * 12}'}}"))
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    assert "a1B2" not in suite.cassette().read_text(encoding="utf-8")
    assert reads.during(suite.run, passed=1) == ["test_it.yaml"]
    (file,) = files_of(suite)
    record = read(file).get("test_it.yaml")
    assert record is not None
    assert (len(record.fingerprints), len(record.asked)) == (2, 1)
    assert b"a1B2" not in file.read_bytes()
    assert reads.during(suite.run, passed=1) == ["test_it.yaml"]


def test_recording_reads_and_writes_as_ever(cached: Suite, reads: Reads) -> None:
    """No mode but `none` takes an answer from here."""
    for mode in ("once", "new_episodes"):
        assert "test_it.yaml" in reads.during(lambda mode=mode: cached.run(f"--f3dx-record={mode}"), passed=1)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("marker", "path"),
    [
        ("(name='shared')", "/echo"),  # is read once in a run as it is
        ("(match_headers=['x-user'])", "/echo"),
        ("", "/blob"),  # a blob may change by itself
    ],
)
def test_what_is_never_kept(suite: Suite, marker: str, path: str) -> None:
    """Shared cassettes, keys with headers, and answers in blobs."""
    suite.has_cache = True
    suite.write(f"""
    import http.client

    @pytest.mark.f3dx_cache{marker}
    def test_it():
        connection = http.client.HTTPConnection(URL.removeprefix("http://"))
        connection.request("POST", {path!r}, b"x", {{"x-user": "a"}})
        connection.getresponse().read()
        connection.close()
    """)
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    suite.run().assert_outcomes(passed=1)
    assert not files_of(suite)


# --- the run


def test_runs_keep_what_others_have_learnt(suite: Suite, reads: Reads) -> None:
    """Tests of one directory that two runs have replayed are known to the third; what is no longer true goes."""
    suite.has_cache = True
    suite.write("""
    @pytest.mark.f3dx_cache
    @pytest.mark.parametrize("n", range(4))
    def test_it(n):
        assert str(n) in ask(f"prompt {n}")
    """)
    ids = [f"test_it.py::test_it[{n}]" for n in range(4)]
    suite.run("--f3dx-record=once").assert_outcomes(passed=4)
    suite.run(*ids[:2]).assert_outcomes(passed=2)
    suite.run(*ids[2:]).assert_outcomes(passed=2)
    assert reads.during(suite.run, passed=4) == []
    suite.cassette("test_it/test_it[0]").unlink()
    (file,) = files_of(suite)
    assert read(file).names() == {f"test_it[{n}].yaml" for n in range(4)}
    touched = suite.cassette("test_it/test_it[1]")
    touched.write_bytes(touched.read_bytes())
    suite.run(ids[1]).assert_outcomes(passed=1)
    assert read(file).names() == {f"test_it[{n}].yaml" for n in range(1, 4)}


def test_a_cache_that_cannot_be_made_or_written_is_done_without(cached: Suite, reads: Reads) -> None:
    """A file in the way of the directory, or a directory in the way of the file, costs only the reading."""
    (file,) = files_of(cached)
    file.unlink()
    file.mkdir()
    assert reads.during(cached.run, passed=1) == ["test_it.yaml"]
    shutil.rmtree(file.parent)
    file.parent.write_text("", encoding="utf-8")
    assert reads.during(cached.run, passed=1) == ["test_it.yaml"]


def test_a_damaged_file_of_ours_is_as_good_as_none(cached: Suite, reads: Reads) -> None:
    """Whatever byte of it is changed, and wherever it is cut, the cassette is read and the file made anew."""
    (file,) = files_of(cached)
    data = file.read_bytes()
    assert reads.during(cached.run, passed=1) == []
    for at in range(0, len(data), 7):
        file.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert not read(file).names()
        file.write_bytes(data[:at])
        assert not read(file).names()
    assert reads.during(cached.run, passed=1) == ["test_it.yaml"]
    assert reads.during(cached.run, passed=1) == []


# --- the parts


texts = st.text(st.characters(codec="utf-8"), max_size=8)
responses = st.builds(
    Response,
    st.integers(100, 599),
    texts,
    st.lists(st.tuples(texts, texts), max_size=3).map(tuple),
    st.binary(max_size=30),
    texts,
    st.none() | st.integers(0, 10**6),
)
records = st.builds(
    Record,
    st.lists(st.integers(0, 2**63), min_size=4, max_size=4),
    texts,
    st.lists(texts, max_size=3),
    st.dictionaries(texts, texts, max_size=3),
    st.dictionaries(texts, st.lists(responses, max_size=3), max_size=3),
)


@given(st.dictionaries(texts, records, max_size=3))
def test_records_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, written: dict[str, Record]
) -> None:
    """Every field of every response, whatever is in it, comes back as it was."""
    file = tmp_path_factory.getbasetemp() / "answers"
    write(file, written)
    found = read(file)
    assert {name: found.get(name) for name in found.names()} == written
    assert found.get("absent") is None


def test_a_record_that_json_cannot_hold_is_left_out(tmp_path: Path) -> None:
    """A lone surrogate in a header keeps one cassette out, not the others."""
    odd = Response(200, "OK", (("x", "\udc80"),), b"")
    write(tmp_path / "a", {"odd": Record([1], "", [KEY], {}, {KEY: [odd]}), "plain": Record([1], "", [KEY])})
    assert read(tmp_path / "a").names() == {"plain"}


def test_the_file_is_bounded(tmp_path: Path) -> None:
    """What has no room is left out, and the file is one that is read."""
    big = [Response(200, body=b"x" * 1_000_000)]
    write(tmp_path / "a", {f"{n}": Record([1], "", [KEY], {}, {KEY: big}) for n in range(20)})
    assert 5 < len(read(tmp_path / "a").names()) < 9


@pytest.mark.parametrize(
    ("count", "answer"),
    [
        (1, Response(0, failure=Failure("httpx.ReadTimeout", "late"))),
        (1, Response(200, body=b"x" * 2**21)),
        (65, ANSWER),
    ],
)
def test_what_is_too_much_is_not_kept(tmp_path: Path, count: int, answer: Response) -> None:
    """No failure, no answer of megabytes, no more than 64 requests."""
    file = cassette(tmp_path, "a")
    known = Answers(tmp_path / "ours").of(str(file), "")
    assert known is not None
    for n in range(count):
        known.learn(Request("GET", f"https://a/{n}"), KEY, [answer], [KEY])
    last = Request("GET", f"https://a/{count - 1}")
    assert known.fingerprint_of(last) is None
    assert (known.fingerprint_of(Request("GET", "https://a/0")) is None) == (count == 1)


def test_directories_that_were_left_are_written(tmp_path: Path) -> None:
    """Going through many directories keeps few in memory and loses nothing."""
    answers = Answers(tmp_path / "ours")
    for name in "abc":
        known = answers.of(str(cassette(tmp_path / name, "x.yaml")), "")
        assert known is not None
        known.learn(ASKED, KEY, [ANSWER], [KEY])
    assert len([*(tmp_path / "ours").glob("?" * 32)]) == 1
    answers.flush()
    for name in "abc":
        again = Answers(tmp_path / "ours").of(str(tmp_path / name / "x.yaml"), "")
        assert again is not None
        assert again.fingerprint_of(ASKED) == KEY
        assert again.responses(KEY) == [ANSWER]
        assert again.fingerprints == [KEY]


def test_much_that_is_new_is_written_before_the_end(tmp_path: Path) -> None:
    """What was learnt does not pile up in memory."""
    answers = Answers(tmp_path / "ours")
    for n in range(5):
        known = answers.of(str(cassette(tmp_path, f"{n}")), "")
        assert known is not None
        known.learn(ASKED, KEY, [Response(200, body=b"x" * 1_000_000)], [KEY])
    (file,) = (tmp_path / "ours").glob("?" * 32)
    assert len(read(file).names()) == 5


def test_what_was_learnt_in_this_run_is_known(tmp_path: Path) -> None:
    """A cassette that is opened twice is read once; what is no regular file is not known at all."""
    file = cassette(tmp_path, "a")
    answers = Answers(tmp_path / "ours")
    first = answers.of(str(file), "")
    assert first is not None
    first.learn(ASKED, KEY, [ANSWER], [KEY])
    second = answers.of(str(file), "")
    assert second is not None
    assert second.fingerprint_of(ASKED) == KEY
    assert answers.of(str(tmp_path), "") is None
    assert answers.of(str(tmp_path / "nothing"), "") is None
    assert answers.of("\0", "") is None


# --- helpers


def files_of(suite: Suite) -> list[Path]:
    """Return our files in pytest's cache."""
    return [*(suite.path / ".pytest_cache" / "d" / "f3dx").glob("?" * 32)]


def cassette(folder: Path, name: str) -> Path:
    """Make a file that stands for a cassette."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("x", encoding="utf-8")
    return folder / name
