"""`pytest --f3dx-diff`: the test gets the recorded answer, and what is answered now is told."""

from __future__ import annotations

import json
import re
import threading
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from pytest_f3dx._diff._budget import Budget
from pytest_f3dx._diff._checked import Checked
from tests.conftest import LOOP_SCOPE
from tests.server import Answer, Seen, Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Suite


class Talker(Server):
    """A model that answers with what it is told to say; each answer has its own id."""

    def __init__(self) -> None:
        super().__init__()
        self.says = "The total is 41 euros, and the parcel will arrive on Monday as agreed."
        self.instead: Answer | None = None
        self.at_once = self.most_at_once = 0
        self.together: threading.Barrier | None = None

    def answer(self, seen: Seen) -> Answer:
        with self._lock:
            self.requests.append(seen)
            number = len(self.requests)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.together:
                self.together.wait(60)
            return self.instead or self._chat(seen, number)
        finally:
            with self._lock:
                self.at_once -= 1

    def _chat(self, seen: Seen, number: int) -> Answer:
        if b'"stream"' in seen.body:
            words = re.findall(r"\S+\s*", self.says)[:: -1 if number < 0 else 1]
            chunks: list[dict[str, Any]] = [
                {
                    "object": "chat.completion.chunk",
                    "id": f"chatcmpl-{number:08}",
                    "choices": [{"index": 0, "delta": {"content": word}}],
                }
                for word in words
            ]
            body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
            return Answer(body.encode(), "text/event-stream")
        message = {"role": "assistant", "content": self.says}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        whole = {
            "id": f"chatcmpl-{number:08}",
            "object": "chat.completion",
            "created": number,
            "choices": [choice],
        }
        return Answer(json.dumps(whole).encode())


@pytest.fixture
def server() -> Iterator[Talker]:
    """Serve the model in place of the usual server."""
    with Talker() as running:
        yield running


ONE = """
    @pytest.mark.f3dx_cache
    def test_it():
        assert "41 euros" in ask()
"""
NEW = "The total is 42 euros, and the parcel will arrive on Monday as agreed."
CHANGED = "$.choices[0].message.content  The total is [-41-]{+42+} euros, and the parcel will ar…"


def recorded(suite: Suite, body: str = ONE) -> bytes:
    """Record a suite; returns the bytes of its first cassette."""
    suite.write(body)
    assert suite.run("--f3dx-record=once").ret == 0
    return next(suite.path.joinpath("cassettes").rglob("*.yaml")).read_bytes()


def drift_lines(result: pytest.RunResult) -> list[str]:
    """Return the lines of the terminal section."""
    lines = result.outlines
    start = next(i for i, line in enumerate(lines) if "f3dx: answers of now beside" in line)
    end = next(i for i, line in enumerate(lines) if line.startswith("f3dx: ") and "compared" in line)
    return lines[start + 1 : end + 1]


def test_the_same_answer_passes(suite: Suite, server: Talker) -> None:
    """An answer that differs in ids and clocks alone passes, costs one live request, and changes no file."""
    before = recorded(suite)
    result = suite.run("--f3dx-diff=structured")
    result.assert_outcomes(passed=1)
    assert server.count == 2
    assert (
        "f3dx: 1 answer compared (structured): 1 the same, 0 drifted, 0 without a live answer"
        in result.outlines
    )
    assert suite.cassette().read_bytes() == before
    assert suite.summary(result).startswith("f3dx: 1 replayed, 0 recorded, 0 live")


def test_drift_fails_the_test(suite: Suite, server: Talker) -> None:
    """The test itself sees the recorded answer; what is answered now is told with path and words, and fails it."""
    before = recorded(suite)
    server.says = NEW
    result = suite.run("--f3dx-diff=structured")
    result.assert_outcomes(failed=1)
    request = rf"POST {re.escape(server.url)}/echo  b3:\w{{6}}…"
    lines = drift_lines(result)
    assert lines[0] == "test_it.py::test_it"
    assert re.fullmatch(rf"  {request}", lines[1])
    assert lines[2:] == [
        "    drift (structured): differs at $.choices[0].message.content",
        f"    {CHANGED}",
        "    2 volatile places left out",
        "f3dx: 1 answer compared (structured): 0 the same, 1 drifted, 0 without a live answer",
    ]
    assert "f3dx: 1 of 1 answers drifted [drift]" in result.outlines
    assert suite.cassette().read_bytes() == before


