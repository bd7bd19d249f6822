"""Record modes, repeats and what is left unplayed, seen through an inner pytest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Suite

ONE = """
    @pytest.mark.f3dx_cache
    def test_it():
        assert "hi" in ask("hi")
"""
TWO = """
    @pytest.mark.f3dx_cache
    def test_it():
        assert "hi" in ask("hi")
        assert "ho" in ask("ho")
"""


def test_recorded_once_and_replayed_for_ever(suite: Suite) -> None:
    """The first run asks the server, every later run is served from the file, with nobody to ask."""
    suite.write(TWO)
    first = suite.run("--f3dx-record=once")
    first.assert_outcomes(passed=1)
    assert suite.summary(first) == "f3dx: 0 replayed, 2 recorded, 0 live, 0 missed, 0 unplayed"
    suite.server.stop()
    again = suite.run()
    again.assert_outcomes(passed=1)
    assert suite.summary(again).startswith(
        "f3dx: 2 replayed, 0 recorded, 0 live, 0 missed, 0 unplayed; saved 2 requests, "
    )


def test_without_the_flag_nothing_is_recorded(suite: Suite) -> None:
    """The default is to replay: no request leaves and no file appears."""
    suite.write(ONE)
    suite.run().assert_outcomes(failed=1)
    assert suite.server.requests == []
    assert not (suite.path / "cassettes").exists()


def test_once_refuses_what_an_existing_cassette_lacks(suite: Suite) -> None:
    """Under `once` a cassette that exists is complete: a new request is a miss."""
    suite.write(ONE)
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    suite.write(TWO)
    before = suite.cassette().read_bytes()
    result = suite.run("--f3dx-record=once")
    result.assert_outcomes(failed=1)
    assert len(suite.server.requests) == 1
    assert suite.cassette().read_bytes() == before


def test_new_episodes_adds_and_pays_only_for_what_is_new(suite: Suite) -> None:
    """What the file has is replayed, what it lacks is recorded behind it."""
    suite.write(ONE)
    suite.run("--f3dx-record=once")
    suite.write(TWO)
    result = suite.run("--f3dx-record=new_episodes")
    assert suite.summary(result).startswith("f3dx: 1 replayed, 1 recorded")
    assert len(suite.server.requests) == 2
    suite.server.stop()
    suite.run().assert_outcomes(passed=1)


def test_all_records_anew_and_drops_the_old(suite: Suite) -> None:
    """Under `all` nothing is replayed, and entries no longer asked for are gone."""
    suite.write(TWO)
    suite.run("--f3dx-record=once")
    suite.write(ONE)
    suite.run("--f3dx-record=all").assert_outcomes(passed=1)
    assert len(suite.server.requests) == 3
    text = suite.cassette().read_text(encoding="utf-8")
    assert "prompt: hi" in text
    assert "prompt: ho" not in text


def test_all_keeps_the_old_cassette_when_the_test_fails(suite: Suite) -> None:
    """A re-recording is swapped in only when the test passed."""
    suite.write(ONE)
    suite.run("--f3dx-record=once")
    before = suite.cassette().read_bytes()
    suite.write(ONE + "        assert False\n")
    suite.run("--f3dx-record=all").assert_outcomes(failed=1)
    assert suite.cassette().read_bytes() == before


def test_all_removes_the_cassette_of_a_test_that_sends_nothing(suite: Suite) -> None:
    """A test that no longer sends anything has no cassette after `all`."""
    suite.write(ONE)
    suite.run("--f3dx-record=once")
    suite.write("    @pytest.mark.f3dx_cache\n    def test_it():\n        pass\n")
    suite.run("--f3dx-record=all").assert_outcomes(passed=1)
    assert not suite.cassette().exists()


def test_rerecording_that_differs_in_nothing_leaves_the_file(suite: Suite) -> None:
    """Re-recording the same answers does not touch the file, not even its dates."""
    suite.write(
        """
    @pytest.mark.f3dx_cache
    def test_it():
        assert ask(path="/until-closed") == "all of it"
    """
    )
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    before, stat = suite.cassette().read_bytes(), suite.cassette().stat()
    suite.run("--f3dx-record=all").assert_outcomes(passed=1)
    assert len(suite.server.requests) == 2
    assert suite.cassette().read_bytes() == before
    assert suite.cassette().stat().st_ino == stat.st_ino


REPEATS = """
    @pytest.mark.f3dx_cache(repeats={repeats!r})
    def test_it():
        answers = [ask("again") for _ in range({asked})]
        numbers = [json.loads(answer)["number"] for answer in answers]
        print("ANSWERS", [number - numbers[0] + 1 for number in numbers])
