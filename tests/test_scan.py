"""`pytest-f3dx scan`: what it finds in files of every kind, what it says of it, and how it ends."""

from __future__ import annotations

import base64
import json
import os
import shlex
from pathlib import Path

import pytest
import yaml

from pytest_f3dx import _cassette, _scan
from pytest_f3dx._blobs import BlobStore
from pytest_f3dx._fingerprint import fingerprint_request
from pytest_f3dx._journal import Exchange, _encode
from pytest_f3dx._model import Cassette, Interaction, Request, Response
from pytest_f3dx.cli import main

KEY = "sk-" + "proj-" + "a1B2c3D4e5F6" * 4
SHOWN = "openai-key sk-… (56 characters)"
PASSWORD = "correct-horse-42"
JSON = (("content-type", "application/json"),)
ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty directory, with an environment that names no secret."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.upper().endswith(("KEY", "TOKEN", "SECRET", "PASSWORD")):
            monkeypatch.delenv(name)


def scan(*arguments: str | Path) -> int:
    """Run the command."""
    return main(["scan", *map(str, arguments)])


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return what stands on standard output; the secrets never do, on neither."""
    out, err = capsys.readouterr()
    for secret in (KEY, PASSWORD):
        assert secret not in out + err
    return [line.replace(f"{Path.cwd()}{os.sep}", "") for line in out.splitlines()]


def cassette(path: Path, response: Response, uri: str = "http://h/") -> Path:
    """Write a cassette of ours with one exchange, as it is."""
    request = Request("GET", uri, (("x-note", "n"),))
    key = fingerprint_request(request)
    blobs = BlobStore(path.parent / "_blobs")
    text = _cassette.dump(Cassette("t.py::t", {key: Interaction(key, request, [response])}), blobs)
    path.write_text(text, encoding="utf-8")
    blobs.flush()
    return path


def test_clean_cassette_is_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No result, the count on standard error, 0."""
    file = cassette(tmp_path / "a.yaml", Response(200, "OK", JSON, b'{"password": "[redacted:password]"}'))
    assert scan(file) == 0
    assert capsys.readouterr() == ("", "0 secrets in 1 file\n")


def test_secret_in_a_cassette_is_told_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By name in a body and a header, by shape in an address; the line is the one it stands in."""
    body = json.dumps({"a": [{"password": PASSWORD}], "b": 1}).encode()
    headers = (("set-cookie", f"s=2-{PASSWORD[:7]}; Path=/"), *JSON)
    file = cassette(tmp_path / "a.yaml", Response(200, "OK", headers, body), f"http://h/{KEY}")
    lines = file.read_text().splitlines()

    def line_of(text: str) -> int:
        return next(number for number, line in enumerate(lines, 1) if text in line)

    assert scan(file) == 1
    assert said(capsys) == [
        f"a.yaml:{line_of(KEY)}: {SHOWN} in request address",
        f"a.yaml:{line_of('s=2-')}: cookie … (9 characters) in response header set-cookie",
        f"a.yaml:{line_of('password: ')}: password … (16 characters) in response body, at $.a[0].password",
    ]


def test_secret_that_the_file_spells_otherwise_has_the_line_of_its_interaction(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Base64 in a body of bytes, and a value with quotes in it."""
    body = b"\x00\xff" + KEY.encode()
    file = cassette(tmp_path / "a.yaml", Response(200, "OK", (), body))
    assert scan(file) == 1
    (line,) = said(capsys)
    number = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if text.startswith("  b3:"))
    assert line == f"a.yaml:{number}: {SHOWN} in response body"