def test_fix_of_a_drift_records_the_new_answer(suite: Suite, server: Talker) -> None:
    """The command of the fix line records what is answered now; then there is no drift."""
    recorded(suite, ONE.replace("41 euros", "euros"))
    server.says = NEW
    result = suite.run("--f3dx-diff=structured")
    suite.paste_fix(result).assert_outcomes(passed=1)
    assert "42 euros" in suite.cassette().read_text(encoding="utf-8")
    suite.run("--f3dx-diff=structured").assert_outcomes(passed=1)


def test_drift_warns(suite: Suite, server: Talker) -> None:
    """With `f3dx_on_drift = warn` drift is a warning and stands in the section all the same."""
    recorded(suite)
    server.says = NEW
    result = suite.run("--f3dx-diff=structured", "-o", "f3dx_on_drift=warn", "-W", "default")
    result.assert_outcomes(passed=1, warnings=1)
    assert f"    {CHANGED}" in drift_lines(result)


def test_chain_of_modes(suite: Suite, server: Talker) -> None:
    """The next mode decides what the former could not accept."""
    pytest.importorskip("wordllama", reason="the extra `embedding` is not installed")
    recorded(suite)
    server.says = "The sum is 41 euros, and your parcel arrives on Monday, as was agreed."
    result = suite.run("--f3dx-diff=structured,embedding")
    result.assert_outcomes(passed=1)
    server.says = NEW
    result = suite.run("--f3dx-diff=structured,embedding")
    result.assert_outcomes(failed=1)
    assert any("the numbers differ: 41 became 42" in line for line in drift_lines(result))


@pytest.mark.parametrize("where", ["ini", "marker"])
def test_settings_of_comparing(suite: Suite, server: Talker, where: str) -> None:
    """What is left out can be set in the ini file and on the marker."""
    marker = "(diff_ignore=['$..content'], on_drift='fail')" if where == "marker" else ""
    recorded(suite, ONE.replace("f3dx_cache", f"f3dx_cache{marker}"))
    server.says = NEW
    options = ["-o", "f3dx_diff_ignore=$..content"] if where == "ini" else []
    suite.run("--f3dx-diff=structured", *options).assert_outcomes(passed=1)


def test_streams_and_async_clients(suite: Suite, server: Talker) -> None:
    """A stream is compared as the message it carries; async clients are watched like others."""
    recorded(
        suite,
        """
    import asyncio
    import httpx

    @pytest.mark.f3dx_cache
    def test_stream():
        assert "41" in ask(stream=True)

    @pytest.mark.f3dx_cache
    def test_async():
        async def main():
            async with httpx.AsyncClient() as client:
                return await client.post(URL + "/v1", json={"prompt": "hi"})
        assert "41 euros" in asyncio.run(main()).text
""",
    )
    suite.run("--f3dx-diff=structured").assert_outcomes(passed=2)
    server.says = NEW
    result = suite.run("--f3dx-diff=structured")
    result.assert_outcomes(failed=2)
    assert drift_lines(result).count(f"    {CHANGED}") == 2


@pytest.mark.parametrize(
    ("instead", "says"),
    [
        (Answer(b"{}", status=401), "answered 401 Unauthorized"),
        (Answer(b"{}", status=429), "answered 429 Too Many Requests"),
        (Answer(b"", status=503), "answered 503 Service Unavailable"),
        (Answer(raw=b""), "RemoteDisconnected: Remote end closed connection without response"),
        (
            Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"),
            "the answer was cut off",
        ),
    ],
)
def test_live_error_is_no_drift(suite: Suite, server: Talker, instead: Answer, says: str) -> None:
    """A live request that gets no answer is told as such, fails the test, and is never called drift."""
    recorded(suite)
    server.instead = instead
    result = suite.run("--f3dx-diff=structured")
    result.assert_outcomes(failed=1)
    assert f"    no live answer to compare: {says}" in drift_lines(result)
    assert "f3dx: 1 of 1 live requests got no answer to compare [live-failed]" in result.outlines
    assert drift_lines(result)[-1].endswith("0 the same, 0 drifted, 1 without a live answer")


