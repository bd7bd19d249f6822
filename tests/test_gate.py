"""The last gate: a secret that is left fails the test, is written nowhere and is shown nowhere."""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING

import pytest
import vcr.request

from pytest_f3dx._audit import Auditor, mask
from pytest_f3dx._blobs import BlobStore
from pytest_f3dx._cassette import dump
from pytest_f3dx._fingerprint import fingerprint_request
from pytest_f3dx._gate import Gate
from pytest_f3dx._model import Cassette, Failure, Interaction, Request, Response
from pytest_f3dx._redaction import Redactor
from pytest_f3dx._redaction_shapes import Find
from pytest_f3dx.cli import main
from pytest_f3dx.errors import SecretError
from tests.planted import ENVIRON, environ_value, places
from tests.test_planted import leaks, written

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Suite

URL = "https://api.example.com/v1/chat"
JSON = (("content-type", "application/json"),)
KEY = "sk-" + "proj-" + "a1B2c3D4e5F6" * 4
SHOWN = "sk-… (56 characters)"
FIX = "redact it by f3dx_redact"


def found(body: bytes | str, headers: tuple[tuple[str, str], ...] = JSON) -> list[str]:
    """Return what an auditor says of the body of an answer."""
    raw = body.encode() if isinstance(body, str) else body
    return [
        f"{leak.kind} in {leak.where}" for leak in Auditor().answer(Response(200, "OK", headers, raw), "GET")
    ]


ASKS = "    @pytest.mark.f3dx_cache{args}\n    def test_it():\n        ask('hi')\n        ask('{second}')\n"


def plant_by_hook(suite: Suite, planted: str) -> None:
    """Make the hook put something into every answer."""
    (suite.path / "conftest.py").write_text(
        "import dataclasses\n\ndef pytest_f3dx_edit_response(request, response, item):\n"
        f'    return dataclasses.replace(response, body=response.body[:1] + b\'"x": "{planted}", \' + response.body[1:])\n',
        encoding="utf-8",
    )


def test_secret_that_a_hook_puts_back_is_not_written(suite: Suite) -> None:
    """The request fails and the test with it; no byte of it is on the disk; the message masks it and names the place."""
    plant_by_hook(suite, KEY)
    suite.write(ASKS.format(args="", second="ho"))
    result = suite.run("--f3dx-record=once")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*a secret stands in what is about to be written, so nothing was written *secret-found]",
            "*request   POST http://127.0.0.1:*/echo",
            f"*found     openai-key in response body, at $.x: {SHOWN}",
            "*pending   the answer was paid for and is not kept: a new recording asks again",
            f"*fix       {FIX}*",
            "*or        if it is no secret, allow it by f3dx_allow*",
        ]
    )
    assert KEY not in str(result.stdout)
    assert not suite.cassette().exists()
    assert KEY[5:] not in written(suite.path / "cassettes")
    assert base64.b64encode(KEY[5:].encode()).decode()[4:-4] not in written(suite.path / "cassettes")


@pytest.mark.parametrize("how", ["ini value", "ini regex", "marker", "fixture"])
def test_what_is_allowed_is_written(suite: Suite, how: str) -> None:
    """By the value itself or a regex of it, in each place where a setting can stand."""
    key = "sk-" + "proj-demo-demo-demo-demo-0"
    plant_by_hook(suite, key)
    conftest = suite.path / "conftest.py"
    args = ""
    if how.startswith("ini"):
        (suite.path / "tox.ini").write_text(
            f"[pytest]\nf3dx_allow =\n    {key if how == 'ini value' else 'sk-proj-(demo-)+0'}\n"
        )
    elif how == "marker":
        args = f"(allow=[{key!r}])"
    else:
        fixture = (
            f"\nimport pytest\n\n@pytest.fixture\ndef f3dx_config():\n    return {{'allow': [{key!r}]}}\n"
        )
        conftest.write_text(conftest.read_text() + fixture)
    suite.write(ASKS.format(args=args, second="ho"))
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    assert suite.cassette().read_text().count(key) == 2
    suite.server.stop()
    suite.run().assert_outcomes(passed=1)