def test_cassette_of_vcrpy_is_read_as_exchanges(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Headers that redaction would have dropped, forms, bodies in JSON and YAML files; cookies of networks are none."""
    value = {
        "version": 1,
        "interactions": [
            {
                "request": {
                    "method": "POST",
                    "uri": "https://h.test/login",
                    "headers": {"Authorization": [f"Bearer {PASSWORD}"], "Content-Type": ["application/x-www-form-urlencoded"]},
                    "body": f"user=bob&client_secret=2-{PASSWORD[:9]}",
                },
                "response": {
                    "status": {"code": 200, "message": "OK"},
                    "headers": {"Set-Cookie": ["__cf_bm=a1b2c3; path=/"]},
                    "body": {"string": "{}"},
                },
            }
        ],
    }  # fmt: skip
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(value))
    (tmp_path / "b.json").write_text(json.dumps(value))
    assert scan(tmp_path) == 1
    lines = said(capsys)
    assert [line.partition(": ")[2] for line in lines if line.startswith("a.yaml")] == [
        "client-secret … (11 characters) in request body",
        "authorization … (16 characters) in request header authorization",
    ]
    assert sum(line.startswith("b.json:1: ") for line in lines) == 2


@pytest.mark.parametrize("damage", ["...", "status: 200 OK", "    request:"])
def test_damaged_cassette_is_still_looked_through(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    """A key in it is found whatever is wrong with the file."""
    file = cassette(tmp_path / "a.yaml", Response(200, "OK", (), KEY.encode()))
    file.write_text(file.read_text().replace(damage, ""))
    assert scan(file) == 1
    assert said(capsys)[0].partition(": ")[2] == SHOWN


TEXTS: dict[str, tuple[bytes, str]] = {
    "notes.txt": (f"one\ntwo {KEY}\n".encode(), f"2: {SHOWN}"),
    "a.har": (
        json.dumps({"headers": [{"name": "X-Api-Key", "value": PASSWORD}]}, indent=1).encode(),
        "5: x-api-key … (16 characters)",
    ),
    "b.json": (b"{\n" + json.dumps({"file": base64.b64encode(f'{{"apiKey": "{PASSWORD}"}}'.encode()).decode()}).encode() + b"}", "1: api-key … (16 characters)"),
    ".env": (f"A=1\nDB_PASSWORD={PASSWORD}\n".encode(), "2: db-password … (16 characters)"),
    "c.yaml": (f"a: 1\napi_key: {PASSWORD}\n".encode(), "2: api-key … (16 characters)"),
    "d.txt": (f"\n\nx {KEY}".encode("utf-16"), f"3: {SHOWN}"),
    "e.bin": (b"\x00\x01\n\xff" + KEY.encode() + b" password: hunter2-abcd-12", f"2: {SHOWN}"),
    "f.txt": (f"a%2520{KEY.replace('-', '%252D')}".encode(), f"1: {SHOWN} in percent-encoded twice"),
    "g.txt": (b"x" * 8191 + "ä".encode() + b"\n" + KEY.encode(), f"2: {SHOWN}"),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_files_of_other_kinds_are_looked_through(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """HAR files, settings, UTF-16, bytes, what is encoded in a text."""
    data, expected = TEXTS[name]
    (tmp_path / name).write_bytes(data)
    assert scan(name) == 1
    assert said(capsys) == [f"{name}:{expected}"]


def test_journal_is_looked_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its bodies are base64."""
    exchange = Exchange(
        1, "b3:" + "0" * 64, Request("GET", "http://h/"), Response(200, body=f"it is {KEY}".encode())
    )
    (tmp_path / "1-a.jsonl").write_bytes(b"first\n" + _encode(exchange))
    assert scan(tmp_path) == 1
    assert said(capsys)[0].endswith(SHOWN)


def test_blob_is_looked_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a file of its own, and from the cassette that names it."""
    file = cassette(tmp_path / "a.yaml", Response(200, "OK", (), b"\x00\xff" * 2000 + KEY.encode()))
    assert scan(tmp_path) == 1
    lines = said(capsys)
    assert [line.partition(":")[0].rpartition(".")[2] for line in lines] == ["yaml", "bin"]
    assert scan(file) == 1


def test_directories_are_walked_but_links_are_not_followed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the order of names; what git keeps and what is no regular file is left out."""
    outside = tmp_path / "outside"
    root = tmp_path / "root"
    for folder in (outside, root / "b", root / "a", root / ".git"):
        folder.mkdir(parents=True)
        (folder / "x.txt").write_text(KEY)
    (root / "link").symlink_to(outside)
    (root / "link.txt").symlink_to(outside / "x.txt")
    os.mkfifo(root / "fifo")
    assert scan("root") == 1
    assert said(capsys) == [f"root/a/x.txt:1: {SHOWN}", f"root/b/x.txt:1: {SHOWN}"]


def test_what_cannot_be_read_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path that is not there, a file beyond the limit; the others are looked through all the same."""
    (tmp_path / "a.txt").write_text(KEY)
    assert scan("nowhere", "a.txt") == 2
    out, err = capsys.readouterr()
    assert out == f"a.txt:1: {SHOWN}\n"
    assert "there is no such file" in err
    assert err.endswith("1 secret in 1 file\n")
    monkeypatch.setattr(_scan, "LIMIT_BYTES", 5)
    assert scan("a.txt") == 2
    assert "the file has more than" in capsys.readouterr().err
    assert scan() == 2


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pytest.ini", "[pytest]\nf3dx_allow =\n    {key}\nf3dx_redact = cust-[0-9]+ => customer\n"),
        ("tox.ini", "[pytest]\nf3dx_allow = sk-proj-.*\nf3dx_redact = cust-[0-9]+\n"),
        ("setup.cfg", "[tool:pytest]\nf3dx_allow = sk-proj-.*\nf3dx_redact = cust-[0-9]+\n"),
        (
            "pyproject.toml",
            "[tool.pytest.ini_options]\nf3dx_allow = ['sk-proj-.*']\nf3dx_redact = ['cust-[0-9]+']\n",
        ),
    ],
)
def test_ini_file_of_pytest_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a project allows and redacts; the nearest file that has a section for pytest."""
    (tmp_path / file).write_text(text.format(key=KEY))
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    (inner / "pyproject.toml").write_text("[tool]\n")
    (inner / "tox.ini").write_text("[broken")
    (inner / "setup.cfg").write_text("[other]\n")
    (inner / "a.txt").write_text(f"{KEY} cust-17")
    assert scan("a.txt") == 1
    (line,) = said(capsys)
    assert line.startswith("a.txt:1: custom" if "customer" not in text else "a.txt:1: customer")


def test_broken_toml_is_for_pytest_to_say(tmp_path: Path) -> None:
    """And so is one that has something else in the place of a table."""
    (tmp_path / "pyproject.toml").write_text("tool = 3\n")
    (tmp_path / "a.txt").write_text("clean")
    assert scan("a.txt") == 0
    (tmp_path / "pyproject.toml").write_text("[tool.pytest]\nini_options = 3\n")
    assert scan("a.txt") == 0


def test_wrong_setting_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A regex that is none stops the command, as it stops pytest."""
    (tmp_path / "tox.ini").write_text("[pytest]\nf3dx_redact = (\n")
    (tmp_path / "a.txt").write_text("clean")
    assert scan("a.txt") == 2
    assert "is no regex" in capsys.readouterr().err


def test_allow_and_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value of the environment is found; what is allowed on the command line is not."""
    monkeypatch.setenv("TENANT_TOKEN", "tk8Zq21xYb")
    (tmp_path / "a.txt").write_text(f"{KEY} and tk8Zq21xYb and password={PASSWORD}")
    assert scan("a.txt") == 1
    assert said(capsys) == [f"a.txt:1: {SHOWN}", "a.txt:1: tenant-token … (10 characters)"]
    assert scan("--allow", "sk-proj-.*", "--allow=tk8Zq21xYb", "a.txt") == 0


def test_names_of_files_are_printed_safely(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A control character in a name does not reach the terminal."""
    (tmp_path / "a\x1b[31m.txt").write_text(KEY)
    assert scan(tmp_path) == 1
    assert "\x1b" not in capsys.readouterr().out


def test_precommit_hook_is_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The definition parses, has the fields that pre-commit asks for, and its entry finds a planted key."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert hook.keys() >= {"id", "name", "entry", "language"}
    assert hook["id"] == "f3dx-scan"
    program, *arguments = shlex.split(hook["entry"])
    assert program == "pytest-f3dx"
    file = cassette(tmp_path / "a.yaml", Response(200, "OK", (), KEY.encode()))
    assert main([*arguments, str(file)]) == 1
    assert said(capsys)