"""


def _answers(result: pytest.RunResult) -> str:
    (found,) = re.findall(r"ANSWERS (\[.*?\])", result.stdout.str())
    return str(found)


def test_sequence_replays_in_order_and_repeats_the_last(suite: Suite) -> None:
    """Each answer to a repeated request is recorded; asked for once more, the last comes again."""
    suite.write(REPEATS.format(repeats="sequence", asked=3))
    assert _answers(suite.run("-s", "--f3dx-record=once")) == "[1, 2, 3]"
    suite.write(REPEATS.format(repeats="sequence", asked=5))
    assert _answers(suite.run("-s")) == "[1, 2, 3, 3, 3]"


def test_first_asks_once_even_while_recording(suite: Suite) -> None:
    """Under `first` the model is never called twice for the same input."""
    suite.write(REPEATS.format(repeats="first", asked=3))
    assert _answers(suite.run("-s", "--f3dx-record=once")) == "[1, 1, 1]"
    assert len(suite.server.requests) == 1
    suite.server.stop()
    assert _answers(suite.run("-s")) == "[1, 1, 1]"


def test_first_waits_for_the_answer_of_another_thread(suite: Suite) -> None:
    """Threads that ask the same at once share the one answer."""
    suite.write(
        """
    from concurrent.futures import ThreadPoolExecutor

    @pytest.mark.f3dx_cache(repeats="first")
    def test_it():
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: ask("same", path="/slow"), range(8)))
        assert len(set(answers)) == 1
    """
    )
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    assert len(suite.server.requests) == 1


def test_strict_misses_when_used_up(suite: Suite) -> None:
    """Under `strict` each answer is replayed once, then it is a miss; `new_episodes` adds another."""
    suite.write(REPEATS.format(repeats="strict", asked=2))
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    suite.write(REPEATS.format(repeats="strict", asked=3))
    result = suite.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*nearest   b3:*is the same request, and was replayed already (repeats = strict)*"]
    )
    assert _answers(suite.run("-s", "--f3dx-record=new_episodes")) == "[1, 2, 3]"
    assert _answers(suite.run("-s")) == "[1, 2, 3]"


def test_strict_counts_answers_left_as_unplayed(suite: Suite) -> None:
    """Under `strict` an answer that was not asked for leaves its interaction unplayed."""
    suite.write(REPEATS.format(repeats="strict", asked=2))
    suite.run("--f3dx-record=once")
    suite.write(REPEATS.format(repeats="strict", asked=1))
    suite.run().assert_outcomes(passed=1, errors=1)


def test_unplayed_interaction_fails_and_is_named(suite: Suite) -> None:
    """A passing replay that did not ask for everything fails, and its fix line works."""
    suite.write(TWO)
    suite.run("--f3dx-record=once")
    suite.write(ONE)
    result = suite.run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "f3dx: 1 recorded interaction was not asked for [[]unplayed[]]",
            "  test      test_it.py::test_it",
            "  cassette  cassettes/test_it/test_it.yaml",
            f"  unplayed  b3:??????… POST {suite.server.url}/echo",
            '  fix       pytest "test_it.py::test_it" --f3dx-record=all',
        ]
    )
    suite.paste_fix(result).assert_outcomes(passed=1)
    suite.run().assert_outcomes(passed=1)


def test_unplayed_in_a_test_that_sends_nothing(suite: Suite) -> None:
    """A cassette that is not asked for at all is unplayed as a whole."""
    suite.write(TWO)
    suite.run("--f3dx-record=once")
    suite.write("    @pytest.mark.f3dx_cache\n    def test_it():\n        pass\n")
    result = suite.run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["f3dx: 2 recorded interactions were not asked for*"])


@pytest.mark.parametrize(("setting", "warnings"), [("warn", 1), ("ignore", 0)])
def test_unplayed_may_warn_or_be_ignored(suite: Suite, setting: str, warnings: int) -> None:
    """`f3dx_unplayed` softens what is unplayed to a warning, or to nothing."""
    suite.write(TWO)
    suite.run("--f3dx-record=once")
    suite.write(ONE.replace("f3dx_cache", f"f3dx_cache(unplayed={setting!r})"))
    result = suite.run("-W", "default")
    result.assert_outcomes(passed=1, warnings=warnings)
    assert suite.summary(result).split(";")[0].endswith("1 unplayed")


def test_failing_replay_says_nothing_of_unplayed(suite: Suite) -> None:
    """A test that failed by itself does not also complain about what it left."""
    suite.write(TWO)
    suite.run("--f3dx-record=once")
    suite.write(ONE + "        assert False\n")
    suite.run().assert_outcomes(failed=1)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_never_recorded(suite: Suite, status: int) -> None:
    """An answer 401 or 403 reaches the test and is not kept; -v says so."""
    suite.write(
        f"""
    import urllib.error

    @pytest.mark.f3dx_cache
    def test_it():
        with pytest.raises(urllib.error.HTTPError):
            ask(path="/{status}")
    """
    )
    result = suite.run("--f3dx-record=once", "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"*was answered {status}, which is never recorded"])
    assert not suite.cassette().exists()


def test_rate_limit_made_good_is_left_out(suite: Suite) -> None:
    """A 429 that a retry made good is not in the file, and the replay does not need the retry."""
    suite.write(
        """
    import urllib.error

    def ask_stubbornly():
        for _ in range(3):
            try:
                return ask(path="/429?for=it")
            except urllib.error.HTTPError as error:
                assert error.code == 429

    @pytest.mark.f3dx_cache
    def test_it():
        assert ask_stubbornly()
    """
    )
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    assert len(suite.server.requests) == 2
    assert "status: 429" not in suite.cassette().read_text(encoding="utf-8")
    suite.server.stop()
    suite.run().assert_outcomes(passed=1)


def test_transport_error_is_recorded_and_raised_again(suite: Suite) -> None:
    """A test about a connection that breaks replays the same error."""
    suite.write(
        """
    import http.client

    @pytest.mark.f3dx_cache
    def test_it():
        with pytest.raises(http.client.IncompleteRead):
            ask(path="/short")
    """
    )
    suite.run("--f3dx-record=once").assert_outcomes(passed=1)
    assert "http.client.IncompleteRead" in suite.cassette().read_text(encoding="utf-8")
    suite.server.stop()
    suite.run().assert_outcomes(passed=1)


def test_many_unplayed_interactions_are_counted(suite: Suite) -> None:
    """Of many interactions left unplayed five are named, the others counted."""
    body = """
    @pytest.mark.f3dx_cache
    def test_it():
        for n in range({count}):
            ask(f"number {{n}}")
    """
    suite.write(body.format(count=9))
    suite.run("--f3dx-record=once")
    suite.write(body.format(count=1))
    text = suite.run().stdout.str()
    assert "f3dx: 8 recorded interactions were not asked for" in text
    assert "… and 3 more" in text
