"""What the tests share: a loopback server, and a suite that is run by an inner pytest."""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import re
import shlex
import textwrap
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

import pytest_f3dx
from tests.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What a shell, a CI service or xdist has set changes neither what a client does nor what is printed. Before any import
# of a library: some look at it only then.
_OF_THE_MACHINE = re.compile(
    r"CI|BUILD_NUMBER|LINES|TERM|NO_COLOR|(FORCE|PY)_COLORS?|PYTHONWARNINGS|PYTEST_(ADDOPTS|DISABLE_PLUGIN_AUTOLOAD|THEME.*)"
    r"|(?i:(HTTPS?|ALL|NO|FTP)_PROXY)|F3DX_(?!NEEDS_|TEST_).*"
    r"|(GIT|GITHUB|OPENAI|ANTHROPIC|AWS|GOOGLE|GEMINI|AZURE|LITELLM_(?!LOCAL)|LANGSMITH|LANGCHAIN)_.*"
)
for _name in [name for name in os.environ if _OF_THE_MACHINE.fullmatch(name)]:
    del os.environ[_name]
os.environ["COLUMNS"] = "80"

# An inner pytest in this process forgets the modules it was the first to import. libyaml's C part cannot be
# imported twice (its events are then of classes that yaml does not know), nor should our own state be.
for _module in ("blake3", "deepdiff", "jsonpath", "rfc8785", "yaml", "vcr"):
    importlib.import_module(_module)
# This backport (dask brings it) disables the standard library's finder of distributions and puts one of its own into
# sys.meta_path, which pytester takes out after a test: no entry point would be found from then on.
if importlib.util.find_spec("importlib_metadata"):
    importlib.import_module("importlib_metadata")
# httpx imports these late, and keeps their exception classes in a table that would then be of the forgotten ones.
for _module in ("httpcore", "httpcore2"):
    if importlib.util.find_spec(_module):
        importlib.import_module(_module)
for _found in pkgutil.walk_packages(pytest_f3dx.__path__, "pytest_f3dx."):
    if not _found.name.endswith("__main__"):
        importlib.import_module(_found.name)

# Neither chance nor the load of the machine decides: the same examples each time, however long they take.
settings.register_profile(
    "f3dx", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("f3dx")

LOOP_SCOPE = "asyncio_default_fixture_loop_scope=function"  # unset, pytest-asyncio warns
ASK = """
    import json
    import urllib.request

    import pytest

    URL = {url!r}

    def ask(prompt="hi", path="/echo", **extra):
        data = json.dumps({{"prompt": prompt, **extra}}).encode()
        request = urllib.request.Request(URL + path, data, {{"content-type": "application/json"}})
        with urllib.request.urlopen(request) as response:
            return response.read().decode()
"""


class Suite:
    """A suite of tests that an inner pytest runs against the loopback server.

    Attributes:
        path: Its root directory.
        server: The server its tests talk to.
        has_cache: Whether runs in this process have pytest's cache.
    """

    has_cache = False

    def __init__(self, pytester: pytest.Pytester, server: Server, patch: pytest.MonkeyPatch) -> None:
        self._pytester, self._patch = pytester, patch
        self.path: Path = pytester.path
        self.server = server
        pytester.makeini("[pytest]\n")

    def write(self, body: str, *, name: str = "test_it") -> None:
        """Write a module whose tests call ``ask(prompt)``."""
        head = textwrap.dedent(ASK).format(url=self.server.url)
        (self.path / f"{name}.py").write_text(head + textwrap.dedent(body), encoding="utf-8")

    def run(self, *options: str) -> pytest.RunResult:
        """Run pytest in this process."""
        cache = () if self.has_cache else ("-p", "no:cacheprovider")
        return self._pytester.runpytest_inprocess(
            *cache, "-p", "no:hypothesispytest", "-o", LOOP_SCOPE, *options
        )

    def exit_code(self, *options: str) -> int:
        """Run pytest in this process, with or without a terminal reporter; only the exit code counts."""
        code = self._pytester.inline_run(
            "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-o", LOOP_SCOPE, *options
        ).ret
        assert code is not None
        return int(code)

    def spawn(self, *options: str) -> pytest.RunResult:
        """Run pytest in a process of its own, with our plugin and xdist alone: others take seconds to load."""
        self._patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        plugins = ("-p", "pytest_f3dx.plugin", "-p", "xdist.plugin")
        return self._pytester.runpytest_subprocess(*plugins, "-p", "no:cacheprovider", *options)

    def cassette(self, name: str = "test_it/test_it") -> Path:
        """Return the path of a cassette."""
        return self.path / "cassettes" / f"{name}.yaml"

    def paste_fix(self, result: pytest.RunResult) -> pytest.RunResult:
        """Run the command of the fix line, as a user would paste it."""
        (line,) = {match[1] for line in result.outlines if (match := re.search(r"  fix +(pytest .*)$", line))}
        _, *options = shlex.split(line)
        return self.run(*options)

    def summary(self, result: pytest.RunResult) -> str:
        """Return the summary line of a run."""
        (line,) = [line for line in result.outlines if re.match(r"f3dx: \d+ replayed", line)]
        return line


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve on loopback for one test."""
    with Server() as running:
        yield running


@pytest.fixture
def suite(pytester: pytest.Pytester, server: Server, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """Make an empty suite."""
    return Suite(pytester, server, monkeypatch)
