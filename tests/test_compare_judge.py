"""Mode `judge`: a model's verdict, asked once, and never guessed."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_f3dx import EndpointJudge, compare
from pytest_f3dx._diff._judge import RUBRIC, RUBRIC_VERSION, Verdict, read_verdict, readable
from pytest_f3dx._diff._sides import side
from pytest_f3dx._model import Response
from pytest_f3dx.errors import JudgeError, SettingsError
from tests.recorders import MemoryRecorder, recording
from tests.server import Answer, Seen, Server
from tests.test_compare import calls, chat

if TYPE_CHECKING:
    from collections.abc import Iterator

SAME = '{"verdict": "same", "reason": "Only the\\n words differ."}'
DIFFERENT = '{"verdict": "different", "reason": "Another total."}'
DOCS = Path(__file__).parent.parent / "docs" / "comparing.md"


class Bench(Server):
    """A server that replies to each request with the next of what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.replies: list[str | Answer] = []

    def answer(self, seen: Seen) -> Answer:
        self.requests.append(seen)
        reply = self.replies.pop(0)
        if isinstance(reply, Answer):
            return reply
        body = {"choices": [{"message": {"role": "assistant", "content": reply}, "finish_reason": "stop"}]}
        return Answer(json.dumps(body).encode(), "application/json")

    def judge(self, **options: Any) -> EndpointJudge:
        return EndpointJudge(f"{self.url}/v1/", "a-model", **options)

    def asked(self, number: int = -1) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.requests[number].body)
        return value


@pytest.fixture
def bench() -> Iterator[Bench]:
    with Bench() as running:
        yield running


@pytest.mark.parametrize(
    ("reply", "ok", "note"),
    [
        (SAME, True, "the judge accepts it: Only the words differ."),
        (DIFFERENT, False, "the judge rejects it: Another total."),
        (f"```json\n{SAME}\n```", True, "the judge accepts it: Only the words differ."),
        (f"<think>Hm {{}}</think>\n{DIFFERENT}", False, "the judge rejects it: Another total."),
        ('{"verdict": "SAME"}', True, "the judge accepts it"),
    ],
)
def test_verdict_decides(bench: Bench, reply: str, ok: bool, note: str) -> None:
    """What the model says is the result, with its reason; the changes stay those of `structured`."""
    bench.replies = [reply]
    drift = compare(chat("41 EUR"), chat("42 EUR"), "structured,judge", judge=bench.judge())
    assert (drift.ok, drift.mode, drift.note) == (ok, "judge", note)
    assert [change.path for change in drift.changes] == ["$.choices[0].message.content"]


