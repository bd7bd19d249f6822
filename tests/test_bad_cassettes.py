"""Damaged and hostile cassettes: each is read, or refused at once with file and line, and never touched."""

from __future__ import annotations

import csv
import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from pytest_f3dx import _cassette, _foreign
from pytest_f3dx._blobs import BlobStore
from pytest_f3dx._files import read_bytes
from pytest_f3dx._index import open_cassette
from pytest_f3dx._model import Cassette, Interaction, Request, Response
from pytest_f3dx.errors import CassetteAccessError, CassetteError, CassetteFormatError

FOLDER = Path(__file__).parent / "data" / "bad_cassettes"
ROOT = Path(_cassette.__file__).parents[1]
STORE = BlobStore(Path("nowhere"))
# The sizes of the index; a tenth by default, because the full ones take ten seconds.
FULL_SIZE = bool(os.environ.get("F3DX_TEST_FULL_SIZE"))
GOOD_BODY = b'{"choices": [{"message": {"role": "assistant", "content": "hello"}}]}'
CUT, FORMAT = CassetteError, CassetteFormatError

LOADS = {
    "00_good.yaml": GOOD_BODY,
    "12_python_unicode.yaml": GOOD_BODY,
    "15_control_escape.yaml": b"\0\a\x1b[31mred\x7f",
    "16_crlf.yaml": GOOD_BODY,
    "17_utf8_bom.yaml": GOOD_BODY,
    "29_version_missing.yaml": GOOD_BODY,
    "37_secret_left_in.yaml": GOOD_BODY,
}
REFUSED: dict[str, tuple[type[CassetteError], int | None, tuple[str, ...]]] = {
    "01_truncated_quote.yaml": (CUT, 11, ("not valid YAML",)),
    "02_truncated_clean.yaml": (CUT, 2, ("interaction 1", "no 'response'")),
    "03_tab_indent.yaml": (CUT, 7, ("tab", "indent with spaces")),
    "04_duplicate_keys.yaml": (CUT, 8, ("duplicate key 'method'",)),
    "06_alias_bomb.yaml": (CUT, 7, ("the aliases stand for too much",)),
    "09_python_object_apply.yaml": (CUT, 2, ("!!python/object/apply:os.system",)),
    "10_python_object_new.yaml": (CUT, 2, ("!!python/object/new:subprocess.Popen",)),
    "13_invalid_utf8.yaml": (CUT, 11, ("not UTF-8", "at offset 328")),
    "14_nul_byte.yaml": (CUT, 11, ("control character 0x00",)),
    "19_deep_nesting.yaml": (CUT, 1, ("nested too deeply",)),
    "20_merge_conflict.yaml": (CUT, 11, ("merge conflict markers", "resolve the merge", "record it again")),
    "22_empty.yaml": (CUT, None, ("the file is empty",)),
    "23_only_comments.yaml": (CUT, None, ("no interactions",)),
    "24_top_level_list.yaml": (FORMAT, 1, ("expected a mapping, got a list",)),
    "25_scalar.yaml": (FORMAT, 1, ("expected a mapping, got text",)),
    "26_html.yaml": (FORMAT, 2, ("HTML page",)),
    "27_lfs_pointer.yaml": (CUT, 1, ("Git LFS pointer", "git lfs pull")),
    "28_version_2.yaml": (FORMAT, None, ("version 99; this tool reads 1",)),
    "30_bad_types.yaml": (CUT, 7, ("interaction 1", "response.status.code", "request.method")),
    "35_json_cassette_truncated.json": (CUT, 1, ("not valid JSON",)),
    "39_path_escape_name.yaml": (CUT, 8, ("interaction 1", "request.uri")),
}


