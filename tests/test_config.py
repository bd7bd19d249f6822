"""Settings: what each source may say, and which source wins."""

from __future__ import annotations

import itertools

import pytest

from pytest_f3dx._config import Config, resolve
from pytest_f3dx._settings import RECORD_MODES, SETTINGS, check_source
from pytest_f3dx.errors import SettingsError

SOURCES = ("flag", "marker", "fixture", "ini")


@pytest.mark.parametrize(("strong", "weak"), list(itertools.combinations(SOURCES, 2)))
def test_earlier_source_wins(strong: str, weak: str) -> None:
    """Of every pair of sources the one named first in the order of precedence decides."""
    given: dict[str, dict[str, object]] = {source: {} for source in SOURCES}
    given[strong] = {"record": "all"}
    given[weak] = {"record": "once", "repeats": "strict"}
    config = resolve(**given)
    assert (config.record, config.repeats) == ("all", "strict")


def test_defaults_never_record() -> None:
    """Without any source nothing is recorded, and an interaction left unplayed fails."""
    config = resolve(flag={}, marker={}, fixture={}, ini={})
    assert config == Config()
    assert (config.record, config.unplayed, config.repeats) == ("none", "fail", "sequence")


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("record", "new_episodes", "new_episodes"),
        ("ignore", ["$.a"], ("$.a",)),
        ("replace", [("a+", "<a>")], (("a+", "<a>"),)),
        ("replace", [r"a=>b => <x>"], (("a=>b", "<x>"),)),
        ("match_headers", ["X-Two", "x-one", "X-One"], ("x-one", "x-two")),
        ("name", "shared/login.yaml", "shared/login"),
        ("repeats", "first", "first"),
        ("unplayed", "ignore", "ignore"),
    ],
)
def test_value_is_normalised(name: str, value: object, wanted: object) -> None:
    """An accepted value comes back in the one form that the rest of the program reads."""
    assert check_source("the marker", {name: value}, marker=True) == {name: wanted}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"recrod": "once"}, "did you mean 'record'?"),
        ({"record": "onec"}, "did you mean 'once'?"),
        ({"record": 1}, "none, once, new_episodes, all"),
        ({"ignore": "$.a"}, "a list of strings"),
        ({"ignore": [1]}, "a list of strings"),
        ({"replace": "a => b"}, "a list of (regex, placeholder) pairs"),
        ({"replace": ["no arrow"]}, "regex => placeholder"),
        ({"replace": [("a", "b", "c")]}, "(regex, placeholder)"),
        ({"match_headers": [""]}, "a list of strings"),
        ({"name": 3}, "a string such as 'shared/login'"),
        ({"name": "../up"}, "in parts joined by '/'"),
        ({"unplayed": "no"}, "fail, warn, ignore"),
        ({"keep_headers": ["x"]}, "accepted"),
    ],
)
def test_wrong_setting_names_what_is_accepted(values: dict[str, object], said: str) -> None:
    """An unknown or ill-typed setting is an error that names the source and what is accepted."""
    with pytest.raises(SettingsError, match="the marker") as caught:
        check_source("the marker", values, marker=True)
    assert said in str(caught.value)
    assert str(caught.value).startswith("f3dx: ")


def test_every_setting_has_its_field_and_text() -> None:
    """Settings and the fields of Config are the same names, and each says what it does."""
    assert {setting.name for setting in SETTINGS} == set(Config.__slots__)
    assert all(setting.text for setting in SETTINGS)
    assert RECORD_MODES[0] == Config().record
