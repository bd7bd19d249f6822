"""The command `pytest-f3dx`: what it prints, where, and how it ends."""

from __future__ import annotations

import importlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_f3dx
from pytest_f3dx import _cassette
from pytest_f3dx._blobs import BlobStore
from pytest_f3dx._fingerprint import fingerprint_request
from pytest_f3dx._model import Cassette, Interaction, Request, Response
from pytest_f3dx.cli import main

BAD = Path(__file__).parent / "data" / "bad_cassettes"
VCRPY = BAD / "00_good.yaml"


def write(path: Path, answer: bytes = b"hi", *, root: Path | None = None) -> Path:
    """Write a cassette with one answer; its blobs go to the root."""
    request = Request("GET", "http://h/")
    key = fingerprint_request(request)
    blobs = BlobStore((root or path.parent) / "_blobs")
    cassette = Cassette("t.py::t", {key: Interaction(key, request, [Response(200, body=answer)])})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_cassette.dump(cassette, blobs), encoding="utf-8")
    blobs.flush()
    return path


def cut(path: Path) -> Path:
    """Take the last line away."""
    path.write_text(path.read_text(encoding="utf-8").removesuffix("...\n"), encoding="utf-8")
    return path


# -- check -------------------------------------------------------------------------------------------


def test_good_cassettes_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All is well: no result on stdout, the count on stderr, 0."""
    assert main(["check", str(write(tmp_path / "a.yaml")), str(write(tmp_path / "b.yaml"))]) == 0
    assert capsys.readouterr() == ("", "2 good, 0 bad\n")


def test_bad_cassette_is_told_with_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message of a replay stands on stdout, and the command ends with 1."""
    bad = cut(write(tmp_path / "bad.yaml"))
    last = bad.read_text(encoding="utf-8").count("\n")
    assert main(["check", str(bad), str(write(tmp_path / "good.yaml"))]) == 1
    assert capsys.readouterr() == (
        (
            "f3dx: the file is cut off: its last line is not '...' [cassette-damaged]\n"
            f"  cassette  {bad}:{last}\n"
            "  fix       restore it from version control, or delete it and record it again with --f3dx-record=once\n"
        ),
        "1 good, 1 bad\n",
    )


