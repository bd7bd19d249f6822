"""A miss: explained, not to be hidden, and mended by the command it prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_f3dx._config import Config
from pytest_f3dx._miss import Difference, differences, explain, nearest
from pytest_f3dx._model import Interaction, Request, Response

if TYPE_CHECKING:
    from tests.conftest import Suite

CHAT = """
    def chat(text):
        return ask(messages=[{{"role": "system", "content": "Be kind."}}, {{"role": "user", "content": text}}])

    @pytest.mark.f3dx_cache
    def test_it():
        chat({text!r})
"""


def test_text_of_a_miss(suite: Suite) -> None:
    """The message names test, request, cassette, nearest interaction with its paths, and the fix."""
    suite.write(CHAT.format(text="Hello"))
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    suite.write(CHAT.format(text="Hello!"))
    result = suite.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E       pytest_f3dx.errors.CassetteMiss: f3dx: no recording answers this request [[]cassette-miss[]]",
            "E         test      test_it.py::test_it",
            f"E         request   POST {suite.server.url}/echo  b3:??????…",
            "E         cassette  cassettes/test_it/test_it.yaml (1 interaction, 0 replayed, mode none)",
            "E         nearest   b3:??????… differs in 1 place",
            'E                     $.messages[[]1[]].content  "Hello" → "Hello!"',
            'E         fix       pytest "test_it.py::test_it" --f3dx-record=new_episodes',
        ],
        consecutive=True,
    )
    assert len(suite.server.requests) == 1
    assert suite.summary(result).startswith("f3dx: 0 replayed, 0 recorded, 0 live, 1 missed")


def test_fix_line_works(suite: Suite) -> None:
    """Pasting the fix records the change, and the plain run after it is green."""
    suite.write(CHAT.format(text="Hello"))
    suite.run("--f3dx-record=once")
    suite.write(CHAT.format(text="Hello!"))
    suite.paste_fix(suite.run()).assert_outcomes(passed=1)
    suite.server.stop()
    suite.run().assert_outcomes(passed=1)


def test_fix_line_without_a_cassette(suite: Suite) -> None:
    """Where there is no cassette yet, the fix is to record once; the name of the test is quoted."""
    suite.write(
        """
    @pytest.mark.f3dx_cache
    @pytest.mark.parametrize("word", ["ab", "it's $HOME"])
    def test_it(word):
        ask(word)
    """
    )
    for selected in ("ab", "HOME"):
        result = suite.run("-k", selected)
        result.stdout.fnmatch_lines(["*cassettes/test_it/test_it*.yaml (absent, mode none)"])
        suite.paste_fix(result).assert_outcomes(passed=1)
    suite.run().assert_outcomes(passed=2)


def test_fix_line_is_right_where_pytest_was_started(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started in a folder below the root, the fix line names the test from there."""
    suite.write(CHAT.format(text="Hello"))
    below = suite.path / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    result = suite.run("--rootdir", str(suite.path), "-c", str(suite.path / "tox.ini"), "../test_it.py")
    result.stdout.fnmatch_lines(['*fix       pytest "../test_it.py::test_it" --f3dx-record=once'])


SWALLOWED = """
    @pytest.mark.f3dx_cache
    def test_it():
        try:
            ask("hi")
        except {caught}:
            pass
        {after}
"""


@pytest.mark.parametrize("caught", ["Exception", "BaseException"])
def test_swallowed_miss_fails_the_test(suite: Suite, caught: str) -> None:
    """Whatever the code caught, the test fails at the end of its call phase with the whole message."""
    suite.write(SWALLOWED.format(caught=caught, after="pass"))
    result = suite.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no recording answers this request*", "*fix       pytest *"])


def test_error_after_a_swallowed_miss_shows_the_miss(suite: Suite) -> None:
    """An assertion that fails because of a swallowed miss does not stand alone."""
    suite.write(SWALLOWED.format(caught="BaseException", after="assert 1 == 2"))
    result = suite.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert 1 == 2*", "*no recording answers this request*"])


def test_misses_of_threads_are_counted(suite: Suite) -> None:
    """Of several requests that miss at once one is shown in full, the others are counted."""
    suite.write(
        """
    from concurrent.futures import ThreadPoolExecutor

    @pytest.mark.f3dx_cache
    def test_it():
        with ThreadPoolExecutor(3) as pool:
            waiting = [pool.submit(ask, f"number {n}") for n in range(3)]
        assert all(one.exception() for one in waiting)
    """
    )
    result = suite.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["  fix       pytest *", "  and       2 more requests failed like it"])


@pytest.mark.parametrize("mark", ["xfail", "xfail(strict=True)"])
def test_expected_failure_does_not_hide_a_miss(suite: Suite, mark: str) -> None:
    """A miss in a test that is expected to fail is a failure, not an expected one."""
    suite.write(
        f"""
    @pytest.mark.f3dx_cache
    @pytest.mark.{mark}
    def test_it():
        ask("hi")
    """
    )
    suite.run().assert_outcomes(failed=1)


def test_miss_in_a_fixture_is_an_error_of_that_phase(suite: Suite) -> None:
    """A fixture that swallows its miss fails the setup; one at the end fails the teardown."""
    suite.write(
        """
    def quietly():
        try:
            ask("hi")
        except BaseException:
            pass

    @pytest.fixture
    def before():
        quietly()

    @pytest.fixture
    def after():
        yield
        quietly()

    @pytest.mark.f3dx_cache
    def test_before(before):
        pass

    @pytest.mark.f3dx_cache
    def test_after(after):
        pass
    """
    )
    result = suite.run()
    result.assert_outcomes(passed=1, errors=2)


