"""Mode `embedding`: texts about the same, and what no vector can tell."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from pytest_f3dx import compare
from pytest_f3dx._diff import _vectors
from pytest_f3dx._diff._meaning import doubt
from pytest_f3dx._diff._vectors import cosine
from pytest_f3dx.errors import SettingsError
from tests.test_compare import calls, chat

pytest.importorskip("wordllama", reason="the extra `embedding` is not installed")


@pytest.mark.parametrize(
    ("old", "new", "ok"),
    [
        ("The capital of France is Paris.", "Paris is the capital city of France.", True),
        ("The total is 42 euros.", "The sum amounts to 42 euros.", True),
        ("Open the settings and reset your password.", "Reset your password in the settings page.", True),
        ("The capital of France is Paris.", "I like to cook pasta on Sundays.", False),
        ("The weather is sunny today.", "The stock market fell sharply.", False),
        ("The total is 42 euros.", "The total is 43 euros.", False),
        ("You can return the item.", "You cannot return the item.", False),
        ("Yes", "No", False),
        ("Hello", "", False),
    ],
)
def test_topic_numbers_and_negations(old: str, new: str, ok: bool) -> None:
    """A paraphrase is accepted; another topic, another number and a negation are not."""
    drift = compare(chat(old), chat(new), "structured,embedding")
    assert (drift.ok, drift.mode) == (ok, "embedding")
    assert drift.note
    assert [change.path for change in drift.changes] == ["$.choices[0].message.content"]


def test_it_finds_another_topic_not_a_wrong_answer() -> None:
    """The limit that the docs tell of: a wrong name in a long answer passes."""
    old = "Marie Curie discovered radium together with her husband, and was honoured by the Nobel committee."
    assert compare(old, old.replace("Marie Curie", "Lise Meitner"), "embedding").ok


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (calls('{"city": "the old town of Paris"}'), calls('{"city": "the old town in Paris"}')),
        (chat("Hi there, friend of mine"), {**chat("Hi there, friend of mine"), "model": "gpt-5"}),
        (chat("same"), chat("same", tool_calls=[{"id": "x"}])),
        ({"status": "active"}, {"status": "actively"}),
        ({"n": 1}, {"n": 2}),
        ({"a": "a few words of text"}, {"a": None}),
        (chat("x"), {**chat("x"), "choices": []}),
    ],
)
def test_what_is_not_language_has_to_be_equal(old: Any, new: Any) -> None:
    """Arguments of tools, models, names, numbers and missing parts are not weighed by vectors."""
    drift = compare(old, new, "embedding", embed=lambda texts: [[1.0]] * len(texts))
    assert not drift.ok
    assert drift.note.endswith("is not natural language, and differs")
    assert drift.score is None


def test_language_in_json() -> None:
    """A string of some words is language, in any JSON and in JSON that a model said."""
    old, new = {"note": "the parcel will arrive soon"}, {"note": "soon the parcel will arrive"}
    assert compare(old, new, "embedding").ok
    said = '{{"note": "{note}"}}'
    assert compare(chat(said.format(**old)), chat(said.format(**new)), "embedding").ok


def test_any_callable_gives_the_vectors() -> None:
    """The vectors may come from anywhere; the least cosine is the score, and the threshold can be set."""
    asked: list[list[str]] = []

    def embed(texts: list[str]) -> list[list[float]]:
        asked.append(texts)
        return [[1.0, 0.0], [1.0, 1.0]]

    drift = compare(chat("old words"), chat("new words"), "embedding", embed=embed)
    assert asked == [["old words", "new words"]]
    assert (drift.ok, drift.score) == (True, 0.7071)
    drift = compare(chat("old words"), chat("new words"), "embedding", embed=embed, threshold=0.9)
    assert (drift.ok, drift.note) == (
        False,
        "$.choices[0].message.content is about something else: cosine 0.71 is below 0.9",
    )


def test_noise_alone_is_accepted_without_vectors() -> None:
    """Where nothing but volatile fields and counts differ no text is embedded."""

    def never(_: list[str]) -> list[list[float]]:
        raise AssertionError

    assert compare(chat(), {**chat(), "id": "chatcmpl-BBBB2222"}, "embedding", embed=never).ok


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the error gives the line that installs it."""
    _vectors._model.cache_clear()
    monkeypatch.setitem(sys.modules, "wordllama", None)
    with pytest.raises(SettingsError, match=r"pip install 'pytest-f3dx\[embedding\]'"):
        compare("old words", "new words", "embedding")


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ([1, 0], [1, 0], 1.0),
        ([1, 0], [0, 2], 0.0),
        ([1, 0], [-3, 0], -1.0),
        ([0, 0], [1, 0], 0.0),
        ([1], [1, 0], 0.0),
    ],
)
def test_cosine(one: list[float], other: list[float], wanted: float) -> None:
    """The cosine of a null vector, or of vectors of two lengths, is 0."""
    assert cosine(one, other) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("It costs 42.", "It costs 43.", "the numbers differ: 42 became 43"),
        ("It costs 1,000.50.", "It costs 1000.5.", ""),
        ("Take three.", "Take 3.", ""),
        ("Take three.", "Take four.", "the numbers differ: 3 became 4"),
        ("See 007.", "See 7.", ""),
        ("On 2024-01-02.", "On 2024-01-03.", "the numbers differ: 2024-01-02 became 2024-01-03"),
        ("On Monday.", "On Tuesday.", "the numbers differ: monday became tuesday"),
        ("There are some.", "There are 5.", "the numbers differ: 5 is new"),
        ("5 of them, 5 in all.", "5 of them.", ""),
        ("It took 5 minutes.", "It took minutes.", "the numbers differ: 5 is gone"),
        ("1. eggs\n2. milk", "- eggs\n- milk", ""),
        ("Do it.", "Don't do it.", "negations differ: 0 became 1"),
        ("Do it.", "Don’t do it.", "negations differ: 0 became 1"),
        ("It is not here.", "It isn't here.", ""),
        ("Prices increased.", "Prices decreased.", "opposites: increased became decreased"),
        ("Prices decreased.", "Prices increased.", "opposites: decreased became increased"),
        ("The answer is yes.", "The answer is yes indeed.", ""),
    ],
)
def test_doubt(old: str, new: str, says: str) -> None:
    """Numbers, dates, negations and opposites are told apart by rule; spellings of a number are not."""
    assert doubt(old, new) == says
