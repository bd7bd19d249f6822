"""Where a review finds its files: git, directories, files; and what it says if it does not."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any

import pytest

from pytest_f3dx import cli
from pytest_f3dx._review._git import Git
from pytest_f3dx._review._payloads import Payloads
from pytest_f3dx._review._report import Options, review
from pytest_f3dx._review._sources import select
from tests.reviewing import Repo, answer_of, body_of, chat, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_f3dx._review._model import Report


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """A repository with one commit: three cassettes."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    made = Repo(tmp_path / "r").start()
    for name in ("a", "b", "c"):
        made.write(f"{name}.yaml", chat(f"Say {name}.", name), chat(f"Tell me all about {name}.", name))
    made.commit("one")
    monkeypatch.chdir(made.path)
    return made


def reviewed(repo: Repo, *names: str, paths: Sequence[str] = (), **more: Any) -> Report:
    """Review a repository."""
    with select(names, paths, repo.path) as selection:
        return review(selection, Options(**more), Payloads())


def became(report: Report) -> list[tuple[str, str]]:
    """Return cassette and status of what changed."""
    return [(test.cassette.removeprefix("cassettes/"), test.status) for test in report.tests]


# -- git -----------------------------------------------------------------------------------------------


def test_head_against_the_work_tree(repo: Repo) -> None:
    """Without names HEAD is compared with what stands on the disk, files that git does not track included."""
    repo.write("a.yaml", chat("Say a!", "a"), chat("Tell me all about a.", "a"))
    repo.write("new/d.yaml", chat("Say d.", "d"))
    (repo.path / "cassettes" / "b.yaml").unlink()
    report = reviewed(repo)
    assert (report.old, report.new) == ("HEAD", "work tree")
    assert became(report) == [("a.yaml", "changed"), ("b.yaml", "removed"), ("new/d.yaml", "added")]
    assert report.unchanged == 1
    assert report.tests[0].unchanged == 1
    assert report.counts == {"changed": 1, "removed": 1, "added": 1}


def test_nothing_changed(repo: Repo) -> None:
    """An unchanged repository gives an empty report."""
    report = reviewed(repo)
    assert (report.is_empty, report.unchanged, report.hints) == (True, 3, ())


def test_revisions_and_ranges(repo: Repo) -> None:
    """A revision is compared with the work tree, two with each other, a range likewise, three dots from where they parted."""
    repo.git("checkout", "-qb", "feature")
    repo.write("a.yaml", chat("Say a!", "a"))
    repo.commit("two")
    repo.git("checkout", "-q", "main")
    repo.write("b.yaml", chat("Say b!", "b"))
    repo.commit("three")
    a, b = ("a.yaml", "changed"), ("b.yaml", "changed")
    assert became(reviewed(repo, "HEAD~")) == [b]
    assert became(reviewed(repo, "feature")) == [a, b]
    assert became(reviewed(repo, "main", "feature")) == [a, b]
    assert became(reviewed(repo, "main..feature")) == [a, b]
    assert became(reviewed(repo, "..feature")) == [a, b]
    assert became(reviewed(repo, "feature..")) == [a, b]
    three = reviewed(repo, "main...feature")
    assert became(three) == [a]
    assert (three.old, three.new) == ("merge base of main and feature", "feature")


def test_paths_narrow_it_down(repo: Repo) -> None:
    """Paths are taken behind --, and as names that are no revisions, relative to where the command runs."""
    for name in ("a", "b"):
        repo.write(f"{name}.yaml", chat(f"Say {name}!", name))
    assert became(reviewed(repo, paths=["cassettes/a.yaml"])) == [("a.yaml", "changed")]
    assert became(reviewed(repo, "cassettes/b.yaml")) == [("b.yaml", "changed")]
    assert became(reviewed(repo, "HEAD", "cassettes/b.yaml")) == [("b.yaml", "changed")]
    report = reviewed(repo, "HEAD", paths=["cassettes"])
    assert (len(report.tests), report.unchanged) == (2, 1)
    assert len(reviewed(repo, paths=["."]).tests) == 2
    inside = Repo(repo.path / "cassettes")
    assert became(reviewed(inside, paths=["a.yaml"])) == [("a.yaml", "changed")]


