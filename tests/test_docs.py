"""The README and the docs tell the truth: what they show is run, or compared with what happens."""

from __future__ import annotations

import ast
import difflib
import functools
import gzip
import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from pytest_f3dx import _cassette, _config, _settings, cli
from pytest_f3dx._audit import Auditor
from pytest_f3dx._blobs import BlobStore
from pytest_f3dx._fingerprint import fingerprint_request
from pytest_f3dx._gate import Gate
from pytest_f3dx._model import Request, Response
from pytest_f3dx.errors import SecretError
from tests.conftest import Suite
from tests.server import Answer, Seen, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "examples" / "README.md",
]
README, REVIEWING = "README.md", "docs/reviewing.md"
TEST_FILE = "test_chat.py"  # where README's messages say that its test stands
FIRST_SCREEN = 40
ROWS = 6  # of the bundle that the page about traces names
PAYLOAD = bytes(range(256)) * 8  # what the example of docs/format.md has in a blob
_BLOCK = re.compile(r"(?:^<!-- command: (\w+) -->\n)?^```(.*)\n((?s:.*?))^```$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: the page, its first and last line, its language, and its marker if it has one."""

    page: str
    first: int
    last: int
    language: str
    text: str
    marker: str | None

    def __str__(self) -> str:
        return f"{self.page}:{self.first}:{self.language}"


def blocks_of(page: Path) -> list[Block]:
    """Find the blocks of a page; a fence that is not one half of a pair is an error of the page."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        first, last = (text.count("\n", 0, at) + 1 for at in (match.start(2), match.end()))
        name = page.relative_to(ROOT).as_posix()
        found.append(Block(name, first, last, match[2], match[3], match[1]))
    assert len(re.findall(r"^\s*(?:```|~~~)", text, re.MULTILINE)) == 2 * len(found), page
    return found


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def the(page: str, language: str, marker: str | None = None) -> Block:
    """Return the one block of a page that has this language and marker."""
    (block,) = [b for b in BLOCKS if (b.page, b.language, b.marker) == (page, language, marker)]
    return block


# -- the stage: README's test, and a model that answers what README says it does -----------------------


def hunks() -> list[list[str]]:
    """Return the hunks of the diff in docs/reviewing.md, each a list of lines."""
    return [part.splitlines() for part in the(REVIEWING, "diff").text.split("@@\n")]


def changed(sign: str) -> list[str]:
    """Return the contents on the lines that this diff takes away or adds: prompt, answer."""
    lines = (line[1:].strip() for hunk in hunks() for line in hunk if line.startswith(sign))
    return [yaml.safe_load(line)["content"] for line in lines]


class Model(Server):
    """Gives README's answers to README's prompts, and says hello to every other."""

    def answer(self, seen: Seen) -> Answer:
        answer = super().answer(seen)
        if seen.path != "/v1/chat/completions":
            return answer
        said, prompt = json.loads(answer.body), seen.json()["messages"][-1]["content"]
        said["choices"][0]["message"]["content"] = dict([changed("-"), changed("+")]).get(prompt, "Hello.")
        return replace(answer, body=json.dumps(said).encode())


@dataclass
class Stage:
    """A suite whose openai clients talk to the model."""

    suite: Suite
    patch: pytest.MonkeyPatch
    output: pytest.CaptureFixture[str]

    def write(self, name: str, text: str) -> Path:
        path = self.suite.path / name
        path.write_text(text, encoding="utf-8")
        return path

    def run(self, *options: str, passed: int = 1) -> pytest.RunResult:
        result = self.suite.run(*options)
        result.assert_outcomes(passed=passed)
        return result

    def record_readme(self) -> Path:
        """Record README's test; returns its file."""
        file = self.write(TEST_FILE, the(README, "python").text)
        self.run("--f3dx-record=once")
        return file

    def change_prompt(self, file: Path) -> pytest.RunResult:
        """Change the prompt as README's diff does; returns the run that misses it."""
        (old, _), (new, _) = changed("-"), changed("+")
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1
        file.write_text(text.replace(old, new), encoding="utf-8")
        result = self.suite.run("--tb=short")
        result.assert_outcomes(failed=1)
        return result


@pytest.fixture(scope="module", autouse=True)
def _openai_is_loaded() -> None:
    """Load openai once: what an inner run is the first to import it forgets, and a second costs."""
    importlib.import_module("openai")


@pytest.fixture
def stage(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Stage]:
    """Set the stage."""
    with Model() as model:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{model.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "x")
        yield Stage(Suite(pytester, model, monkeypatch), monkeypatch, capfd)


# -- a check for each kind of block ------------------------------------------------------------------


def set_bundles(stage: Stage) -> None:
    """Put the bundles there that the pages about traces name."""
    traces = ROOT / "tests" / "data" / "traces"
    for suffix in ("jsonl", "parquet"):
        shutil.copy(traces / f"captured.{suffix}", stage.suite.path / f"traces.{suffix}")
    packed = gzip.compress((traces / "captured.jsonl").read_bytes())
    (stage.suite.path / "traces.jsonl.gz").write_bytes(packed)


def check_python(block: Block, stage: Stage) -> None:
    """Run it: as a test module that is recorded and replayed, as a conftest.py, or as a script."""
    if "traces.jsonl" in block.text:
        set_bundles(stage)
    if "def f3dx_config" in block.text or "def pytest_f3dx_" in block.text:
        check_conftest(block, stage)
    elif "def test_" in block.text:
        check_tests(block, stage)
    else:
        exec(compile(block.text, str(block), "exec"), {"__name__": "__main__"})


def check_tests(block: Block, stage: Stage) -> None:
    count = block.text.count("def test_")
    if "f3dx_trace(" in block.text:
        count *= ROWS
    stage.write(TEST_FILE, block.text)
    stage.run("--f3dx-record=once", passed=count)
    asked = stage.suite.server.count
    assert asked == block.text.count(".create(")
    stage.suite.server.stop()
    again = stage.run("-W", "error", passed=count)
    if asked:
        assert stage.suite.summary(again).startswith(f"f3dx: {asked} replayed, 0 recorded")


def check_conftest(block: Block, stage: Stage) -> None:
    hooks = set(re.findall(r"def (pytest_f3dx_\w+)", block.text))
    assert hooks <= set(dir(importlib.import_module("pytest_f3dx.hooks")))
    stage.write("conftest.py", block.text)
    stage.suite.write("    @pytest.mark.f3dx_cache\n    def test_it():\n        ask()\n")
    stage.run("--f3dx-record=once")
    header = stage.suite.cassette().read_text(encoding="utf-8").partition("interactions:")[0]
    assert ("x-tenant" in header) == ("x-tenant" in block.text)
    stage.suite.server.stop()
    stage.run()


def check_yaml(block: Block, stage: Stage) -> None:
    """Load the cassette, save it again, and make its fingerprints anew; know the hooks of pre-commit."""
    if block.text.startswith("repos:"):
        (repository,) = yaml.safe_load(block.text)["repos"]
        defined = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
        assert {hook["id"] for hook in repository["hooks"]} <= {hook["id"] for hook in defined}
        return
    blobs = BlobStore(stage.suite.path)
    blobs.put(PAYLOAD, "png")
    cassette = _cassette.load(block.text.encode(), Path(block.page), blobs)
    assert _cassette.dump(cassette, blobs) == block.text
    loosening: dict[str, Any] = {
        name: getattr(cassette, name) for name in ("ignore", "replace", "match_headers")
    }
    for key, each in cassette.interactions.items():
        assert fingerprint_request(each.request, **loosening) == key


def check_ini(block: Block, stage: Stage) -> None:
    """Record under these settings, then replay what differs only in what they leave out."""
    name = {"ini": "pytest.ini", "toml": "pyproject.toml"}[block.language]
    (stage.suite.path / "tox.ini").unlink()  # pytester's, which pytest would warn about
    stage.write(name, block.text)
    body = """
    @pytest.mark.f3dx_cache
    def test_it():
        ask("today is {0}", metadata={{"request_id": {1}}})
    """
    stage.suite.write(body.format("2026-01-02", 1))
    result = stage.run("--f3dx-record=once", "--strict-config")
    result.stdout.fnmatch_lines([f"configfile: {name}"])
    stage.suite.write(body.format("2027-11-12", 2))
    assert stage.suite.summary(stage.run()).startswith("f3dx: 1 replayed")


def check_diff(_block: Block, stage: Stage) -> None:
    """The diff is what recording the changed prompt does to README's cassette, less ids and times."""
    file = stage.record_readme()
    cassette = stage.suite.cassette("test_chat/test_greets")
    before = cassette.read_text(encoding="utf-8").splitlines()
    stage.suite.paste_fix(stage.change_prompt(file)).assert_outcomes(passed=1)
    after = cassette.read_text(encoding="utf-8").splitlines()
    rest = list(difflib.unified_diff(before, after, lineterm="", n=len(before)))[3:]
    for hunk in hunks():
        at = next((i for i in range(len(rest)) if rest[i : i + len(hunk)] == hunk), None)
        assert at is not None, "\n".join(["not so in the diff:", *hunk, "---", *rest])
        assert not [line for line in rest[:at] if is_worth_showing(line)]
        rest = rest[at + len(hunk) :]
    assert not [line for line in rest if is_worth_showing(line)]


def is_worth_showing(line: str) -> bool:
    """Whether a line of a diff is changed, and is no id and no time."""
    return bool(re.match(r"[-+](?! +(?:b3:[0-9a-f]{64}|recorded|id|created):)", line))


def check_review(block: Block, stage: Stage) -> None:
    """Compare what `diff`, `show` or `textconv` is said to print with what it prints; prices may change."""
    file = stage.record_readme()
    stage.patch.chdir(stage.suite.path)
    stage.patch.setenv("COLUMNS", "100")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    for words in (["init", "-qb", "main"], ["add", "cassettes"], [*identity, "commit", "-qm", "x"]):
        subprocess.run(["git", *words], check=True)
    stage.suite.paste_fix(stage.change_prompt(file)).assert_outcomes(passed=1)
    stage.output.readouterr()
    command, _, text = block.text.partition("\n")
    assert cli.main(shlex.split(command)[2:]) == (1 if " diff " in command else 0)
    said = stage.output.readouterr().out.replace(stage.suite.server.url, "https://api.openai.com")
    assert readable(said) == readable(text)


def readable(text: str) -> str:
    """Leave out what changes with every run."""
    return re.sub(r"\$[0-9.]+", "$…", re.sub(r"b3:[0-9a-f]+…", "b3:…", re.sub(r"\d+ ms", "… ms", text)))


def check_text(block: Block, stage: Stage) -> None:
    """Compare README's message with the real one; look into the commands of the examples' page."""
    if block.text.startswith("$ pytest-f3dx"):
        check_review(block, stage)
    elif block.page == README:
        file = stage.record_readme()
        lines = iter(stage.change_prompt(file).outlines)
        first = next(line for line in lines if "CassetteMiss: " in line).partition("CassetteMiss: ")[2]
        found = [first, *(line[4:] for line in lines if line.startswith("E  "))]
        text = re.sub(r"b3:[0-9a-f]+…", "b3:…", "\n".join(found))
        assert text.replace(stage.suite.server.url, "https://api.openai.com") == block.text.rstrip("\n")
    elif "[secret-found]" in block.text:
        check_gate(block)
    else:
        assert block.page == "examples/README.md", f"{block}: what is this text?"
        check_recipe(block)


def check_gate(block: Block) -> None:
    """Let a key of the kind that is shown pass the gate."""
    answer = {"user": {"note": "gh" + "p_" + "a1B2c3D4e5F6" * 3}}
    with pytest.raises(SecretError) as caught:
        Gate(Auditor()).response(
            Request("POST", "https://api.example.com/v1/chat"),
            Response(200, body=json.dumps(answer).encode()),
        )
    assert str(caught.value) == block.text.rstrip("\n")


def check_recipe(block: Block) -> None:
    """The servers of the recipe are those that the cassettes were recorded from; its files are there."""
    text = (ROOT / "cassettes" / "examples").rglob("*.yaml")
    recorded = {
        port for file in text for port in re.findall(r"uri: http://127\.0\.0\.1:(\d+)/", file.read_text())
    }
    assert recorded == set(re.findall(r"(?:--port|gateway\.py) (\d+)", block.text))
    for command in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(command)
        assert words[0] in ("pip", "python"), command
        assert all((ROOT / word).exists() for word in words if word.startswith("examples"))
    assert " -m pytest examples --f3dx-record=all" in block.text


def check_console(block: Block, stage: Stage) -> None:
    lines = block.text.splitlines()
    assert all(line.startswith("$ ") for line in lines), "show commands, each after a $"
    if block.marker:
        check_marked(block, lines, stage)
        return
    if block.page == "CONTRIBUTING.md":
        assert [plain(line[2:]) for line in lines] == [plain(one) for one in commands_of("test")]
        return
    if block.page == README:
        stage.write(TEST_FILE, the(README, "python").text)
    for line in lines:
        run_command(line[2:], stage)


def check_marked(block: Block, lines: list[str], stage: Stage) -> None:
    """Run what a marked command does after installing; .ci/run runs all of it."""
    assert block.page == README
    assert len(lines) == 1
    if block.marker == "main":
        venv, pip, *rest = commands_of("main")
        assert venv == commands_of("test")[0]
        assert set(shlex.split(pip)[3:]) == third_party_of_examples() | {"."}
        for command in rest:
            run_command(command.removeprefix(".venv/bin/"), stage)


def commands_of(marker: str) -> list[str]:
    """Return the parts of a marked command of README."""
    return the(README, "console", marker).text.strip().removeprefix("$ ").split(" && ")


def plain(command: str) -> str:
    """Leave out what makes a command quiet or counts coverage."""
    return command.replace(" -q", "").replace(" -W error -m coverage run", "").replace(" -n 2", "")


def third_party_of_examples() -> set[str]:
    """Return what the examples import beside pytest and the standard library."""
    found: set[str] = set()
    for file in (ROOT / "examples").glob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(str(node.module).partition(".")[0])
    return found - sys.stdlib_module_names - {"pytest", "pytest_f3dx"}


def run_command(command: str, stage: Stage) -> None:
    """Run a command as it stands; what it does not record it replays without a server."""
    program, *options = shlex.split(command, comments=True)
    if program == "pytest":
        if not any(option.startswith("--f3dx-record") for option in options):
            stage.suite.server.stop()
        stage.run(*options)
        for written in re.findall(r"# .*\bwrites (\S+)", command):
            assert (stage.suite.path / written).is_file()
    elif program == "pytest-f3dx":
        stage.patch.chdir(ROOT)
        stage.output.readouterr()
        assert cli.main(options) == 0, stage.output.readouterr()
    else:
        assert program == "python", f"what is {command!r}?"
        assert [option for option in options if option != "-q"] == ["-m", "pytest", "examples"]
        run_examples()


@functools.cache
def run_examples() -> None:
    """Run the examples in a process of their own: README and their own page show the same command."""
    plugins = "-p no:cacheprovider -p pytest_f3dx.plugin"  # others take seconds to load
    env = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": plugins}
    command = [sys.executable, "-m", "pytest", "-q", "examples"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^f3dx: [1-9]\d* replayed, 0 recorded, 0 live, 0 missed", done.stdout, re.MULTILINE)


CHECKS: dict[str, Callable[[Block, Stage], None]] = {
    "python": check_python,
    "yaml": check_yaml,
    "ini": check_ini,
    "toml": check_ini,
    "diff": check_diff,
    "text": check_text,
    "console": check_console,
}


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_block_does_what_it_says(block: Block, stage: Stage) -> None:
    """Every fenced block is run or compared with what happens; one of an unknown kind fails."""
    assert block.language in CHECKS, f"{block}: no check for this language"
    CHECKS[block.language](block, stage)


# -- what stands beside the blocks -------------------------------------------------------------------


def test_first_screen_shows_the_job() -> None:
    """The first 40 lines of README hold the sentence, a test, the commands and the review."""
    lines = (ROOT / README).read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# pytest-f3dx"
    sentence = lines[2]
    assert sentence.endswith(".")
    assert sentence.count(".") == 1
    shown = [block for block in BLOCKS if block.page == README and block.last <= FIRST_SCREEN]
    assert [block.language for block in shown] == ["python", "console", "text"]
    assert "def test_" in shown[0].text
    assert [shlex.split(line, comments=True)[1:] for line in shown[1].text.splitlines()] == [
        ["pytest", "--f3dx-record=once"],
        ["pytest"],
    ]


@pytest.mark.parametrize("marker", ["main", "test"])
def test_ci_runs_the_marked_commands(marker: str) -> None:
    """What .ci/run takes out of README is the one line that stands there, and it runs it."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (pipeline,) = re.findall(r"^  command=\$\((sed .+)\)$", script, re.MULTILINE)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", pipeline, "run", marker],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    (command,) = done.stdout.splitlines()
    assert command.split(" && ") == commands_of(marker)
    assert command.count(".venv") == command.count(".venv/bin/") + 1
    assert re.search(rf"^readme {marker}$", script, re.MULTILINE)


def settings_table() -> dict[str, list[str]]:
    """Return the rows of docs/settings.md by setting: default, values, where."""
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", text, re.MULTILINE)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}


def test_every_option_of_help_is_documented(stage: Stage) -> None:
    """`pytest --help` names the flags and ini keys of the table, and the table names those of the help."""
    text = stage.suite.run("--help").stdout.str()
    shown = set(re.findall(r"^ +(--f3dx-[\w-]+|f3dx_\w+)", text, re.MULTILINE))
    told = set()
    for name, (_, _, where) in settings_table().items():
        told |= set(re.findall(r"--[\w-]+", where))
        if "ini" in where.split(", "):
            told.add(name if name.startswith("f3dx_") else f"f3dx_{name}")
    assert shown == told
    assert shown


@pytest.mark.parametrize("setting", _settings.SETTINGS, ids=lambda setting: setting.name)
def test_table_says_where_a_setting_may_stand(setting: _settings.Setting) -> None:
    """Default and places of a setting are as in the table."""
    default, _, where = settings_table()[setting.name]
    places = {
        "`" + setting.flag + "`": setting.flag,
        "marker": setting.marker,
        "fixture": True,
        "ini": setting.ini,
    }
    assert where.split(", ") == [place for place, is_there in places.items() if is_there]
    assert default.strip("`") == str(getattr(_config.Config(), setting.name) or "")


def test_table_lists_the_accepted_values() -> None:
    """The values of a choice are those that are accepted."""
    table = settings_table()
    choices = {
        "record": _settings.RECORD_MODES,
        "repeats": _settings.REPEATS,
        "unplayed": _settings.UNPLAYED,
        "on_drift": _settings.ON_DRIFT,
    }
    for name, values in choices.items():
        assert table[name][1] == ", ".join(f"`{value}`" for value in values)


def test_verbs_are_documented(capsys: pytest.CaptureFixture[str]) -> None:
    """Each verb of `pytest-f3dx --help` is named in a page, and no page names another."""
    assert cli.main(["--help"]) == 0
    verbs = set(re.findall(r"^    (\w[\w-]*)", capsys.readouterr().out, re.MULTILINE))
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert set(re.findall(r"`pytest-f3dx (\w[\w-]*)[^\n`]*`", text)) == verbs
    assert "check" in verbs


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "bench" / "README.md"], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link leads to a file that is there, and to a heading if it names one."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        assert path.is_file(), target
        headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8", "replace"), re.MULTILINE)  # or a picture
        assert not anchor or anchor in {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}


def test_pictures_are_small_and_shown() -> None:
    """Each picture of the docs is a PNG of less than 200 KB that a page shows."""
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    pictures = list((ROOT / "docs" / "img").iterdir())
    assert pictures
    for picture in pictures:
        assert f"](img/{picture.name})" in text
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert picture.stat().st_size < 200_000


def test_no_page_names_a_machine() -> None:
    """No page has an absolute path of the machine it was written on."""
    for page in PAGES:
        assert not re.search(
            r"(?<![\w.:/-])/(?:home|work|opt|root|tmp|Users)/", page.read_text(encoding="utf-8")
        ), page
