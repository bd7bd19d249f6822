"""Kills a recording at every system call of its life, then records again: nothing may be paid for twice.

``python -m tests.killing`` tries every point and prints the figures; tests/test_kill.py tries some.

A child process, forked so that nothing has to be loaded, records a test of a few requests; what it
pays for and what it hands to its test it says through a pipe. The k-th call into the operating system
that changes something is where it dies: before the call, after it, with half of the data written, or
with the disk full from there on.
"""

from __future__ import annotations

import argparse
import errno
import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self
from unittest import mock

from pytest_f3dx import _lock
from pytest_f3dx._blobs import BlobStore
from pytest_f3dx._cassette import load
from pytest_f3dx._config import Config
from pytest_f3dx._journal import tidy
from pytest_f3dx._model import Request, Response
from pytest_f3dx._session import Place, TestRun, new_run_id
from pytest_f3dx.errors import F3dxError, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALLS = ("open", "write", "fsync", "close", "replace", "unlink", "mkdir", "rmdir", "ftruncate", "chmod")
STYLES = ("before", "after", "torn", "full")
_WRITE = os.write  # the pipe does not count
_PLAN = (("a prompt",), ("an image",), ("a prompt",), ("another prompt", "once more"))
_JSON = (("content-type", "application/json"),)


@dataclass
class Figures:
    """What came of all kills."""

    points: int = 0
    paid_twice: int = 0
    half_written: int = 0
    broken: int = 0
    litter: int = 0
    in_flight: int = 0
    why: list[str] = field(default_factory=list)