def test_directory_is_searched_but_not_for_blobs_and_pending(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each `*.yaml` below a directory is read, sorted; what lies in `_blobs` and `.pending` is none."""
    root = tmp_path / "cassettes"
    for name in ("z.yaml", "sub/a.yaml", "_blobs/x.yaml", ".pending/x.yaml", "sub/_blobs/x.yaml"):
        cut(write(root / name))
    write(root / "good.yaml")
    (root / "notes.txt").write_text("no cassette", encoding="utf-8")
    assert main(["check", str(root)]) == 1
    out, err = capsys.readouterr()
    told = [line.rpartition("/")[2].partition(":")[0] for line in out.splitlines() if " cassette  " in line]
    assert told == ["a.yaml", "z.yaml"]
    assert err == "1 good, 2 bad\n"


def test_cassettes_is_the_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a path, the directory `cassettes` here is read; if there is none, that is an error."""
    monkeypatch.chdir(tmp_path)
    assert main(["check"]) == 2
    write(tmp_path / "cassettes" / "t" / "a.yaml")
    assert main(["check"]) == 0
    assert capsys.readouterr().err.endswith("1 good, 0 bad\n")


@pytest.mark.parametrize("verb", ["check", "fingerprint"])
def test_missing_path_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str) -> None:
    """A path with nothing at it is named on stderr, and the command ends with 2."""
    missing = tmp_path / "gone\x1b.json"
    assert main([verb, str(missing)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("pytest-f3dx: [Errno 2] No such file or directory")
    assert "gone" in err
    assert "\x1b" not in err


def test_what_is_no_file_is_a_bad_cassette(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A FIFO in the place of a cassette is told, not waited for."""
    os.mkfifo(tmp_path / "a.yaml")
    assert main(["check", str(tmp_path)]) == 1
    assert "[cassette-access]" in capsys.readouterr().out


@pytest.mark.parametrize("argument", [".", "cassettes", "cassettes/sub", "cassettes/sub/a.yaml"])
def test_blobs_are_found_from_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, argument: str
) -> None:
    """Blobs are those of the cassette tree, whatever part of it is named."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "cassettes/sub/a.yaml", bytes(range(256)) * 9, root=tmp_path / "cassettes")
    (blob,) = (tmp_path / "cassettes/_blobs").glob("*/*.bin")
    assert main(["check", argument]) == 0
    blob.write_bytes(b"other")
    assert main(["check", argument]) == 1
    shutil.rmtree(tmp_path / "cassettes/_blobs")
    assert main(["check", argument]) == 1
    out, err = capsys.readouterr()
    assert out.count("[blob-damaged]") == 2
    assert "the blob is not what its name says" in out
    assert "the blob is not there" in out
    assert err == "1 good, 0 bad\n0 good, 1 bad\n0 good, 1 bad\n"


def test_cassette_of_vcrpy_is_good_and_called_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cassette of vcrpy counts as good, as it replays; what it is stands on stdout."""
    both = tmp_path / "old.json"
    exchange = {
        "request": {"method": "GET", "uri": "http://h/", "headers": {}, "body": None},
        "response": {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": "x"}},
    }
    both.write_text(json.dumps({"version": 1, "interactions": [exchange] * 2}), encoding="utf-8")
    assert main(["check", str(VCRPY), str(both)]) == 0
    assert capsys.readouterr() == (
        (
            f"{VCRPY}: a cassette of vcrpy, 1 interaction: replayed as it is, never added to\n"
            f"{both}: a cassette of vcrpy, 2 interactions: replayed as it is, never added to\n"
        ),
        "2 good, 0 bad\n",
    )


def test_edited_request_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A request that was edited by hand no longer fits its key, and its answer is not its own."""
    path = write(tmp_path / "a.yaml")
    path.write_bytes(path.read_bytes().replace(b"POST", b"PUT", 1).replace(b"GET", b"PUT", 1))
    assert main(["check", str(path)]) == 1
    assert "does not fit its key" in capsys.readouterr().out


def test_every_damaged_cassette_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Of the collection of bad cassettes each is good, or told with its name; none ends the command."""
    files = sorted(BAD.glob("*.yaml"))
    assert main(["check", str(BAD)]) == 1
    out, err = capsys.readouterr()
    assert [file.name for file in files if file.name not in out] == []
    good, _, bad, _ = err.split()
    assert int(good) + int(bad) == len(files)
    assert int(bad) == out.count("f3dx: ")


# -- fingerprint -------------------------------------------------------------------------------------


def test_fingerprint_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is that of the library; key order, spelling, encoding and a byte order mark make no difference."""
    text = '{"b": 1.0, "a": "ü"}'
    for number, data in enumerate((text.encode(), text.encode("utf-8-sig"), text.encode("utf-16"))):
        file = tmp_path / f"{number}.json"
        file.write_bytes(data)
        assert main(["fingerprint", str(file)]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [pytest_f3dx.fingerprint({"a": "ü", "b": 1})] * 3
    assert err == ""


@pytest.mark.parametrize("arguments", [[], ["-"]])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
def test_fingerprint_of_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], start: bytes
) -> None:
    """Standard input is read as bytes, whatever the locale says of it."""
    stdin = io.TextIOWrapper(io.BytesIO(start + '["é"]'.encode()), encoding="ascii")
    monkeypatch.setattr(sys, "stdin", stdin)
    assert main(["fingerprint", *arguments]) == 0
    assert capsys.readouterr().out == pytest_f3dx.fingerprint(["é"]) + "\n"


def test_fingerprint_is_total_over_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """NaN, lone surrogates, long numbers and duplicate keys have fingerprints, and all different ones."""
    texts = ['{"a":NaN}', '{"a":"\\ud800"}', '{"a":12345678901234567890}', '{"a":12345678901234567891}']
    texts += ['{"a":1e400}', '{"a":1,"a":2}', '{"a":2}', "null"]
    file = tmp_path / "a.json"
    for text in texts:
        file.write_text(text, encoding="utf-8")
        assert main(["fingerprint", str(file)]) == 0
    assert len(set(capsys.readouterr().out.split())) == len(texts)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000 + b"]" * 100_000])
def test_what_is_no_json_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    """It is named with its place on stderr, and the command ends with 2."""
    file = tmp_path / "a.json"
    file.write_bytes(data)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert main(["fingerprint", str(file)]) == 2
    assert main(["fingerprint"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"pytest-f3dx: {file} is no JSON: ")
    assert "\npytest-f3dx: standard input is no JSON: " in err


# -- the command itself ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--help"], 0), (["check", "--help"], 0), ([], 2), (["chekc"], 2), (["check", "--colour"], 2)],
)
def test_usage(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int) -> None:
    """Help ends with 0 on stdout, wrong usage with 2 on stderr; neither ends the caller."""
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert (out or err).startswith("usage: pytest-f3dx")
    assert bool(out) == (code == 0)
    assert bool(err) == (code == 2)


def test_error_of_ours_is_told_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that is no finding ends with 2, its text as always."""

    def fail() -> int:
        raise pytest_f3dx.F3dxError("the demo cannot be shown", ("fix", "buy a ticket"))

    monkeypatch.setattr("pytest_f3dx._demo.run", fail)
    assert main(["demo"]) == 2
    assert capsys.readouterr() == ("", "f3dx: the demo cannot be shown [error]\n  fix       buy a ticket\n")


def test_exit_without_a_code_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever argparse ends with, the caller gets a number."""

    def leave(*_: object) -> None:
        raise SystemExit("no number")

    monkeypatch.setattr("argparse.ArgumentParser.parse_args", leave)
    assert main([]) == 2


def test_module_is_the_command(tmp_path: Path) -> None:
    """`python -m pytest_f3dx` and the installed script are the same, exit code included; an import runs nothing."""
    importlib.import_module("pytest_f3dx.__main__")
    bad = cut(write(tmp_path / "bad.yaml"))
    script = Path(sys.executable).parent / "pytest-f3dx"
    for command in ([sys.executable, "-m", "pytest_f3dx"], [str(script)]):
        done = subprocess.run([*command, "check", str(bad)], capture_output=True, text=True)
        assert done.returncode == 1
        assert done.stdout.startswith("f3dx: the file is cut off")
        assert done.stderr == "0 good, 1 bad\n"