def test_a_name_that_is_both_is_a_revision(repo: Repo) -> None:
    """As with git, a branch wins over a file of its name; ./ makes it the file."""
    repo.git("branch", "cassettes")
    repo.write("a.yaml", chat("Say a!", "a"))
    repo.commit("two")
    assert became(reviewed(repo, "cassettes")) == [("a.yaml", "changed")]
    assert became(reviewed(repo, "./cassettes")) == []


def test_renames_are_followed(repo: Repo) -> None:
    """A renamed cassette is one test, whether something else changed in it or not."""
    repo.git("mv", "cassettes/a.yaml", "cassettes/z.yaml")
    (test,) = reviewed(repo).tests
    assert (test.status, test.renamed_from, test.unchanged) == ("renamed", "cassettes/a.yaml", 2)
    repo.commit("two")
    repo.write("y.yaml", chat("Say a!", "a"), chat("Tell me all about a.", "a"), test="tests/z.py::test_it")
    (repo.path / "cassettes" / "z.yaml").unlink()
    repo.commit("three")
    for names in (["HEAD~..HEAD"], ["HEAD~"]):
        (test,) = reviewed(repo, *names).tests
        assert (test.status, test.renamed_from, test.unchanged) == ("changed", "cassettes/z.yaml", 1)


def test_a_rename_that_git_does_not_see_is_found_by_its_requests(repo: Repo) -> None:
    """An untracked cassette that answers the same requests as one that is gone is that one."""
    repo.write("z.yaml", *(chat(f"{text} a.", "other") for text in ("Say", "Tell me all about")), test="t::z")
    (repo.path / "cassettes" / "a.yaml").unlink()
    (test,) = reviewed(repo).tests
    assert (test.status, test.renamed_from, test.test) == ("changed", "cassettes/a.yaml", "t::z")
    assert [one.label for one in test.settings] == ["test"]


def test_a_moved_cassette_is_found_by_its_test(repo: Repo) -> None:
    """A cassette whose every request changed while it moved is still that of its test."""
    (repo.path / "cassettes" / "a.yaml").unlink()
    repo.write("deep/a.yaml", chat("Something else.", "x"), test="tests/a.py::test_it")
    (test,) = reviewed(repo).tests
    assert (test.status, test.renamed_from) == ("changed", "cassettes/a.yaml")


def test_a_repository_without_commits(tmp_path: Path) -> None:
    """Before the first commit everything is new."""
    made = Repo(tmp_path).start()
    made.write("a.yaml", chat("Hi.", "x"))
    report = reviewed(made)
    assert (report.old, became(report)) == ("no commit", [("a.yaml", "added")])


def test_files_that_are_no_cassettes_are_left_out(repo: Repo) -> None:
    """Other YAML and JSON of a repository is nobody's business; blobs, links and pending files neither."""
    (repo.path / "ci.yml").write_text("on: push\n")
    (repo.path / "package.json").write_text('{"interactions": []}')
    (repo.path / "cassettes" / "_blobs").mkdir()
    (repo.path / "cassettes" / "_blobs" / "x.yaml").write_text("format: f3dx/1\n")
    repo.git("add", "-A")
    (repo.path / "cassettes" / "l.yaml").symlink_to("a.yaml")
    repo.git("add", "-A")
    assert became(reviewed(repo)) == []
    repo.commit("two")
    assert became(reviewed(repo, "HEAD~", "HEAD")) == []
    (repo.path / "elsewhere.yaml").write_text(text_of(chat("Hi.", "x")), encoding="utf-8")
    assert became(reviewed(repo)) == [("elsewhere.yaml", "added")]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pytest.ini", "[pytest]\nf3dx_cassette_dir = tests/recorded\n"),
        ("pyproject.toml", '[tool.pytest.ini_options]\nf3dx_cassette_dir = "./tests/recorded/"  # here\n'),
    ],
)
def test_a_cassette_directory_of_the_settings(repo: Repo, file: str, text: str) -> None:
    """Cassettes in the directory that the settings name are counted, and damaged ones told of."""
    (repo.path / "tests").mkdir()
    (repo.path / "cassettes").rename(repo.path / "tests" / "recorded")
    repo.commit("two")
    assert reviewed(repo).unchanged == 0
    (repo.path / file).write_text(text)
    (repo.path / "tests" / "recorded" / "new.yaml").write_bytes(b"\0")
    report = reviewed(repo)
    assert (report.unchanged, became(report)) == (3, [("tests/recorded/new.yaml", "damaged")])


