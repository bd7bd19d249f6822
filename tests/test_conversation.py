"""One cassette as a conversation: `show` for people, `textconv` for git."""

from __future__ import annotations

import base64
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_f3dx import cli
from pytest_f3dx._model import Failure, Request, Response
from tests.reviewing import JSON, Repo, answer_of, body_of, chat, interaction

if TYPE_CHECKING:
    from pathlib import Path

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 16
TOOL = {
    "type": "function",
    "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object"}},
}


def request_of(**more: Any) -> dict[str, Any]:
    """Return the body of a request with all that a conversation has."""
    call = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    url = {"url": "data:image/png;base64," + base64.b64encode(PNG).decode()}
    user = [{"type": "text", "text": "What is it?\nTell me."}, {"type": "image_url", "image_url": url}]
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": user},
        {"role": "user", "content": user[1:]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "name": "a_long_tool_name", "tool_call_id": "call_1", "content": "1"},
    ]
    return {**body_of(""), "messages": messages, "tools": [TOOL], "temperature": 0, **more}


def cassette(tmp_path: Path) -> Path:
    """Write a cassette with every kind of interaction."""
    answer = answer_of("It is one.", reasoning_content="Hm.", tool_calls=[
        {"id": "call_2", "type": "function", "function": {"name": "add", "arguments": '{"b":2}'}}
    ])  # fmt: skip
    bad = Response(500, "Oops", JSON, b'{"error": {"message": "down"}}')
    late = Response(0, failure=Failure("httpx.ReadTimeout", "timed out"))
    stream = (
        b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\ndata: {"error":{"message":"cut"}}\n\n'
    )
    return Repo(tmp_path).write(
        "c.yaml",
        chat(request_of(), answer),
        interaction(Request("POST", "https://x.example/form", (), b"a=b"), bad, late),
        interaction(
            Request("GET", "https://x.example/image"),
            Response(200, "OK", (("content-type", "image/png"),), PNG),
        ),
        interaction(Request("DELETE", "https://x.example/a"), Response(204)),
        chat("Stream.", {}, url="https://x.example/v1/chat/completions"),
        replace(
            chat("Stream?", {}),
            responses=[Response(200, "OK", (("content-type", "text/event-stream"),), stream)],
        ),
        test="tests/test_c.py::test_it",
    )


def run(verb: str, path: Path, output: pytest.CaptureFixture[str], *options: str) -> str:
    """Run a verb that must work."""
    assert cli.main([verb, str(path), *options]) == 0
    return output.readouterr().out


def test_show(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A cassette is shown as who said what, with blobs named and what it took."""
    monkeypatch.setenv("COLUMNS", "80")
    text = run("show", cassette(tmp_path), capfd)
    digest = next(tmp_path.rglob("*.png")).stem[:12]
    assert text.startswith("""\
tests/test_c.py::test_it

POST https://api.openai.com/v1/chat/completions
b3:""")
    assert (
        f"""…
  model         gpt-4o-mini
  parameters    temperature=0
  offers        add: Adds.
  system        Be brief.
  user          What is it?
                Tell me.
                [image/png, 4.0 KiB, {digest}]
  user          [image/png, 4.0 KiB, {digest}]
  assistant     add({{"a": 1}})
  tool a_long_tool_name
                1
  assistant     (thinking) Hm.
                It is one.
                add({{"b": 2}})
                [stop; 8 in, 3 out; 7 ms]
"""
        in text
    )
    assert (
        """
  body          a=b
-- answer 1
  status        500 Oops
  body          {
                  "error": {
                    "message": "down"
                  }
                }
-- answer 2
  error         httpx.ReadTimeout: timed out
"""
        in text
    )
    assert f"  status        200 OK\n  body          [image/png, 4.0 KiB, {digest}]\n" in text
    assert "DELETE https://x.example/a" in text
    assert "  status        204\n" in text
    assert "  assistant     Hel\n  error         cut\n" in text


def test_show_in_colour(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Colour is an escape sequence on labels; what the cassette holds cannot add one."""
    path = Repo(tmp_path).write("c.yaml", chat("Say \x1b[31m\x07.", "Hi."))
    text = run("show", path, capfd, "--color=always")
    assert "\x1b[36muser         \x1b[0m Say \\x1b[31m\\x07." in text
    assert "\x1b[31m" not in text


def test_show_says_what_loosens_the_key(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The settings in the head are shown."""
    path = Repo(tmp_path).write("c.yaml", chat("Hi.", "x"))
    head = "key: jcs-blake3/1\nignore:\n- $.user\nreplace:\n- regex: \\d+\n  placeholder: N\nmatch_headers:\n- x-a\n"
    path.write_text(path.read_text(encoding="utf-8").replace("key: jcs-blake3/1\n", head), encoding="utf-8")
    text = run("show", path, capfd)
    assert "  ignore        $.user\n  match_headers x-a\n  replace       \\d+ → N\n" in text


def test_show_an_embedding(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What answers with numbers is shown as how many they are."""
    value = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5] * 99}]}
    path = Repo(tmp_path).write(
        "c.yaml", chat({"model": "m", "input": "a"}, value, url="https://x.example/v1/embeddings")
    )
    assert '"embedding": "(99 numbers)"' in run("show", path, capfd)