def _index() -> list[str]:
    with (FOLDER / "index.tsv").open(encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [row["file"] for row in rows if not row["file"].startswith("(generate)")]


def _read(path: Path) -> list[tuple[Request, Response]]:
    """Read a cassette of whatever tool."""
    data = read_bytes(path)
    if _foreign.is_vcrpy(data):
        return _foreign.load(data, path)
    found = _cassette.load(data, path, STORE).interactions.values()
    return [(each.request, response) for each in found for response in each.responses]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", _index())
def test_each_bad_cassette_gives_what_is_wanted_of_it(name: str, tmp_path: Path) -> None:
    """Each file of the index loads or is refused with its line, never hangs, and stays byte for byte."""
    original = (FOLDER / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(original)

    if name in LOADS:
        ((request, response),) = _read(path)
        assert request.uri == "http://127.0.0.1:9/v1/chat/completions"
        assert response.body == LOADS[name]
    else:
        kind, line, words = REFUSED[name]
        with pytest.raises(kind) as caught:
            _read(path)
        assert type(caught.value) is kind
        assert caught.value.path == path
        assert caught.value.line == line
        assert all(word in str(caught.value) for word in words)
        assert "\x1b" not in str(caught.value)
    assert path.read_bytes() == original
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_no_bad_cassette_is_opened_as_one_of_ours(name: str) -> None:
    """The lazy reader refuses all of them as well."""
    with pytest.raises(CassetteError):
        open_cassette(FOLDER / name, STORE)


BOMBS = {
    "brackets": 'b"a: " + b"[" * 100_000 + b"]" * 100_000',
    "brackets in a cassette": 'b"interactions:\\n- " + b"[" * 100_000',
    "brackets in ours": 'b"format: f3dx/1\\ninteractions: " + b"[" * 100_000 + b"]" * 100_000 + b"\\n...\\n"',
    "dashes": 'b"- " * 100_000',
    "questions": 'b"? " * 100_000',
    "json": 'b\'{"interactions": \' + b"[" * 100_000',
}
CHILD = """
import pathlib, resource, sys
from pytest_f3dx import _cassette, _foreign
from pytest_f3dx._blobs import BlobStore
from pytest_f3dx.errors import CassetteError
data = {data}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    if _foreign.is_vcrpy(data):
        _foreign.load(data, pathlib.Path("bomb.yaml"))
    else:
        _cassette.load(data, pathlib.Path("bomb.yaml"), BlobStore(pathlib.Path("nowhere")))
except CassetteError as error:
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(error.what, grown // 1024)
"""


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS)
def test_hostile_nesting_never_crashes_the_process(data: str) -> None:
    """In a process of its own, 100 000 levels of any kind are an error, and cost less than 100 MB."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD.format(data=data)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert "nested too deeply" in done.stdout
    assert int(done.stdout.split()[-1]) < 100


def _directory(path: Path) -> None:
    path.mkdir()


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("make", [_directory, _fifo, _dangling])
def test_what_is_no_file_is_an_error_and_never_hangs(make: object, tmp_path: Path) -> None:
    """A directory, a FIFO and a dangling link are named; none of them is replaced."""
    path = tmp_path / "c.yaml"
    assert callable(make)
    make(path)

    with pytest.raises(CassetteAccessError, match=r"c\.yaml"):
        open_cassette(path, STORE)

    assert os.path.lexists(path)


def test_a_file_without_permission_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EACCES names the path (injected, because root may read everything)."""

    def refuse(*_args: object) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(CassetteAccessError, match="Permission denied"):
            open_cassette(tmp_path / "c.yaml", STORE)


@pytest.mark.timeout(300)
def test_a_huge_body_is_read_in_bounded_time(tmp_path: Path) -> None:
    """100 MB of one letter (10 by default), in vcrpy's file and in ours, come back whole."""
    size = 100_000_000 if FULL_SIZE else 10_000_000
    good = (FOLDER / "00_good.yaml").read_bytes()
    path = tmp_path / "100mb.yaml"
    path.write_bytes(good.replace(b"string: '" + GOOD_BODY + b"'", b"string: " + b"x" * size))

    ((request, response),) = _read(path)
    assert len(response.body) == size
    key = "b3:" + "0" * 64
    path.write_text(_cassette.dump(Cassette("t", {key: Interaction(key, request, [response])}), STORE))
    found = open_cassette(path, STORE).get(key)

    assert found is not None
    assert found.responses[0].body == response.body


@pytest.mark.timeout(600)
def test_very_many_interactions_are_read_in_bounded_time(tmp_path: Path) -> None:
    """100 000 interactions (2 000 by default), in vcrpy's file and in ours, are all there."""
    count = 100_000 if FULL_SIZE else 2_000
    good = (FOLDER / "00_good.yaml").read_bytes()
    head, body, tail = good.partition(b"- request")
    interaction, _, _ = (body + tail).partition(b"version: 1")
    path = tmp_path / "100k.yaml"
    path.write_bytes(head + interaction * count)

    exchanges = _read(path)
    assert len(exchanges) == count
    keys = [f"b3:{number:064x}" for number in range(count)]
    interactions = {
        key: Interaction(key, request, [response])
        for key, (request, response) in zip(keys, exchanges, strict=True)
    }
    path.write_text(_cassette.dump(Cassette("t", interactions), STORE))
    lazy = open_cassette(path, STORE)
    assert lazy.fingerprints == tuple(keys)
    assert lazy.get(keys[-1]) is not None
    assert len(lazy.load_all().interactions) == count