def test_places_that_the_settings_ignore(repo: Repo, capfd: pytest.CaptureFixture[str]) -> None:
    """What `f3dx_diff_ignore` of the ini file leaves out is left out beside `--ignore`; a wrong one is an error."""
    more = {"x_one": 2, "x_two": 2}
    repo.write("a.yaml", chat("Say a.", {**answer_of("a"), "x_one": 1, "x_two": 1}))
    repo.commit("two")
    repo.write("a.yaml", chat("Say a.", {**answer_of("a"), **more}))
    ini = repo.path / "pytest.ini"
    ini.write_text("[pytest]\nf3dx_diff_ignore =\n    $.x_one\n")
    assert cli.main(["diff"]) == 1
    output = capfd.readouterr().out
    assert ("x_two" in output, "x_one" in output) == (True, False)
    assert cli.main(["diff", "--ignore", "$.x_two"]) == 0
    ini.write_text("[pytest]\nf3dx_diff_ignore = x_one\n")
    assert cli.main(["diff"]) == 2
    assert "diff_ignore" in capfd.readouterr().err


def test_what_was_a_cassette_and_is_none(repo: Repo) -> None:
    """Where a cassette stood on one side, anything else on the other is damage, wherever it stands."""
    path = repo.path / "elsewhere.yaml"
    path.write_text(text_of(chat("Hi.", "x")), encoding="utf-8")
    repo.commit("two")
    path.write_text("on: push\n")
    (test,) = reviewed(repo).tests
    assert (test.status, test.settings) == ("damaged", ())
    assert "elsewhere.yaml" in test.problems[0]


def test_settings_in_the_head_are_told(repo: Repo) -> None:
    """What loosens the key stands in the report."""
    path = repo.path / "cassettes" / "a.yaml"
    head = "key: jcs-blake3/1\nignore:\n- $.user\nreplace:\n- regex: \\d+\n  placeholder: N\n"
    path.write_text(path.read_text(encoding="utf-8").replace("key: jcs-blake3/1\n", head), encoding="utf-8")
    (test,) = reviewed(repo).tests
    assert [(one.label, one.new) for one in test.settings] == [("ignore", "$.user"), ("replace", "\\d+ → N")]
    assert (test.status, test.unchanged) == ("changed", 2)


def test_noise_is_counted(repo: Repo) -> None:
    """A cassette whose answers differ in ids alone is unchanged, and a hint says how to see it."""
    path = repo.path / "cassettes" / "a.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("AAAAAAAA1", "BBBBBBBB2"), encoding="utf-8")
    report = reviewed(repo)
    assert (report.is_empty, report.unchanged, report.noisy) == (True, 3, 1)
    assert "--show-ignored" in report.hints[0]
    shown = reviewed(repo, show_ignored=True)
    assert (shown.is_empty, became(shown), shown.hints) == (True, [("a.yaml", "noise")], ())
    assert {place.path for one in shown.tests[0].interactions for place in one.ignored} == {"$.id"}