def test_show_of_what_is_no_cassette(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A damaged or absent file is an error with its name."""
    path = tmp_path / "c.yaml"
    path.write_bytes(b"\0\1")
    assert cli.main(["show", str(path)]) == 2
    assert "c.yaml" in capfd.readouterr().err
    assert cli.main(["show", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml" in capfd.readouterr().err
    assert cli.main(["show", str(tmp_path)]) == 2
    assert "a directory where the file should be" in capfd.readouterr().err


def test_textconv_is_stable(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Ids, times and fingerprints are no part of it, lines do not depend on a width."""
    repo = Repo(tmp_path)
    long = "word " * 60 + "end."
    old = chat({**request_of(), "messages": [{"role": "user", "content": long}]}, answer_of("x"))
    path = repo.write("c.yaml", old)
    before = run("textconv", path, capfd)
    assert f"  user          {long}\n" in before
    assert '  offers        add: Adds.\n                {\n                  "parameters"' in before
    new = replace(old.responses[0], recorded_at="2027-01-01T00:00:00Z", took_ms=99)
    new = replace(new, body=new.body.replace(b"AAAAAAAA1", b"BBBBBBBB2"))
    repo.write("c.yaml", replace(old, responses=[new]))
    assert run("textconv", path, capfd) == before
    assert "b3:" not in before
    assert "ms" not in before


def test_textconv_names_blobs_by_hash(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Git hands over a copy elsewhere, where no blob is: the hash says it all."""
    path = Repo(tmp_path / "a").write("c.yaml", chat(request_of(), "x"))
    copy = tmp_path / "copy.yaml"
    copy.write_bytes(path.read_bytes())
    text = run("textconv", copy, capfd)
    assert text == run("textconv", path, capfd)
    assert "[image/png, " in text
    assert "not there" not in text


@pytest.mark.parametrize("data", [b"\0\xff\x1b[2J", b"<<<<<<< HEAD\nformat: f3dx/1\n", b"", b"just: yaml\n"])
def test_textconv_of_what_is_no_cassette(
    tmp_path: Path, data: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    """A damaged file is shown as it is, with a note, since git has to show something."""
    path = tmp_path / "c.yaml"
    path.write_bytes(data)
    text = run("textconv", path, capfd)
    assert ": shown as it is\n\n" in text
    assert "\x1b" not in text
    assert data.decode("utf-8", "ignore").strip("\0\x1b[2J") in text


def test_git_diff_reads_as_a_conversation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the driver configured `git diff` shows a changed prompt as two lines of a conversation."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    repo = Repo(tmp_path).start()
    (tmp_path / ".gitattributes").write_text("*.yaml diff=f3dx\n")
    import sys

    repo.git("config", "diff.f3dx.textconv", f"'{sys.executable}' -m pytest_f3dx textconv")
    repo.write("c.yaml", chat("Say hello.", "Hello!"))
    repo.commit()
    repo.write("c.yaml", chat("Say hello, politely.", "A good day to you!"))
    lines = [
        line for line in repo.git("diff").splitlines() if line[:1] in "-+" and line[:3] not in ("---", "+++")
    ]
    assert lines == [
        "-  user          Say hello.",
        "-  assistant     Hello!",
        "+  user          Say hello, politely.",
        "+  assistant     A good day to you!",
    ]
