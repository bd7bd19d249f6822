"""Git itself, set up by `install-git`: merges of branches, and what is written and taken out again."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_f3dx import _cassette
from pytest_f3dx._blobs import BlobStore
from pytest_f3dx._fingerprint import fingerprint_request
from pytest_f3dx._git import _install
from pytest_f3dx._git._attributes import with_block, without_block
from pytest_f3dx._git._install import settings as git_settings
from pytest_f3dx._model import Interaction, Request, Response
from pytest_f3dx.cli import main
from tests.repositories import NAME, Repository
from tests.test_merge3 import JSON, cassette, said

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


QUICK = settings(max_examples=100, deadline=None, derandomize=True)
IMAGE = b"\x89PNG\r\n\x1a\n" + bytes(4000)


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Make a repository in a directory with a space in its name, and stand in it."""
    found = Repository(tmp_path / "my project")
    monkeypatch.chdir(found.path)
    return found


@pytest.fixture
def installed(repository: Repository) -> Repository:
    """Make a repository that is set up."""
    assert main(["install-git"]) == 0
    repository.commit()
    return repository


# -- merging -----------------------------------------------------------------------------------------


def test_git_merges_what_two_branches_recorded(installed: Repository) -> None:
    """Each branch recorded another request, one with a blob; git's own merge joins them, and check is content."""
    one = said("image")
    answer = one.responses[0]
    image = type(one)(one.fingerprint, one.request, [type(answer)(200, "OK", (), IMAGE)])
    base = cassette(said("a"), said("b"))
    installed.branches(base, cassette(said("a"), said("b"), said("c")), cassette(said("a", "no"), image))
    installed.git("merge", "--no-edit", "theirs")
    assert installed.load() == cassette(said("a", "no"), image, said("c"))
    assert main(["check"]) == 0
    assert not installed.git("status", "--porcelain")


def test_names_reach_the_driver_as_they_are(installed: Repository) -> None:
    """A path with blanks, quotes and what a shell would expand is one word."""
    name = 'cassettes/t/it\'s [a] $(b) `c` "d" ;e.yaml'
    for branch, answer in (("main", "yes"), ("theirs", "maybe"), ("ours", "never")):
        if branch != "main":
            installed.git("switch", "-q", "-c", branch, "main")
        installed.save(cassette(said("a", answer)), name)
    assert f"f3dx: {name}: conflict: POST" in installed.git("merge", "theirs", code=1)


def test_git_leaves_a_true_conflict(installed: Repository) -> None:
    """Two answers to one request: git stops, the file shows both, and is refused until one is chosen."""
    installed.branches(
        cassette(said("a")), cassette(said("a", "never"), said("c")), cassette(said("a", "maybe"))
    )
    told = installed.git("merge", "theirs", code=1)
    assert f"f3dx: {NAME}: conflict: POST https://api.test/chat" in told
    assert f"CONFLICT (content): Merge conflict in {NAME}" in told
    text = (installed.path / NAME).read_text(encoding="utf-8")
    ours, theirs = "          answer: never\n", "          answer: maybe\n"
    assert f"<<<<<<< ours\n{ours}=======\n{theirs}>>>>>>> theirs\n" in text
    assert main(["check"]) == 1
    text = text.replace(f"<<<<<<< ours\n{ours}=======\n{theirs}>>>>>>> theirs\n", theirs)
    (installed.path / NAME).write_text(text, encoding="utf-8")
    assert installed.load() == cassette(said("a", "maybe"), said("c"))


def test_git_rebases_picks_and_stashes_by_interaction(installed: Repository) -> None:
    """The driver serves every command of git that merges."""
    installed.branches(cassette(said("a")), cassette(said("a"), said("b")), cassette(said("a"), said("c")))
    installed.git("rebase", "-q", "theirs")
    assert installed.load() == cassette(said("a"), said("c"), said("b"))