def test_without_a_table_of_prices_a_hint_says_so(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cost is left out, and the report says what brings it."""
    repo.write("a.yaml", chat("Say a!", "a"))
    assert reviewed(repo).hints == ()
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    (hint,) = reviewed(repo).hints
    assert "pip install 'pytest-f3dx[prices]'" in hint


def test_equal_files_are_never_read(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git's object ids say what is the same: only what changed is read."""
    for n in range(30):
        repo.write(f"many/{n}.yaml", chat(f"Number {n}.", "x"))
    repo.commit("two")
    repo.write("many/7.yaml", chat("Number seven.", "x"))
    repo.commit("three")
    read: list[str] = []
    real = Git.read

    def spy(self: Git, name: str) -> bytes | None:
        read.append(name)
        return real(self, name)

    monkeypatch.setattr(Git, "read", spy)
    report = reviewed(repo, "HEAD~..HEAD")
    assert (became(report), report.unchanged) == ([("many/7.yaml", "changed")], 32)
    assert len(read) == 2


# -- blobs ---------------------------------------------------------------------------------------------

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 16


def picture(data: bytes) -> dict[str, Any]:
    """Return the body of a request with a picture."""
    url = {"url": "data:image/png;base64," + base64.b64encode(data).decode()}
    return {
        **body_of(""),
        "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": url}]}],
    }


def test_blobs_are_found_in_the_same_revision(repo: Repo) -> None:
    """Type, size, hash and path of a blob come from its own revision, and so do its bytes when they are asked for."""
    repo.write("p.yaml", chat(picture(PICTURE), "A cat."))
    repo.commit("two")
    for old in repo.blobs.rglob("*.png"):
        old.unlink()
    repo.write("p.yaml", chat(picture(PICTURE + b"1"), "A dog."))
    with select([], [], repo.path) as selection:
        payloads = Payloads()
        report = review(selection, Options(), payloads)
        (entry,) = report.tests[0].interactions[0].request
        (old_blob,), (new_blob,) = entry.old_blobs, entry.new_blobs
        assert (old_blob.media, old_blob.size_bytes) == ("image/png", len(PICTURE))
        assert new_blob.size_bytes == len(PICTURE) + 1
        assert old_blob.path == f"cassettes/_blobs/{old_blob.digest[:2]}/{old_blob.digest}.png"
        assert payloads.read(old_blob) == PICTURE
        assert payloads.read(new_blob) == PICTURE + b"1"


def test_blobs_that_are_pointers_or_gone(repo: Repo) -> None:
    """A Git LFS pointer tells the size of its blob; a blob that is gone has none, and nothing fails."""
    repo.write("p.yaml", chat(picture(PICTURE), "A cat."))
    (path,) = repo.blobs.rglob("*.png")
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 123456\n")
    with select([], [], repo.path) as selection:
        payloads = Payloads()
        (blob,) = review(selection, Options(), payloads).tests[0].interactions[0].request[1].new_blobs
        assert blob.size_bytes == 123456
        assert payloads.read(blob) is None
        repo.commit("two")
        (test,) = reviewed(repo, "HEAD~", "HEAD").tests
        assert test.interactions[0].request[1].new_blobs[0].size_bytes == 123456
    path.unlink()
    repo.commit("three")
    for names in (["HEAD~2"], ["HEAD~2", "HEAD"]):
        (test,) = reviewed(repo, *names).tests
        assert test.interactions[0].request[1].new_blobs[0].size_bytes == 0


# -- files and directories -------------------------------------------------------------------------------


def test_two_directories(tmp_path: Path) -> None:
    """Directories are compared by relative names, outside of git too."""
    old, new = Repo(tmp_path / "old"), Repo(tmp_path / "new")
    for side in (old, new):
        side.write("a.yaml", chat("Say a.", "a"))
        side.write("b.yaml", chat("Say b.", "b"))
    new.write("b.yaml", chat("Say b!", "b"))
    old.write("c.yaml", chat("Say c.", "c"))
    new.write("d.yaml", chat("An entirely other thing.", "c"), test="t::d")
    report = reviewed(Repo(tmp_path), "old/cassettes", "new/cassettes")
    assert (report.old, report.new, report.unchanged) == ("old/cassettes", "new/cassettes", 1)
    assert became(report) == [("b.yaml", "changed"), ("c.yaml", "removed"), ("d.yaml", "added")]


def test_two_files(tmp_path: Path) -> None:
    """Two files are compared whatever they are called; a picture's path is told beside them."""
    repo = Repo(tmp_path)
    repo.write("a.yaml", chat(picture(PICTURE), "a"))
    repo.write("b.yaml", chat(picture(PICTURE + b"1"), "a"))
    report = reviewed(repo, "cassettes/a.yaml", "cassettes/b.yaml")
    (test,) = report.tests
    assert (test.status, test.renamed_from) == ("changed", "cassettes/a.yaml")
    (blob,) = test.interactions[0].request[0].new_blobs
    assert blob.path == f"cassettes/_blobs/{blob.digest[:2]}/{blob.digest}.png"


