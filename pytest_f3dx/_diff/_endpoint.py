"""A judge behind an OpenAI-compatible endpoint; its verdicts are kept."""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_f3dx._diff._judge import RUBRIC_VERSION, Verdict, prompt, read_verdict
from pytest_f3dx._llm._answer import assemble
from pytest_f3dx._routing import live
from pytest_f3dx.errors import JudgeError, SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_f3dx._cache._cache import Cache

KEY_VARIABLE = "F3DX_JUDGE_API_KEY"
_OPENAI = "api.openai.com"  # the only host that its own variable is sent to
_TRIES = 2
_AGAIN = (
    "That was not the JSON object that was asked for. Reply with nothing but "
    '{"verdict": "same" or "different", "reason": "one sentence"}.'
)
_SHOWN = 200


class EndpointJudge:
    """Asks a model through ``POST <base_url>/chat/completions``; an equal question is asked once for ever.

    The request is made with the standard library, is never recorded into a cassette, and follows no redirect.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key: str | None = None,
        verdicts: str | Path | None = None,
        timeout_s: float = 60.0,
    ) -> None:
        """Ask nothing yet.

        Args:
            base_url: Such as ``https://api.openai.com/v1``.
            model: Name of the model.
            api_key: Else that of the environment: ``F3DX_JUDGE_API_KEY``, and for OpenAI itself
                ``OPENAI_API_KEY``; without any no key is sent.
            verdicts: File in which verdicts are kept (SQLite); None keeps them in memory.
            timeout_s: For each request.

        Raises:
            SettingsError: The address is not one of HTTP, or the model has no name.
        """
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError(
                f"judge_base_url is {base_url!r}",
                ("accepted", "an address such as https://api.openai.com/v1"),
            )
        if not model:
            raise SettingsError(
                "judge_model is empty", ("accepted", "the name of a model, such as gpt-4o-mini")
            )
        self._url, self._model, self._timeout_s = f"{base_url.rstrip('/')}/chat/completions", model, timeout_s
        self._key = api_key if api_key is not None else _environment_key(parts.hostname)
        self._path = verdicts
        self._known: dict[str, Verdict] = {}

    def __repr__(self) -> str:
        """Say what a verdict depends on; not the key."""
        return f"EndpointJudge({self._url!r}, {self._model!r}, {RUBRIC_VERSION!r})"

    def __call__(self, old: str, new: str, context: str = "") -> Verdict:
        """Return the verdict on two answers.

        Raises:
            JudgeError: The endpoint failed, or twice gave no verdict that could be understood.
            CacheError: The file of verdicts cannot be used.
        """
        question = {"rubric": RUBRIC_VERSION, "model": self._model, "messages": prompt(old, new, context)}
        from pytest_f3dx._fingerprint import fingerprint

        key = fingerprint(question)
        if key not in self._known:
            self._known[key] = self._kept(question)
        return self._known[key]

    def _kept(self, question: dict[str, Any]) -> Verdict:
        if self._path is None:
            return self._ask(question["messages"])
        from pytest_f3dx._cache._cache import Cache

        with Cache(self._path) as cache:
            return _from_cache(cache, question) or self._put(cache, question)

    def _put(self, cache: Cache, question: dict[str, Any]) -> Verdict:
        verdict = self._ask(question["messages"])
        cache.put(question, json.dumps(verdict._asdict()), model=self._model)
        return verdict

    def _ask(self, messages: list[dict[str, str]]) -> Verdict:
        """Ask, and once more if the reply cannot be understood."""
        reply = ""
        for _ in range(_TRIES):
            reply = self._send(messages)
            verdict = read_verdict(reply)
            if verdict:
                return verdict
            messages = [
                *messages,
                {"role": "assistant", "content": reply},
                {"role": "user", "content": _AGAIN},
            ]
        raise self._error("the judge gave no verdict that could be understood", ("got", reply[:_SHOWN]))

    def _send(self, messages: list[dict[str, str]]) -> str:
        body = json.dumps({"model": self._model, "messages": messages, "temperature": 0}).encode()
        headers = {"content-type": "application/json", "accept": "application/json"}
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(self._url, body, headers)  # noqa: S310 (the scheme was looked at)
        try:
            with live(), _opener().open(request, timeout=self._timeout_s) as response:
                answer = assemble(response.read())
        except urllib.error.HTTPError as error:
            with error:
                said = error.read(2000).decode("utf-8", "replace")
            raise self._error(f"the judge answered {error.code}", ("got", said[:_SHOWN])) from None
        except (OSError, http.client.HTTPException) as error:
            raise self._error("the judge cannot be reached", ("why", str(error))) from None
        if answer is None or not answer.choices:
            raise self._error("the judge answered something else than a chat completion")
        return answer.text

    def _error(self, what: str, *facts: tuple[str, str]) -> JudgeError:
        fix = ("fix", f"check f3dx_judge_base_url, f3dx_judge_model and {KEY_VARIABLE}, and run it again")
        shown = (
            (name, value.replace(self._key, "[redacted]") if self._key else value) for name, value in facts
        )
        return JudgeError(what, ("judge", f"{self._model} at {self._url}"), *shown, fix)


def _from_cache(cache: Cache, question: dict[str, Any]) -> Verdict | None:
    kept = cache.get(question)
    return Verdict(**json.loads(kept)) if kept else None


def _environment_key(host: str) -> str:
    key = os.environ.get(KEY_VARIABLE, "")
    return key or (os.environ.get("OPENAI_API_KEY", "") if host == _OPENAI else "")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuses to send a key and two answers to where the endpoint points."""

    def redirect_request(self, *_args: object, **_kwargs: object) -> None:
        """Let the redirect be an error."""


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NoRedirect)
