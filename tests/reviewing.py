"""Cassettes and repositories for tests of reviews."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_f3dx import _cassette
from pytest_f3dx._blobs import BlobStore
from pytest_f3dx._fingerprint import fingerprint_request
from pytest_f3dx._model import Cassette, Interaction, Request, Response

if TYPE_CHECKING:
    from collections.abc import Sequence

URL = "https://api.openai.com/v1/chat/completions"
JSON = (("content-type", "application/json"),)


def body_of(prompt: str | dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the body of a chat request; a whole body is taken as it is."""
    if isinstance(prompt, dict):
        return prompt
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": prompt}], **more}


def answer_of(text: str, *, tokens: tuple[int, int] = (8, 3), **more: Any) -> dict[str, Any]:
    """Return the body of a chat answer."""
    return {
        "id": more.pop("id", "chatcmpl-AAAAAAAA1"),
        "object": "chat.completion",
        "created": more.pop("created", 1),
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, **more},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)},
    }


def interaction(request: Request, *responses: Response) -> Interaction:
    """Key a request."""
    return Interaction(fingerprint_request(request), request, list(responses))


def chat(
    prompt: str | dict[str, Any], answer: str | dict[str, Any], url: str = URL, **more: Any
) -> Interaction:
    """Return an interaction with a chat model."""
    request = Request("POST", url, JSON, json.dumps(body_of(prompt, **more)).encode())
    value = answer_of(answer) if isinstance(answer, str) else answer
    return interaction(
        request, Response(200, "OK", JSON, json.dumps(value).encode(), "2026-01-02T03:04:05Z", 7)
    )


def text_of(
    *interactions: Interaction, test: str = "tests/test_a.py::test_it", blobs: Path | None = None
) -> str:
    """Return the text of a cassette; its blobs are written if a directory is given."""
    store = BlobStore(blobs or Path("nowhere"))
    text = _cassette.dump(Cassette(test, {one.fingerprint: one for one in interactions}), store)
    if blobs:
        store.flush()
    return text


@dataclass
class Repo:
    """A repository whose cassettes change."""

    path: Path

    def git(self, *arguments: str) -> str:
        """Run git."""
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
        env = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=self.path, env=env, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def start(self) -> Repo:
        """Make it."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")
        return self

    def commit(self, message: str = "x") -> str:
        """Commit all there is; returns the id."""
        self.git("add", "-A")
        self.git("commit", "-qm", message, "--allow-empty")
        return self.git("rev-parse", "HEAD")

    @property
    def blobs(self) -> Path:
        """Where its blobs are."""
        return self.path / "cassettes" / "_blobs"

    def write(self, name: str, *interactions: Interaction, test: str = "") -> Path:
        """Write a cassette below ``cassettes``."""
        path = self.path / "cassettes" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        node = test or f"tests/{name.removesuffix('.yaml')}.py::test_it"
        text = text_of(*interactions, test=node, blobs=self.blobs)
        path.write_text(text, encoding="utf-8", newline="\n")
        return path


def many(count: int, *, change: Sequence[int] = ()) -> list[Interaction]:
    """Return interactions about different things, some of them changed."""
    return [
        chat(f"Tell me about animal number {n}{', please' if n in change else ''}.", f"Animal {n}.")
        for n in range(count)
    ]