def test_redact_setting_takes_it_out(suite: Suite) -> None:
    """What a project calls a secret is redacted in both directions under the name it gives, and replays."""
    (suite.path / "tox.ini").write_text("[pytest]\nf3dx_redact =\n    cust-[0-9]+ => customer\n    bob\n")
    suite.write("    @pytest.mark.f3dx_cache\n    def test_it():\n        ask('I am bob, cust-{number}')\n")
    source = suite.path / "test_it.py"
    original = source.read_text()
    source.write_text(original.replace("{number}", "17"))
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    text = suite.cassette().read_text()
    assert "I am [redacted:custom], [redacted:customer]" in text
    assert "cust-17" not in text
    suite.server.stop()
    source.write_text(original.replace("{number}", "18"))
    suite.run().assert_outcomes(passed=1)


def test_request_is_looked_through_before_it_is_sent(suite: Suite) -> None:
    """A key that redaction cannot see is not paid for: nothing is sent."""
    hidden = base64.b64encode(gzip.compress(f"the key is {KEY}".encode(), mtime=0)).decode()
    suite.write(ASKS.format(args="", second=hidden))
    result = suite.run("--f3dx-record=once")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*found     openai-key in request body, compressed: sk-… (56 characters)*", "*sent      nothing*"]
    )
    assert len(suite.server.requests) == 1
    suite.write(ASKS.format(args="", second="fine"))
    result = suite.run("--f3dx-record=once")
    result.assert_outcomes(passed=1)
    assert len(suite.server.requests) == 2  # the first answer was pending and is not paid for again


def test_old_entry_with_a_secret_stops_the_file(suite: Suite) -> None:
    """A cassette into which somebody has put a key is not written again; what is new stays pending."""
    suite.write(ASKS.format(args="", second="hi"))
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    text = suite.cassette().read_text()
    suite.cassette().write_text(text.replace("status: 200 OK", f"status: 200 {KEY}"))
    before = suite.cassette().read_bytes()
    suite.write(ASKS.format(args="", second="new"))
    result = suite.run("--f3dx-record=new_episodes")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*a secret stands in a cassette that is about to be written*",
            "*found     openai-key in *test_it.yaml*",
        ]
    )
    assert KEY not in str(result.stdout)
    assert suite.cassette().read_bytes() == before
    suite.cassette().write_text(text)
    result = suite.run("--f3dx-record=new_episodes")
    assert suite.summary(result).startswith("f3dx: 2 replayed (1 from pending), 0 recorded")


def test_pending_exchange_with_a_secret_is_not_folded(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal can be written by anybody: what is taken from it passes the gate like the rest."""
    suite.write(ASKS.format(args="", second="hi") + "        assert False\n")
    with monkeypatch.context() as patch:
        patch.setattr(Redactor, "response", lambda _, response, **__: response)
        patch.setattr(Gate, "response", lambda *_: None)
        suite.run("--f3dx-record=once").assert_outcomes(failed=1)
        (suite.path / "test_it.py").write_text(
            (suite.path / "test_it.py").read_text().replace("'hi'", f"'{KEY}'")
        )
        patch.setattr(Redactor, "request", lambda _, request: request)
        patch.setattr(Gate, "request", lambda *_: None)
        suite.run("--f3dx-record=once")
    patch_free = ASKS.format(args="", second="hi").replace("'hi'", f"'{KEY}'")
    monkeypatch.setattr("pytest_f3dx._recorder.Recorder._redact", _unredacted)
    suite.write(patch_free)
    result = suite.run("--f3dx-record=once")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*secret-found*", "*found     openai-key in re*", "*pending   in *; delete it to ask anew"]
    )
    assert not suite.cassette().exists()


def _unredacted(recorder: object, ticket: object, plain: Request) -> None:
    """Redact nothing, as whoever wrote the journal did."""
    ticket.stored, ticket.fingerprint = plain, recorder._fingerprint(plain)  # type: ignore[attr-defined]
    ticket.asked, ticket.at = 0.0, ""  # type: ignore[attr-defined]


def test_gate_never_runs_in_a_replay(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written, so nothing is looked through."""
    suite.write(ASKS.format(args="", second="ho"))
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    monkeypatch.setattr(Gate, "__init__", lambda *_: pytest.fail("the gate was made"))
    suite.run().assert_outcomes(passed=1)
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)


