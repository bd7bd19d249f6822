"""The example of a GitHub workflow: safe as it is written, and its steps do what they say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.repositories import NAME, QUIET, Repository
from tests.test_merge3 import cassette, said

if TYPE_CHECKING:
    from pytest_f3dx._model import Cassette

FILE = Path(__file__).parent.parent / "examples" / "review-cassettes.yml"
WORKFLOW: dict[str, Any] = yaml.load(FILE.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
JOB = WORKFLOW["jobs"]["review"]
STEPS: list[dict[str, Any]] = JOB["steps"]
GH = """#!/bin/sh
# Stands in for GitHub's command: notes how it is called, and knows the comments of the file `comments`.
echo "$@" >> "$GH_LOG"
case "$*" in
  *--paginate*) cat "$GH_COMMENTS" ;;
  *PATCH*|*POST*) cp body.md "$GH_LOG.body" ;;
esac
"""


class Runner:
    """Runs the shell steps of the workflow as GitHub does, in a clone of the base of a pull request."""

    def __init__(self, folder: Path, base: Cassette, head: Cassette) -> None:
        self.folder = folder
        remote = Repository(folder / "octo" / "repo")
        remote.save(base)
        remote.branch("feature", head)
        remote.git("update-ref", "refs/pull/7/head", "feature")
        self.head = remote.git("rev-parse", "feature").strip()
        remote.git("switch", "-q", "main")
        remote.git("branch", "-D", "feature")
        remote.save(cassette(said("later")), "cassettes/later.yaml")  # main went on since
        self.base = remote.git("rev-parse", "main").strip()
        subprocess.run(
            ["git", "clone", "-q", "--single-branch", remote.path.as_uri(), folder / "work"], check=True
        )
        self.work = folder / "work"
        self.bin = folder / "bin"
        self.bin.mkdir()
        self._tool("gh", GH)
        self._tool("pytest-f3dx", f'#!/bin/sh\nexec "{sys.executable}" -m pytest_f3dx "$@"\n')
        self.log, self.comments, self.output = folder / "gh.log", folder / "comments", folder / "output"
        self.comments.write_text("", encoding="utf-8")

    def _tool(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text, encoding="utf-8")
        (self.bin / name).chmod(0o755)

    def run(self) -> list[int]:
        """Run the steps after installing, the last one whatever came before; returns their exit codes."""
        self.log.write_text("", encoding="utf-8")
        self.output.write_text("", encoding="utf-8")
        return [self._step(step) for step in STEPS if "run" in step and step["name"] != "Install"]

    def _step(self, step: dict[str, Any]) -> int:
        given = {name: self._value(value) for name, value in step.get("env", {}).items()}
        env = {
            "PATH": f"{self.bin}:/usr/local/bin:/usr/bin:/bin",
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_REPOSITORY": "octo/repo",
            "GH_LOG": str(self.log),
            "GH_COMMENTS": str(self.comments),
            "PYTHONDONTWRITEBYTECODE": "1",
            **QUIET,
            **given,
        }
        bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(bash, cwd=self.work, env=env, capture_output=True, text=True, encoding="utf-8")
        print(step["name"], done.stdout, done.stderr)
        return done.returncode

    def _value(self, text: str) -> str:
        """Put in what GitHub would; an expression that is not known here fails the test."""
        known = {
            "github.token": "secret",
            "github.server_url": self.folder.as_uri(),
            "github.repository": "octo/repo",
            "github.event.pull_request.number": "7",
            "github.event.pull_request.base.sha": self.base,
            "github.event.pull_request.head.sha": self.head,
            "steps.compare.outputs.code": "".join(
                re.findall(r"code=(\d)", self.output.read_text(encoding="utf-8"))
            ),
            "steps.upload.outputs.artifact-url": "https://h/artifact",
        }
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: known[found[1]], text)

    def body(self) -> str:
        return Path(f"{self.log}.body").read_text(encoding="utf-8")


def test_nothing_of_a_fork_runs() -> None:
    """No step checks out the head, installs or tests the project; no expression stands in a script."""
    assert list(WORKFLOW["on"]) == ["pull_request_target"]
    assert [step["uses"].partition("@")[0] for step in STEPS if "uses" in step] == [
        "actions/checkout",
        "actions/setup-python",
        "actions/upload-artifact",
    ]
    (checkout,) = [step for step in STEPS if "checkout" in step.get("uses", "")]
    assert checkout["with"] == {"fetch-depth": "0", "persist-credentials": "false"}
    for step in STEPS:
        assert "${{" not in step.get("run", "")
        assert not re.search(
            r"git (checkout|switch|merge|reset|pull|worktree)|pip install (-e )?\.", step.get("run", "")
        )


def test_actions_are_pinned_and_permissions_minimal() -> None:
    """Each action is pinned by its full hash with its version beside it; nothing may be done but to read and comment."""
    uses = re.findall(r"uses: (.*)", FILE.read_text(encoding="utf-8"))
    assert len(uses) == 3
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", one) for one in uses)
    assert WORKFLOW["permissions"] == {}
    assert JOB["permissions"] == {"contents": "read", "pull-requests": "write"}
    assert JOB["defaults"]["run"]["shell"] == "bash"


def test_comment_is_written_once_and_then_changed(tmp_path: Path) -> None:
    """A changed answer is posted; the next run changes that comment; the report is there to be uploaded."""
    runner = Runner(tmp_path, cassette(said("a", "no")), cassette(said("a", "yes")))
    assert runner.run() == [0, 0, 0, 0]
    assert "--method POST repos/octo/repo/issues/7/comments --field body=@body.md" in runner.log.read_text()
    assert runner.body().startswith("<!-- pytest-f3dx: cassettes -->\n\n")
    assert "[The full report](https://h/artifact)" in runner.body()
    assert "later" not in runner.body()
    report = (runner.work / "review" / "report.html").read_text(encoding="utf-8")
    assert "<del>no</del>" in report
    assert "<ins>yes</ins>" in report
    assert not (runner.work / NAME).read_text(encoding="utf-8").count("yes\n")
    runner.comments.write_text("4711\n4712\n", encoding="utf-8")
    assert runner.run() == [0, 0, 0, 0]
    assert (
        "--method PATCH repos/octo/repo/issues/comments/4711 --field body=@body.md" in runner.log.read_text()
    )


def test_nothing_to_say_and_damage(tmp_path: Path) -> None:
    """Where only a time differs nobody is told; a cassette that cannot be read is told, and fails the job."""
    runner = Runner(tmp_path / "same", cassette(said("a")), cassette(said("a", at="2026-01-02T00:00:00Z")))
    remote = Repository(tmp_path / "same" / "octo" / "repo")
    assert runner.run() == [0, 0, 0, 0]
    assert "POST" not in runner.log.read_text()
    remote.git("switch", "-q", "-c", "bad")
    (remote.path / NAME).write_text("format: f3dx/1\n", encoding="utf-8")
    remote.commit()
    remote.git("update-ref", "refs/pull/7/head", "bad")
    runner.head = remote.git("rev-parse", "bad").strip()
    assert runner.run() == [0, 0, 0, 1]
    assert "POST" in runner.log.read_text()
    assert "cut off" in runner.body() or "no field" in runner.body()