def test_server_that_is_gone(suite: Suite, server: Talker) -> None:
    """With nobody listening the replay goes on, and the error says so."""
    recorded(suite)
    server.stop()
    result = suite.run("--f3dx-diff=structured", "-o", "f3dx_on_drift=warn", "-W", "default")
    result.assert_outcomes(passed=1, warnings=1)
    assert any("Connection refused" in line for line in drift_lines(result))


def test_other_status_is_drift(suite: Suite, server: Talker) -> None:
    """A model that is gone (404) is drift."""
    recorded(suite)
    server.instead = Answer(b'{"error": {"message": "no such model"}}', status=404)
    result = suite.run("--f3dx-diff=structured")
    assert "    status  200 → 404" in drift_lines(result)


MANY = """
    @pytest.mark.f3dx_cache
    def test_it():
        for n in range(4):
            ask(str(n))

    @pytest.mark.f3dx_cache
    def test_next():
        ask("next")
"""


def test_budget_stops_the_run(suite: Suite, server: Talker) -> None:
    """No more live requests are sent than allowed; the test that needs one more fails and the run stops."""
    recorded(suite, MANY)
    server.requests.clear()
    result = suite.run("--f3dx-diff=structured", "--f3dx-max-live=3", "-o", "f3dx_on_drift=warn")
    assert server.count == 3
    result.assert_outcomes(failed=1)
    assert "f3dx: the budget of 3 live requests is used up [live-budget]" in result.outlines
    result.stdout.fnmatch_lines(["*Interrupted: f3dx: the budget of 3 live requests is used up*"])
    assert drift_lines(result)[-1].endswith("3 the same, 0 drifted, 0 without a live answer, 1 not asked")


def test_budget_that_is_enough(suite: Suite, server: Talker) -> None:
    """A budget that is used up to the last is no error."""
    recorded(suite, MANY)
    server.requests.clear()
    suite.run("--f3dx-diff=structured", "--f3dx-max-live=5").assert_outcomes(passed=2)
    assert server.count == 5


def test_few_at_once(suite: Suite, server: Talker) -> None:
    """As many live requests are under way at once as allowed, while the test goes on."""
    recorded(suite, MANY)
    server.most_at_once = 0
    server.together = threading.Barrier(2)
    suite.run("--f3dx-diff=structured", "--f3dx-live-concurrency=2", "test_it.py::test_it").assert_outcomes(
        passed=1
    )
    assert server.most_at_once == 2


def test_budget_counts_over_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one process has used is gone for the others; another run has its own."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    one, other = Budget(2, "run"), Budget(2, "run")
    assert [one.take(), other.take(), one.take(), other.take()] == [True, True, False, False]
    assert Budget(2, "another").take()
    one.forget()
    one.forget()
    assert not list(tmp_path.glob("f3dx-live-run*"))
    assert Budget(None, "run").take()


def test_a_failing_test_fails_as_it_did(suite: Suite, server: Talker) -> None:
    """A test that fails by itself keeps its own error; what drifted is told in the section."""
    recorded(suite)
    suite.write(ONE.replace("41 euros", "42 euros"))
    server.says = NEW
    result = suite.run("--f3dx-diff=structured")
    result.assert_outcomes(failed=1)
    assert any(line.startswith("E") and "assert" in line for line in result.outlines)
    assert "f3dx: 1 of 1 answers drifted [drift]" not in result.outlines
    assert f"    {CHANGED}" in drift_lines(result)


def test_requests_of_fixtures(suite: Suite, server: Talker) -> None:
    """Requests of a set-up count to the test, those of a teardown fail it there."""
    body = """
    @pytest.fixture
    def asking():
        ask("before")
        yield
        ask("after")

    @pytest.mark.f3dx_cache
    def test_it(asking):
        pass
"""
    suite.write(body)
    suite.run("--f3dx-record=all")
    server.says = NEW
    result = suite.run("--f3dx-diff=structured")
    result.assert_outcomes(failed=1, errors=1)
    assert drift_lines(result).count(f"    {CHANGED}") == 2