def test_waiting_threads_wake_when_the_answer_is_refused(suite: Suite) -> None:
    """Under `first` others wait for the answer; that it may not be kept leaves none of them waiting."""
    plant_by_hook(suite, KEY)
    suite.write(
        """
    from concurrent.futures import ThreadPoolExecutor

    @pytest.mark.f3dx_cache(repeats="first")
    def test_it():
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(ask, ["same"] * 3))
    """
    )
    suite.run("--f3dx-record=once").assert_outcomes(failed=1)


def test_what_redaction_has_been_through_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of planted places, redacted, holds nothing for the gate, with the values it has learnt too."""
    monkeypatch.setenv(ENVIRON, environ_value("Q7x"))
    redactor = Redactor(values={"planted-tenant-token": environ_value("Q7x")})
    auditor = Auditor()
    auditor.share(redactor)
    gate = Gate(auditor)
    for number, place in enumerate(places("Q7x")):
        headers = tuple(place.headers.items())
        request = redactor.request(
            Request(place.method, f"https://h.test/p{number}{place.target}", headers, place.body)
        )
        kind = (("content-type", place.answer.content_type),)
        response = redactor.response(
            Response(place.answer.status, "OK", (*place.answer.headers, *kind), place.answer.body)
        )
        gate.request(request)
        gate.response(request, response)
        gate.exchange(request, response, "")


def test_unredacted_places_are_all_found() -> None:
    """Every place of the table, not redacted, is refused; but an echo of what was in a header that is gone."""
    missed = []
    for number, place in enumerate(places("Q7x")):
        values = {"planted": environ_value("Q7x")}
        request = Request(
            place.method, f"https://h.test/p{number}{place.target}", tuple(place.headers.items()), place.body
        )
        kind = (("content-type", place.answer.content_type),)
        response = Response(place.answer.status, "OK", (*place.answer.headers, *kind), place.answer.body)
        if not Auditor(values=values).exchange(request, response):
            missed.append(place.name)
    assert missed == ["sent header X-Unheard-Of"]  # a header that tells nothing: not kept, so never in a file


VIEWS = {
    "percent-encoded twice": (f"https%253A%252F%252Fx%252F%253Fk%253D{KEY.replace('-', '%252D')}", "percent-encoded twice"),
    "escaped": (json.dumps({"a": KEY}).replace("-", "\\u002d"), "escaped"),
    "UTF-16": (f"the key is {KEY}".encode("utf-16"), "in UTF-16"),
    "MIME": (base64.encodebytes(f"{'x' * 46} DB_PASSWORD=hunter2-{'7' * 9}\n".encode()), "base64 in lines"),
    "MIME in JSON": (json.dumps({"a": base64.encodebytes(f"{'x' * 50} {KEY}\n".encode()).decode()}), "base64 in lines"),
    "gzip": (gzip.compress(KEY.encode()), "compressed"),
    "gzip in base64": (json.dumps({"a": base64.b64encode(gzip.compress(f"key {KEY}".encode())).decode()}), "compressed"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "view"), VIEWS.values(), ids=VIEWS.keys())
def test_views_that_redaction_does_not_take_are_looked_through(body: bytes | str, view: str) -> None:
    """The message says in which encoding the secret stands."""
    assert found(body, ())[0].endswith(f" in response body, {view}")


def test_damaged_compression_is_no_error() -> None:
    """What cannot be unpacked holds nothing that anybody could read."""
    assert found(gzip.compress(b"x")[:5] + b"\xff" * 20, ()) == []
    assert found('{"a": "H4sI' + "A" * 30 + '"}') == []
    assert found(gzip.compress(KEY.encode()), (("content-encoding", "gzip"),)) == []


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (f'{{"a": {{"b": ["x", {{"c": "{KEY}"}}]}}}}', "response body, at $.a.b[1].c"),
        (f'{{"a": [1, 2],\n "b": {{}},\n "c": "use {KEY}"}}', "response body, line 3, at $.c"),
        (f'["{KEY}"]', "response body, at $[0]"),
        (f"one\ntwo {KEY}", "response body, line 2"),
        (KEY, "response body"),
    ],
)
def test_place_of_a_find_is_told(body: str, place: str) -> None:
    """By its path in JSON, by its line in text."""
    assert found(body) == [f"openai-key in {place}"]


def test_every_part_of_an_exchange_is_named() -> None:
    """Address, headers, status line, failure, bodies."""
    request = Request("GET", f"https://h.test/?k={KEY}", (("Cookie", "a=b1"), ("x-note", KEY)), KEY.encode())
    response = Response(200, KEY, (("Location", f"https://h.test/{KEY}"), ("X-Api-Key", "hunter2")), b"")
    failed = Response(0, failure=Failure("x", f"no {KEY}"))
    auditor = Auditor()
    places_ = [leak.where for leak in auditor.exchange(request, response)]
    assert places_ == [
        "request address",
        "request header cookie",
        "request header x-note",
        "request body",
        "response header location",
        "response header x-api-key",
        "response status line",
    ]
    assert [leak.where for leak in auditor.answer(failed, "GET")] == ["response status line"]


def test_masks_show_what_all_keys_of_a_kind_share() -> None:
    """And how long the value is; nothing of one that only its name gives away."""
    assert mask(Find(0, 0, "openai-key", KEY)) == SHOWN
    assert mask(Find(0, 0, "password", "hunter2")) == "… (7 characters)"
    assert mask(Find(0, 0, "password", "x")) == "… (1 character)"
    assert mask(Find(0, 0, "aws-access-key-id", "AK" + "IA1234")) == "… (8 characters)"


def test_many_finds_are_counted() -> None:
    """Five are shown; the request is told without its secrets."""
    body = json.dumps({f"password_{n}": f"hunter{n}" for n in range(9)})
    with pytest.raises(SecretError) as caught:
        Gate(Auditor()).request(Request("POST", f"https://h.test/{KEY}", JSON, body.encode()))
    text = str(caught.value)
    assert "POST https://h.test/[redacted:openai-key]" in text
    assert text.count(" in request ") == 5
    assert "and 5 more" in text
    assert "hunter" not in text
    assert leaks(text) == []


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (f"a: {KEY}\n", ["openai-key"]),
        ("a: –\nb: Basic " + "dXNlcjpwYXNzd29yZA==\n", ["basic-auth"]),
        ("a: grüße-an-alle-42\n", ["given"]),
        ("a: learnt-value-that-is-long-42\n", ["x-api-key"]),
        ("a: CUST-77\n", ["customer"]),
        ("a: basic words – and a bearer of them, CUST-\n", []),
    ],
)
def test_a_file_is_told_from_its_bytes(text: str, kinds: list[str]) -> None:
    """Shapes, values given and learnt and own regexes are found as in the text."""
    values = {"given": "grüße-an-alle-42"}
    learnt = Redactor()
    learnt.request(Request("GET", URL, (("x-api-key", "learnt-value-that-is-long-42"),), b""))
    auditor = Auditor()
    auditor.share(learnt)
    for one in (auditor, Auditor(values=values), Auditor(redact=((r"CUST-\d+", "customer"),))):
        whole = list(one.whole(text, "a.yaml"))
        assert one.written(text.encode(), "a.yaml") == whole
        kinds = [kind for kind in kinds if kind not in [leak.kind for leak in whole]]
    assert kinds == []


def test_blobs_are_looked_through_as_bytes() -> None:
    """The key in the text of an image; what reads like a name and a value in random bytes is none."""
    gate = Gate(Auditor())
    gate.cassette(
        "a.yaml", b"password: hunter2\n", {"aa/x.png": b"\x89PNG\x00password: hunter2-abcd\x00://a:b@"}
    )
    with pytest.raises(SecretError, match=r"blob aa/x\.png"):
        gate.cassette("a.yaml", b"", {"aa/x.png": b"\x89PNG\x00Comment " + KEY.encode() + b"\x00"})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("cust", "a list of regexes"),
        (["("], "no regex"),
        (["a => B c"], "lower-case words"),
        ([1], "(regex, placeholder)"),
    ],
)
def test_wrong_redactions_are_told(value: object, said: str) -> None:
    """A regex that is none, a name that could be no placeholder."""
    from pytest_f3dx._settings import check_source
    from pytest_f3dx.errors import SettingsError

    with pytest.raises(SettingsError) as caught:
        check_source("the ini file", {"redact": value})
    assert said in str(caught.value)


# -- reports -------------------------------------------------------------------------------------------


def test_report_of_a_review_with_a_secret_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither written nor printed; what the ini file allows is."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    for name, text in (("old", "a"), ("new", f"b {KEY}")):
        request = Request("GET", "http://h/")
        key = fingerprint_request(request)
        cassette = Cassette("t.py::t", {key: Interaction(key, request, [Response(200, body=text.encode())])})
        (tmp_path / f"{name}.yaml").write_text(dump(cassette, BlobStore(tmp_path)), encoding="utf-8")
    assert main(["diff", "old.yaml", "new.yaml", "--output", "out.md", "--format", "markdown"]) == 2
    assert main(["diff", "old.yaml", "new.yaml"]) == 2
    out, err = capsys.readouterr()
    assert KEY not in out + err
    assert "openai-key in out.md, line " in err
    assert SHOWN in err
    assert "[secret-found]" in err
    assert not (tmp_path / "out.md").exists()
    (tmp_path / "tox.ini").write_text("[pytest]\nf3dx_allow = sk-proj-.*\n")
    assert main(["diff", "old.yaml", "new.yaml"]) == 1
    assert KEY in capsys.readouterr().out


def test_report_of_a_replay_has_placeholders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the target said was paid for: the report is written, without the secret."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leaky_target.py").write_text(f"def ask(row):\n    raise ValueError('no ' + {KEY!r})\n")
    (tmp_path / "a.jsonl").write_text(json.dumps({"output": "b"}) + "\n")
    reports = ["--report", "r.jsonl", "--report", "r.json", "--report", "r.md"]
    assert main(["replay", "a.jsonl", "--target", "leaky_target:ask", *reports]) == 1
    for name in ("r.jsonl", "r.json", "r.md"):
        text = (tmp_path / name).read_text()
        assert KEY not in text
        assert "redacted:openai-key" in text.replace("\\", "")


def test_persister_for_vcrpy_passes_the_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What plain vcrpy saves through us is looked through as well."""
    from pytest_f3dx._vcr import Persister

    monkeypatch.setattr(Redactor, "response", lambda _, response, **__: response)

    asked = vcr.request.Request("GET", "http://h/", b"", {})
    answer = {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": KEY.encode()}}
    with pytest.raises(SecretError):
        Persister.save_cassette(str(tmp_path / "a.yaml"), {"requests": [asked], "responses": [answer]}, None)
    assert list(tmp_path.iterdir()) == []