def test_git_merges_branches_that_were_merged_both_ways(installed: Repository) -> None:
    """Where the common ancestors themselves conflict, the merge is still one of interactions."""
    resolved = cassette(said("a", "no"))
    installed.branches(cassette(said("a")), cassette(said("a", "no")), cassette(said("a", "never")))
    heads = [installed.git("rev-parse", name).strip() for name in ("ours", "theirs")]
    for name, other, more in (("ours", heads[1], "b"), ("theirs", heads[0], "c")):
        installed.git("switch", "-q", name)
        installed.git("merge", other, code=1)
        installed.save(resolved)
        installed.save(cassette(said("a", "no"), said(more)))
    told = installed.git("merge", "--no-edit", "ours")
    assert "line by line" not in told
    assert installed.load() == cassette(said("a", "no"), said("c"), said("b"))


def test_git_unites_files_that_both_branches_began(installed: Repository) -> None:
    """Without a common ancestor the file is the union."""
    installed.branch("theirs", cassette(said("b")))
    installed.branch("ours", cassette(said("a")))
    installed.git("merge", "--no-edit", "theirs")
    assert installed.load() == cassette(said("b"), said("a"))


def test_what_is_no_cassette_of_ours_is_merged_by_lines(installed: Repository) -> None:
    """A cassette of vcrpy, or a damaged one, is merged as without us: cleanly, or with markers."""
    lines = [f"- {number}\n" for number in range(9)]
    versions = [
        "".join(lines),
        "".join(["- x\n", *lines]),
        "".join([*lines, "- y\n"]),
        "- z\n" + "".join(lines),
    ]
    files = [installed.path / name for name in (NAME, NAME.replace("greets", "other"))]
    files[0].parent.mkdir(parents=True)
    for branch, texts in (("main", (0, 0)), ("theirs", (1, 1)), ("ours", (2, 3))):
        installed.git("switch", "-q", *(["main"] if branch == "main" else ["-c", branch, "main"]))
        for file, number in zip(files, texts, strict=True):
            file.write_text("interactions:\n" + versions[number], encoding="utf-8")
        installed.commit()
    told = installed.git("merge", "theirs", code=1)
    assert f"f3dx: {NAME} is merged line by line: " in told
    assert files[0].read_text(encoding="utf-8") == "interactions:\n" + "".join(["- x\n", *lines, "- y\n"])
    assert "<<<<<<< ours\n- z\n=======\n- x\n>>>>>>> theirs\n" in files[1].read_text(encoding="utf-8")
    assert (
        installed.git("diff", "--name-only", "--diff-filter=U")
        == files[1].relative_to(installed.path).as_posix() + "\n"
    )