# -- what is wrong -------------------------------------------------------------------------------------


def failed(*arguments: str, output: pytest.CaptureFixture[str]) -> str:
    """Run the command, which must fail with a message; returns it."""
    assert cli.main(["diff", *arguments]) == 2
    text = output.readouterr().err
    assert text.startswith("f3dx: ")
    assert "\n  fix       " in text
    assert "Traceback" not in text
    return text


def test_what_cannot_be_compared(repo: Repo, capfd: pytest.CaptureFixture[str]) -> None:
    """Each wrong name is told with what is wrong about it, and exit code 2."""
    cases = {
        ("nowhere",): "there is no revision 'nowhere'",
        ("main..nowhere",): "there is no revision 'nowhere'",
        ("--", "nowhere"): "no file of either side is at 'nowhere'",
        ("--", "../x"): "'../x' is outside the repository",
        ("main..HEAD", "main"): "is a range, and 'main' is named beside it",
        ("cassettes", "cassettes/a.yaml"): "a file and a directory are not compared",
        ("cassettes/a.yaml", "--", "cassettes"): "'cassettes/a.yaml' is no revision",
        ("a", "b", "c"): "3 names are given",
    }
    for arguments, message in cases.items():
        assert message in failed(*arguments, output=capfd), arguments
    assert cli.main(["diff", "--format", "none"]) == 2
    assert cli.main(["diff", "--ignore", "$["]) == 2
    assert "f3dx: ignore holds '$['" in capfd.readouterr().err
    repo.git("checkout", "-q", "--orphan", "alone")
    repo.commit("x")
    assert "have no common ancestor" in failed("main...alone", output=capfd)


def test_without_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Outside of a repository revisions cannot be compared, files can."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert "this is no git repository" in failed(output=capfd)
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(text_of(chat(name, "x")), encoding="utf-8")
    assert cli.main(["diff", "a.yaml", "b.yaml"]) == 1


