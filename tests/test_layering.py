"""What each module may load: importing the plugin is paid for by every run that has it installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_f3dx

PACKAGE = Path(pytest_f3dx.__file__).parent  # the installed one, in a checkout or of a wheel
HEAVY = {
    "vcr",
    "yaml",
    "deepdiff",
    "blake3",
    "rfc8785",
    "jsonpath",
    "httpx",
    "httpx2",
    "aiohttp",
    "requests",
    "urllib3",
}
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if path.stem not in ("__main__", "__init__")
)


def loaded(statement: str) -> set[str]:
    """Run a statement in a fresh interpreter and return the modules it has loaded."""
    code = f"import sys, json\nbefore = set(sys.modules)\n{statement}\nprint(json.dumps(sorted(set(sys.modules) - before)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    return set(json.loads(done.stdout))


def test_plugin_loads_only_pytest_and_settings() -> None:
    """The plugin entry loads the standard library, pytest and `_settings`, nothing else."""
    modules = loaded("import pytest; before = set(sys.modules)\nimport pytest_f3dx.plugin")
    ours = {name for name in modules if name.startswith("pytest_f3dx")}
    assert ours == {"pytest_f3dx", "pytest_f3dx._settings", "pytest_f3dx.plugin"}
    assert {name.partition(".")[0] for name in modules} - sys.stdlib_module_names == {"pytest_f3dx"}


def test_package_is_light_until_a_name_is_used() -> None:
    """Importing the package loads nothing; its names load on first use."""
    assert {name for name in loaded("import pytest_f3dx") if name.startswith("pytest_f3dx")} == {
        "pytest_f3dx"
    }
    assert "pytest_f3dx._fingerprint" in loaded("import pytest_f3dx; pytest_f3dx.fingerprint")


def test_run_without_a_marked_test_loads_nothing_heavy(tmp_path: Path) -> None:
    """A whole run of an unmarked suite with the plugin installed imports none of its libraries."""
    (tmp_path / "test_a.py").write_text("def test_a():\n    pass\n", encoding="utf-8")
    modules = loaded(
        f"import pytest, os, io, contextlib\nos.chdir({str(tmp_path)!r})\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    os.environ['PYTEST_DISABLE_PLUGIN_AUTOLOAD'] = '1'  # other plugins load what they like\n"
        "    assert pytest.main(['-q', '-p', 'no:cacheprovider', '-p', 'pytest_f3dx.plugin']) == 0"
    )
    assert "pytest_f3dx.plugin" in modules
    assert not {name.partition(".")[0] for name in modules} & HEAVY
    entry = {"pytest_f3dx", "pytest_f3dx._settings", "pytest_f3dx.hooks", "pytest_f3dx.plugin"}
    assert {name for name in modules if name.startswith("pytest_f3dx")} == entry


FORKING = """
import importlib, json, os, sys
for name in sys.argv[1:]:
    if os.fork() == 0:
        importlib.import_module(name)
        print(json.dumps([name, sorted(sys.modules)]), flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def by_module() -> dict[str, set[str]]:
    """Import each module alone, each in a fork of a fresh interpreter; returns all that it loaded."""
    command = [sys.executable, "-c", FORKING, *MODULES]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    found = {name: set(modules) for name, modules in map(json.loads, done.stdout.splitlines())}
    assert sorted(found) == MODULES
    return found


@pytest.mark.parametrize("module", MODULES)
def test_only_one_side_loads_vcrpy_and_only_the_other_pytest(
    module: str, by_module: dict[str, set[str]]
) -> None:
    """Vcr is loaded by `_vcr` alone, pytest by the plugin and its hooks alone; each module loads by itself."""
    roots = {name.partition(".")[0] for name in by_module[module]}
    assert "vcr" not in roots or module == "pytest_f3dx._vcr"
    is_plugin = module in ("pytest_f3dx.plugin", "pytest_f3dx.hooks") or "._plugin." in module
    assert "pytest" not in roots or is_plugin
    assert not roots & {"deepdiff", "jsonpath"} or module == "pytest_f3dx._vcr"


@pytest.mark.parametrize("module", ["errors", "_model", "_routing", "_redaction", "_fingerprint", "_content"])
def test_arrows_point_one_way(module: str, by_module: dict[str, set[str]]) -> None:
    """The pure modules load no module above them."""
    ours = {
        name.removeprefix("pytest_f3dx.") for name in by_module[f"pytest_f3dx.{module}"] if "f3dx." in name
    }
    assert not ours & {
        "_cassette",
        "_store",
        "_recorder",
        "_journal",
        "_vcr",
        "_session",
        "plugin",
        "cli",
        "_ledger",
    }