def test_git_merges_by_lines_when_we_are_gone(installed: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the environment was deleted git still merges, and still shows differences."""
    monkeypatch.setattr(sys, "executable", "/no/such python")
    assert main(["install-git"]) == 0
    installed.branches(cassette(said("a")), cassette(said("a", "never")), cassette(said("a", "maybe")))
    installed.git("merge", "theirs", code=1)
    assert "<<<<<<< ours" in (installed.path / NAME).read_text(encoding="utf-8")
    assert "+          answer: never" in installed.git("show", "ours", "--", NAME)


def test_driver_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The result replaces ours; 0 merged, 1 conflict, 2 a file that is not there."""
    sides = [cassette(said("a")), cassette(said("a"), said("b")), cassette(said("c"), said("a"))]
    files = [tmp_path / name for name in ("base", "ours", "theirs")]
    for file, side in zip(files, sides, strict=True):
        file.write_text(_cassette.dump(side, BlobStore(tmp_path)), encoding="utf-8")
    words = ["merge-driver", *map(str, files), "cassettes/\x1bx.yaml"]
    assert main(words) == 0
    assert _cassette.load(files[1].read_bytes(), files[1], BlobStore(tmp_path)) == cassette(
        said("c"), said("a"), said("b")
    )
    files[2].write_text(_cassette.dump(cassette(), BlobStore(tmp_path)), encoding="utf-8")
    files[1].write_text(_cassette.dump(cassette(said("a", "no")), BlobStore(tmp_path)), encoding="utf-8")
    assert main(words) == 1
    assert b"<<<<<<< ours\n  b3:" in files[1].read_bytes()
    files[1].write_bytes(b"\0binary")
    assert main([*words, "--marker-size", "9"]) == 1
    assert files[1].read_bytes() == b"\0binary"
    files[2].unlink()
    assert main(words) == 2
    assert "\x1b" not in "".join(capsys.readouterr())


# -- showing -----------------------------------------------------------------------------------------


def chat(prompt: str, answer: str, *, made: str, streamed: bool = False) -> Interaction:
    """Make a chat completion, in one piece or as a stream of words."""
    body = {"model": "m", "messages": [{"role": "user", "content": prompt}], "stream": streamed}
    request = Request("POST", "https://api.test/v1/chat/completions", JSON, json.dumps(body).encode())
    whole = {"role": "assistant", "content": answer}
    said = [{"choices": [{"index": 0, "message": whole, "finish_reason": "stop"}]}]
    if streamed:
        said = [{"choices": [{"index": 0, "delta": {"content": f"{word} "}}]} for word in answer.split()]
    events = [json.dumps({"id": made, "object": "chat.completion", **one}) for one in said]
    text = "".join(f"data: {event}\n\n" for event in events) + "data: [DONE]\n\n" if streamed else events[0]
    headers = (("content-type", "text/event-stream"),) if streamed else JSON
    return Interaction(fingerprint_request(request), request, [Response(200, "OK", headers, text.encode())])


def changed_lines(text: str) -> list[str]:
    """Return the lines that a diff takes away or adds, without their blanks."""
    return [line[0] + line[1:].strip() for line in text.splitlines() if re.match(r"[-+](?![-+]{2} )", line)]


@pytest.mark.parametrize("streamed", [False, True])
def test_git_shows_a_conversation(streamed: bool, installed: Repository) -> None:
    """`git diff`, `git show` and `git log -p` say what was said, and nothing of ids; a stream is put together."""
    old = cassette(chat("Hi", "Hello there", made="cmpl-1", streamed=streamed))
    new = cassette(chat("Hi", "Good day", made="cmpl-2", streamed=streamed))
    installed.save(old)
    (installed.path / NAME).write_text(_cassette.dump(new, BlobStore(installed.path)), encoding="utf-8")
    diff = installed.git("diff")
    said = [line.split(maxsplit=1) for line in changed_lines(diff)]
    assert [(line[0], line[-1]) for line in said] == [
        ("-assistant", "Hello there"),
        ("+assistant", "Good day"),
    ]
    assert "cmpl-" not in diff
    installed.commit()
    assert changed_lines(installed.git("show")) == changed_lines(diff)
    assert "+assistant" in "".join(changed_lines(installed.git("log", "-p", "-1")))
    assert "cmpl-2" in installed.git("diff", "--no-textconv", "HEAD~1")
    installed.git(
        "rev-parse", "--verify", "refs/notes/textconv/f3dx"
    )  # and the next time it comes from there


def test_git_shows_ids_alone_as_no_difference(installed: Repository) -> None:
    """Where only an id differs, there is nothing to read."""
    installed.save(cassette(chat("Hi", "Hello", made="cmpl-1")))
    installed.save(cassette(chat("Hi", "Hello", made="cmpl-2")))
    assert not changed_lines(installed.git("show"))


def test_git_shows_what_is_no_cassette(installed: Repository) -> None:
    """A damaged file is shown as it is: the user has to see it to mend it."""
    installed.save(cassette(said("a")))
    file = installed.path / NAME
    file.write_text(file.read_text(encoding="utf-8") + "<<<<<<< ours\n\x1b[31m", encoding="utf-8")
    shown = installed.git("diff")
    assert "+<<<<<<< ours" in shown
    assert "\x1b" not in shown


# -- what is written, and taken out again ------------------------------------------------------------


def test_install_says_what_it_writes_and_writes_it_once(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    """Attributes and configuration are told line by line; a second run has nothing to do."""
    mine = "*.png binary\n* text=auto\n"
    (repository.path / ".gitattributes").write_text(mine, encoding="utf-8")
    assert main(["install-git"]) == 0
    out, err = capsys.readouterr()
    assert not err
    assert "  /cassettes/**/*.yaml text eol=lf diff=f3dx merge=f3dx\n" in out
    assert all(f"git config {key}: {value}\n" in out for key, value in git_settings().items())
    attributes = (repository.path / ".gitattributes").read_text(encoding="utf-8")
    assert attributes.startswith(mine)
    assert main(["install-git"]) == 0
    assert capsys.readouterr() == ("already installed\n", "")
    assert (repository.path / ".gitattributes").read_text(encoding="utf-8") == attributes
    shown = repository.git(
        "check-attr", "text", "diff", "merge", "--", NAME, "cassettes/x.yaml", "cassettes/_blobs/a/b.txt"
    )
    assert [line.rpartition(": ")[2] for line in shown.splitlines()] == [
        *("set", "f3dx", "f3dx"),
        *("set", "f3dx", "f3dx"),
        *("unset", "unspecified", "unspecified"),
    ]


@pytest.mark.parametrize("mine", [None, "*.png binary\n", "*.png binary"])
def test_uninstall_leaves_no_trace(
    mine: str | None, repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever stood there stands there again to the byte; other settings of the same section stay."""
    file = repository.path / ".gitattributes"
    if mine is not None:
        file.write_text(mine, encoding="utf-8")
    before = (repository.path / ".git" / "config").read_bytes()
    repository.git("config", "diff.f3dx.xfuncname", "^user")
    assert main(["install-git"]) == 0
    repository.git(
        "update-ref",
        "refs/notes/textconv/f3dx",
        repository.git("commit-tree", "-m", "x", empty(repository)).strip(),
    )
    capsys.readouterr()
    assert main(["install-git", "--uninstall"]) == 0
    out = capsys.readouterr().out
    assert out.count("git config ") == 5
    assert "refs/notes/textconv/f3dx: removed" in out
    assert repository.git("config", "diff.f3dx.xfuncname") == "^user\n"
    repository.git("config", "--unset", "diff.f3dx.xfuncname")
    assert (repository.path / ".git" / "config").read_bytes() == before
    assert (file.read_text(encoding="utf-8") if file.exists() else None) == mine
    assert main(["install-git", "--uninstall"]) == 0
    assert capsys.readouterr().out == "nothing to remove\n"


def empty(repository: Repository) -> str:
    return repository.git("write-tree").strip()


def test_other_directory_from_below(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory is meant from where one stands, literally, whatever characters its name has."""
    below = repository.path / "sub"
    below.mkdir()
    monkeypatch.chdir(below)
    for name in ('re[c]or "ded*', "plain", "."):
        assert main(["install-git", "--cassettes", name]) == 0
        shown = repository.git("check-attr", "diff", "--", f"sub/{name}/x.yaml", "cassettes/x.yaml")
        assert [line.rpartition(": ")[2] for line in shown.splitlines()] == ["f3dx", "unspecified"]
    monkeypatch.chdir(repository.path)
    assert main(["install-git", "--cassettes", "a/b", "--cassettes", "c", "--cassettes", "c/"]) == 0
    shown = repository.git("check-attr", "merge", "--", "a/b/x.yaml", "c/x.yaml", "sub/x.yaml")
    assert [line.rpartition(": ")[2] for line in shown.splitlines()] == ["f3dx", "f3dx", "unspecified"]
    assert (repository.path / ".gitattributes").read_text(encoding="utf-8").count("merge=f3dx") == 2
    assert main(["install-git", "--cassettes", "."]) == 0
    assert repository.git("check-attr", "diff", "--", "x.yaml").endswith(": f3dx\n")


def test_worktrees_and_submodules(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A work tree shares the configuration of its repository; a submodule has one of its own."""
    repository.save(cassette(said("a")))
    repository.git("worktree", "add", "-q", str(tmp_path / "tree"))
    monkeypatch.chdir(tmp_path / "tree")
    assert main(["install-git"]) == 0
    assert (tmp_path / "tree" / ".gitattributes").is_file()
    assert "f3dx" in repository.git("config", "merge.f3dx.driver")
    outer = Repository(tmp_path / "outer")
    outer.git(
        "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(repository.path), "inner"
    )
    monkeypatch.chdir(outer.path / "inner")
    assert main(["install-git"]) == 0
    outer.git("config", "merge.f3dx.driver", code=1)
    assert (outer.path / "inner" / ".gitattributes").is_file()
    assert not (outer.path / ".gitattributes").exists()


def test_nearer_attributes_are_told(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the user's own file below gives cassettes another driver, that is said, not changed."""
    nearer = repository.path / "cassettes" / ".gitattributes"
    nearer.parent.mkdir()
    nearer.write_text("*.yaml -diff\n", encoding="utf-8")
    assert main(["install-git"]) == 0
    assert "cassettes have diff=unset all the same" in capsys.readouterr().err
    assert nearer.read_text(encoding="utf-8") == "*.yaml -diff\n"


def no_git(repository: Repository, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("PATH", str(repository.path))


def outside(repository: Repository, patch: pytest.MonkeyPatch) -> None:
    patch.chdir(repository.path.parent)
    patch.setenv("GIT_CEILING_DIRECTORIES", str(repository.path.parent.parent))


def bare(repository: Repository, patch: pytest.MonkeyPatch) -> None:
    patch.chdir(repository.path / ".git")


def foreign(repository: Repository, _: pytest.MonkeyPatch) -> None:
    repository.git("config", "merge.f3dx.driver", "other-tool %A")


def elsewhere(repository: Repository, _: pytest.MonkeyPatch) -> None:
    (repository.path / "cassettes").symlink_to(repository.path.parent)


@pytest.mark.parametrize(
    ("arrange", "what"),
    [
        (no_git, "there is no git"),
        (outside, "not in a work tree of git"),
        (bare, "not in a work tree of git"),
        (foreign, "a setting of the same name is not ours"),
        (elsewhere, "the cassette directory is outside the repository"),
    ],
)
def test_install_that_cannot_be(
    arrange: Callable[[Repository, pytest.MonkeyPatch], None],
    what: str,
    repository: Repository,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each is said with what to do, ends with 2, and nothing is written."""
    arrange(repository, monkeypatch)
    before = (repository.path / ".git" / "config").read_bytes()
    assert main(["install-git"]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith(f"f3dx: {what} [git]\n")
    assert "\n  fix       " in err
    assert (repository.path / ".git" / "config").read_bytes() == before
    assert not (repository.path / ".gitattributes").exists()


def test_interpreter_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path with blanks and quotes reaches the shell as one word."""
    monkeypatch.setattr(sys, "executable", "/a b/it's/python")
    driver = _install.settings()["merge.f3dx.driver"].partition(" -P")[0]
    done = subprocess.run(["sh", "-c", f"printf %s {driver}"], capture_output=True, text=True, check=True)
    assert done.stdout == "/a b/it's/python"


@QUICK
@given(st.binary(max_size=40), st.sampled_from([["cassettes"], [""], ["a b/c", "d"]]))
def test_block_is_taken_out_as_it_was_put_in(text: bytes, folders: list[str]) -> None:
    """Whatever else the file holds, it is there again after the block is gone; putting it in twice is once."""
    once = with_block(text, folders)
    assert once.startswith(text)
    assert without_block(once) == text
    assert with_block(once, folders) == once
    assert with_block(with_block(text, ["other"]), folders) == once


def test_block_amid_other_lines_moves_to_the_end() -> None:
    """Lines that were added below the block stay, and so do those above it."""
    text = b"a\n" + with_block(b"", ["cassettes"]) + b"z\n"
    assert without_block(text) == b"a\nz\n"
    assert with_block(text, ["cassettes"]) == with_block(b"a\nz\n", ["cassettes"])
    assert json.dumps(without_block(text.replace(b"\n", b"\r\n")).decode()) == json.dumps("a\r\nz\r\n")