def test_without_git(repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Without git two directories can still be compared."""
    monkeypatch.setenv("PATH", str(repo.path))
    assert "git is not installed" in failed(output=capfd)
    assert cli.main(["diff", "cassettes", "cassettes"]) == 0


def test_git_refuses(repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """What git says for itself is passed on, with the command that it advises."""
    (repo.path / ".git" / "config").write_text("[core\n")
    assert "git refuses" in failed(output=capfd)
    program = repo.path / "git"
    program.write_text(
        "#!/bin/sh\necho 'fatal: dubious ownership' >&2\necho '	git config --add x y' >&2\nexit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{repo.path}:{os.environ['PATH']}")
    assert "fix       git config --add x y" in failed(output=capfd)


def test_a_shallow_clone(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A revision that a shallow clone does not have: the message says how to get it."""
    repo.git("checkout", "-qb", "feature")
    repo.commit("two")
    repo.git("checkout", "-q", "main")
    repo.commit("three")
    repo.git("clone", "-q", "--depth=1", "--no-single-branch", f"file://{repo.path}", str(tmp_path / "s"))
    monkeypatch.chdir(tmp_path / "s")
    text = failed("HEAD~1", output=capfd)
    assert "shallow: it has only the latest commits" in text
    assert "fetch-depth: 0" in text
    assert "fetch-depth: 0" in failed("origin/main...origin/feature", output=capfd)


DAMAGED: dict[str, bytes] = {
    "binary": bytes(range(256)),
    "cut off": text_of(chat("Hi.", "x")).encode()[:300],
    "conflict": b"<<<<<<< HEAD\nformat: f3dx/1\n=======\n>>>>>>> x\n",
    "empty": b"",
    "newer": b"format: f3dx/9\ntest: t\n...\n",
    "of vcrpy": b"interactions:\n- 1\nversion: 1\n",
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_side(repo: Repo, data: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    """A damaged cassette on either side is reported with file and cause beside the rest; exit code 2."""
    (repo.path / "cassettes" / "a.yaml").write_bytes(data)
    repo.write("b.yaml", chat("Say b!", "b"))
    report = reviewed(repo)
    assert became(report) == [("a.yaml", "damaged"), ("b.yaml", "changed")]
    assert "cassettes/a.yaml" in report.tests[0].problems[0]
    repo.commit("two")
    assert became(reviewed(repo, "HEAD", "HEAD~"))[0] == ("a.yaml", "damaged")
    assert cli.main(["diff", "HEAD~"]) == 2
    out, err = capfd.readouterr()
    assert "damaged" in out
    assert "Say b" in out
    assert err == ""


def test_a_damaged_interaction(repo: Repo) -> None:
    """Damage that shows only when an interaction is parsed is reported too."""
    path = repo.path / "cassettes" / "a.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("status: 200 OK", "status: [1"), encoding="utf-8"
    )
    assert became(reviewed(repo)) == [("a.yaml", "damaged")]


def test_a_file_that_goes_while_it_is_read(repo: Repo) -> None:
    """A cassette that vanishes after it was listed is damaged, no traceback."""
    path = repo.write("a.yaml", chat("Say a!", "a"))
    with select([], [], repo.path) as selection:
        path.unlink()
        report = review(selection, Options(), Payloads())
    assert became(report) == [("a.yaml", "damaged")]


def test_an_object_that_the_clone_lacks(repo: Repo) -> None:
    """An object that a partial or damaged clone does not have is reported for its cassette."""
    repo.write("a.yaml", chat("Say a!", "a"))
    repo.commit("two")
    oid = repo.git("rev-parse", "HEAD:cassettes/a.yaml")
    with select(["HEAD~", "HEAD"], [], repo.path) as selection:
        path = repo.path / ".git" / "objects" / oid[:2] / oid[2:]
        path.chmod(0o644)
        path.unlink()
        (test,) = review(selection, Options(), Payloads()).tests
    assert test.status == "damaged"
    assert "git has no content for cassettes/a.yaml" in test.problems[0]


def test_git_fails_midway(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """What git says when a later command fails is passed on."""
    from pytest_f3dx.errors import ReviewError

    with Git(repo.path) as git, pytest.raises(ReviewError, match="git ls-tree fails"):
        git.files("nowhere", [])
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ReviewError, match="git is not installed"):
        git.tracked([])


def test_unreadable_files_in_directories(tmp_path: Path) -> None:
    """A file that cannot be read is told of when its turn comes."""
    for side in ("old", "new"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "a.yaml").symlink_to("nowhere")
    report = reviewed(Repo(tmp_path), "old", "new")
    assert became(report) == [("a.yaml", "damaged")]


def test_small_blobs_are_no_pointers(repo: Repo) -> None:
    """A blob that is shorter than a pointer has its own size."""
    repo.write("p.yaml", chat(picture(PICTURE), "A cat."))
    (path,) = repo.blobs.rglob("*.png")
    path.write_bytes(b"short")
    (test,) = reviewed(repo).tests
    assert test.interactions[0].request[1].new_blobs[0].size_bytes == 5


def test_odd_names(repo: Repo) -> None:
    """Names with blanks, quotes, letters of all kinds and line ends come through."""
    names = ["a b.yaml", 'q"uote.yaml', "übung.yaml", "line\nend.yaml", "-dash.yaml"]
    for name in names:
        repo.write(name, chat(f"Say {name}.", "x"))
    assert sorted(test.cassette for test in reviewed(repo).tests) == sorted(
        f"cassettes/{name}" for name in names
    )
    repo.commit("two")
    assert len(reviewed(repo, "HEAD~", "HEAD").tests) == len(names)
    with Git(repo.path) as git:
        assert (git.read("HEAD:line\nend"), git.size("HEAD:line\nend")) == (None, None)
        assert (git.read("HEAD:cassettes"), git.size("HEAD:cassettes"), git.size("HEAD:none")) == (
            None,
            None,
            None,
        )
        assert git.find_commit("-x") is None