def test_traceback_ends_in_the_users_code(suite: Suite) -> None:
    """The frames of clients below the user's own call are left out, unless --full-trace asks for them."""
    suite.write(CHAT.format(text="Hello"))
    short, full = suite.run().stdout.str(), suite.run("--full-trace").stdout.str()
    assert "urllib/request.py" not in short
    assert "test_it.py:" in short
    assert "urllib/request.py" in full


def request(
    body: Any, *, method: str = "POST", url: str = "https://api.test/chat?a=1", **headers: str
) -> Request:
    """Make a request of a JSON body."""
    pairs = (("content-type", "application/json"), *((k.replace("_", "-"), v) for k, v in headers.items()))
    return Request(method, url, pairs, json.dumps(body).encode() if body is not None else b"")


@pytest.mark.parametrize(
    ("old", "new", "paths"),
    [
        (request({"a": [1, 2]}), request({"a": [1, 3]}), ["$.a[1]"]),
        (request({"a": 1}), request({"a": 1, "b": {}}), ["$.b"]),
        (request({"a": 1, "b": 2}), request({"a": 1}), ["$.b"]),
        (request({"a": 1}), request({"a": "1"}), ["$.a"]),
        (request({"a": 1, "t": 1}), request({"a": 2, "t": 1.0}), ["$.a"]),
        (request({"t": 1}), request({"t": True}), ["$.t"]),
        (request({"odd key": 1}), request({"odd key": 2}), ['$["odd key"]']),
        (request([1]), request({"a": 1}), ["$"]),
        (request("x"), request("y"), ["$"]),
        (request({}), request({}, method="PUT"), ["method"]),
        (request({}), request({}, url="https://api.test/v2/chat?a=1"), ["url"]),
        (request({}), request({}, url="https://api.test/chat?a=2&b=1"), ["query.a", "query.b"]),
        (
            request({}, url="https://api.test/chat?c=1&c=2"),
            request({}, url="https://api.test/chat"),
            ["query.c"],
        ),
        (request({}, x_tenant="a"), request({}, x_tenant="b"), ["headers.x-tenant"]),
        (request({}), request(None), ["body"]),
        (request({}), Request("POST", "https://api.test/chat?a=1", (), b"\xff"), ["body"]),
        (request({}), request({}), []),
    ],
)
def test_differences_name_their_places(old: Request, new: Request, paths: list[str]) -> None:
    """Each place in which two requests differ is named once, whatever part it stands in."""
    found = differences(old, new, Config(match_headers=("x-tenant",)))
    assert [place.path for place in found] == paths


def test_long_texts_are_shown_around_their_difference() -> None:
    """A change deep in a long prompt is shown, not the prompt."""
    text = "word " * 4000
    (place,) = differences(request({"p": text + "old end"}), request({"p": text + "new end"}), Config())
    start = '"…' + ("word " * 5)[1:]
    assert place == Difference("$.p", f'{start}old end"', f'{start}new end"', is_volatile=False)


def test_nearest_prefers_the_same_resource_and_the_fewest_differences() -> None:
    """Of many interactions the one that differs least is named, on the same path if there is one."""

    def kept(key: str, sent: Request) -> Interaction:
        return Interaction(key, sent, [Response(200)])

    interactions = [
        kept("elsewhere", request({"text": "Hello!"}, url="https://api.test/other")),
        kept("far", request({"text": "quite another text", "n": 2, "m": 3})),
        kept("near", request({"text": "Hello"})),
    ]
    found = nearest(request({"text": "Hello!"}), interactions, Config())
    assert found is not None
    assert found[0].fingerprint == "near"
    assert nearest(request({}), [], Config()) is None


@pytest.mark.parametrize(
    ("old", "new", "is_volatile"),
    [
        ("0b9c4dd6-6d0b-4f0a-9f4e-1f2d3c4b5a69", "1b9c4dd6-6d0b-4f0a-9f4e-1f2d3c4b5a69", True),
        ("Today is 2026-11-22.", "Today is 2026-11-23.", True),
        ("2026-11-22T10:00:00Z", "2026-11-23T11:12:13.5Z", True),
        ("see /tmp/pytest-1/a.txt", "see /tmp/pytest-2/b.txt", True),
        ("call_a1b2c3d4e5", "call_f6g7h8i9j0", True),
        (1763900000, 1763900001, True),
        ("Hello", "Hello!", False),
        (1, 2, False),
        (None, "x", False),
    ],
)
def test_volatile_values_offer_the_line_to_paste(old: object, new: object, is_volatile: bool) -> None:
    """If every difference looks volatile, the message holds the line that ignores it."""
    interactions = [Interaction("b3:0", request({"id": old, "x": 1}), [Response(200)])]
    for toml, line in (
        (True, '  ignore    f3dx_ignore = ["$.id"]'),
        (False, "  ignore    f3dx_ignore =\n                $.id"),
    ):
        text = str(
            explain(
                request({"id": new, "x": 1}),
                "b3:1",
                interactions,
                Config(),
                test="t",
                cassette="c",
                fix="f",
                toml=toml,
            )
        )
        assert (line in text) is is_volatile


def test_many_differences_are_counted() -> None:
    """At most five places are shown, the others counted."""
    old, new = ({"k": [n + step for n in range(9)]} for step in (0, 100))
    text = str(
        explain(
            request(new),
            "b3:1",
            [Interaction("b3:0", request(old), [])],
            Config(),
            test="t",
            cassette="c",
            fix="f",
        )
    )
    assert "differs in 9 places" in text
    assert text.count(" → ") == 5
    assert "… and 4 more" in text