def test_what_is_asked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rubric, the request, both answers as a reader sees them, temperature 0, and the key of the environment."""
    monkeypatch.setenv("F3DX_JUDGE_API_KEY", "key-of-the-judge")
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-openai")
    bench.replies = [SAME]
    compare(chat("old"), calls('{"a": 1}'), "judge", judge=bench.judge(), context="Add 1 and 1.")
    asked = bench.asked()
    assert bench.requests[-1].path == "/v1/chat/completions"
    assert (asked["model"], asked["temperature"]) == ("a-model", 0)
    assert asked["messages"] == [
        {"role": "system", "content": RUBRIC},
        {
            "role": "user",
            "content": '<<<REQUEST\nAdd 1 and 1.\nREQUEST>>>\n\n<<<OLD\nold\nOLD>>>\n\n<<<NEW\n[calls tool add] {"a": 1}\nNEW>>>',
        },
    ]
    headers = {name.lower(): value for name, value in bench.requests[-1].headers.items()}
    assert headers["authorization"] == "Bearer key-of-the-judge"


def test_key_of_openai_goes_to_openai_alone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """`OPENAI_API_KEY` is not sent to another host; without a key of its own the judge gets none."""
    monkeypatch.delenv("F3DX_JUDGE_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-openai")
    bench.replies = [SAME]
    compare("a", "b", "judge", judge=bench.judge())
    assert "authorization" not in {name.lower() for name in bench.requests[-1].headers}
    assert EndpointJudge("https://api.openai.com/v1", "m")._key == "key-of-openai"


def test_verdict_is_kept(bench: Bench, tmp_path: Path) -> None:
    """An equal question is asked once, in later runs as well; another question is asked."""
    bench.replies = [SAME, DIFFERENT]
    verdicts = tmp_path / "kept" / "verdicts.sqlite"
    for _ in range(2):
        judge = bench.judge(verdicts=verdicts)
        for _ in range(2):
            assert compare(chat("41 EUR"), chat("42 EUR"), "judge", judge=judge).note.endswith(
                "Only the words differ."
            )
    assert bench.count == 1
    assert not compare(chat("41 EUR"), chat("43 EUR"), "judge", judge=bench.judge(verdicts=verdicts)).ok
    assert bench.count == 2


def test_unclear_verdict_is_asked_again(bench: Bench) -> None:
    """A reply that is no verdict is asked for once more, with what was wrong about it."""
    bench.replies = ["I think they are the same.", SAME]
    assert compare("a", "b", "judge", judge=bench.judge()).ok
    said = bench.asked()["messages"][2:]
    assert said[0] == {"role": "assistant", "content": "I think they are the same."}
    assert said[1]["content"].startswith("That was not the JSON object")


@pytest.mark.parametrize(
    "reply",
    [
        "yes",
        "",
        "[]",
        "{}",
        '{"verdict": true, "reason": "x"}',
        '{"verdict": "equal", "reason": "x"}',
        '{"verdict": "same", "reason": 3}',
        '{"verdict": "same"',
        f"Sure! {SAME}",
    ],
)
def test_no_verdict_is_an_error(bench: Bench, reply: str, tmp_path: Path) -> None:
    """A reply that is twice no verdict is an error and never a pass, and nothing is kept of it."""
    assert read_verdict(reply) is None
    bench.replies = [reply, reply, SAME]
    judge = bench.judge(verdicts=tmp_path / "v.sqlite")
    with pytest.raises(JudgeError, match="gave no verdict that could be understood"):
        compare("a", "b", "judge", judge=judge)
    assert bench.count == 2
    assert compare("a", "b", "judge", judge=judge).ok


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (
            Answer(b'{"error": "no such key-of-the-judge"}', "application/json", status=401),
            "the judge answered 401",
        ),
        (Answer(b"", status=302, headers=[("Location", "/elsewhere")]), "the judge answered 302"),
        (Answer(b"<html>", "text/html"), "something else than a chat completion"),
        (Answer(raw=b""), "cannot be reached"),
        (Answer(raw=b"nonsense\r\n\r\n"), "cannot be reached"),
    ],
)
def test_failing_endpoint_is_an_error(bench: Bench, reply: Answer, says: str) -> None:
    """An error, a redirect, another page and a broken connection are errors that do not show the key."""
    bench.replies = [reply]
    with pytest.raises(JudgeError) as error:
        compare("a", "b", "judge", judge=bench.judge(api_key="key-of-the-judge"))
    assert says in str(error.value)
    assert "key-of-the-judge" not in str(error.value)
    assert f"a-model at {bench.url}/v1/chat/completions" in str(error.value)


def test_judge_is_never_recorded(bench: Bench) -> None:
    """The request to a judge goes past the recorder of the test that makes it."""
    bench.replies = [SAME]
    recorder = MemoryRecorder()
    with recording(recorder):
        assert compare("a", "b", "judge", judge=bench.judge()).ok
    assert recorder.asked == []


@pytest.mark.parametrize(
    ("url", "model", "says"),
    [
        ("file:///etc/passwd", "m", "judge_base_url"),
        ("ftp://host/", "m", "judge_base_url"),
        ("api.openai.com/v1", "m", "judge_base_url"),
        ("http://127.0.0.1/v1", "", "judge_model"),
    ],
)
def test_wrong_endpoint(url: str, model: str, says: str) -> None:
    """Only addresses of HTTP are asked, and a model has a name."""
    with pytest.raises(SettingsError, match=says):
        EndpointJudge(url, model)


def test_any_callable_can_judge() -> None:
    """A callable takes the texts of old, new and context, and gives (accepted, reason)."""
    asked = []

    def judge(old: str, new: str, context: str) -> tuple[bool, str]:
        asked.append((old, new, context))
        return True, "fine"

    drift = compare({"a": 1}, {"a": 2}, "judge", judge=judge, context="why")
    assert (drift.ok, drift.note) == (True, "the judge accepts it: fine")
    assert asked == [('{\n "a": 1\n}', '{\n "a": 2\n}', "why")]
    assert (
        compare("a", "b", "judge", judge=lambda *_: Verdict(same=False, reason="")).note
        == "the judge rejects it"
    )


@pytest.mark.parametrize("verdict", [None, True, ("yes", "x"), (True,), 3])
def test_callable_that_gives_no_verdict(verdict: Any) -> None:
    """What is no pair of a bool and a text is an error, never a pass."""
    with pytest.raises(JudgeError, match="gave no verdict"):
        compare("a", "b", "judge", judge=lambda *_: verdict)


def never(*_: str) -> tuple[bool, str]:
    raise AssertionError


def test_judge_is_asked_only_what_is_for_it() -> None:
    """Noise alone is accepted and another status rejected without a judge."""
    assert compare(chat(), {**chat(), "id": "chatcmpl-BBBB2222"}, "judge", judge=never).ok
    assert not compare(Response(200, body=b"a"), Response(500, body=b"a"), "judge", judge=never).ok


def test_readable_answers() -> None:
    """A judge reads what the model said, in every choice, refusals and tools; a long text without its middle."""
    two = chat("one")
    two["choices"] = [*two["choices"], {"index": 1, "message": {"content": "", "refusal": "No."}}]
    two["choices"] = [*two["choices"], {"index": 2, "message": {}}]
    assert readable(side(two)) == "--- choice 1\none\n--- choice 2\n[refusal] No.\n--- choice 3"
    assert readable(side(chat(""))) == "[says nothing]"
    assert readable(side("some text")) == "some text"
    text = readable(side("a" * 40_000 + "b" * 40_000))
    assert "[… 20000 characters left out …]" in text
    assert len(text) < 60_100


def test_rubric_is_documented() -> None:
    """The rubric stands in the docs word for word, under its version."""
    page = DOCS.read_text(encoding="utf-8")
    assert textwrap.indent(RUBRIC, "    ", lambda _: True).replace("    \n", "\n") in page
    assert RUBRIC_VERSION in page
