"""No key is needed in replay: what the SDKs ask for is supplied there, and nowhere else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pytest_f3dx._placeholders import KNOWN, VALUE, Placeholders, missing
from pytest_f3dx._redaction import Redactor, environment_values

if TYPE_CHECKING:
    from tests.conftest import Suite


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every key away."""
    for name in (*KNOWN, *(other for others in KNOWN.values() for other in others)):
        monkeypatch.delenv(name, raising=False)


def test_only_what_is_unset_is_supplied() -> None:
    """A variable that is set, or one of its alternatives, is left alone; and what was set goes again."""
    environ = {"OPENAI_API_KEY": "mine", "GEMINI_API_KEY": "mine too", "AWS_PROFILE": "work"}
    placeholders = Placeholders(environ, KNOWN)
    supplied = placeholders.put()
    assert placeholders.put() == []
    assert {"ANTHROPIC_API_KEY", "MISTRAL_API_KEY"} <= set(supplied)
    assert not {"OPENAI_API_KEY", "GOOGLE_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} & set(
        supplied
    )
    environ["ANTHROPIC_API_KEY"] = "set by somebody meanwhile"
    del environ["MISTRAL_API_KEY"]
    placeholders.take()
    assert environ == {
        "OPENAI_API_KEY": "mine",
        "GEMINI_API_KEY": "mine too",
        "AWS_PROFILE": "work",
        "ANTHROPIC_API_KEY": "set by somebody meanwhile",
    }
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= set(missing({}, KNOWN))


def test_a_placeholder_is_no_secret() -> None:
    """Redaction neither takes the value from the environment nor finds it by its shape."""
    assert environment_values(dict.fromkeys(KNOWN, VALUE)) == {}
    assert Redactor().text(f"a prompt with {VALUE} in it") == f"a prompt with {VALUE} in it"


WHERE = """
    import os

    @pytest.fixture(scope="session")
    def base():
        return os.environ.get("OPENAI_API_KEY")

    @pytest.fixture(autouse=True)
    def each():
        return os.environ.get("OPENAI_API_KEY")

    def test_before(base, each):
        assert base == "no-key-needed-in-replay"  # a fixture of a marked test
        assert each is None
        assert "OPENAI_API_KEY" not in os.environ

    @pytest.mark.f3dx_cache
    def test_marked(base, each):
        assert each == os.environ["OPENAI_API_KEY"] == "no-key-needed-in-replay"
        ask("hi")

    @pytest.mark.f3dx_cache
    def test_takes_it_away(monkeypatch):
        monkeypatch.delenv("OPENAI_API_KEY")
        assert "OPENAI_API_KEY" not in os.environ

    @pytest.mark.f3dx_cache(record="new_episodes")
    def test_records():
        assert "OPENAI_API_KEY" not in os.environ

    @pytest.mark.f3dx_cache
    def test_marked_again():
        assert os.environ["OPENAI_API_KEY"] == "no-key-needed-in-replay"

    def test_after():
        assert "OPENAI_API_KEY" not in os.environ
"""


def test_where_they_are(suite: Suite) -> None:
    """They are there for replayed tests and their fixtures, gone for others, and `-v` names them."""
    suite.write("    @pytest.mark.f3dx_cache\n    def test_marked():\n        ask('hi')\n")
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    suite.write(WHERE)
    result = suite.run("-v")
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["  placeholders, as no key is needed in replay: OPENAI_API_KEY *"])
    assert "OPENAI_API_KEY" not in os.environ


@pytest.mark.parametrize(("names", "seen"), [("", ()), ("SOME_KEY", ("SOME_KEY",))])
def test_the_variables_can_be_named(suite: Suite, names: str, seen: tuple[str, ...]) -> None:
    """The ini key names the variables to supply, or none."""
    suite.write(
        f"""
    import os

    @pytest.mark.f3dx_cache
    def test_it():
        assert [name for name, value in os.environ.items() if value == "no-key-needed-in-replay"] == {list(seen)!r}
    """
    )
    suite.run("-o", f"f3dx_placeholder_keys={names}").assert_outcomes(passed=1)


CLIENTS = {
    "openai": "import openai; openai.OpenAI(base_url=URL); openai.AsyncOpenAI(base_url=URL)",
    "anthropic": "import anthropic; assert anthropic.Anthropic(base_url=URL).api_key",
    "google-genai": "from google import genai; genai.Client()",
    "langchain-openai": "from langchain_openai import ChatOpenAI; ChatOpenAI(base_url=URL, model='m')",
    "boto3": "import boto3; assert boto3.Session().get_credentials().access_key",
}


@pytest.mark.parametrize("make", CLIENTS.values(), ids=CLIENTS)
def test_the_known_sdks_make_a_client(suite: Suite, make: str) -> None:
    """Each SDK makes its client in replay with no key set."""
    suite.write(f"    @pytest.mark.f3dx_cache\n    def test_it():\n        {make}\n")
    suite.run("-W", "ignore").assert_outcomes(passed=1)


def test_litellm_replays_without_a_key(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """litellm, which looks for the key when it sends, replays what was recorded with one."""
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it asks for a list of prices
    suite.write(
        """
    import litellm

    def complete():
        answer = litellm.completion(
            "openai/m", [{"role": "user", "content": "hi"}], api_base=URL + "/v1", max_retries=0
        )
        assert answer.choices[0].message.content

    @pytest.mark.f3dx_cache(name="shared", record="once")
    def test_records(monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", "a-real-key-0123456789abcdef")
        complete()

    @pytest.mark.f3dx_cache(name="shared")
    def test_replays():
        complete()
    """
    )
    result = suite.spawn("-W", "ignore")
    result.assert_outcomes(passed=2)
    assert suite.summary(result).startswith("f3dx: 1 replayed")