def test_failing_teardown_keeps_its_error(suite: Suite, server: Talker) -> None:
    """A teardown that fails by itself keeps its own error."""
    body = """
    @pytest.fixture
    def asking():
        yield
        ask("after")
        assert not {broken}

    @pytest.mark.f3dx_cache
    def test_it(asking):
        pass
"""
    recorded(suite, body.format(broken=False))
    suite.write(body.format(broken=True))
    server.says = NEW
    result = suite.run("--f3dx-diff=structured")
    result.assert_outcomes(passed=1, errors=1)
    assert "f3dx: 1 of 1 answers drifted [drift]" not in result.outlines
    assert f"    {CHANGED}" in drift_lines(result)


def test_no_placeholder_stands_for_a_key(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent needs a real key: a replay that asks live gets no placeholder for one."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    body = """
    import os

    @pytest.mark.f3dx_cache
    def test_it():
        ask(str("OPENAI_API_KEY" in os.environ))
"""
    recorded(suite, body)
    suite.run("--f3dx-diff=structured").assert_outcomes(passed=1)


def test_fixtures_that_outlive_a_test_are_watched(suite: Suite, server: Talker) -> None:
    """The request of a session fixture counts to the test that sets it up."""
    body = """
    @pytest.fixture(scope="session")
    def total():
        return ask("total")

    @pytest.mark.f3dx_cache
    def test_it(total):
        assert "euros" in total
"""
    recorded(suite, body)
    server.says = NEW
    result = suite.run("--f3dx-diff=structured")
    result.assert_outcomes(failed=1)
    assert f"    {CHANGED}" in drift_lines(result)


# -- recording and comparing ---------------------------------------------------------------------------


def test_recording_anew_tells_what_changed(suite: Suite, server: Talker) -> None:
    """With `--f3dx-record=all` nothing is sent twice, what the re-recording changed is told, and it is kept."""
    recorded(suite, ONE.replace("41 euros", "euros"))
    server.says = NEW
    server.requests.clear()
    result = suite.run("--f3dx-record=all", "--f3dx-diff=structured")
    result.assert_outcomes(passed=1)
    assert server.count == 1
    assert f"    {CHANGED}" in drift_lines(result)
    assert "42 euros" in suite.cassette().read_text(encoding="utf-8")


def test_recording_anew_pairs_repeats_and_names_what_is_new(suite: Suite, server: Talker) -> None:
    """The second answer is compared with the second one; a request that was not recorded is called new."""
    body = """
    import urllib.error

    @pytest.mark.f3dx_cache
    def test_it():
        for prompt in {prompts}:
            ask(prompt)
"""
    recorded(suite, body.format(prompts=["a", "a"]))
    suite.write(body.format(prompts=["a", "a", "a", "b"]))
    result = suite.run("--f3dx-record=all", "--f3dx-diff=structured")
    result.assert_outcomes(passed=1)
    assert "    was not in the cassette" in drift_lines(result)
    assert drift_lines(result)[-1].endswith("3 the same, 0 drifted, 0 without a live answer, 1 new")


def test_recording_anew_pairs_a_changed_request_with_its_old_self(suite: Suite, server: Talker) -> None:
    """A changed prompt is compared with the answer to the prompt it was changed from, and the old one is named."""
    recorded(suite, ONE.replace("41 euros", "euros"))
    suite.write(ONE.replace("41 euros", "euros").replace("ask()", "ask('hello')"))
    server.says = NEW
    result = suite.run("--f3dx-record=all", "--f3dx-diff=structured")
    result.assert_outcomes(passed=1)
    told = drift_lines(result)
    assert any(re.fullmatch(r"    asked instead of b3:[0-9a-f]{6}…", line) for line in told)
    assert f"    {CHANGED}" in told
    assert told[-1].endswith("0 the same, 1 drifted, 0 without a live answer")


def test_recorded_transport_errors_are_not_compared(suite: Suite, server: Talker) -> None:
    """A transport error, replayed or recorded anew, has no answer to compare."""
    body = """
    import http.client

    @pytest.mark.f3dx_cache
    def test_it():
        with pytest.raises((OSError, http.client.HTTPException)):
            ask()
"""
    server.instead = Answer(raw=b"")
    recorded(suite, body)
    for options in ([], ["--f3dx-record=all"]):
        result = suite.run("--f3dx-diff=structured", *options)
        result.assert_outcomes(passed=1)
        assert not any("compared (" in line for line in result.outlines)


def test_only_what_is_replayed_is_asked_again(suite: Suite, server: Talker) -> None:
    """Under `new_episodes` a request that is recorded now is not asked a second time."""
    recorded(suite)
    suite.write(ONE + "        ask('another')\n")
    server.requests.clear()
    result = suite.run("--f3dx-record=new_episodes", "--f3dx-diff=structured")
    result.assert_outcomes(passed=1)
    assert server.count == 2
    assert any("1 answer compared" in line for line in result.outlines)


# -- secrets -------------------------------------------------------------------------------------------


def test_secrets_are_sent_and_never_told(suite: Suite, server: Talker) -> None:
    """The live request has the real key; neither the terminal nor the report shows one, of either side."""
    secret = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD"
    body = """
    import urllib.request

    @pytest.mark.f3dx_cache
    def test_it():
        headers = {"Authorization": "Bearer SECRET"}
        urllib.request.urlopen(urllib.request.Request(URL + "/echo?api_key=SECRET", b"{}", headers)).read()
""".replace("SECRET", secret)
    recorded(suite, body)
    server.says = f"You asked with {secret}, and the parcel will arrive on Monday as agreed."
    report = suite.path / "junit.xml"
    result = suite.run(
        "--f3dx-diff=structured", f"--junitxml={report}", "--tb=short", "-o", "f3dx_on_drift=warn"
    )
    sent = {name.lower(): value for name, value in server.requests[-1].headers.items()}
    assert sent["authorization"] == f"Bearer {secret}"
    assert secret in server.requests[-1].path
    told = "\n".join(drift_lines(result)) + report.read_text(encoding="utf-8")
    assert "[redacted:" in told
    assert secret not in told


def test_redacted_values_are_no_drift(suite: Suite, server: Talker) -> None:
    """A secret in the answer that is another one now is the same placeholder."""
    server.instead = Answer(b'{"access_token": "first-secret-value-1", "refresh_token": "other-secret-2"}')
    recorded(suite, ONE.replace('assert "41 euros" in ', ""))
    server.instead = Answer(b'{"access_token": "second-secret-value-3", "refresh_token": "third-secret-4"}')
    suite.run("--f3dx-diff=structured").assert_outcomes(passed=1)


# -- reports -------------------------------------------------------------------------------------------


def properties(report: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in ET.parse(report).iter("property"):
        found.setdefault(each.attrib["name"], []).append(each.attrib["value"])
    return found


def test_junit_has_the_drift(suite: Suite, server: Talker) -> None:
    """The junit report has a property for each answer that drifted or could not be had."""
    recorded(suite)
    report = suite.path / "junit.xml"
    server.says = NEW
    suite.run("--f3dx-diff=structured", f"--junitxml={report}")
    (text,) = properties(report)["f3dx_drift"]
    assert CHANGED in text
    server.instead = Answer(b"", status=500)
    suite.run("--f3dx-diff=structured", f"--junitxml={report}")
    assert "answered 500" in properties(report)["f3dx_failed"][0]


def test_workers_tell_the_controller(suite: Suite, server: Talker) -> None:
    """Under xdist the section, the sum and the junit report are as without it, and the budget is one for all."""
    recorded(suite, MANY)
    server.says = NEW
    report = suite.path / "junit.xml"
    result = suite.spawn("-n2", "--f3dx-diff=structured", f"--junitxml={report}")
    result.assert_outcomes(failed=2)
    lines = drift_lines(result)
    assert lines.count(f"    {CHANGED}") == 5
    assert (
        lines[-1] == "f3dx: 5 answers compared (structured): 0 the same, 5 drifted, 0 without a live answer"
    )
    assert len(properties(report)["f3dx_drift"]) == 5
    server.requests.clear()
    result = suite.spawn("-n2", "--f3dx-diff=structured", "--f3dx-max-live=2")
    assert server.count == 2
    assert "budget of 2 live requests is used up" in result.stdout.str()
    assert result.ret != 0


def test_verdicts_stay_in_the_cache_of_pytest(
    suite: Suite, server: Talker, pytester: pytest.Pytester
) -> None:
    """Without a setting the verdicts of a judge are kept in pytest's cache."""
    recorded(suite)
    server.says = '{"verdict": "same", "reason": "It is fine."}'
    settings = [f"-of3dx_judge_base_url={server.url}/judge", "-of3dx_judge_model=small"]
    pytester.runpytest_inprocess(
        "-p", "no:hypothesispytest", "-o", LOOP_SCOPE, "--f3dx-diff=judge", *settings
    ).assert_outcomes(passed=1)
    assert list(suite.path.glob(".pytest_cache/d/f3dx/verdicts.sqlite"))


def test_checked_of_another_version() -> None:
    """Fields that are not known are left out, so that worker and controller may differ by a version."""
    checked = Checked("drift", "GET http://x/", "b3:1", changes=("a",))
    assert Checked.from_dict({**checked.as_dict(), "later": 1}) == checked


# -- bad input -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--f3dx-diff=structurd"], "*mode is 'structurd'; did you mean 'structured'?*"),
        (["--f3dx-diff=structured", "--f3dx-max-live=0"], "*--f3dx-max-live*0*"),
        (["--f3dx-diff=structured", "--f3dx-max-live=few"], "*--f3dx-max-live*few*"),
        (["-o", "f3dx_on_drift=explode"], "*on_drift of the ini file is 'explode'*"),
        (["-o", "f3dx_diff_tolerance=much"], "*diff_tolerance of the ini file is 'much'*"),
        (["-o", "f3dx_diff_ignore=total"], "*diff_ignore*holds 'total'*"),
    ],
)
def test_wrong_options(suite: Suite, options: list[str], says: str) -> None:
    """A wrong mode, number or setting stops the run before it starts, and says what is accepted."""
    suite.write(ONE)
    result = suite.run(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (result.stdout if any("did you" in line for line in result.outlines) else result.stderr).fnmatch_lines(
        [says]
    )


def test_missing_extra_stops_the_run(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without wordllama the mode `embedding` is refused at once, with the line that installs it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    suite.write(ONE)
    result = suite.run("--f3dx-diff=structured,embedding")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*pip install 'pytest-f3dx?embedding?'*"])


def test_judge_without_settings_is_told(suite: Suite, server: Talker) -> None:
    """A judge that is not set up is an error of the request that needs it, and no pass."""
    recorded(suite)
    suite.run("--f3dx-diff=structured,judge").assert_outcomes(passed=1)
    server.says = NEW
    result = suite.run("--f3dx-diff=structured,judge")
    result.assert_outcomes(failed=1)
    assert "    undecided: mode 'judge' has no judge" in drift_lines(result)
    assert "f3dx: 1 of 1 answers could not be judged [judge-failed]" in result.outlines
    assert drift_lines(result)[-1].endswith("0 drifted, 0 without a live answer, 1 undecided")


def test_judge_of_the_settings(suite: Suite, server: Talker) -> None:
    """The judge of the ini file is asked, with the request as context; its verdict is kept for the next run."""
    recorded(suite)
    server.says = '{"verdict": "same", "reason": "It is fine."}'
    settings = [
        f"-of3dx_judge_base_url={server.url}/judge",
        "-of3dx_judge_model=small",
        "-of3dx_judge_verdicts=kept/verdicts.sqlite",
    ]
    for _ in range(2):
        suite.run("--f3dx-diff=judge", *settings).assert_outcomes(passed=1)
    asked = [seen for seen in server.requests if seen.path.startswith("/judge/")]
    assert len(asked) == 1
    said: dict[str, Any] = json.loads(asked[0].body)
    assert '<<<REQUEST\n{"prompt": "hi"}\nREQUEST>>>' in said["messages"][1]["content"]
    assert (suite.path / "kept" / "verdicts.sqlite").is_file()