class Faults:
    """Counts the calls of a process into the operating system, and dies at one of them."""

    def __init__(self, at: int, style: str) -> None:
        self.at, self.style, self.count = at, style, 0

    def wrap(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            if self.style == "full" and self.count >= self.at >= 0 and self._needs_room(name, args):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if self.count != self.at or self.style == "full":
                return original(*args, **kwargs)
            if self.style == "after":
                original(*args, **kwargs)
            elif self.style == "torn" and name == "write":
                original(args[0], bytes(args[1])[: len(args[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
            return None

        return call

    @staticmethod
    def _needs_room(name: str, args: tuple[Any, ...]) -> bool:
        return name in ("write", "fsync", "mkdir") or (name == "open" and bool(args[1] & os.O_CREAT))

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        for name in CALLS:
            self._stack.enter_context(mock.patch.object(os, name, self.wrap(name, getattr(os, name))))
        lock = self.wrap("flock", _lock._lock)
        self._stack.enter_context(mock.patch.object(_lock, "_lock", lock))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _answer(prompt: str) -> Response:
    if "image" in prompt:
        return Response(200, "OK", (("content-type", "image/png"),), b"\x89PNG\r\n\x1a\n" + bytes(3000))
    return Response(200, "OK", _JSON, b'{"content": "%s"}' % prompt.encode())


def record(root: Path, mode: str, version: str, say: Callable[[str], None]) -> dict[str, bytes]:
    """Run one test: ask, pay for what no recording answers, hand the answer over, fold.

    Args:
        root: The root directory of the tests.
        mode: Record mode.
        version: Makes other requests of the same kind.
        say: Told ``paid …`` and ``acknowledged …`` as it happens.

    Returns:
        What each request was answered.
    """
    place = Place(root, root / "cassettes", root, new_run_id(), toml=False)
    run = TestRun(
        place,
        "test_it.py::test_it",
        lambda: Config(record=mode),
        passes=lambda _: False,
        edit=lambda _, response: response,
    )
    found: dict[str, bytes] = {}
    seen: Counter[str] = Counter()
    for prompt in (f"{prompt} {version}" for prompts in _PLAN for prompt in prompts):
        seen[prompt] += 1
        number = f"{prompt} {seen[prompt]}"
        body = b'{"prompt": "%s"}' % prompt.encode()
        ticket = run.ask(Request("POST", "https://h/ask", _JSON, body))
        response = ticket.response
        if response is None:
            say(f"paid {number}")
            response = _answer(number)
            run.answer(ticket, response)
        say(f"acknowledged {number}")
        found[number] = response.body
    unplayed = run.finish(passed=True)
    if unplayed:
        raise unplayed
    tidy(place.cassettes, place.run)
    return found


def _child(root: Path, mode: str, version: str, faults: Faults, pipe: int) -> NoReturn:
    def say(text: str) -> None:
        _WRITE(pipe, text.encode() + b"\n")

    code = 0
    try:
        with faults:
            record(root, mode, version, say)
    except (F3dxError, Refusal) as error:
        say(f"refused {str(error).splitlines()[0]}")
    except BaseException as error:  # the parent tells
        say(f"broken {error!r}")
        code = 3
    say(f"calls {faults.count}")
    os._exit(code)


def die(root: Path, mode: str, version: str, at: int, style: str) -> list[str]:
    """Record in a child that dies at a call; returns what it said."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _child(root, mode, version, Faults(at, style), writer)
    os.close(writer)
    with os.fdopen(reader) as said:
        lines = said.read().splitlines()
    os.waitpid(child, 0)
    return lines


def _prepared(root: Path, mode: str) -> None:
    """Begin with a cassette of an older version of the test, unless the mode makes a new one."""
    if mode != "once":
        record(root, "once", "v1", lambda _: None)


def _check(root: Path, mode: str, lines: list[str], figures: Figures, where: str) -> None:
    path = root / "cassettes/test_it/test_it.yaml"
    try:
        if path.exists():
            load(path.read_bytes(), path, BlobStore(root / "cassettes/_blobs"))
    except F3dxError as error:
        figures.half_written += 1
        figures.why.append(f"{where}: {error}")
    figures.litter += sum(1 for _ in (root / "cassettes").rglob("*.tmp"))
    acknowledged = {line.partition(" ")[2] for line in lines if line.startswith("acknowledged ")}
    paid = [line.partition(" ")[2] for line in lines if line.startswith("paid ")]
    again: list[str] = []
    try:
        resumed = record(
            root,
            "once" if mode == "once" else "new_episodes",
            "v2",
            lambda text: again.append(text.partition(" ")[2]) if text.startswith("paid ") else None,
        )
        replayed = record(root, "none", "v2", lambda _: None)
        if replayed != resumed:
            raise AssertionError(f"{replayed} is not {resumed}")
        if any(line.startswith("broken ") for line in lines):
            raise AssertionError(lines[-2])
    except (F3dxError, Refusal, AssertionError, OSError) as error:
        figures.broken += 1
        figures.why.append(f"{where}: {error!r}")
    twice = acknowledged.intersection(again)
    figures.paid_twice += len(twice)
    figures.in_flight += len(set(paid).intersection(again) - acknowledged)
    if twice:
        figures.why.append(f"{where}: paid twice {sorted(twice)}")


def points(every: int = 1) -> Iterator[tuple[str, str, int]]:
    """Yield (mode, style, call) of the points to die at.

    Args:
        every: Take one of so many.
    """
    at = 0
    for mode in ("once", "new_episodes", "all"):
        with tempfile.TemporaryDirectory() as folder:
            _prepared(Path(folder), mode)
            said = die(Path(folder), mode, "v2", -1, "before")
        total = int(next(line for line in said if line.startswith("calls ")).split()[1])
        for style in STYLES:
            for call in range(1, total + 1):
                at += 1
                if at % every == 0:
                    yield mode, style, call


def kill(every: int = 1) -> Figures:
    """Die at the points, record again, and count."""
    figures = Figures()
    for mode, style, call in points(every):
        root = Path(tempfile.mkdtemp(prefix="f3dx-kill-"))
        try:
            _prepared(root, mode)
            lines = die(root, mode, "v2", call, style)
            figures.points += 1
            _check(root, mode, lines, figures, f"{mode}, {style} call {call}")
        finally:
            shutil.rmtree(root)
    return figures


def main() -> int:
    """Print the figures of all points, or of one in so many."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="one point in N (default: all)")
    figures = kill(parser.parse_args().every)
    print(
        f"{figures.points} kill points: {figures.paid_twice} acknowledged calls paid twice, "
        f"{figures.half_written} half-written cassettes, {figures.broken} runs that could not go on; "
        f"{figures.in_flight} calls asked again that were in flight, {figures.litter} temporary files left"
    )
    print("\n".join(figures.why[:20]))
    return int(bool(figures.paid_twice or figures.half_written or figures.broken))


if __name__ == "__main__":
    sys.exit(main())
