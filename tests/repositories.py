"""Repositories of git for tests: real ones, which know nothing of the settings of the machine."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from pytest_f3dx import _cassette
from pytest_f3dx._blobs import BlobStore

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_f3dx._model import Cassette

NAME = "cassettes/tests/test_chat/test_greets.yaml"
QUIET = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


class Repository:
    """A repository of git in a directory of its own, with no configuration but its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "A")
        self.git("config", "user.email", "a@example.org")

    def git(self, *words: str, code: int = 0) -> str:
        env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | QUIET
        done = subprocess.run(
            ["git", *words], cwd=self.path, env=env, capture_output=True, text=True, encoding="utf-8"
        )
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def save(self, of: Cassette, name: str = NAME) -> None:
        """Write a cassette and commit all there is."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        blobs = BlobStore(self.path / "cassettes" / "_blobs")
        path.write_text(_cassette.dump(of, blobs), encoding="utf-8")
        blobs.flush()
        self.commit()

    def load(self, name: str = NAME) -> Cassette:
        path = self.path / name
        return _cassette.load(path.read_bytes(), path, BlobStore(self.path / "cassettes" / "_blobs"))

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "more")

    def branch(self, name: str, of: Cassette) -> None:
        """Record a cassette on a branch of its own."""
        self.git("switch", "-q", "-c", name, "main")
        self.save(of)

    def branches(self, base: Cassette, ours: Cassette, theirs: Cassette) -> None:
        """Make a history in which two branches have changed a cassette; ours is checked out."""
        self.save(base)
        self.branch("theirs", theirs)
        self.branch("ours", ours)
