"""Files that mean harm: they cost little, build nothing, reach nothing outside, and never drive a terminal."""

from __future__ import annotations

import base64
import json
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_f3dx import _cassette, _foreign
from pytest_f3dx._blobs import BlobStore
from pytest_f3dx._files import check_inside
from pytest_f3dx._fingerprint import fingerprint_request
from pytest_f3dx._journal import FORMAT
from pytest_f3dx._model import Cassette, Failure, Interaction, Request, Response
from pytest_f3dx._yaml_plain import load as load_plain
from pytest_f3dx.cli import main
from pytest_f3dx.errors import CassetteAccessError, CassetteError, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Suite

PATH = Path("x.yaml")
STORE = BlobStore(Path("nowhere"))
ONE = "    @pytest.mark.f3dx_cache\n    def test_it():\n        ask('hi')\n"

# -- bombs -------------------------------------------------------------------------------------------

LAUGHS = "x:\n- &a0 [x]\n" + "".join(f"- &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40))
VCRPY = (
    "interactions:\n- request: {{method: GET, uri: 'http://h/', headers: {headers}, body: null}}\n"
    "  response: {{status: {{code: {code}, message: OK}}, headers: {{}}, body: {{string: ''}}}}\nversion: {version}\n"
)
BOMBS = {
    "status": LAUGHS + VCRPY.format(headers="{}", code="*a39", version=1),
    "version": LAUGHS + VCRPY.format(headers="{}", code=200, version="*a39"),
    "header": LAUGHS + VCRPY.format(headers="[[*a39, b]]", code=200, version=1),
    "key": LAUGHS + "? *a39\n: b\n",
    "mapping": LAUGHS.replace("[", "{a: ").replace(", *", ", b: *") + "z: *a2\n",
    "many times": f"x: &b '{'y' * 1_000_000}'\ninteractions:\n"
    + "- {request: *b, response: *b}\n" * 60
    + "version: 1\n",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS.keys())
def test_aliases_have_a_budget(text: str) -> None:
    """Two kilobytes that stand for 9**40 values, wherever a message would show one; a body named again and again."""
    with pytest.raises(CassetteError) as caught:
        _foreign.load(text.encode(), PATH)
    assert len(str(caught.value)) < 1000


def test_aliases_that_people_write_are_read() -> None:
    """PyYAML writes them for what is shared."""
    text = "a: &h {accept: [json]}\n" + VCRPY.format(headers="*h", code=200, version=1)
    ((request, _),) = _foreign.load(text.encode(), PATH)
    assert request.headers == (("accept", "json"),)


@pytest.mark.parametrize(
    "number", ["0x" + "F" * 9000, "1" + ":59" * 4000, "9" * 5000, "0b" + "1" * 9000, "-" + "9" * 5000]
)
def test_numbers_of_thousands_of_digits_are_refused(number: str) -> None:
    """Python converts some of them and then refuses to print them."""
    text = (
        f"format: f3dx/1\ntest: t\nkey: jcs-blake3/1\ninteractions:\n  b3:{'0' * 64}:\n    request:\n"
        f"      method: GET\n      uri: http://h/\n    responses:\n    - status: {number}\n...\n"
    )
    with pytest.raises(CassetteError, match="not a number"):
        _cassette.load(text.encode(), PATH, STORE)
    assert load_plain(f"a: {number}\n".encode()) is None


# -- control characters --------------------------------------------------------------------------------

NASTY = "\x1b[31m\x07\x08\x9b2J\u202e\u2066\u200f\u2028evil"
FORBIDDEN = set("\x1b\x07\x08\x9b\u202e\u2066\u200f\u2028")


def nasty_cassette(path: Path) -> None:
    """Write a cassette that has control characters wherever text can be."""
    request = Request("GET", f"http://h/{NASTY}", ((f"accept{NASTY}", NASTY),), NASTY.encode())
    other = Request("POST", f"http://h/2?{NASTY}", (), json.dumps({NASTY: NASTY}).encode())
    answers = [Response(200, NASTY, ((f"x{NASTY}", NASTY),), NASTY.encode(), recorded_at=NASTY)]
    failed = [Response(0, failure=Failure(NASTY, NASTY))]
    keys = [fingerprint_request(request), fingerprint_request(other)]
    interactions = {
        key: Interaction(key, one, responses)
        for key, one, responses in zip(keys, (request, other), (answers, failed), strict=True)
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_cassette.dump(Cassette(NASTY, interactions), STORE), encoding="utf-8")


def test_no_run_prints_a_control_character(suite: Suite) -> None:
    """A miss, unplayed interactions as an error and as a warning, details, tracebacks with locals."""
    nasty_cassette(suite.cassette())
    suite.write(ONE)
    shown = [suite.run("-v", "-l", "--tb=long"), suite.run("--f3dx-record=new_episodes", "-v")]
    suite.write("    @pytest.mark.f3dx_cache\n    def test_it():\n        pass\n")
    shown.append(suite.run("-v"))
    suite.write(ONE.replace("cache", "cache(unplayed='warn')").replace("ask('hi')", "pass"))
    shown.append(suite.run("-v"))
    for result in shown:
        text = f"{result.stdout}{result.stderr}"
        assert "evil" in text or result is shown[1]
        assert FORBIDDEN & set(text) == set()


@pytest.mark.parametrize("verb", ["check", "scan"])
def test_no_command_prints_a_control_character(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    """Of a good cassette, of a damaged one, of a name that is no UTF-8."""
    nasty_cassette(tmp_path / "a.yaml")
    text = (tmp_path / "a.yaml").read_text(encoding="utf-8")
    (tmp_path / "b.yaml").write_text(
        text.replace("method: GET", f'"{NASTY.encode("unicode_escape").decode()}": 1'), encoding="utf-8"
    )
    (tmp_path / "c.yaml").write_text(text.replace("status: 200", "status: 2000"), encoding="utf-8")
    (tmp_path / os.fsdecode(b"d\xff.yaml")).write_text("x: " + "sk-" + "proj-" + "a1B2c3D4e5F6" * 4)
    assert main([verb, str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert FORBIDDEN & set(out + err) == set()
    (out + err).encode()


def test_lone_surrogates_are_printable() -> None:
    """A strict encoding of the terminal would end the command with a traceback."""
    assert printable("a\udcffb\ud800") == "a\\udcffb\\ud800"


# -- outside -----------------------------------------------------------------------------------------


def run_with_link(suite: Suite, link: Path, target: Path, *options: str) -> pytest.RunResult:
    """Record a cassette, put a link in some place, and run again."""
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)
    suite.write(ONE)
    return suite.run(*options)


@pytest.mark.parametrize("mode", ["none", "once", "new_episodes", "all"])
@pytest.mark.parametrize("what", ["file", "directory", "dangling"])
def test_link_out_of_the_tree_is_neither_read_nor_written(
    suite: Suite, tmp_path: Path, mode: str, what: str
) -> None:
    """The cassette, its directory, and a file that is yet to be made; the message names the link."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "test_it.yaml").write_text("precious")
    link = suite.cassette() if what != "directory" else suite.cassette().parent
    target = {"file": outside / "test_it.yaml", "directory": outside, "dangling": outside / "new.yaml"}[what]
    result = run_with_link(suite, link, target, f"--f3dx-record={mode}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*a symbolic link leads out of the cassette directory*", f"*link      *{link.name}"]
    )
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"test_it.yaml": "precious"}
    assert suite.server.requests == []


def test_link_within_the_tree_and_a_linked_tree_are_followed(suite: Suite, tmp_path: Path) -> None:
    """A cassette directory elsewhere, and a file in it that is a link to another one: written through, not over."""
    (tmp_path / "elsewhere").mkdir()
    (suite.path / "cassettes").symlink_to(tmp_path / "elsewhere")
    suite.write(ONE)
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    shared = tmp_path / "elsewhere" / "shared.yaml"
    suite.cassette().rename(shared)
    suite.cassette().symlink_to("../shared.yaml")
    suite.write(ONE.replace("'hi'", "'new'"))
    suite.run("--f3dx-record=all").assert_outcomes(passed=1)
    assert suite.cassette().is_symlink()
    assert "prompt: new" in shared.read_text()
    suite.server.stop()
    suite.run().assert_outcomes(passed=1)


def test_check_inside_stops_at_the_root(tmp_path: Path) -> None:
    """The root may be a link; nothing above it is looked at."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    check_inside(tmp_path / "link" / "a" / "b.yaml", tmp_path / "link")
    (tmp_path / "real" / "up").symlink_to("..")
    with pytest.raises(CassetteAccessError, match="leads out"):
        check_inside(tmp_path / "link" / "up" / "b.yaml", tmp_path / "link")


def test_blobs_outside_are_not_written(suite: Suite, tmp_path: Path) -> None:
    """The directory of blobs is a link: nothing is put there, the exchange stays pending."""
    (tmp_path / "outside").mkdir()
    suite.write(ONE.replace("ask('hi')", "ask('hi', path='/large')"))
    (suite.path / "cassettes").mkdir()
    (suite.path / "cassettes" / "_blobs").symlink_to(tmp_path / "outside")
    result = suite.run("--f3dx-record=once")
    assert result.parseoutcomes().get("errors", 0) + result.parseoutcomes().get("failed", 0) == 1
    result.stdout.fnmatch_lines(["*a symbolic link leads out of the cassette directory*"])
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("place", [".pending", ".pending/folder", ".pending/lock", ".pending/.gitignore"])
def test_links_among_pending_lead_nowhere(suite: Suite, tmp_path: Path, place: str) -> None:
    """Nothing is made, locked, taken over or swept through them."""
    outside = tmp_path / "outside"
    (outside / "folder").mkdir(parents=True)
    (outside / "folder" / "run-old").write_text("precious")
    os.utime(outside / "folder" / "run-old", (0, 0))
    suite.write(ONE.replace("ask('hi')", "ask('hi')\n        assert False"))
    suite.run("--f3dx-record=once")
    pending = suite.path / "cassettes" / ".pending"
    (folder,) = (path for path in pending.iterdir() if path.is_dir())
    link = suite.path / "cassettes" / place.replace("folder", folder.name)
    if link.is_dir():
        link.rename(tmp_path / "moved")
    else:
        link.unlink()
    link.symlink_to(
        outside / "folder" if "folder" in place else outside if place == ".pending" else outside / "new"
    )
    suite.write(ONE.replace("'hi'", "'other'"))
    result = suite.run("--f3dx-record=new_episodes")
    assert "INTERNALERROR" not in str(result.stdout)
    assert {str(path.relative_to(outside)) for path in outside.rglob("*")} == {"folder", "folder/run-old"}


# -- journals ------------------------------------------------------------------------------------------


def journal_of(suite: Suite) -> Path:
    """Leave a pending exchange; returns its journal."""
    suite.write(ONE + "        assert False\n")
    suite.run("--f3dx-record=once")
    suite.write(ONE)
    (path,) = (suite.path / "cassettes" / ".pending").rglob("*.jsonl")
    return path


def rewrite(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the exchange of a journal, with a checksum that fits."""
    head, line, _ = path.read_bytes().split(b"\n")
    fact = json.loads(line.partition(b" ")[2])
    changed = change(fact)
    data = changed if isinstance(changed, bytes) else json.dumps(changed or fact).encode()
    path.write_bytes(b"%s\n%08x %s\n" % (head, zlib.crc32(data), data))


def put(*keys: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    """Say how to put a value somewhere into a fact."""

    def change(fact: dict[str, Any]) -> None:
        place: Any = fact
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return change


CRAFTED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no JSON": lambda _: b"{",
    "a list": lambda _: b"[]",
    "a number": lambda _: b"3",
    "nothing": lambda _: b"{}",
    "deep": lambda _: b"[" * 200_000,
    "no bytes": lambda _: b"\xff",
    "seq": put("seq", value="first"),
    "true seq": put("seq", value=True),
    "fingerprint": put("fingerprint", value="../../etc/passwd"),
    "method": put("request", 0, value="GET /\r\n"),
    "no method": put("request", 0, value=None),
    "address": put("request", 1, value="file:///etc/passwd"),
    "surrogate": put("request", 1, value="http://h/\ud800"),
    "headers": put("request", 2, value=[["a"]]),
    "header": put("request", 2, value=[["a", 3]]),
    "body": put("request", 3, value={"a": 1}),
    "no base64": put("request", 3, value="a"),
    "short": put("response", value=[200]),
    "status": put("response", 0, value="200"),
    "high status": put("response", 0, value=10**9),
    "reason": put("response", 1, value=[]),
    "answer's header": put("response", 2, value=[[None, None]]),
    "time": put("response", 4, value=7),
    "duration": put("response", 5, value=-1),
    "failure": put("failure", value=["only"]),
    "failure's text": put("failure", value=[1, 2]),
}


@pytest.mark.parametrize("change", CRAFTED.values(), ids=CRAFTED.keys())
def test_crafted_journal_is_an_error_with_its_line(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any]
) -> None:
    """Whatever stands in it, checksum right: no traceback, nothing taken over, the file stays."""
    from pathlib import PurePosixPath

    from pytest_f3dx._journal import Exchange, Journal
    from pytest_f3dx.errors import PendingError

    journal = Journal(tmp_path, PurePosixPath("t.yaml"), "run")
    journal.append(Exchange(1, "b3:" + "0" * 64, Request("GET", "http://h/", (("a", "ü"),)), Response(200)))
    journal.release()
    (path,) = tmp_path.rglob("*.jsonl")
    assert json.loads(path.read_bytes().split(b"\n")[0][9:])["format"] == FORMAT
    rewrite(path, change)
    before = path.read_bytes()
    with pytest.raises(PendingError) as caught:
        Journal(tmp_path, PurePosixPath("t.yaml"), "run").adopt()
    assert f"{path}:2" in str(caught.value)
    assert path.read_bytes() == before


def test_crafted_answer_to_another_request_is_refused(suite: Suite) -> None:
    """An exchange whose fingerprint is not that of its request is not replayed: never the wrong answer."""
    path = journal_of(suite)
    rewrite(path, put("request", 3, value=base64.b64encode(b'{"prompt": "other"}').decode()))
    result = suite.run("--f3dx-record=once")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*a pending exchange has the fingerprint of another request*", "*fix       remove the directory*"]
    )
    assert not suite.cassette().exists()


@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_journal_that_is_no_file_is_refused(suite: Suite, tmp_path: Path, kind: str) -> None:
    """A link to somewhere, a FIFO that nobody writes to: an error at once."""
    path = journal_of(suite)
    path.unlink()
    if kind == "link":
        path.symlink_to(tmp_path / "precious")
        (tmp_path / "precious").write_text("precious")
    else:
        os.mkfifo(path)
    result = suite.run("--f3dx-record=once")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*f3dx: *", "*fix *"])
    assert kind != "link" or (tmp_path / "precious").read_text() == "precious"
